"""A grid of runs (seeds, sizes, initialisations) spread over worker processes.

Two processes with one thread each train faster than one process with two threads, and
a run's result does not depend on where it ran: every run has one thread and sees only
its own configuration.
"""

from __future__ import annotations

import itertools
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import joblib
from joblib.externals.loky import process_executor
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from lab_utils.arguments import function as check_function
from lab_utils.arguments import whole
from lab_utils.profile import setting

if TYPE_CHECKING:
    import pandas as pd

WORKERS_VARIABLE = "LAB_WORKERS"
MOST_WORKERS = 4  # by default; each holds its own PyTorch, about half a gigabyte
LARGEST_NUMBER = 1000  # that LAB_WORKERS may ask for: more is a slip of the finger, and would take all memory
SETTLE = 0.1  # seconds; loky stumbles when it is closed while a task is on its way to a worker

Config = Mapping[str, Any]
Row = dict[str, Any]
Runs = Generator[tuple[int, Row], None, None]
Function = Callable[..., Mapping[str, Any]]


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
) -> pd.DataFrame:
    """Call `function(**config)` for every configuration of the grid.

    The function may be defined in a notebook: it travels to the workers together with
    the variables it uses. It must draw its randomness from the configuration (a seed).
    With one worker, or where the default device is not the CPU, all runs happen in this
    process, one after the other. Workers stay alive for five minutes, so that the next
    grid starts at once.

    Args:
        function: takes the configuration as keywords; returns a dict of results.
            Values may be numbers, text, arrays or tensors (which come back as arrays).
        grid: one dict of keyword arguments per run; see `combinations`.
        workers: processes; the default is LAB_WORKERS if set, else one per processor,
            at most 4.
        progress: show a progress bar.

    Returns:
        One row per run, in the order of the grid: the configuration, the results, and
        `seconds` (unless the function returns a value of that name).

    Raises:
        RuntimeError: if a run fails. The message names its configuration; runs that
            have not finished are given up.
        ValueError: if the grid is empty or no list of dicts, or `workers` is below 1.
    """
    check_function("function", function, example="def run(seed): ..., without brackets")
    configs = _configs(grid)
    on_cpu = _default_device_is_cpu()
    count = _worker_count(workers, len(configs), on_cpu)
    runs = _runs_here(function, configs, on_cpu) if count == 1 else _runs_in_workers(function, configs, count)
    rows: list[Row] = [{} for _ in configs]
    bar = tqdm(total=len(configs), disable=not progress, unit="run", desc=_name(function))
    try:
        for index, row in runs:
            rows[index] = row
            bar.update()
    finally:
        runs.close()  # gives up what still runs, also after Ctrl-C
        bar.close()
    import pandas as pd  # the workers, which import this module too, do without it

    return pd.DataFrame(rows)


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


def _name(function: Function) -> str:
    return getattr(function, "__name__", "runs")


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


def _worker_count(workers: int | None, runs: int, on_cpu: bool) -> int:
    if workers is None:
        workers = workers_asked_for()
    if workers is None:
        workers = min(joblib.cpu_count(), MOST_WORKERS) if on_cpu else 1
    return min(whole("workers", workers, 1, example=2), runs)


def _runs_here(function: Function, configs: Sequence[Row], on_cpu: bool) -> Runs:
    for index, config in enumerate(configs):
        try:
            with _one_thread(on_cpu):  # sums in the order in which a worker sums
                row = _run(function, config)
        except Exception as error:
            where = f"run {index + 1} of {len(configs)}"
            raise RuntimeError(f"{where} {_failure(config, error)}") from error
        yield index, row


def _runs_in_workers(function: Function, configs: Sequence[Row], workers: int) -> Runs:
    stop = threading.Event()
    tasks = (
        joblib.delayed(_run_in_worker)(function, index, config)
        for index, config in itertools.takewhile(lambda _: not stop.is_set(), enumerate(configs))
    )
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        # max_nbytes: arrays stay writable, as they are without workers
        results = joblib.Parallel(workers, return_as="generator_unordered", max_nbytes=None, batch_size=1)(tasks)
    try:
        for index, row, failure in results:
            if failure is not None:
                raise RuntimeError(f"run {index + 1} of {len(configs)} {failure}")
            yield index, row
    except process_executor.TerminatedWorkerError as error:
        raise RuntimeError(
            f"a worker process of {_name(function)} died, most often because memory ran out. Try "
            f"fewer workers (workers=1), fewer images or smaller batches."
        ) from error
    except BaseException:  # also Ctrl-C, and GeneratorExit when the caller stops early
        stop.set()
        time.sleep(SETTLE)
        with warnings.catch_warnings():  # joblib's on cancelling, which is intended
            warnings.filterwarnings("ignore", ".*being processed by the workers")
            results.close()
        raise


def _run_in_worker(function: Function, index: int, config: Row) -> tuple[int, Row, str | None]:
    """One run; an exception comes back as text, since not every one can be pickled."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent ends the workers
    # A worker that grows by 300 MB is taken for a memory leak and ended; it may just
    # have imported PyTorch. This switch is private to joblib: without it, only slower.
    process_executor._USE_PSUTIL = False
    try:
        with _one_thread(on_cpu=True):
            return index, _run(function, config), None
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        return index, {}, f"{_failure(config, error)}\n\n{trace}"


def _run(function: Function, config: Row) -> Row:
    start = time.perf_counter()
    result = function(**config)
    seconds = time.perf_counter() - start
    if not isinstance(result, Mapping):
        raise TypeError(
            f"expected a dict of results from {_name(function)}, got "
            f"{type(result).__name__}. Return something like {{'auroc': value}}."
        )
    if both := sorted(set(result) & set(config)):
        raise ValueError(f"{_name(function)} returns {both}, which the configuration has too. Return only what is new.")
    results = {key: _plain(value) for key, value in result.items()}
    return {**config, "seconds": seconds, **results}


def _plain(value: Any) -> Any:
    """Tensors as NumPy arrays, or as numbers if they hold one."""
    if not hasattr(value, "detach"):
        return value
    array = value.detach().cpu().numpy()
    return array.item() if array.ndim == 0 else array


def _failure(config: Config, error: Exception) -> str:
    settings = ", ".join(f"{key}={value!r}" for key, value in config.items())
    return f"failed with {settings}. {type(error).__name__}: {error}"


@contextmanager
def _one_thread(on_cpu: bool) -> Iterator[None]:
    torch: Any = sys.modules.get("torch")  # if not imported, it has no threads
    if not on_cpu or torch is None:
        with threadpool_limits(1 if on_cpu else None):
            yield
        return
    from lab_utils.device import one_thread

    with one_thread(), threadpool_limits(1):
        yield
