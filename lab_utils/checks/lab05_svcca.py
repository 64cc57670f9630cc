"""`svcca` in lab 5: keep directions by their share of the variance, then CCA."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Similarity = Callable[..., Any]
Count = Callable[[Array, float], int]


def svcca(acts_x: Array, acts_y: Array, threshold: float = 0.99) -> float:
    """The kit's version; it does not refuse few datapoints, because the lab shows what they do."""
    return similarity.svcca(acts_x, acts_y, threshold=threshold, guard=False)


def _basis(n: int, d: int, seed: int = 0) -> Array:
    """Orthonormal, centred columns."""
    noise = np.random.default_rng(seed).normal(size=(n, d))
    return np.linalg.qr(np.column_stack([np.ones(n), noise]))[0][:, 1:]


# variances 100, 9, 4, 1 of 114: shares 0.877, 0.956, 0.991, 1; of the singular values 0.625, 0.813, 0.9375, 1
SCALES = np.array([10.0, 3, 2, 1])
SHARED = np.array([0.9, 0.6, 0.3, 0.1])


def _layers() -> tuple[Array, Array]:
    """Layers with known principal directions; direction i of both correlates with SHARED[i]."""
    basis = _basis(400, 8)
    mixed = basis[:, :4] * SHARED + basis[:, 4:] * np.sqrt(1 - SHARED**2)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    return basis[:, :4] * SCALES @ turn, mixed * SCALES @ turn.T


def _many_neurons() -> tuple[Array, Array]:
    """More neurons than datapoints, and of another number in each layer: what SVCCA was made for."""
    rng = np.random.default_rng(2)
    seen = rng.normal(size=(60, 3)) * [3, 2, 1]
    return seen @ rng.normal(size=(3, 90)) + 1e-3 * rng.normal(size=(60, 90)), seen @ rng.normal(size=(3, 70))


def _on(x: Array, y: Array, *threshold: float) -> Probe:
    return lambda student: np.real(student(x, y, *threshold))


X, Y = _layers()
B = _basis(400, 5)
STRONG_WEAK = B[:, [0, 1]] * [10, 0.1], np.column_stack([B[:, 0] * 0.1, B[:, 2] * 10])
ONE_FOUR = B[:, :4] * [10, 0.1, 0.1, 0.1], np.column_stack([(B[:, 0] + B[:, 4]) / np.sqrt(2), B[:, 1:4]])
MANY = _many_neurons()

WEAK = "The shared direction hardly varies in the {} layer, which drops it"
SHARES = "Shares of the variance, summed up: 0.877, 0.956, 0.991, 1, threshold"
PROBES = {
    "threshold = 1, which keeps everything": _on(X, Y, 1.0),
    "Variances 100, 9, 4, 1 and threshold 0.9": _on(X, Y, 0.9),
    **{f"{SHARES} {threshold:g}": _on(X, Y, threshold) for threshold in (0.5, 0.7, 0.87, 0.88, 0.95, 0.96, 0.995)},
    "A constant is added to all neurons, which should change nothing": _on(X + 50, Y - 20, 0.9),
    WEAK.format("second"): _on(*STRONG_WEAK, 0.99),
    WEAK.format("first"): _on(*STRONG_WEAK[::-1], 0.99),
    "The first layer has 1 strong direction, the second one 4": _on(*ONE_FOUR, 0.99),
    "The first layer has 4 strong directions, the second one 1": _on(*ONE_FOUR[::-1], 0.99),
    "60 datapoints, 90 and 70 neurons that carry 3 directions": _on(*MANY, 0.99),
    "60 datapoints, 70 and 90 neurons that carry 3 directions": _on(*MANY[::-1], 0.99),
    "svcca(acts_x, acts_y), where threshold is 0.99": _on(X, Y),
}


def _explain(got: Any, expected: Any) -> str:
    if np.ndim(got) != 0:
        return f"expected one number, the mean of the correlations, got the shape {np.shape(got)}."
    kept = {k: float(SHARED[:k].mean()) for k in range(1, 5)}
    found = [next((k for k in kept if np.isclose(kept[k], value, atol=1e-4)), None) for value in (expected, got)]
    like = "" if None in found else f" It needs {found[0]} direction(s), your result looks like {found[1]}."
    return f"expected {expected:.3f}, got {got:.3f}.{like}"


