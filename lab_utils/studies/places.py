"""Where the runs of a grid are done: in this process, in worker processes, or on a cluster.

Each of the three yields what came of a run as soon as it has ended, in whatever order, and why where it failed.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import warnings
from collections.abc import Generator, Sequence
from contextlib import closing

import joblib
from joblib.externals.loky import process_executor

import lab_utils
from lab_utils.studies.kept import Depends, Kept, Row, read_run
from lab_utils.studies.one_run import (
    Function,
    failed_with,
    name_of,
    one_thread_on_cpu,
    run_in_cluster,
    run_in_worker,
    run_once,
)

SETTLE = 0.1  # seconds; loky stumbles when it is closed while a task is on its way to a worker
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")  # one each, as joblib gives its workers

Runs = Generator[tuple[int, Row, RuntimeError | None], None, None]  # position, what came of it, or why nothing did
Task = tuple[int, Row, Kept | None]  # position in the grid, configuration, where the run is kept
MEMORY = "died, most often because memory ran out. Try fewer workers, fewer images or smaller batches."


def _failure(index: int, total: int, why: str | None) -> RuntimeError | None:
    return None if why is None else RuntimeError(f"run {index + 1} of {total} {why}")


def runs_here(function: Function, tasks: Sequence[Task], total: int, on_cpu: bool) -> Runs:
    """All runs in this process, one after the other."""
    for index, config, kept in tasks:
        row: Row = {}
        failure = None
        try:
            with one_thread_on_cpu(on_cpu):  # sums in the order in which a worker sums
                row = run_once(function, config, kept)
        except Exception as error:
            failure = RuntimeError(f"run {index + 1} of {total} {failed_with(config, error)}")
            failure.__cause__ = error
        yield index, row, failure


def runs_in_workers(function: Function, tasks: Sequence[Task], total: int, workers: int) -> Runs:
    """All runs in worker processes. Where one dies, all die, and nobody says which run it was.

    With files, the runs that may have been it are then done again one by one, at the end, and the rest as before.
    """
    alone: list[Task] = []
    while tasks:
        left = {task[0]: task for task in tasks}
        try:
            with closing(_runs_in_pool(function, tasks, total, workers)) as pool:
                for found in pool:
                    del left[found[0]]
                    yield found
            break
        except process_executor.TerminatedWorkerError as error:
            if tasks[0][2] is None:
                raise RuntimeError(f"a worker process of {name_of(function)} {MEMORY}") from error
        for index, config, kept in list(left.values()):
            if kept is not None and (row := read_run(config, kept)) is not None:  # ended while the other died
                del left[index]
                yield index, row, None
        tasks = list(left.values())
        alone, tasks = alone + tasks[:workers], tasks[workers:]  # they were begun in this order
    for index, config, kept in alone:
        with process_executor.ProcessPoolExecutor(1, env=dict.fromkeys(THREADS, "1")) as process:
            try:
                _, row, failed = process.submit(run_in_worker, function, index, config, kept, os.getpid()).result()
            except process_executor.TerminatedWorkerError:
                row, failed = {}, failed_with(config, f"Its process {MEMORY}")
        yield index, row, _failure(index, total, failed)


def _runs_in_pool(function: Function, tasks: Sequence[Task], total: int, workers: int) -> Runs:
    stop = threading.Event()
    calls = (
        joblib.delayed(run_in_worker)(function, *task, of=os.getpid())
        for task in itertools.takewhile(lambda _: not stop.is_set(), tasks)
    )
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        # max_nbytes: arrays stay writable, as they are without workers
        results = joblib.Parallel(workers, return_as="generator_unordered", max_nbytes=None, batch_size=1)(calls)
    try:
        for index, row, failed in results:
            yield index, row, _failure(index, total, failed)
    except process_executor.TerminatedWorkerError:
        raise
    except BaseException:  # also Ctrl-C, and GeneratorExit when the caller stops early
        stop.set()
        time.sleep(SETTLE)
        with warnings.catch_warnings():  # joblib's on cancelling, which is intended
            warnings.filterwarnings("ignore", ".*being processed by the workers")
            results.close()
        raise


def runs_on_cluster(
    function: Function, tasks: Sequence[Task], total: int, cluster: str, depends: Depends | None
) -> Runs:
    """All runs in the workers of a Dask scheduler, each of which looks whether it has what its run is named after."""
    from lab_utils.studies.cluster import is_lost, lost, on_cluster

    try:
        with on_cluster(cluster) as client:
            from distributed import KilledWorker, as_completed

            more = {"kit": lab_utils.__version__, "depends": depends, "pure": False}
            futures = {client.submit(run_in_cluster, function, *task, **more): task for task in tasks}
            for future in as_completed(futures):  # type: ignore[no-untyped-call]
                try:
                    index, row, failed = future.result()
                except KilledWorker:
                    index, row, failed = (
                        futures[future][0],
                        {},
                        failed_with(futures[future][1], f"Its process {MEMORY}"),
                    )
                yield index, row, _failure(index, total, failed)
    except Exception as error:
        if is_lost(error):
            raise lost(cluster) from error
        raise
