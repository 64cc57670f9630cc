"""`null_similarity` in lab 5: permute what belongs together, and nothing else."""

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Measure = Callable[[Array, Array], float]
Null = Callable[[Measure, Array, Array, int, int], Any]


def null_similarity(measure: Measure, acts_x: Array, acts_y: Array, draws: int, seed: int) -> Array:
    """The kit's version."""
    rng = np.random.default_rng(seed)
    return np.array([measure(acts_x, acts_y[rng.permutation(len(acts_y))]) for _ in range(draws)])


X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.column_stack([X, X**2, np.arange(40.0)])
SHUFFLED = "every row once, with another partner"


def _correlation(x: Array, y: Array) -> float:
    """A measure that is quick and differs from draw to draw."""
    return float(abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]))


def _measured(student: Null) -> dict[str, Any]:
    """What the measure gets in three draws, in words, because there are many right orders."""
    seen: list[str] = []

    def spy(a: Array, b: Array) -> float:
        seen.append(_what(np.asarray(a), np.asarray(b)))
        return float(len(seen))

    student(spy, X, Y, 3, 0)
    wrong = [what for what in seen[:3] if what != SHUFFLED]
    return {"calls of the measure": min(len(seen), 3), "the measure gets": wrong[0] if wrong else SHUFFLED}


def _what(a: Array, b: Array) -> str:
    if a.shape != X.shape or b.shape != Y.shape:
        return f"layers of shapes {a.shape} and {b.shape}"
    for got, given in ((a, X), (b, Y)):
        if _rows(got) == _rows(given):
            continue
        if _rows(got.T) == _rows(given.T):
            return "permuted columns"
        if (np.sort(got, axis=0) == np.sort(given, axis=0)).all():
            return "rows that were taken apart"
        return (
            "some rows twice, others never" if set(_rows(got)) <= set(_rows(given)) else "rows that are not in a layer"
        )
    place_x, place_y = (a[:, :1] == X[:, 0]).argmax(axis=1), b[:, -1]
    together = np.mean(place_x == place_y)
    if together == 1:
        return "every row with its partner" + (", in another order" if (np.diff(place_x) < 0).any() else "")
    return "many rows with their partner" if together > 0.3 else SHUFFLED


def _rows(acts: Array) -> list[tuple[float, ...]]:
    return sorted(map(tuple, acts.tolist()))


def _seeds(first: int, second: int) -> Probe:
    def probe(student: Null) -> str:
        one, two = (np.asarray(student(_correlation, X, Y, 4, seed)) for seed in (first, second))
        return "the same values" if np.array_equal(one, two) else "other values"

    return probe


def _returned(student: Null) -> str:
    said: list[float] = []

    def spy(a: Array, b: Array) -> float:
        said.append(_correlation(a, b))
        return said[-1]

    values = np.asarray(student(spy, X, Y, 30, 3), dtype=np.float64)
    return "those of the measure" if np.isin(np.round(values, 12), np.round(said, 12)).all() else "others"


PROBES: dict[str, Probe] = {
    "Shape of the result, 7 draws": lambda student: str(np.shape(student(_correlation, X, Y, 7, 0))),
    "3 draws": _measured,
    "Values in 6 draws": lambda student: "all equal" if np.ptp(student(_correlation, X, Y, 6, 0)) == 0 else "different",
    "Seed 1, then seed 1 again": _seeds(1, 1),
    "Seed 1, then seed 2": _seeds(1, 2),
    "The values": _returned,
}


# ---- wrong answers


def _null(change: Callable[[Array, Array, np.random.Generator], tuple[Array, Array]]) -> Null:
    """A null that measures change(x, y, rng)."""

    def null(measure: Measure, acts_x: Array, acts_y: Array, draws: int, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        return np.array([measure(*change(acts_x, acts_y, rng)) for _ in range(draws)])

    return null


def _permuted(y: Array, seed: int) -> Array:
    return np.random.default_rng(seed).permutation(y)


WRONG: tuple[tuple[Null, str], ...] = (
    (lambda m, x, y, n, seed: null_similarity(m, x, y, n, seed).mean(), "Return all draws, not their mean."),
    (lambda m, x, y, n, seed: null_similarity(m, x, y, n + 1, seed), "Return one value per draw."),
    (lambda m, x, y, n, seed: np.full(n, m(x, _permuted(y, seed))), "Measure anew after every permutation."),
    (_null(lambda x, y, rng: (x[:10], y[rng.permutation(len(y))[:10]])), "The measure needs both layers as a whole."),
    (_null(lambda x, y, rng: (x, rng.permutation(y, axis=1))), "These are the neurons. The datapoints are the rows."),
    (_null(lambda x, y, rng: (x, rng.permuted(y, axis=0))), "A row stays whole: one permutation for all."),
    (_null(lambda x, y, rng: (x, y[rng.integers(len(y), size=len(y))])), "A permutation takes each row once."),
    (_null(lambda x, y, rng: (x, rng.normal(size=y.shape))), "Only change the order of the rows you have."),
    (
        _null(lambda x, y, rng: (x[order := rng.permutation(len(x))], y[order])),
        "Both layers were permuted in the same way. Nothing was taken apart.",
    ),
    (_null(lambda x, y, rng: (x, y)), "Row i of both layers is still the same datapoint. Nothing was taken apart."),
    (_null(lambda x, y, rng: (x, np.concatenate([rng.permutation(y[:10]), y[10:]]))), "Permute all rows."),
    (
        lambda m, x, y, n, seed: np.array([m(x, _permuted(y, seed)) for _ in range(n)]),
        "Make the generator once, before the loop, so that each permutation is new.",
    ),
    (
        lambda m, x, y, n, seed: null_similarity(m, x, y, n, secrets.randbits(30)),
        "Draw from np.random.default_rng(seed).",
    ),
    (lambda m, x, y, n, seed: null_similarity(m, x, y, n, 0), "Is `seed` used?"),
    (lambda m, x, y, n, seed: null_similarity(m, x, y, n, seed) - 0.5, "Return them as they are."),
)

NULL_SIMILARITY = Exercise(
    "null_similarity",
    null_similarity,
    PROBES,
    wrong=WRONG,
    advice="For each draw, put the rows of one layer in a new order, and measure.",
    steps=(
        "Make one generator before the loop. Every draw takes a new permutation from it.",
        "Permute the rows of one layer only, and call `measure` on both. One number comes out: collect them "
        "in an array.",
    ),
)
