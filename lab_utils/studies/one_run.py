"""One run of a grid, in the process that does it: here, in a worker of this machine, or in one of a cluster."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from joblib.externals.loky import process_executor
from threadpoolctl import threadpool_limits

import lab_utils
from lab_utils.studies.kept import Depends, Kept, Row, kept_in, write_run
from lab_utils.studies.machine import machine

WATCH = 0.5  # seconds between two looks of a worker whether its parent is alive

Config = Mapping[str, Any]
Function = Callable[..., Mapping[str, Any]]


def name_of(function: Function) -> str:
    return getattr(function, "__name__", "runs")


def run_in_cluster(
    function: Function, index: int, config: Row, kept: Kept | None, kit: str, depends: Depends | None
) -> tuple[int, Row, str | None]:
    """One run in a worker of another machine, see `run_in_worker`.

    Raises:
        ValueError: if the worker has not what the run is named after: this version of the kit, and what `depends` says.
    """
    _same("kit", kit, lab_utils.__version__)
    if kept is not None and depends is not None:
        theirs, own = (
            made["depends"] for made in (kept.made_from, kept_in(kept.path.parent, config, depends).made_from)
        )
        for key in sorted({*theirs, *own}):
            _same(key, theirs.get(key), own.get(key))
    return run_in_worker(function, index, config, kept)


def _same(key: str, wanted: Any, found: Any) -> None:
    if wanted != found:
        raise ValueError(
            f"Expected a worker with the {key} {wanted!s:.80} that its run is named after, but {platform.node()} has "
            f"{found!s:.80}. Let it have the same versions, data and weights, start it again, and call the study "
            "again: what is done is kept."
        )


def run_in_worker(
    function: Function, index: int, config: Row, kept: Kept | None, of: int | None = None
) -> tuple[int, Row, str | None]:
    """One run; an exception comes back as text, since not every one can be pickled. A worker ends with process `of`."""
    if of is not None:
        _end_with(of)
    if threading.current_thread() is threading.main_thread():  # Dask's workers run it in a thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent ends the workers
    # A worker that grows by 300 MB is taken for a memory leak and ended; it may just
    # have imported PyTorch. This switch is private to joblib: without it, only slower.
    process_executor._USE_PSUTIL = False
    try:
        with one_thread_on_cpu(on_cpu=True):
            return index, run_once(function, config, kept), None
    except Exception as error:
        trace = "".join(traceback.format_exception(error))
        return index, {}, f"{failed_with(config, error)}\n\n{trace}"


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """End this worker soon after its parent, however that ended; loky's would go on with what is queued, and wait."""
    import psutil

    def watch() -> None:
        while os.getppid() == parent and psutil.pid_exists(parent):  # the second for Windows, where the first stays
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_once(function: Function, config: Row, kept: Kept | None) -> Row:
    began, start = time.time(), time.perf_counter()
    result = function(**config)
    seconds = time.perf_counter() - start
    if not isinstance(result, Mapping):
        raise TypeError(
            f"expected a dict of results from {name_of(function)}, got "
            f"{type(result).__name__}. Return something like {{'auroc': value}}."
        )
    if both := sorted(set(result) & set(config)):
        raise ValueError(
            f"{name_of(function)} returns {both}, which the configuration has too. Return only what is new."
        )
    results = {"seconds": seconds, **{key: _plain(value) for key, value in result.items()}}
    if kept is not None:  # here, in the worker: a run that has ended outlives whoever asked for it
        results = write_run(kept, results, {**machine(), "began": began, "ended": time.time()})
    return {**config, **results}


def _plain(value: Any) -> Any:
    """Tensors as NumPy arrays, or as numbers if they hold one."""
    if not hasattr(value, "detach"):
        return value
    array = value.detach().cpu().numpy()
    return array.item() if array.ndim == 0 else array


def failed_with(config: Config, error: Exception | str) -> str:
    settings = ", ".join(f"{key}={value!r}" for key, value in config.items())
    return f"failed with {settings}. {error if isinstance(error, str) else f'{type(error).__name__}: {error}'}"


@contextmanager
def one_thread_on_cpu(on_cpu: bool) -> Iterator[None]:
    torch: Any = sys.modules.get("torch")  # if not imported, it has no threads
    if not on_cpu or torch is None:
        with threadpool_limits(1 if on_cpu else None):
            yield
        return
    from lab_utils.device import one_thread

    with one_thread(), threadpool_limits(1):
        yield
