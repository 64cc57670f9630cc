"""Runs on a cluster: Dask hands them out, and the kit adds two checks.

(Not through joblib's backend for Dask: where the cluster has one slot it runs everything in this process, and it takes
a lost connection for the end of the runs.)

A scheduler and workers are started by Dask's own commands (``dask scheduler``, ``dask worker --nthreads 1``) or by
dask-jobqueue and dask-kubernetes, in an environment with the same kit. Images are opened on the worker, from a path
that all share; nothing large goes through the scheduler.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import lab_utils

SECONDS = 20  # to reach the scheduler


@contextmanager
def on_cluster(address: str) -> Iterator[Any]:
    """A client of a Dask scheduler whose workers have the same kit; it is closed at the end.

    Args:
        address: such as "tcp://scheduler:8786".

    Raises:
        ValueError: if dask.distributed is missing, nobody answers at the address, there is no worker, or a worker has
            another version of the kit.
    """
    if find_spec("distributed") is None:
        raise ValueError("Expected dask.distributed for --cluster, but it is missing: pip install 'distributed'")
    from distributed import Client

    try:
        client = Client(address, timeout=SECONDS, set_as_default=True)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"Expected a Dask scheduler at {address}, but nobody answers there ({error}). Start one: dask scheduler"
        ) from None
    with client:
        versions = client.run(_version)
        if not versions:
            raise ValueError(
                f"Expected workers at {address}, found none. Start some: dask worker {address} --nthreads 1"
            )
        if other := {worker: found for worker, found in versions.items() if found != lab_utils.__version__}:
            worker, found = next(iter(other.items()))
            raise ValueError(
                f"Expected the kit of version {lab_utils.__version__} on every worker, but {worker} has {found}, as "
                f"have {len(other) - 1} others. Install the same version there, and start the worker again."
            )
        print(f"{len(versions)} workers; Dask's dashboard: {client.dashboard_link}")
        yield client


def _version() -> str:
    try:
        from lab_utils import __version__
    except ImportError as error:
        return f"none ({error})"
    return __version__


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the scheduler went away."""
    return type(error).__name__ in ("CommClosedError", "CancelledError", "FutureCancelledError")


def lost(address: str) -> RuntimeError:
    """What to say then."""
    return RuntimeError(
        f"The cluster at {address} went away in the middle of the study. Finished runs are kept where keep= points: "
        "call it again when the scheduler is back, and it does the rest."
    )
