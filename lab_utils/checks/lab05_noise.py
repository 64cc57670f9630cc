"""`cca_of_noise` in lab 5: what CCA finds where there is nothing."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Noise = Callable[[Sequence[int], int, int], Any]


def cca_of_noise(points: Sequence[int], neurons: int, seed: int) -> Array:
    """The kit's version."""
    rng = np.random.default_rng(seed)
    layers = ((rng.normal(size=(n, neurons)), rng.normal(size=(n, neurons))) for n in points)
    return np.array([_mean(x, y) for x, y in layers])


def _mean(x: Array, y: Array) -> float:
    return float(similarity.cca(x, y, guard=False).mean())


# Mean CCA about 0.22, 0.52, 1 and 1, with an sd of 0.01 at most. With rows and columns exchanged the first three are 1,
# as for two layers that are the same; the last one, of fewer datapoints than neurons, tells these two answers apart.
POINTS, NEURONS = (400, 90, 31, 12), 30


def _values(student: Noise) -> dict[str, Any]:
    found = np.asarray(student(POINTS, NEURONS, 0), dtype=float)
    return {"shape": str(found.shape), "values": found}


def _seeds(first: int, second: int) -> Probe:
    def probe(student: Noise) -> str:
        one, two = (np.asarray(student((60, 90), 10, seed)) for seed in (first, second))
        return "the same values" if np.array_equal(one, two) else "other values"

    return probe


def _again(student: Noise) -> str:
    one, two = np.asarray(student((60, 60), 10, 3), dtype=float).ravel()[:2]
    return "the same value twice" if one == two else "two values"


PROBES: dict[str, Probe] = {
    f"Two layers of {NEURONS} neurons with 400, 90, 31 and 12 datapoints": _values,
    "The same number of datapoints twice": _again,
    "Seed 1, then seed 1 again": _seeds(1, 1),
    "Seed 1, then seed 2": _seeds(1, 2),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, str):
        return f"expected {expected}, got {got}."
    if got["shape"] != expected["shape"]:
        return (
            f"expected an array of shape {expected['shape']}, one value per number of datapoints, got {got['shape']}."
        )
    values = (", ".join(f"{value:.2f}" for value in report["values"]) for report in (expected, got))
    return "about {} expected, got {}.".format(*values)


# ---- wrong answers


def _drawn(layers: Callable[[np.random.Generator, int, int], tuple[Array, Array]], measure: Any = _mean) -> Noise:
    def noise(points: Sequence[int], neurons: int, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        return np.array([measure(*layers(rng, n, neurons)) for n in points])

    return noise


def _same_layer(rng: np.random.Generator, n: int, neurons: int) -> tuple[Array, Array]:
    layer = rng.normal(size=(n, neurons))
    return layer, layer


def _pair(rng: np.random.Generator, n: int, neurons: int) -> tuple[Array, Array]:
    return rng.normal(size=(n, neurons)), rng.normal(size=(n, neurons))


def _seeded_for_each(points: Sequence[int], neurons: int, seed: int) -> Array:
    """Both layers from generators of one seed."""
    pairs = ([np.random.default_rng(seed).normal(size=(n, neurons)) for _ in range(2)] for n in points)
    return np.array([_mean(x, y) for x, y in pairs])


def _generator_inside(points: Sequence[int], neurons: int, seed: int) -> Array:
    return np.array([cca_of_noise([n], neurons, seed)[0] for n in points])


TWICE = "Both layers are the same noise, and so they agree. Draw each by itself from one generator."

WRONG: tuple[tuple[Noise, str], ...] = (
    (_drawn(_same_layer), TWICE),
    (_seeded_for_each, TWICE),
    (
        _drawn(lambda rng, n, d: (rng.normal(size=(d, n)), rng.normal(size=(d, n)))),
        "Rows are datapoints, columns are neurons: which of the two numbers comes first in `size`?",
    ),
    (
        _drawn(_pair, lambda x, y: similarity.cca(x, y, guard=False)[0]),
        "This is the largest correlation. Take the mean.",
    ),
    (
        lambda points, d, seed: np.concatenate(
            [similarity.cca(*_pair(np.random.default_rng(seed), n, d), guard=False) for n in points]
        ),
        "One number for each number of datapoints: the mean of all canonical correlations.",
    ),
    (lambda points, d, seed: cca_of_noise(points, d, seed).mean(), "Return all of them, in the order of `points`."),
    (
        lambda points, d, seed: cca_of_noise(points[:1], d, seed),
        "Does your loop return in its first round? Collect the values in a list.",
    ),
    (
        lambda points, d, seed: cca_of_noise([points[0]] * len(points), d, seed),
        "Is the number of datapoints the one of this round?",
    ),
    (
        _drawn(lambda rng, n, d: (rng.normal(size=(n, d // 2)), rng.normal(size=(n, d // 2)))),
        "Each of the two layers has `neurons` neurons, not both together.",
    ),
    (_generator_inside, "Make the generator once, before the loop, so that each draw is new."),
    (lambda points, d, seed: cca_of_noise(points, d, 0), "Is `seed` used?"),
    (
        lambda points, d, seed: cca_of_noise(points, d, secrets.randbits(30)),
        "Draw from np.random.default_rng(seed).",
    ),
)

CCA_OF_NOISE = Exercise(
    "cca_of_noise",
    cca_of_noise,
    PROBES,
    _explain,
    WRONG,
    "For each n: two layers of shape (n, neurons) from one generator, and the mean of `cca`.",
    close=0.05,
    steps=(
        "Make one generator before the loop, and an empty list for the results.",
        "In each round draw two layers, one after the other, with n rows, and append the mean of their canonical "
        "correlations.",
    ),
)
