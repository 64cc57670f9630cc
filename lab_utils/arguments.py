"""Numbers that a caller gives, checked before they can go wrong somewhere else."""

import difflib
import math
import operator
from typing import Any

import numpy as np


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
        raise ValueError(f"{name} must be a whole number{at_least}, such as {name}={example}; got {_came(value)}.")
    return found


def number(name: str, value: Any, *, example: float = 0.001) -> float:
    """A real number, of Python, NumPy or a tensor; infinity is one.

    Raises:
        ValueError: if it is anything else, also NaN, ``True`` and ``"1e-3"``.
    """
    try:
        if isinstance(value, bool | np.bool_ | str | bytes):
            raise TypeError
        found = float(value)
    except (TypeError, ValueError, RuntimeError):
        found = math.nan
    if math.isnan(found):
        raise ValueError(f"{name} must be a number, such as {name}={example}; got {_came(value)}.")
    return found


def share(name: str, value: Any, *, example: float) -> float:
    """A number above 0 and below 1.

    Raises:
        ValueError: if it is anything else, percent for instance.
    """
    try:
        found = number(name, value)
    except ValueError:
        found = math.nan
    if not 0 < found < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value!r}. Give {example} for {example * 100:g} %.")
    return found


def one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Refuse what is not among the known.

    Raises:
        ValueError: naming the nearest.
    """
    if not isinstance(value, str) or value not in known:
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {_short(value)}.{hint}")


def function(name: str, value: Any, *, example: str) -> None:
    """Refuse what can not be called.

    Raises:
        ValueError: saying what came.
    """
    if not callable(value):
        raise ValueError(f"{name} must be a function, such as {example}; got {_came(value)}.")


def _came(value: Any) -> str:
    return f"{_short(value)}, of type {type(value).__name__}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 100 else text[:97] + "..."
