"""Check of `null_similarity` in lab 5: permute what belongs together, and nothing else."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong

Array = NDArray[np.float64]
Measure = Callable[[Array, Array], float]
Null = Callable[[Measure, Array, Array, int, int], Array]


def null_similarity(measure: Measure, acts_x: Array, acts_y: Array, draws: int, seed: int) -> Array:
    """The kit's version."""
    rng = np.random.default_rng(seed)
    return np.array([measure(acts_x, acts_y[rng.permutation(len(acts_y))]) for _ in range(draws)])


def _layers() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    return x, np.column_stack([x @ rng.normal(size=(3, 2)), np.arange(40.0)])


def _correlation(x: Array, y: Array) -> float:
    """A measure that is quick and differs from draw to draw."""
    return float(abs(np.corrcoef(x[:, 0], y[:, 0])[0, 1]))


def _one_number_per_draw(student: Null) -> None:
    result: Any = student(_correlation, *_layers(), 7, 0)
    shape = np.shape(result)
    if shape == ():
        raise Wrong("Expected an array with one value per draw, got one number. Return all draws, not their mean.")
    if shape != (7,):
        raise Wrong(f"Expected 7 values for draws = 7, got the shape {shape}.")


def _what_is_measured(student: Null) -> None:
    """Look at what the measure is given."""
    x, y = _layers()
    seen: list[tuple[Array, Array]] = []

    def spy(a: Array, b: Array) -> float:
        seen.append((np.array(a), np.array(b)))
        return float(len(seen))

    student(spy, x, y, 3, 0)
    if len(seen) < 3:
        raise Wrong(f"The measure was called {len(seen)} times for 3 draws. Measure anew after every permutation.")
    for a, b in seen[:3]:
        if a.shape != x.shape or b.shape != y.shape:
            raise Wrong(f"The measure got the shapes {a.shape} and {b.shape} for layers of {x.shape} and {y.shape}.")
        _pairing(a, b, x, y)


def _pairing(a: Array, b: Array, x: Array, y: Array) -> None:
    """The rows are all there once, whole, and in another order in one layer than in the other."""
    for got, given in ((a, x), (b, y)):
        if _rows(got) == _rows(given):
            continue
        if _rows(got.T) == _rows(given.T):
            raise Wrong("You permuted the columns, the neurons. The datapoints are the rows.")
        if all(np.array_equal(np.sort(p), np.sort(q)) for p, q in zip(got.T, given.T, strict=True)):
            raise Wrong("Every neuron has an order of its own. A row must stay whole: one permutation for all neurons.")
        if set(_rows(got)) <= set(_rows(given)):
            raise Wrong("Some rows come twice and others never. A permutation takes every row exactly once.")
        raise Wrong("The measure got rows that are not in the layers. Only change the order of the rows you have.")
    place_x = [np.flatnonzero((x == row).all(axis=1))[0] for row in a]
    place_y = [np.flatnonzero((y == row).all(axis=1))[0] for row in b]
    together = np.mean([p == q for p, q in zip(place_x, place_y, strict=True)])
    if together == 1:
        both = "" if place_x == sorted(place_x) else " Both layers were permuted in the same way."
        raise Wrong(f"Row i of both layers is still the same datapoint.{both} Nothing was taken apart.")
    if together > 0.3:
        raise Wrong(f"{together:.0%} of the rows are still with their partner. Permute all rows.")


def _rows(acts: Array) -> list[tuple[float, ...]]:
    return sorted(map(tuple, acts.tolist()))


def _draws_differ(student: Null) -> None:
    values = np.asarray(student(_correlation, *_layers(), 6, 0))
    if len(set(values.tolist())) == 1:
        raise Wrong("All draws are equal. Make the generator once, before the loop, so that each permutation is new.")


def _seeds(student: Null) -> None:
    first, again, other = (np.asarray(student(_correlation, *_layers(), 4, seed)) for seed in (1, 1, 2))
    if not np.array_equal(first, again):
        raise Wrong("Twice the same seed, but other values. Draw from np.random.default_rng(seed).")
    if np.array_equal(first, other):
        raise Wrong("Two seeds gave the same values. Is `seed` used?")


def _values(student: Null) -> None:
    """The mean of the draws is that of independent layers, and each is what the measure said."""
    x, y = _layers()
    said: list[float] = []

    def spy(a: Array, b: Array) -> float:
        said.append(_correlation(a, b))
        return said[-1]

    values = np.asarray(student(spy, x, y, 30, 3), dtype=np.float64)
    if not np.isin(np.round(values, 12), np.round(said, 12)).all():
        raise Wrong("The values returned are not those of the measure. Return them as they are.")


NULL_SIMILARITY = Exercise(
    "null_similarity", null_similarity, cases=(_one_number_per_draw, _what_is_measured, _draws_differ, _seeds, _values)
)
