"""What a study will take, said before it starts: runs, images, disk, memory, and hours on this very device."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from lab_utils.data import Split, plan_data, subset
from lab_utils.device import default_device
from lab_utils.studies.engine import Task, configs_of, finished, images_of
from lab_utils.studies.starting import built
from lab_utils.studies.study import Row, named
from lab_utils.training import fit

STEPS = 3  # that are timed, after one that is not


def plan(task: Task, only: Mapping[str, str] | None = None, *, workers: int = 1) -> str:
    """Say what the missing runs of a study will take; trains each network for a few steps to know.

    Args:
        task: the study on its data.
        only: as for `configs_of`.
        workers: processes, among which the runs are divided.
    """
    study, configs = named(task.study), configs_of(task, only)
    done = len(finished(task, only))
    lines = [f"{study.title}", f"{len(configs)} runs, {done} of them done, results in {task.keep}"]
    for name in dict.fromkeys(config["data"] for config in configs):
        if name in task.data:
            lines.append(plan_data(name, task.data[name], size=study.size, **study.options.get(name, {})))
        elif study.drawn:
            parts = images_of(task, name).items()
            lines.append(f"{name}: drawn here, " + ", ".join(f"{len(split)} {part}" for part, split in parts))
        else:
            lines.append(f"{name}: A STAND-IN (phantoms). For the real set: --data {name}=FOLDER")
    lines.append(f"{'network':<28} {'set':<10} {'runs':>5} {'images':>9} {'ms a step':>10} {'hours':>8}")
    total = 0.0
    for (network, name, batch_size), part in _kinds(configs).items():
        split = images_of(task, name)["train"]
        seconds = seconds_per_step(network, split, batch_size)
        steps = sum(steps_of(config, len(split)) for config in part)
        hours = steps * seconds / 3600 / workers
        total += hours
        lines.append(
            f"{network:<28} {name:<10} {len(part):>5} {steps * batch_size:>9,} {1000 * seconds:>10.1f} {hours:>8.2f}"
        )
    lines.append(f"about {total:.2f} hours on {default_device().type} with {workers} at a time, for all runs")
    keys = {key: sorted({str(c[key]) for c in configs}) for key in configs[0] if key != "seed"}
    lines += [f"--only {key}=... takes one of: {', '.join(v)}" for key, v in keys.items() if 1 < len(v) <= 12]
    return "\n".join(lines)


def steps_of(config: Row, images: int) -> int:
    """Steps of a configuration: given, or those of its epochs over its images."""
    if config.get("steps") is not None:
        return int(config["steps"])
    n = images if config["n"] is None else config["n"]
    return int(config["epochs"]) * math.ceil(n / config["batch_size"])


def seconds_per_step(network: str, split: Split, batch_size: int) -> float:
    """Seconds of a training step, measured here: forward, backward, optimizer."""
    few = subset(split, min(len(split), batch_size * STEPS), seed=0)
    settings: dict[str, Any] = {"batch_size": min(batch_size, len(few)), "progress": False, "precision": "auto"}
    taken = []
    for steps in (1, 1 + STEPS):
        model = built(network, split, seed=0)
        start = time.perf_counter()
        fit(model, few, steps=steps, **settings)
        taken.append(time.perf_counter() - start)
    return max(taken[1] - taken[0], 1e-6) / STEPS


def _kinds(configs: list[Row]) -> dict[tuple[str, str, int], list[Row]]:
    kinds: dict[tuple[str, str, int], list[Row]] = {}
    for config in configs:
        kinds.setdefault((config["network"], config["data"], config["batch_size"]), []).append(config)
    return kinds
