"""`jackknife` in lab 5: an interval over pairs of networks that share seeds."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student_t

from lab_utils import metrics
from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Interval = Callable[[Array, int], Any]


def jackknife(values: Array, seeds: int) -> tuple[float, float, float]:
    """The kit's version."""
    return metrics.jackknife(values, seeds)


def _pairs(seeds: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(seeds), 2))


def _of_parts(*parts: float) -> tuple[Array, int]:
    """A value for each pair: the mean of what its two seeds bring, and a little of its own."""
    own = 0.01 * np.cos(np.arange(len(_pairs(len(parts)))))
    return np.array([(parts[i] + parts[j]) / 2 for i, j in _pairs(len(parts))]) + own, len(parts)


def _on(values: Array, seeds: int) -> Probe:
    def probe(student: Interval) -> dict[str, Any]:
        found = np.asarray(student(values, seeds), dtype=float)
        report: dict[str, Any] = {"shape": str(found.shape), "mean": np.nan, "half width": np.nan, "low and high": ""}
        if found.shape == (3,):
            mean, low, high = found
            report |= {"mean": mean, "half width": (high - low) / 2}
            report["low and high"] = "around the mean" if np.isclose(mean - low, high - mean) else "not around the mean"
        return report

    return probe


PROBES: dict[str, Probe] = {
    "Five networks, ten pairs": _on(*_of_parts(0.1, 0.4, 0.2, 0.7, 0.3)),
    "Four networks, six pairs": _on(*_of_parts(0.5, 0.1, 0.2, 0.9)),
    "Three networks, three pairs": _on(*_of_parts(-0.2, 0.1, 0.3)),
}


def _explain(got: Any, expected: Any) -> str:
    if got["shape"] != expected["shape"]:
        return f"expected three numbers, (mean, low, high), got the shape {got['shape']}."
    for key in ("mean", "half width"):
        if not np.isclose(got[key], expected[key], atol=1e-4):
            return f"expected the {key} {expected[key]:.4f}, got {got[key]:.4f}."
    return "low and high should lie as far below the mean as above it."


# ---- wrong answers


def _without(
    values: Array, seeds: int, keep: Callable[[int, tuple[int, int]], bool] = lambda s, pair: s not in pair
) -> Array:
    """Mean over the pairs that are kept when a seed is left out, (seeds,)."""
    pairs = list(zip(values, _pairs(seeds), strict=True))
    return np.array([np.mean([value for value, pair in pairs if keep(s, pair)]) for s in range(seeds)])


def _around(error: Callable[[Array, int], Any], quantile: Callable[[int], float] | None = None) -> Interval:
    """mean, minus and plus the quantile times error(values, seeds)."""

    def student(values: Array, seeds: int) -> tuple[Any, Any, Any]:
        half = (quantile or (lambda s: float(student_t.ppf(0.975, s - 1))))(seeds) * error(values, seeds)
        return values.mean(), values.mean() - half, values.mean() + half

    return student


def _spread(without: Array) -> Any:
    return np.sum((without - without.mean()) ** 2)


def _right_error(values: Array, seeds: int) -> Any:
    return np.sqrt((seeds - 1) / seeds * _spread(_without(values, seeds)))


def _independent(values: Array, _: int) -> Any:
    return values.std(ddof=1) / np.sqrt(len(values))


def _one_pair_less(values: Array, _: int) -> Any:
    without = np.array([np.delete(values, i).mean() for i in range(len(values))])
    return np.sqrt((len(values) - 1) / len(values) * _spread(without))


PAIRS = "The pairs are not independent: each network is in several. Leave out one seed, with all its pairs, at a time."
FACTOR = (
    "The means without one seed differ little, because they share most pairs. Look at the factor (S - 1) / S again."
)
QUANTILE = "How many independent seeds are there? The quantile is stats.t.ppf(0.975, seeds - 1)."

WRONG: tuple[tuple[Interval, str], ...] = (
    (_around(_independent), PAIRS),
    (_around(_independent, lambda s: float(student_t.ppf(0.975, s * (s - 1) / 2 - 1))), PAIRS),
    (_around(_one_pair_less), PAIRS),
    (
        _around(lambda v, s: np.sqrt((s - 1) / s * _spread(_without(v, s, lambda i, pair: i in pair)))),
        "You keep the pairs in which the seed is. Leave these out and keep all others.",
    ),
    (
        _around(lambda v, s: np.sqrt((s - 1) / s * _spread(_without(v, s, lambda i, pair: i != pair[0])))),
        "A pair has two seeds: it is left out if the seed is the first or the second of them.",
    ),
    (_around(lambda v, s: _without(v, s).std(ddof=1) / np.sqrt(s)), FACTOR),
    (_around(lambda v, s: _without(v, s).std(ddof=1)), FACTOR),
    (_around(lambda v, s: np.sqrt(_spread(_without(v, s)) / s)), FACTOR),
    (_around(lambda v, s: np.sqrt(_spread(_without(v, s)))), FACTOR),
    (
        _around(lambda v, s: (s - 1) / s * _spread(_without(v, s))),
        "This is the variance: the error is its square root.",
    ),
    (_around(_right_error, lambda s: 1.96), QUANTILE),
    (_around(_right_error, lambda s: float(student_t.ppf(0.975, s))), QUANTILE),
    (_around(_right_error, lambda s: float(student_t.ppf(0.95, s - 1))), "95 % lie in the middle: 2.5 % on each side."),
    (_around(_right_error, lambda s: 1.0), "This is one standard error. Multiply by the quantile of Student's t."),
    (lambda v, s: (jackknife(v, s)[1], jackknife(v, s)[0], jackknife(v, s)[2]), "The order is: mean, low, high."),
    (
        lambda v, s: (jackknife(v, s)[0], jackknife(v, s)[2] - jackknife(v, s)[0]),
        "Return the two ends of the interval.",
    ),
)

JACKKNIFE = Exercise(
    "jackknife",
    jackknife,
    PROBES,
    _explain,
    WRONG,
    "For each seed the mean over the pairs without it; then the formula.",
    steps=(
        "List the pairs with itertools.combinations. Value k belongs to pair k.",
        "For each seed, take the mean of the values whose pair does not contain it. That gives S numbers.",
        "Put these S numbers into the formula of the error. The interval lies around the mean of all values, with the "
        "quantile of Student's t for S - 1.",
    ),
)
