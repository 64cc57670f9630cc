"""Finished runs on disk: one file each, named after what the run was computed from.

A study that was stopped goes on by looking which files are there. A file is JSON, and whole or not there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lab_utils.atomic import write_text, write_whole
from lab_utils.profile import file_in_the_way

if TYPE_CHECKING:
    from lab_utils.data import Split

Row = dict[str, Any]
Depends = Callable[..., Mapping[str, Any]]


class Kept(NamedTuple):
    """The place of a run: its file, and what that must say the run was computed from."""

    path: Path
    made_from: Row


def kept_in(folder: Path | str, config: Row, depends: Depends | None = None) -> Kept:
    """Where the run of a configuration is kept.

    Args:
        folder: of the study; two functions must not share one.
        config: what the function gets.
        depends: takes the configuration as keywords; returns what else the results depend on, such as digests of
            source weights and of data.

    Raises:
        ValueError: if the folder is a file, or there are values that JSON can not hold.
    """
    folder = Path(folder)
    if (file := file_in_the_way(folder)) is not None:
        raise ValueError(f"keep= must name a folder, but {file} is a file. Name another one.")
    made_from = {"config": encoded(config), "depends": encoded(depends(**config) if depends else {})}
    return Kept(folder / f"{_digest(made_from)[:32]}.json", made_from)


def kept_runs(folder: Path) -> dict[Path, Row]:
    """All runs in a folder: what each was computed from, and ``made``, where and when; not its results.

    Raises:
        ValueError: if a file is no JSON.
    """
    found = {}
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_bytes())
        except ValueError as error:
            raise ValueError(
                f"Expected a finished run in {path}, but the file is damaged ({error}). Delete it to do the run again."
            ) from None
        if isinstance(content, dict) and {"config", "depends"} <= set(content):
            found[path] = {key: content.get(key) or {} for key in ("config", "depends", "made")}
    return found


def kept_rows(configs: Iterable[Row], folder: Path | str, depends: Depends | None = None) -> list[Row]:
    """The rows of the runs that are done, in the order of their configurations; see `run_grid`."""
    rows = [read_run(config, kept_in(folder, config, depends)) for config in configs]
    return [row for row in rows if row is not None]


def read_run(config: Row, kept: Kept) -> Row | None:
    """The configuration and the results of a finished run, None if it is not done.

    Raises:
        ValueError: if the file is damaged, or of another run. It is neither overwritten nor passed over: such a file
            was not written here, and only its owner knows what it is.
    """
    try:
        content = json.loads(kept.path.read_bytes())
        whole = content.pop("sha256") == _digest(content)
        content.pop("made", None)
        whole = whole and _digest(content) == _digest({**kept.made_from, "results": content["results"]})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        settings = ", ".join(f"{key}={value!r}" for key, value in kept.made_from["config"].items())
        raise ValueError(
            f"Expected the finished run with {settings} in {kept.path}, but the file is damaged, or was copied from "
            "another run. Delete it to do the run again."
        )
    return {**config, **_decoded(content["results"])}


def digest_of(splits: Mapping[str, Split]) -> str:
    """A digest of all labels and patients of a set, and of every pixel of some of its images."""
    found = hashlib.sha256()
    for part, split in splits.items():
        found.update(f"{part} {split.task} {split.class_names} {tuple(split.images.shape)}".encode())
        found.update(split.labels.numpy().tobytes() + split.groups.numpy().tobytes())
        found.update(split.images[:: max(1, len(split) // 64)].contiguous().numpy().tobytes())
    return found.hexdigest()


def network_file(place: Path) -> Path:
    """Where the trained weights of a run lie, beside its file and its checkpoint."""
    return place.with_suffix(".network")


def keep_network(model: Any, place: Path) -> None:
    """Keep the trained weights of a run, whole or not at all."""
    import torch  # who only reads does without it

    write_whole(network_file(place), lambda unfinished: torch.save(model.state_dict(), unfinished))


def write_run(kept: Kept, results: Row, made: Row | None = None) -> Row:
    """Keep the results of a run; returns them as `read_run` will.

    Args:
        kept: its place.
        results: of the run.
        made: where and when it was done, see `kept_runs`.

    Raises:
        ValueError: if there are values that JSON can not hold.
    """
    content = {**kept.made_from, "results": encoded(results), **({"made": encoded(made)} if made else {})}
    write_text(kept.path, json.dumps({**content, "sha256": _digest(content)}, indent=1) + "\n")
    return _decoded(content["results"])


def _digest(content: Row) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def encoded(value: Any) -> Any:
    """The same for JSON, which gives every float back bit for bit; arrays and tensors keep type and shape."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: encoded(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [encoded(part) for part in value]
    if isinstance(value, np.generic):
        return encoded(value.item())
    array = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    if isinstance(array, np.ndarray) and array.dtype.kind in "biufU":
        return {"__array__": array.dtype.str, "shape": list(array.shape), "values": array.tolist()}
    raise ValueError(
        "what keep= stores must be numbers, text, None, arrays, tensors, or lists and dicts (with text as keys) of "
        f"these; got {value!r:.80}, of type {type(value).__name__}."
    )


def _decoded(results: Row) -> Row:
    decoded: Row = json.loads(json.dumps(results), object_hook=_array)
    return decoded


def _array(part: Row) -> Any:
    return np.array(part["values"], part["__array__"]).reshape(part["shape"]) if "__array__" in part else part
