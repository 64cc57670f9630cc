"""The form of an exercise: what is tried, the kit's version, and the wrong answers that students really write.

    Exercise(
        "mean",
        kit=np.mean,
        probes={"Three numbers": lambda mean: mean(np.array([1.0, 2, 6])), "One": lambda mean: mean(np.array([4.0]))},
        wrong=((np.median, "This is the value in the middle. What if one number is very large?"),),
    )

A probe runs any version of the function and reports what it did. Where a student's report differs from the kit's, the
wrong answer with the same report has the hint; a mistake that nobody listed is told in numbers.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from lab_utils.checks import outcome
from lab_utils.checks.helping import note_attempt
from lab_utils.checks.outcome import Case, Function, Outcome, Wrong
from lab_utils.checks.sandbox import same_random_numbers, with_copies

Probe = Callable[[Function], Any]


@dataclass(frozen=True)
class Raised:
    """In the place of a report: the function stopped with an error of this type."""

    error: str


def difference(got: Any, expected: Any, close: float = 1e-4) -> str:
    """Say in a sentence where two reports differ: numbers, texts, arrays, or lists and dicts of them; see `same`."""
    if isinstance(got, Mapping) and isinstance(expected, Mapping) and got.keys() == expected.keys():
        key = next(key for key in expected if not same(got[key], expected[key], close))
        return f"{key}: {difference(got[key], expected[key], close)}"
    if _is_array(got) and _is_array(expected):
        if np.shape(got) != np.shape(expected):
            return f"expected the shape {np.shape(expected)}, got {np.shape(got)}."
        if np.ndim(got):
            place = int(np.argmax(~np.isclose(got, expected, rtol=close, atol=close, equal_nan=True)))
            where = ", ".join(str(index) for index in np.unravel_index(place, np.shape(got)))
            return f"entry [{where}]: {difference(np.ravel(got)[place], np.ravel(expected)[place], close)}"
    if isinstance(got, list | tuple) and isinstance(expected, list | tuple) and len(got) == len(expected):
        place = next(i for i, pair in enumerate(zip(got, expected, strict=True)) if not same(*pair, close))
        return f"value {place + 1}: {difference(got[place], expected[place], close)}"
    texts = [shown(value) for value in (expected, got)]
    if texts[0] == texts[1]:  # four digits do not show it
        texts = [repr(value) for value in (expected, got)]
    return f"expected {texts[0]}, got {texts[1]}."


def shown(value: Any) -> str:
    """Return a value for a sentence: a number with four digits, anything long by its type."""
    if isinstance(value, float | np.floating):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"a {type(value).__name__}"


def same(a: Any, b: Any, close: float = 1e-4) -> bool:
    """Whether two reports are equal; numbers may differ by `close`, relative to one or to themselves if larger."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key], close) for key in a)
    if _is_array(a) and _is_array(b):
        one_kind = (np.asarray(a).dtype == bool) == (np.asarray(b).dtype == bool)
        equal = np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=close, atol=close, equal_nan=True)
        return one_kind and bool(equal)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y, close) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)


def _is_array(value: Any) -> bool:
    """Whether this is a number, or an array or tensor of numbers."""
    if isinstance(value, bool | int | float | complex | np.generic):
        return not isinstance(value, str | bytes)
    return hasattr(value, "__array__") and np.asarray(value).dtype.kind in "biufc"


