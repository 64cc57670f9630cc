"""Numbers that a caller gives, checked before they can go wrong somewhere else."""

import math
import operator
from typing import Any

import numpy as np


def whole(name: str, value: Any) -> int:
    """A whole number, of Python or NumPy.

    Raises:
        ValueError: if it is anything else, also ``True``, ``"32"`` and ``32.0``.
    """
    try:
        if isinstance(value, bool | np.bool_ | str):  # NumPy 1 lets its own truth values pass as 0 and 1
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise ValueError(
            f"{name} must be a whole number, such as {name}=32; got {value!r}, of type {type(value).__name__}."
        ) from None


def number(name: str, value: Any) -> float:
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
        raise ValueError(
            f"{name} must be a number, such as {name}=0.001; got {value!r}, of type {type(value).__name__}."
        )
    return found