# ---- wrong answers


def _keeps(*count: Count, centre: bool = True) -> Similarity:
    """An SVCCA that keeps count(singular values, threshold) directions of each layer."""

    def student(acts_x: Array, acts_y: Array, threshold: float = 0.99) -> float:
        kept = []
        for own, acts in zip(count * 2, (acts_x, acts_y), strict=False):
            u, s, _ = np.linalg.svd(acts - acts.mean(axis=0) * centre, full_matrices=False)
            kept.append(u[:, : max(1, own(s, threshold))] * s[: max(1, own(s, threshold))])
        return float(_cca(*kept).mean())

    return student


def _cca(x: Array, y: Array) -> Array:
    return similarity.cca(x, y, guard=False)


def _enough(s: Array, threshold: float) -> int:
    share = np.cumsum(s**2) / np.sum(s**2)
    return min(int(np.searchsorted(share, threshold - 1e-9)) + 1, _all(s, threshold))


def _all(s: Array, threshold: float) -> int:
    return int((s > 1e-7 * s[0]).sum())


def _same_number(acts_x: Array, acts_y: Array, threshold: float = 0.99) -> float:
    svds = [np.linalg.svd(acts - acts.mean(axis=0), full_matrices=False) for acts in (acts_x, acts_y)]
    count = max(_enough(s, threshold) for _, s, _ in svds)
    return float(_cca(*(u[:, :count] * s[:count] for u, s, _ in svds)).mean())


def _strongest(acts_x: Array, acts_y: Array, threshold: float = 0.99) -> float:
    rho = _cca(acts_x, acts_y)
    return float(rho[: _enough(rho, threshold)].mean())


ALONE = "Each direction is compared by itself in yours. Add the shares up, from the largest on."
EACH = "Reduce each layer by itself, both of them."

WRONG: tuple[tuple[Similarity, str], ...] = (
    (lambda x, y, threshold=0.99: _cca(x, y), "Which number sums them up?"),
    (lambda x, y, threshold=0.99: svcca(x, y), "Is `threshold` used, or always 0.99?"),
    (
        _keeps(lambda s, t: int(np.sum(np.cumsum(s) / s.sum() < t - 1e-9)) + 1),
        "Are your shares those of the singular values? The variance is their square.",
    ),
    (_keeps(lambda s, t: int(np.sum(np.cumsum(s**2) / np.sum(s**2) <= t + 1e-9))), "You stop one too early."),
    (_keeps(lambda s, t: min(_enough(s, t) + 1, len(s))), "You go on when there is enough already."),
    (_keeps(lambda s, t: int(np.sum(s > (1 - t) * s[0]))), ALONE),
    (_keeps(lambda s, t: int(np.sum(s**2 >= (1 - t) * np.sum(s**2)))), ALONE),
    (_keeps(_all), "You keep all directions. The threshold is a share of the total variance."),
    (_strongest, "The directions that vary most are looked for in each layer, before CCA, not the best correlations."),
    (_keeps(_enough, centre=False), "Subtract the mean of each neuron, or the first direction is the mean."),
    (_keeps(_enough, _all), EACH),
    (_keeps(_all, _enough), EACH),
    (_same_number, "Each layer has a number of directions of its own."),
    (lambda x, y, threshold=0.9: svcca(x, y, threshold), "Which threshold does it take when nobody gives one?"),
)

SVCCA = Exercise(
    "svcca",
    svcca,
    PROBES,
    _explain,
    WRONG,
    "Keep the fewest directions that reach the threshold, then CCA.",
    1e-3,
    steps=(
        "Each layer by itself: take off the means of the columns, then the SVD. The variance of a direction "
        "is the square of its singular value.",
        "`np.cumsum` of the shares of variance tells how many directions you need: the fewest that reach the "
        "threshold. Count those that are still below it.",
        "Keep so many columns of u, each times its singular value. Then call your `cca` on both, and take the mean.",
    ),
)