@dataclass(frozen=True, eq=False)
class Exercise:
    """One function that students write.

    Attributes:
        name: of the function.
        kit: the version that the lab goes on with; None in a homework, where nothing stands in for the student's.
        probes: what is tried, in order. The key says it in words and begins the hint; the probe takes any version,
            calls it, and returns plain values (numbers, texts, arrays, lists and dicts of them).
        explain: says how a report differs from the kit's, for a student; None for `difference`.
        wrong: wrong answers, each with the hint that it must get.
        advice: the hint for a mistake that is not among them.
        close: how far a number may be from the kit's, see `same`.
        cases: checks of another form, tried after the probes: each takes the function and raises `Wrong(hint)`.
        steps: two or three sentences that lead to the answer, one after another, and do not hold it: see `hint`.
    """

    name: str
    kit: Function | None = None
    probes: Mapping[str, Probe] = field(default_factory=dict)
    explain: Callable[[Any, Any], str] | None = None
    wrong: Sequence[tuple[Function, str]] = ()
    advice: str = ""
    close: float = 1e-4
    cases: Sequence[Case] = ()
    steps: Sequence[str] = ()

    def check(self, student: Any) -> Any:
        """Print the outcome; return the function to go on with, or None where the kit has no version."""
        if self.kit is None:
            return outcome.report(self.name, student, self.all_cases)
        found = self.examine(student)
        outcome.show(replace(found, offer=note_attempt(self, found, student)))
        return student if found.status == "correct" else self.kit

    def examine(self, student: Any) -> Outcome:
        """Return the outcome that `check` prints."""
        return outcome.examine(self.name, student, self.kit, self.all_cases)

    @property
    def all_cases(self) -> tuple[Case, ...]:
        """Probes as cases, then the other ones."""
        return (*(partial(self._compare, what) for what in self.probes), *self.cases)

    def _compare(self, what: str, student: Function) -> None:
        """Raise the hint unless `student` does what the kit does."""
        assert self.kit is not None, f"{self.name}: a probe is compared with the kit's version"
        expected = _report(self.probes[what], with_copies(self.kit, []))
        got = _report(self.probes[what], student)
        if same(got, expected, self.close):
            return
        hint = self._known(what, student, got, expected)
        if isinstance(got, Raised) and not hint and not isinstance(expected, Raised):
            self.probes[what](student)  # raises again: the engine finds the student's own line
        if isinstance(got, Raised):
            found = f"it stopped with {got.error}."
        else:
            found = self.explain(got, expected) if self.explain else difference(got, expected, self.close)
        raise Wrong(f"{what}: {found} {hint or self.advice}".rstrip())

    def known(self, probe: Probe, got: Any, expected: Any = None) -> list[tuple[Function, str]]:
        """Return the wrong answers, each with its hint, that report the same as `got`.

        Of a report that is a dict, the keys up to the first that is not as expected count: of two mistakes, the first
        one is told.
        """
        keys = _until_different(got, expected, self.close)

        def told(report: Any) -> Any:
            return [report.get(key) for key in keys] if keys and isinstance(report, Mapping) else report

        return [pair for pair in self.wrong if same(told(_wrong_report(probe, pair[0])), told(got), self.close)]

    def _known(self, what: str, student: Function, got: Any, expected: Any) -> str:
        """Return the hint of the wrong answer with this report; of several, the one that agrees most often."""
        found = self.known(self.probes[what], got, expected)
        if len(found) > 1:
            reports = [(probe, _report(probe, student)) for probe in self.probes.values()]
            found.sort(key=lambda pair: -sum(same(_wrong_report(p, pair[0]), own, self.close) for p, own in reports))
        return found[0][1] if found else ""


def _until_different(got: Any, expected: Any, close: float) -> list[Any]:
    if not (isinstance(got, Mapping) and isinstance(expected, Mapping) and got.keys() == expected.keys()):
        return []
    keys = list(expected)
    return keys[: 1 + next((i for i, key in enumerate(keys) if not same(got[key], expected[key], close)), len(keys))]


@lru_cache(maxsize=2000)
def _wrong_report(probe: Probe, wrong: Function) -> Any:
    """What a wrong answer reports, which is the same every time."""
    return _report(probe, with_copies(wrong, []))


def _report(probe: Probe, version: Function) -> Any:
    """Run a probe: every version gets the same random numbers; what NumPy warns of shows in the report."""
    try:
        with same_random_numbers(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return probe(version)
    except (NotImplementedError, Wrong):  # a stub; a probe may refuse what cannot be reported
        raise
    except Exception as error:
        return Raised(type(error).__name__)
