"""A grid of runs (seeds, sizes, initialisations) spread over worker processes.

Two processes with one thread each train faster than one process with two threads, and
a run's result does not depend on where it ran: every run has one thread and sees only
its own configuration.
"""

from __future__ import annotations

import itertools
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
from tqdm.auto import tqdm

from lab_utils.arguments import flag, whole
from lab_utils.arguments import function as check_function
from lab_utils.profile import setting
from lab_utils.studies.kept import Depends, Row, kept_in, read_run
from lab_utils.studies.one_run import Config, Function, name_of
from lab_utils.studies.places import runs_here, runs_in_workers, runs_on_cluster

if TYPE_CHECKING:
    import pandas as pd

WORKERS_VARIABLE = "LAB_WORKERS"
MOST_WORKERS = 4  # by default; each holds its own PyTorch, about half a gigabyte
LARGEST_NUMBER = 1000  # that LAB_WORKERS may ask for: more is a slip of the finger, and would take all memory


class FailedRuns(RuntimeError):
    """Some runs failed, and the others are done and kept; `configs` are those that failed."""

    def __init__(self, words: str, configs: Sequence[Config]) -> None:
        super().__init__(words)
        self.configs = list(configs)


def combinations(**choices: Iterable[Any]) -> list[Row]:
    """Every combination of the choices, the last one varying fastest.

    `combinations(n=(50, 100), seed=range(3))` is a grid of six configurations.
    """
    values = itertools.product(*choices.values())
    return [dict(zip(choices, value, strict=True)) for value in values]


def run_grid(
    function: Function,
    grid: Sequence[Config],
    *,
    workers: int | None = None,
    progress: bool = True,
    keep: Path | str | None = None,
    depends: Depends | None = None,
    cluster: str | None = None,
) -> pd.DataFrame:
    """Call `function(**config)` for every configuration of the grid.

    The function may be defined in a notebook: it travels to the workers together with the variables it uses. It must
    draw its randomness from the configuration (a seed). With one worker, or where the default device is not the CPU,
    all runs happen in this process, one after the other. Workers stay alive for five minutes, so that the next grid
    starts at once.

    Args:
        function: takes the configuration as keywords; returns a dict of results. Values may be numbers, text, arrays
            or tensors (which come back as arrays).
        grid: one dict of keyword arguments per run; see `combinations`.
        workers: processes; the default is LAB_WORKERS if set, else one per processor, at most 4.
        progress: show a progress bar.
        keep: folder for one file per finished run, of this function alone. Who is stopped, at any moment, loses only
            what was running: the next call reads what is there, and does the rest. Results are then what JSON can
            hold, and arrays. A run that fails does not stop the others.
        depends: takes the configuration as keywords; returns what else the results depend on, such as digests of
            weights and data. A kept run is used again only if all of it, and the configuration, is the same; the code
            of the function is not looked at. On a cluster each worker is asked too, and refused if it says otherwise.
        cluster: address of a Dask scheduler, such as "tcp://scheduler:8786": the runs go to its workers, one for each
            of their threads, and give the same results. `keep` must then be a folder that all of them share.

    Returns:
        One row per run, in the order of the grid: the configuration, the results, and `seconds` (unless the function
        returns a value of that name).

    Raises:
        RuntimeError: if a run fails. The message names its configuration. Without `keep` it comes at once, and what has
            not finished is given up; with `keep` it comes when the other runs are done.
        ValueError: if the grid is empty or no list of dicts, or `workers` is below 1; if a file in `keep` is damaged
            or of another run; if the cluster cannot be used, see `cluster.on_cluster`.
    """
    check_function("function", function, example="def run(seed): ..., without brackets")
    flag("progress", progress)
    configs = _configs(grid)
    if keep is None and depends is not None:
        raise ValueError("depends= says when a kept run may be used again: give keep=, a folder, too.")
    places = [None if keep is None else kept_in(keep, config, depends) for config in configs]
    tasks = list(zip(itertools.count(), configs, places))
    rows = [None if kept is None else read_run(config, kept) for _, config, kept in tasks]
    missing = [task for task in tasks if rows[task[0]] is None]
    on_cpu = _default_device_is_cpu()
    count = min(worker_count(workers, len(configs), on_cpu), len(missing))
    if cluster is not None and missing:
        runs = runs_on_cluster(function, missing, len(configs), cluster, depends)
    elif count > 1:
        runs = runs_in_workers(function, missing, len(configs), count)
    else:
        runs = runs_here(function, missing, len(configs), on_cpu)
    done = len(tasks) - len(missing)
    bar = tqdm(total=len(tasks), initial=done, disable=not progress, unit="run", desc=name_of(function))
    failed: dict[int, RuntimeError] = {}
    try:
        for index, row, failure in runs:
            if failure is not None:
                if keep is None:
                    raise failure
                failed[index] = failure
                tqdm.write("".join(traceback.format_exception(failure)), file=sys.stderr)
            rows[index] = row
            bar.update()
    finally:
        runs.close()  # gives up what still runs, also after Ctrl-C
        bar.close()
    if failed:
        first = next(iter(failed.values()))
        raise FailedRuns(_told(failed, len(configs)), [configs[index] for index in failed]) from first
    import pandas as pd  # the workers, which import this module too, do without it

    return pd.DataFrame(rows)


def _told(failed: Mapping[int, RuntimeError], total: int) -> str:
    reasons = [str(failed[index]).partition("\n\n")[0] for index in sorted(failed)]  # without the traceback
    head = f"{len(failed)} of {total} runs failed; what is done is kept, and the same call tries these again:"
    return "\n".join([head, *reasons])


def _configs(grid: Any) -> list[Row]:
    runs = list(grid) if isinstance(grid, Iterable) and not isinstance(grid, Mapping | str) else [grid]
    if isinstance(grid, Mapping) or not all(isinstance(config, Mapping) for config in runs):
        kinds = " and ".join(sorted({type(config).__name__ for config in runs}))
        raise ValueError(
            "grid must be a list with one dict of keyword arguments per run, such as [{'seed': 0}, {'seed': 1}]; got "
            f"{kinds} in a {type(grid).__name__}. combinations(seed=[0, 1]) makes such a list."
        )
    if not runs:
        raise ValueError("the grid is empty: give at least one configuration (a dict)")
    return [dict(config) for config in runs]


def _default_device_is_cpu() -> bool:
    from lab_utils.device import default_device  # PyTorch takes seconds to import

    return default_device().type == "cpu"


def workers_asked_for() -> int | None:
    """Return the number of ``LAB_WORKERS``, None where it is not set.

    Raises:
        ValueError: if it is no such number.
    """
    text = setting(WORKERS_VARIABLE)
    if text and (not text.isdecimal() or not 1 <= int(text[:9]) <= LARGEST_NUMBER):
        raise ValueError(
            f"{WORKERS_VARIABLE} should be a number of processes, from 1 to {LARGEST_NUMBER}, but is {text!r}. "
            f"Change the variable, or unset it: then there is one per processor, at most {MOST_WORKERS}."
        )
    return int(text) if text else None


def worker_count(workers: int | None, runs: int, on_cpu: bool) -> int:
    """How many processes do so many runs, see `run_grid`."""
    if workers is None:
        workers = workers_asked_for()
    if workers is None:
        workers = min(joblib.cpu_count(), MOST_WORKERS) if on_cpu else 1
    return min(whole("workers", workers, 1, example=2), runs)
