"""What a study's engine takes for itself: a run that does nothing, from its configuration to its finished file."""

import importlib.util
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.studies import run_grid
from lab_utils.studies.engine import configs_of, depends, task_of

RUNS = 64  # of one study


def nothing(**_: Any) -> dict[str, Any]:
    """A run of no training, with results of the usual size."""
    return {"steps": np.arange(50), "curve": np.linspace(0, 1, 50), "auroc": 0.5}


def rows(rounds: int) -> None:
    """Print the milliseconds of a run: in this process, in two workers, on a Dask cluster of two workers."""
    _row("in this process", rounds, "under 50", workers=1)
    _row("two workers", rounds, "under 50", workers=2)
    if importlib.util.find_spec("distributed") is None:
        print("study_run     left out: Dask is not installed (pip install distributed)")
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, protocol="tcp") as local:
        _row("Dask, two workers", rounds, "under 200", cluster=local.scheduler_address)


def _row(where: str, rounds: int, aim: str, **places: Any) -> None:
    task = task_of("transfusion", {}, {})
    config = configs_of(task)[0]
    grid = [{**config, "seed": seed} for seed in range(RUNS)]
    found = []
    for number in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            run_grid(nothing, grid, keep=Path(folder), depends=partial(depends, task), progress=False, **places)
            found.append(1000 * (time.perf_counter() - start) / RUNS)
            assert number or len(list(Path(folder).glob("*.json"))) == RUNS
    found = found[1:]  # the first starts the workers
    print(
        f"study_run     {statistics.median(found):7.2f}   ({min(found):.2f} ... {max(found):.2f}, {rounds} rounds of "
        f"{RUNS} runs)   ms of the engine's own for a run, {where}; aim: {aim}",
        flush=True,
    )
