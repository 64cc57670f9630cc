"""What runs a study: opens its data, knows its finished runs, and does the missing ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import lab_utils
from lab_utils.arguments import one_of
from lab_utils.atomic import remove_whole, write_text
from lab_utils.data import load_data
from lab_utils.device import default_device, one_thread, precision_for
from lab_utils.networks import load_weights
from lab_utils.profile import cache_root, data_root, profile
from lab_utils.studies.grid import run_grid
from lab_utils.studies.kept import digest_of, kept_in, network_file, read_run
from lab_utils.studies.stand_ins import stand_in
from lab_utils.studies.study import Row, Splits, chosen, named

if TYPE_CHECKING:
    import pandas as pd


class Task(NamedTuple):
    """A study with its data: what is run, on what, and where the runs are kept.

    Attributes:
        study: its name.
        data: set -> folder; a set without one is a stand-in.
        weights: network -> file of pretrained weights; a network without one takes those that `build_model` finds.
        whole: the source's recipe, and not the small one.
        keep: folder of the finished runs.
    """

    study: str
    data: dict[str, str]
    weights: dict[str, str]
    whole: bool
    keep: Path


def task_of(name: str, data: Mapping[str, str], weights: Mapping[str, str], keep: Path | None = None) -> Task:
    """The study of this name on these data.

    Raises:
        ValueError: if a name is unknown.
    """
    study = named(name)
    if data and study.drawn:
        raise ValueError(f"Expected no --data for {name}, whose images are drawn, got {' '.join(data)}. Leave it out.")
    for key in data:
        one_of("--data", key, study.sets)
    whole = (bool(data) or study.drawn) and profile() != "smoke"
    return Task(name, dict(data), dict(weights), whole, cache_root() / "studies" / name if keep is None else keep)


def configs_of(task: Task, only: Mapping[str, str] | None = None) -> list[Row]:
    """The configurations of a task: of the sets that are at hand, or of all, as stand-ins, if none is."""
    configs = named(task.study).grid(task.whole)
    if task.data:
        configs = [config for config in configs if config["data"] in task.data]
    return chosen(configs, dict(only or {}))


def teachers_of(task: Task, configs: Sequence[Row]) -> list[Row]:
    """The runs whose trained networks these begin with, each once."""
    found: list[Row] = []
    for config in configs:
        before = named(task.study).teacher(config)
        found += [before] if before is not None and before not in found else []
    return found


def run_study(task: Task, only: Mapping[str, str] | None = None, **grid: Any) -> pd.DataFrame:
    """Do the missing runs; return all, a row each. `grid` goes to `run_grid`: workers, cluster, progress.

    The whole recipe of a study of the kit's own renews its file in data/results.
    """
    import pandas as pd

    configs = configs_of(task, only)
    for name in dict.fromkeys(config["data"] for config in configs):
        images_of(task, name)  # decoded and drawn here once, not by every worker
    task.keep.mkdir(parents=True, exist_ok=True)
    study = named(task.study)
    for part in filter(None, (teachers_of(task, configs), configs)):  # the second reads what the first has done
        runs = run_grid(partial(run_one, task), part, keep=task.keep, depends=partial(depends, task), **grid)
    if study.stored is not None and task.whole and not only:
        with one_thread():
            found = study.stored(pd.DataFrame(finished(task)))
        write_text(data_root() / "results" / f"{study.file}.json", json.dumps(found, indent=1) + "\n")
    return runs


def is_done(task: Task, config: Row) -> bool:
    """Whether a run is finished. Where nothing is kept yet, images are not looked at, which may take hours."""
    if next(task.keep.glob("*.json"), None) is None:
        return False
    return read_run(config, kept_in(task.keep, config, partial(depends, task))) is not None


def finished(task: Task, only: Mapping[str, str] | None = None) -> list[Row]:
    """The rows of the runs that are done, each with the path of its file in ``kept``."""
    rows = []
    for config in configs_of(task, only):
        place = kept_in(task.keep, config, partial(depends, task))
        row = read_run(config, place)
        rows += [{**row, "kept": place.path}] if row is not None else []
    return rows


def run_one(task: Task, **config: Any) -> Row:
    """One run, in whatever process. Its half-done training lies beside the finished runs, and goes when it is done."""
    kept = kept_in(task.keep, config, partial(depends, task)).path
    checkpoint, study = kept.with_suffix(".pt"), named(task.study)
    more: Row = {"weights": task.weights.get(config["network"]), "checkpoint": checkpoint}
    if (before := study.teacher(config)) is not None:
        more["taught"] = network_file(kept_in(task.keep, before, partial(depends, task)).path)
        if not more["taught"].is_file():
            raise ValueError(
                f"Expected the network that was trained before in {more['taught']}, found none. Delete the file of the "
                "same name that ends in .json, and call the study again: it does that run first."
            )
    row = study.run(images_of(task, config["data"]), **more, **config)
    remove_whole(checkpoint)
    return row


def depends(task: Task, **config: Any) -> Row:
    """What a run depends on besides its configuration: images, weights, the kit's version, device and precision."""
    device = default_device()
    return {
        "images": fingerprint(task, config["data"]),
        "weights": _weights(task, config["network"], config.get("pretrained")),
        "kit": lab_utils.__version__,
        "device": device.type,
        "precision": precision_for(device),
    }


def _weights(task: Task, network: str, pretrained: str | None) -> str | None:
    """A digest of the source weights: of your file, or of the kit's own; others are told apart by their names."""
    if network in task.weights:
        return _sha256(task.weights[network])
    return _shipped(network, data_root()) if pretrained == "procedural" else None


@lru_cache(maxsize=8)
def _shipped(network: str, _data: Path) -> str:
    return str(load_weights(network, "procedural").info["sha256"])


@lru_cache(maxsize=8)  # asked for every configuration
def _sha256(file: str) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def side_of(task: Task) -> int:
    """Side of the images in px."""
    study = named(task.study)
    return study.size if task.whole else study.small_size


def images_of(task: Task, name: str) -> Splits:
    """The images of a set: from its folder, or drawn."""
    return _images(side_of(task), task.study, name, task.data.get(name), task.whole)


@lru_cache(maxsize=2)
def _images(size: int, study: str, name: str, root: str | None, whole: bool) -> Splits:
    drawn = whole and named(study).drawn
    if root is None and not drawn:
        return stand_in(name, size)
    place: dict[str, Any] = {} if drawn else {"root": root}
    splits: Splits = load_data(name, size=size, **place, **named(study).options.get(name, {}))
    return splits


def fingerprint(task: Task, name: str) -> str:
    """The digest of a set's images, see `digest_of`."""
    return _digest(side_of(task), task.study, name, task.data.get(name), task.whole)


@lru_cache(maxsize=8)
def _digest(size: int, study: str, name: str, root: str | None, whole: bool) -> str:
    return digest_of(_images(size, study, name, root, whole))
