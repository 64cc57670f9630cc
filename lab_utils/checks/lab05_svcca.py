"""Check of `svcca` in lab 5: keep directions by their share of the variance, then CCA."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong

Array = NDArray[np.float64]
Similarity = Callable[[Array, Array, float], float]

CLOSE = 1e-4


def svcca(acts_x: Array, acts_y: Array, threshold: float = 0.99) -> float:
    """The kit's version; it does not refuse few datapoints, because the lab shows what they do."""
    return similarity.svcca(acts_x, acts_y, threshold=threshold, guard=False)


def _basis(n: int, d: int, seed: int = 0) -> Array:
    """Orthonormal, centred columns."""
    noise = np.random.default_rng(seed).normal(size=(n, d))
    return np.linalg.qr(np.column_stack([np.ones(n), noise]))[0][:, 1:]


def _layers(scales: Array, correlations: Array, n: int = 400) -> tuple[Array, Array]:
    """Layers with known principal directions; direction i of both correlates with correlations[i]."""
    d = len(scales)
    basis = _basis(n, 2 * d)
    mixed = basis[:, :d] * correlations + basis[:, d:] * np.sqrt(1 - correlations**2)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(d, d)))[0]
    return basis[:, :d] * scales @ turn, mixed * scales @ turn.T


# variances 100, 9, 4, 1 of 114: shares 0.877, 0.956, 0.991, 1; of the singular values 0.625, 0.813, 0.9375, 1
SCALES = np.array([10.0, 3, 2, 1])
SHARED = np.array([0.9, 0.6, 0.3, 0.1])


def _expected(kept: int) -> float:
    return float(SHARED[:kept].mean())


def _value(student: Similarity, x: Array, y: Array, *threshold: float) -> float:
    result: Any = student(x, y, *threshold)
    if np.ndim(result) != 0:
        raise Wrong(f"Expected one number, the mean of the correlations, got the shape {np.shape(result)}.")
    value = float(np.real(result))
    if not np.isfinite(value):
        raise Wrong(f"Expected a number between 0 and 1, got {value}.")
    return value


def _one_number(student: Similarity) -> None:
    x, y = _layers(SCALES, SHARED)
    value = _value(student, x, y, 1.0)
    if not np.isclose(value, _expected(4), atol=CLOSE):
        reason = " Is `threshold` used, or always 0.99?" if np.isclose(value, _expected(3), atol=CLOSE) else ""
        raise Wrong(
            f"threshold = 1 keeps everything, so the result is the mean of cca: {_expected(4):.3f}, got {value:.3f}."
            + reason
        )


def _kept_by_variance(student: Similarity) -> None:
    x, y = _layers(SCALES, SHARED)
    value, right = _value(student, x, y, 0.9), _expected(2)
    if np.isclose(value, right, atol=CLOSE):
        return
    given = "Variances 100, 9, 4, 1 and threshold 0.9"
    alone = "Each direction is compared by itself in yours. Add the shares up, from the largest on."
    if np.isclose(value, _expected(3), atol=CLOSE):
        # at 0.7, shares of the singular values (0.625, 0.813) keep 2, a limit on each direction keeps 1
        sums = np.isclose(_value(student, x, y, 0.7), _expected(2), atol=CLOSE)
        reason = "Are your shares those of the singular values? The variance is their square." if sums else alone
        raise Wrong(f"{given}: 2 directions are enough, you keep 3. {reason}")
    if np.isclose(value, _expected(1), atol=CLOSE):
        # at 0.995 a limit on each share, 0.005, keeps all
        each = np.isclose(_value(student, x, y, 0.995), _expected(4), atol=CLOSE)
        reason = alone if each else "You stop one too early."
        raise Wrong(f"{given}: one direction has 0.877 of the variance, which is not enough. {reason}")
    if np.isclose(value, _expected(4), atol=CLOSE):
        raise Wrong(f"{given}: you keep all 4 directions. The threshold is a share of the total variance.")
    raise Wrong(f"{given}: expected {right:.3f}, got {value:.3f} (all directions would give {_expected(4):.3f}).")


def _just_enough(student: Similarity) -> None:
    x, y = _layers(SCALES, SHARED)
    for threshold, kept in ((0.5, 1), (0.87, 1), (0.88, 2), (0.95, 2), (0.96, 3), (0.995, 4)):
        value = _value(student, x, y, threshold)
        if not np.isclose(value, _expected(kept), atol=CLOSE):
            guess = int(np.argmin([abs(value - _expected(k)) for k in range(1, 5)])) + 1
            raise Wrong(
                f"Shares of the variance, summed up: 0.877, 0.956, 0.991, 1. Threshold {threshold:g} needs {kept} "
                f"direction(s), the fewest that reach it; your result looks like {guess}."
            )


def _off_centre(student: Similarity) -> None:
    x, y = _layers(SCALES, SHARED)
    value = _value(student, x + 50, y - 20, 0.9)
    if not np.isclose(value, _expected(2), atol=CLOSE):
        raise Wrong(
            f"When a constant is added to all neurons, the result changes to {value:.3f}. Subtract the mean of each "
            "neuron before you look for directions, or the first direction is the mean."
        )


def _both_layers(student: Similarity) -> None:
    """In one layer the shared direction is strong, in the other it hardly varies."""
    basis = _basis(400, 4)
    x = basis[:, [0, 1]] * [10, 0.1]
    y = np.column_stack([basis[:, 0] * 0.1, basis[:, 2] * 10])
    for a, b in ((x, y), (y, x)):
        value = _value(student, a, b, 0.99)
        if value > 0.2:
            raise Wrong(
                f"The shared direction hardly varies in one of the layers, so this layer drops it; expected 0, got "
                f"{value:.3f}. Reduce each layer by itself, both of them."
            )
    basis = _basis(400, 5)
    x = basis[:, :4] * [10, 0.1, 0.1, 0.1]
    y = np.column_stack([(basis[:, 0] + basis[:, 4]) / np.sqrt(2), basis[:, 1:4]])
    for a, b in ((x, y), (y, x)):
        value = _value(student, a, b, 0.99)
        if not np.isclose(value, np.sqrt(0.5), atol=CLOSE):
            raise Wrong(
                f"One layer has 1 strong direction, the other one 4: expected one correlation, 0.707, got {value:.3f}. "
                "Each layer has a number of directions of its own."
            )


def _many_neurons(student: Similarity) -> None:
    """More neurons than datapoints, and of another number in each layer: what SVCCA was made for."""
    rng = np.random.default_rng(2)
    seen = rng.normal(size=(60, 3)) * [3, 2, 1]
    x, y = seen @ rng.normal(size=(3, 90)) + 1e-3 * rng.normal(size=(60, 90)), seen @ rng.normal(size=(3, 70))
    for a, b in ((x, y), (y, x)):
        value = _value(student, a, b, 0.99)
        if not np.isclose(value, svcca(a, b, 0.99), atol=1e-3):
            raise Wrong(
                f"60 datapoints, {a.shape[1]} and {b.shape[1]} neurons that carry 3 directions: expected "
                f"{svcca(a, b, 0.99):.3f}, got {value:.3f}. Rows are datapoints, columns are neurons."
            )


def _default(student: Similarity) -> None:
    x, y = _layers(SCALES, SHARED)
    if not np.isclose(_value(student, x, y), _expected(3), atol=CLOSE):
        raise Wrong("Without a threshold, svcca(acts_x, acts_y) should take 0.99.")


SVCCA = Exercise(
    "svcca",
    svcca,
    cases=(_one_number, _kept_by_variance, _just_enough, _off_centre, _both_layers, _many_neurons, _default),
)
