"""Keep a student's function from disturbing its check and its notebook."""

import contextlib
import copy
import dataclasses
import functools
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

Function = Callable[..., Any]


class OutOfTime(BaseException):
    """Not an Exception, so that ``except Exception`` in a student's endless loop cannot catch it."""


def with_copies(function: Function, returned: list[object]) -> Function:
    """Return the function behind a wall: it gets copies of data, and `returned` collects its results."""

    @functools.wraps(function)
    def call(*args: object, **kwargs: object) -> object:
        result = function(*map(_copy, args), **{key: _copy(value) for key, value in kwargs.items()})
        returned.append(result)
        return result

    return call


def _copy(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, torch.Tensor):
        return value if isinstance(value, nn.Parameter) or value.requires_grad else value.clone()
    if dataclasses.is_dataclass(value) and not isinstance(value, type | nn.Module):
        return copy.deepcopy(value)
    return value


@contextlib.contextmanager
def same_random_numbers() -> Iterator[None]:
    """Give every case the same random numbers, and the notebook its own state back afterwards."""
    # NumPy's old global generator, because students use it.
    numpy_state = np.random.get_state()  # noqa: NPY002
    grad = torch.is_grad_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(numpy_state)  # noqa: NPY002
            torch.set_grad_enabled(grad)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop an endless loop, where signals allow it: in the main thread of a POSIX system."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again every second, in case one is swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
