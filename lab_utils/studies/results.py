"""Stored results: what takes too long to compute in a lab, in data/results/, with the command that made it inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lab_utils.data import GENERATOR_VERSION
from lab_utils.names import did_you_mean
from lab_utils.profile import data_root, restore

if TYPE_CHECKING:
    import pandas as pd


def load_results(name: str, folder: Path | None = None) -> Any:
    """Read stored results, such as "lab04_family".

    Args:
        name: of the file, without .json.
        folder: where it is; default data/results.

    Raises:
        FileNotFoundError: if there are none of this name; it names the nearest.
        ValueError: if the file is no JSON.
    """
    folder = data_root() / "results" if folder is None else folder
    path = folder / f"{name}.json"
    if not path.is_file():
        known = sorted(found.stem for found in folder.glob("*.json"))
        hint = f"{did_you_mean(name, known)} {restore('folder results')}"
        raise FileNotFoundError(f"Expected stored results in {path}, found no file.{hint}")
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"Expected JSON in {path}, but {error}. Restore it from the repository.") from None


class StoredTransfer(NamedTuple):
    """The stored experiment of lab 7, see `what_transfers`.

    Attributes:
        runs: a row per training: target, network, source, start, upto, n, seed, steps, auroc.
        distances: target, source, features, distance, low, high.
        stages: target, network, source, start, seed, measure, stage, value.
        command: what made them.
        phantoms: version of the phantoms; `drawn_before` says what another one means.
    """

    runs: pd.DataFrame
    distances: pd.DataFrame
    stages: pd.DataFrame
    command: str
    phantoms: int


def stored_transfer(folder: Path | None = None) -> StoredTransfer:
    """Read the stored experiment of lab 7 on sources, sizes and networks.

    Args:
        folder: with lab07_transfer.json; default data/results.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is no such file.
    """
    import pandas as pd

    study = load_results("lab07_transfer", folder)
    try:
        runs, distances, stages = (pd.DataFrame(study[name]) for name in ("runs", "distances", "stages"))
        return StoredTransfer(runs, distances, stages, str(study["command"]), int(study["phantoms"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"Expected runs, distances, stages and a command in lab07_transfer.json, but {error!r}. Restore it from "
            "the repository."
        ) from None


def drawn_before(version: int) -> str:
    """What to say of stored results on phantoms of this version: nothing where they are today's.

    A new version draws some findings in another way. The effects stay, and the numbers of a new run move a little.
    """
    if version == GENERATOR_VERSION:
        return ""
    return (
        f" Measured on version {version} of the phantoms, today's are version {GENERATOR_VERSION}: "
        "a new run gives somewhat other numbers."
    )
