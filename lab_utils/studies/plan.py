"""What a study will take, said before it starts: runs, images, disk, memory, and hours on this very device."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import lru_cache

import psutil
import torch

from lab_utils.data import MILD, Split, count_data, plan_data
from lab_utils.device import default_device
from lab_utils.studies.engine import Task, configs_of, done_of, side_of, teachers_of
from lab_utils.studies.grid import worker_count
from lab_utils.studies.one_run import one_thread_on_cpu
from lab_utils.studies.stand_ins import COUNTS, stand_in
from lab_utils.studies.starting import built
from lab_utils.studies.study import Row, lacks_weights, left_out, named
from lab_utils.training import fit

STEPS = 3  # that are timed, after one that is not
MOST_VALUES = 12  # of a key of --only whose savings are listed
Kind = tuple[str, str, int, int]  # what the time of a step depends on: network, set, side in px, batch size
Left = tuple[Row, Kind, int]  # a run that is not done: its configuration, kind and steps


def plan(task: Task, only: Mapping[str, str] | None = None, *, workers: int | None = None) -> str:
    """Say what the missing runs of a study will take; trains each network for a few steps on stand-ins to know.

    No image of the study is decoded or drawn: a run counts as done if its file says so, without a look at the images
    that it was done on. Runs that cannot be done for want of weights are left out.

    Args:
        task: the study on its data.
        only: as for `configs_of`.
        workers: processes, among which the runs are divided; the default is that of `run_grid`.
    """
    configs = configs_of(task, only)
    images, told = {}, left_out(configs, task.weights)
    configs = [config for config in configs if not lacks_weights(config, task.weights)]
    configs = [before for before in teachers_of(task, configs) if before not in configs] + configs
    done = done_of(task, configs)
    for name in dict.fromkeys(config["data"] for config in configs):
        words, images[name] = _images(task, name)
        told.append(f"{name}: {words}")
    rows = []  # of the runs that are left
    for config in configs:
        if config not in done:
            kind = config["network"], config["data"], config.get("side", side_of(task)), config["batch_size"]
            rows.append((config, kind, steps_of(config, images[config["data"]])))
    seconds = {kind: seconds_per_step(*kind) for kind in dict.fromkeys(kind for _, kind, _ in rows)}
    on_cpu = default_device().type == "cpu"
    workers = worker_count(workers, max(1, len(rows)), on_cpu)

    def time_of(part: list[Left]) -> str:
        return _in_words(sum(steps * seconds[kind] for _, kind, steps in part) / workers)

    lines = [
        named(task.study).title,
        f"{len(configs)} runs, {len(configs) - len(rows)} of them done, results in {task.keep}",
        *told,
        f"{'network':<30}{'set':<11}{'px':>4}{'runs left':>11}{'images':>14}{'ms a step':>11}{'time':>12}",
    ]
    for kind, time_of_step in seconds.items():
        part = [row for row in rows if row[1] == kind]
        seen = f"{sum(steps for _, _, steps in part) * kind[3]:,}"
        cells = f"{kind[0]:<30}{kind[1]:<11}{kind[2]:>4}{len(part):>11}{seen:>14}{1000 * time_of_step:>11.1f}"
        lines.append(f"{cells}{time_of(part):>12}")
    lines.append(
        f"about {time_of(rows)} on {default_device().type} for what is left, {workers} at a time: steps of training; "
        "what is measured between and after them comes on top"
    )
    lines.append(f"memory: about {_peak():.1f} GB for each of the {workers}" + ("" if on_cpu else ", on the card"))
    for key, values in _choices(configs).items():
        parts = [(value, [row for row in rows if str(row[0].get(key)) == value]) for value in values]
        told = [f"{value} ({len(part)}, {time_of(part)})" for value, part in parts]
        lines.append(f"left (runs, time) with --only {key}= {', '.join(told)}")
    return "\n".join(lines)


def _choices(configs: list[Row]) -> dict[str, list[str]]:
    """What --only can take: keys with their values, where there are several and not too many."""
    values = {key: list(dict.fromkeys(str(config.get(key)) for config in configs)) for key in (*configs, {})[0]}
    return {key: some for key, some in values.items() if 1 < len(some) <= MOST_VALUES}


def _in_words(seconds: float) -> str:
    for unit, long in (("hours", 3600), ("minutes", 60)):
        if seconds >= long:
            return f"{seconds / long:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _images(task: Task, name: str) -> tuple[str, int]:
    """What there is to say of the images of a set, and how many there are to train on."""
    study = named(task.study)
    options = study.options.get(name, {})
    if name in task.data:
        count = count_data(name, task.data[name], **options)["train"]
        return plan_data(name, task.data[name], size=side_of(task), **options), count
    counts = options if study.drawn and task.whole else COUNTS
    parts = ", ".join(f"{counts[key]} {key[2:]}" for key in ("n_train", "n_val", "n_test"))
    if study.drawn:
        return f"drawn here, {side_of(task)} px, {parts}", counts["n_train"]
    words = f"A STAND-IN (phantoms, {side_of(task)} px, {parts}). For the real set: --data {name}=FOLDER"
    return words, counts["n_train"]


def steps_of(config: Row, images: int) -> int:
    """Steps of a configuration: given, or those of its epochs over its images."""
    if config.get("steps") is not None:
        return int(config["steps"])
    n = images if config["n"] is None else min(config["n"], images)
    return int(config["epochs"]) * math.ceil(n / config["batch_size"])


def seconds_per_step(network: str, name: str, side: int, batch_size: int) -> float:
    """Seconds of a training step on images like those of a set, measured here: one thread on a CPU, as in a run."""
    split = _drawn(name, side)
    few = split.take([place % len(split) for place in range(batch_size)])
    model = built(network, split, seed=0)
    with one_thread_on_cpu(default_device().type == "cpu"):
        history = fit(
            model, few, steps=1 + STEPS, eval_at=(1, 1 + STEPS), batch_size=batch_size, augment=MILD, progress=False
        )
    begun, ended = history.column("seconds")
    return float(ended - begun) / STEPS


@lru_cache(maxsize=1)
def _drawn(name: str, side: int) -> Split:
    return stand_in(name, side)["train"]


def _peak() -> float:
    """The most memory, in GB, that this process has held so far: on the card if there is one, else of the machine."""
    if torch.cuda.is_available() and default_device().type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e9
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset) / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
