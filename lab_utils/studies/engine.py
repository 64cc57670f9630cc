"""What runs a study: opens its data, knows its finished runs, and does the missing ones."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lab_utils.arguments import one_of
from lab_utils.atomic import remove_whole, write_text
from lab_utils.data import load_data
from lab_utils.device import one_thread
from lab_utils.networks import load_weights
from lab_utils.profile import cache_root, data_root, profile
from lab_utils.studies.grid import FailedRuns, run_grid
from lab_utils.studies.kept import digest_of, encoded, kept_in, kept_runs, network_file, read_run
from lab_utils.studies.machine import versions
from lab_utils.studies.stand_ins import stand_in
from lab_utils.studies.study import UNTAUGHT, Row, Splits, chosen, lacks_weights, left_out, named

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
    """The study of this name on these data, with whole paths: a worker may run in another folder.

    Without `keep`, the source's recipe, the small one on real images (smoke) and stand-ins have a folder each in the
    kit's cache, and so a report each.

    Raises:
        ValueError: if a name is unknown, or the study takes no data or no weights; if a file of weights is missing.
    """
    study = named(name)
    if data and study.drawn:
        raise ValueError(f"Expected no --data for {name}, whose images are drawn, got {' '.join(data)}. Leave it out.")
    for key in data:
        one_of("--data", key, study.sets)
    if weights and not study.weights:
        raise ValueError(f"Expected no --weights for {name}, which takes none, got {' '.join(weights)}. Leave it out.")
    for key, file in weights.items():
        one_of("--weights", key, study.weights)
        if not Path(file).expanduser().is_file():
            raise ValueError(f"Expected a file of weights of {key}, but {file} is none. Correct --weights {key}=FILE.")
    whole = (bool(data) or study.drawn) and profile() != "smoke"
    kind = "" if whole else "-smoke" if data or study.drawn else "-stand-ins"
    folder = cache_root() / "studies" / f"{name}{kind}" if keep is None else keep
    there, files = ({key: str(_whole_path(path)) for key, path in paths.items()} for paths in (data, weights))
    return Task(name, there, files, whole, _whole_path(folder))


def _whole_path(path: Path | str) -> Path:
    """The path from the root; links stay as they are, since another machine may have others."""
    return Path(os.path.abspath(Path(path).expanduser()))


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

    Runs whose pretrained weights nobody has are left out, see `left_out`. The whole recipe of a study of the kit's own
    renews its file in data/results.

    Raises:
        FailedRuns: if runs failed, when all others are done and kept.
        ValueError: as `run_grid` says, or if no run can be done.
    """
    import pandas as pd

    configs = [config for config in configs_of(task, only) if not lacks_weights(config, task.weights)]
    if not configs:
        raise ValueError(
            f"Expected runs that can be done, but {' '.join(left_out(configs_of(task, only), task.weights))}"
        )
    for name in dict.fromkeys(config["data"] for config in configs):
        images_of(task, name)  # decoded and drawn here once, not by every worker
    task.keep.mkdir(parents=True, exist_ok=True)
    study = named(task.study)
    failed: list[FailedRuns] = []
    for part in (teachers_of(task, configs), configs):  # the second reads what the first has done
        part = [config for config in part if not any(config in failure.configs for failure in failed)]
        try:
            if part:
                runs = run_grid(partial(run_one, task), part, keep=task.keep, depends=partial(depends, task), **grid)
        except FailedRuns as error:
            failed.append(error)
    if failed:
        raise FailedRuns("\n".join(map(str, failed)), [config for error in failed for config in error.configs])
    if study.stored is not None and task.whole and not only:
        with one_thread():
            found = study.stored(pd.DataFrame(finished(task)))
        write_text(data_root() / "results" / f"{study.file}.json", json.dumps(found, indent=1) + "\n")
    return runs


def done_of(task: Task, configs: Sequence[Row]) -> list[Row]:
    """Those of the configurations that are done, as their files say: no image is looked at, which may take hours."""
    return _done(task, configs, kept_runs(task.keep))


def _done(task: Task, configs: Sequence[Row], there: Mapping[Path, Row]) -> list[Row]:
    found = [(made["config"], {key: made["depends"].get(key) for key in (*versions(), "weights")})
             for made in there.values()]  # fmt: skip
    return [config for config in configs if found and (encoded(config), _besides_images(task, config)) in found]


def of_other_versions(task: Task) -> str:
    """What to say of runs in the same folder that other versions of kit or torch made; "" if there are none."""
    there = kept_runs(task.keep)
    configs = configs_of(task)
    done = _done(task, configs, there) if there else []
    wanted = [encoded(config) for config in configs if config not in done]
    made = [{key: run["depends"].get(key, "unknown") for key in versions()} for run in there.values()
            if run["config"] in wanted]  # fmt: skip
    others = Counter(f"kit {of['kit']} with torch {of['torch']}" for of in made if of != versions())
    if not others:
        return ""
    counts = ", ".join(f"{count} of {of}" for of, count in others.items())
    return (
        f"{sum(others.values())} runs of another version lie in {task.keep} ({counts}). They do not count: numbers may "
        "move with the version. Install that version to go on with them, or let this one do them again."
    )


def finished(task: Task, only: Mapping[str, str] | None = None) -> list[Row]:
    """The rows of the runs that are done, each with the path of its file in ``kept`` and where and when in ``made``."""
    there, rows = kept_runs(task.keep), []
    for config in _done(task, configs_of(task, only), there):
        place = kept_in(task.keep, config, partial(depends, task))
        row = read_run(config, place)
        rows += [{**row, "kept": place.path, "made": there[place.path]["made"]}] if row is not None else []
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
                f"Expected the network that was trained before in {more['taught']}, found none: its run failed, or the "
                "file was lost. Delete the file of the same name that ends in .json, if there is one, and call the "
                "study again: it does that run first."
            )
    row = study.run(images_of(task, config["data"]), **more, **config)
    remove_whole(checkpoint)
    return row


def depends(task: Task, **config: Any) -> Row:
    """What a run depends on besides its configuration: images, source weights, versions of kit and torch.

    Not the device: a study may be asked for on a machine without a GPU, and run on others. It is kept in each run.
    """
    return {"images": fingerprint(task, config["data"]), **_besides_images(task, config)}


def _besides_images(task: Task, config: Row) -> Row:
    return {"weights": _weights(task, config), **versions()}


def _weights(task: Task, config: Row) -> str | None:
    """A digest of the source weights: of your file, or of the kit's own; others are told apart by their names."""
    if config["start"] in UNTAUGHT:
        return None
    if config["network"] in task.weights:
        return _sha256(task.weights[config["network"]])
    return _shipped(config["network"], data_root()) if config.get("pretrained") == "procedural" else None


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
