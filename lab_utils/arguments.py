"""What a caller gives, checked before it can go wrong somewhere else."""

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.names import did_you_mean, unexpected


def as_whole(value: Any) -> int | None:
    """A whole number of Python, NumPy or PyTorch; None for anything else, also ``True``, ``"32"`` and ``32.0``."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")).endswith("bool"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def whole(name: str, value: Any, least: int | None = None, *, example: int = 32) -> int:
    """A whole number, of Python, NumPy or PyTorch, of at least `least`.

    Args:
        name: of the argument.
        value: what came.
        least: None if every whole number will do.
        example: for the error.

    Raises:
        ValueError: if it is anything else, also ``True``, ``"32"`` and ``32.0``.
    """
    found = as_whole(value)
    if found is None or (least is not None and found < least):
        at_least = "" if least is None else f" of at least {least}"
        raise unexpected(name, f"a whole number{at_least}, such as {name}={example}", value)
    return found


def number(name: str, value: Any, *, example: float = 0.001) -> float:
    """A real number, of Python, NumPy or a tensor; infinity is one.

    Raises:
        ValueError: if it is anything else, also NaN, ``True`` and ``"1e-3"``.
    """
    found = _real(value)
    if math.isnan(found):
        raise unexpected(name, f"a number, such as {name}={example}", value)
    return found


def share(name: str, value: Any, *, example: float) -> float:
    """A number above 0 and below 1.

    Raises:
        ValueError: if it is anything else, percent for instance.
    """
    found = _real(value)
    if not 0 < found < 1:
        raise unexpected(name, "a number between 0 and 1", value, f"Give {example} for {example * 100:g} %.")
    return found


def flag(name: str, value: Any) -> bool:
    """True or False, of Python or NumPy.

    Raises:
        ValueError: if it is anything else: ``"no"`` counts as true in Python, and 0 may be meant as a number.
    """
    if not isinstance(value, bool | np.bool_):
        raise unexpected(name, "True or False", value, f"Write {name}=True or {name}=False, without quotes.")
    return bool(value)


def one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Refuse what is not among the known.

    Raises:
        ValueError: naming the nearest.
    """
    if not isinstance(value, str) or value not in known:
        raise unexpected(name, f"one of {', '.join(known)}", value, did_you_mean(value, known).strip())


def function(name: str, value: Any, *, example: str) -> None:
    """Refuse what can not be called.

    Raises:
        ValueError: saying what came.
    """
    if not callable(value):
        raise unexpected(name, f"a function, such as {example}", value)


def path(name: str, value: Any, *, example: str) -> Path | None:
    """A path, or None.

    Raises:
        ValueError: if it is anything else.
    """
    if value is not None and not isinstance(value, str | PathLike):
        raise unexpected(name, f"a path, such as {name}={example!r}, or None", value)
    return None if value is None else Path(value)


def options(
    load: Callable[..., object], given: Mapping[str, Any], what: str, *, fixed: Sequence[str], common: Sequence[str]
) -> None:
    """Refuse options that a function does not have.

    Args:
        load: the function.
        given: option -> value.
        what: what the function loads, for the error.
        fixed: its options that are not the user's to give.
        common: options that are taken for every function.

    Raises:
        TypeError: as Python does, with the options there are.
    """
    known = inspect.signature(load).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in known.values()):
        return
    free = [name for name, one in known.items() if one.kind is inspect.Parameter.KEYWORD_ONLY and name not in fixed]
    if unknown := next((name for name in given if name not in free), None):
        hint = did_you_mean(unknown, [*free, *common]) or " Leave it out."
        wanted = f"an option of {what!r} ({', '.join(free) or 'only those that all data take'})"
        raise TypeError(f"Expected {wanted}, got {unknown}=.{hint}")


def _real(value: Any) -> float:
    """A real number; NaN for anything else."""
    try:
        return math.nan if isinstance(value, bool | np.bool_ | str | bytes) else float(value)
    except (TypeError, ValueError, RuntimeError):
        return math.nan
