"""Cases: what a student's function is held to.

A case of a homework is written like a case of a public check: it takes the student's function, calls it, and raises
`Wrong(hint)` if the answer is wrong. Only that the function may live in a sandbox: arguments and results are plain
values and arrays, and where a function is about networks, a script travels in and reports in numbers.
"""

from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple, Protocol

import numpy as np


class Student(Protocol):
    """A student's function, wherever it runs."""

    def __call__(self, *args: Any) -> Any:
        """Call it with plain values (None, bool, int, float, str, lists, dicts, arrays); the result is plain too."""

    def through(self, script: str) -> Callable[..., Any]:
        """Return a function that runs ``probe(student, *args)`` of `script` where the student's code runs.

        The script holds nothing secret: the student's code can read it. It returns plain values.
        """


class Case(NamedTuple):
    """One case.

    Attributes:
        name: what it holds the answer to, in words for the student: "equal scores count one half".
        weight: its share of the question, relative to the other cases.
        run: calls the function and raises `Wrong(hint)`; draws its inputs from the generator, so that no answer can
            be prepared, and never from global random numbers: cases run side by side in threads. The hint must not
            quote inputs or expected values.
    """

    name: str
    weight: float
    run: Callable[[Student, np.random.Generator], object]


class Local:
    """A function of this process as a `Student`: for tests of the cases, with no sandbox and no secrets."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return plain(self._function(*args))

    def through(self, script: str) -> Callable[..., Any]:
        space: dict[str, Any] = {}
        exec(compile(script, "<script>", "exec"), space)
        return lambda *args: plain(space["probe"](self._function, *args))


def plain(value: Any) -> Any:
    """Return a value as it would come back from a sandbox.

    Raises:
        TypeError: if it is neither a plain value nor an array of numbers.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic) and not isinstance(value, np.longdouble):
        return value.item()
    if isinstance(value, (Real, Decimal)):  # a fraction is a number, too
        return float(value)
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, dict):
        return {str(key): plain(entry) for key, entry in value.items()}
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, np.ndarray) and value.dtype == np.longdouble:
        value = value.astype(np.float64)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return np.asarray(value)
    raise TypeError(f"expected numbers, texts, lists, dicts or arrays, got a {type(value).__name__}")
