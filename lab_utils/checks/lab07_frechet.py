"""`frechet_distance` in lab 7."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Distance = Callable[[Array, Array], Any]
Part = Callable[[Array], Any]


def frechet_distance(features_x: Array, features_y: Array) -> float:
    """The kit's version, which averages maps first and leaves the warning about few images to the lab."""
    x, y = pooled(features_x), pooled(features_y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return similarity.frechet_distance(x, y)


def pooled(features: Array) -> Array:
    """Maps (n, C, h, w) as their means (n, C); features (n, D) as they are."""
    return features.mean(axis=(2, 3)) if features.ndim == 4 else features


def _set(n: int, width: int = 4, seed: int = 0) -> Array:
    """Correlated features with spreads and means of their own."""
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=(n, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width))


def _on(x: Array, y: Array) -> Probe:
    def probe(student: Distance) -> Any:
        found = student(x, y)
        if np.iscomplexobj(found):
            return "a complex number"
        return float(found) if np.ndim(found) == 0 else f"an array of shape {np.shape(found)}"

    return probe


X, Y = _set(12), _set(9, seed=1)
MAPS = [np.random.default_rng(seed).normal(seed, 1 + seed, size=(10 + seed, 3, 2, 4)) for seed in (0, 1)]
DEPENDENT = np.array([[1.0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]])  # the last one is a sum

PROBES: dict[str, Probe] = {
    "12 and 9 images with 4 features": _on(X, Y),
    "The same set twice, which are 0 apart": _on(X, X),
    "A set and the same moved by (1, 2, 0, 2), which are 1 + 4 + 4 = 9 apart": _on(X, X + np.array([1.0, 2, 0, 2])),
    "A feature that is the sum of two others": _on(X @ DEPENDENT, Y @ DEPENDENT),
    "Maps of shape (n, 3, 2, 4)": _on(*MAPS),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(got, str):
        return f"expected one real number, got {got}."
    if np.isnan(got):
        return "the result is NaN, so somewhere a root of a number below 0 was taken."
    return f"expected {expected:.4g}, got {got:.4g}."


# ---- wrong answers


def _covariance(features: Array) -> Array:
    return np.asarray(np.cov(features, rowvar=False))


def _trace_of_root(a: Array, b: Array) -> float:
    return float(np.sqrt(np.linalg.eigvals(a @ b).real.clip(0)).sum())


def _way(
    pool: Part = pooled,
    covariance: Part = _covariance,
    means: Callable[[Array], Any] = lambda d: (d**2).sum(),
    root: Callable[[Array, Array], Any] = _trace_of_root,
    factor: float = 2.0,
    end: Callable[[Any], Any] = float,
) -> Distance:
    """The formula with one part exchanged."""

    def student(features_x: Array, features_y: Array) -> Any:
        x, y = pool(features_x), pool(features_y)
        a, b = covariance(x), covariance(y)
        spreads = np.trace(a) + np.trace(b) - factor * root(a, b)
        return end(means(x.mean(axis=0) - y.mean(axis=0)) + spreads)

    return student


def _flat(features: Array) -> Array:
    return features.reshape(len(features), -1)


def _positions(features: Array) -> Array:
    """Each position as an image."""
    return features.transpose(0, 2, 3, 1).reshape(-1, features.shape[1]) if features.ndim == 4 else features


def _largest(features: Array) -> Array:
    return features.max(axis=(2, 3)) if features.ndim == 4 else features


def _by_sd(ddof: int) -> Distance:
    def student(x: Array, y: Array) -> float:
        x, y = pooled(x), pooled(y)
        gap, spread = x.mean(axis=0) - y.mean(axis=0), x.std(axis=0, ddof=ddof) - y.std(axis=0, ddof=ddof)
        return float((gap**2).sum() + (spread**2).sum())

    return student


def _both_roots(a: Array, b: Array) -> Any:
    return np.trace(linalg.sqrtm(a) @ linalg.sqrtm(b)).real


def _correlation(features: Array) -> Array:
    return np.asarray(np.nan_to_num(np.corrcoef(features, rowvar=False)))


ROOT = (
    "np.sqrt takes the root of each entry. The root of a *matrix* M is another matrix R with R @ R = M. Its trace is "
    "the sum of the roots of the eigenvalues of M."
)
COVARIANCE = "These are the variances of each feature alone. The covariance also holds how features vary *together*."
POOL = "A set of maps is averaged over its rows and columns first: one number for each channel of an image."
DEGREES = "The covariance divides by n - 1, not by n: `np.cov` does so by itself."

WRONG: tuple[tuple[Distance, str], ...] = (
    (_by_sd(1), COVARIANCE),
    (_by_sd(0), COVARIANCE),
    (_way(root=lambda a, b: np.trace(np.sqrt(a @ b))), ROOT),
    (_way(root=lambda a, b: np.sqrt((a @ b).diagonal().clip(0)).sum()), ROOT),
    (_way(root=lambda a, b: np.sqrt(abs(a @ b)).trace()), ROOT),
    (_way(root=lambda a, b: _trace_of_root(a, b) ** 2), "One root is missing, or one square too many."),
    (_way(root=lambda a, b: np.linalg.eigvals(a @ b).real.sum()), "The roots of the eigenvalues are missing."),
    (
        _way(root=lambda a, b: np.sqrt(np.linalg.eigvals(a @ b).real.sum())),
        "First the root of each eigenvalue, then the sum.",
    ),
    (
        _way(root=lambda a, b: np.sqrt(np.linalg.eigvals(a @ b).real).sum()),
        "An eigenvalue of 0 may come out as -1e-17: put such numbers to 0 before the root.",
    ),
    (_way(root=_both_roots), "tr(S_x^1/2 S_y^1/2) is another number: multiply first, then take the root."),
    (_way(covariance=partial(np.cov, rowvar=False, bias=True)), DEGREES),
    (_way(covariance=lambda f: (f - f.mean(axis=0)).T @ (f - f.mean(axis=0))), "Divide the covariance by n - 1."),
    (_way(covariance=_correlation), "These are correlations. The formula needs covariances, with their units."),
    (_way(covariance=lambda f: f.T @ f / (len(f) - 1)), "Take the mean of each feature off before you multiply."),
    (_way(covariance=np.cov), "Rows are images and columns are features: what does `rowvar` of `np.cov` say?"),
    (_way(means=lambda d: 0.0), "The distance of the two means is missing."),
    (_way(means=lambda d: np.sqrt((d**2).sum())), "The distance of the means enters squared."),
    (_way(means=lambda d: abs(d).sum()), "The distance of the means is the sum of *squared* differences."),
    (_way(means=lambda d: d.sum() ** 2), "Square each difference of the means first, then add them up."),
    (_way(means=lambda d: (d**2).mean()), "Add up the squared differences of the means. You took their mean."),
    (_way(factor=1.0), "Which factor stands before the root?"),
    (_way(factor=-2.0), "Look at the sign before the root: equal sets are 0 apart."),
    (
        _way(end=lambda value: np.sqrt(max(value, 0))),
        "This is the root of the distance. By custom the squared one is reported.",
    ),
    (_way(end=lambda value: complex(value)), "Take the real part: what is imaginary here is rounding."),
    (
        _way(root=lambda a, b: linalg.sqrtm(a @ b), end=lambda value: value),
        "A trace is missing: it makes a matrix one number.",
    ),
    (_way(pool=_flat), POOL),
    (_way(pool=_positions), POOL),
    (_way(pool=_largest), "You take the largest value of each map. Expected its mean."),
    (_way(pool=lambda f: f), POOL),
)

FRECHET_DISTANCE = Exercise(
    "frechet_distance",
    frechet_distance,
    PROBES,
    _explain,
    WRONG,
    "Look at the formula part by part: the means, the two traces, the trace of the root.",
    close=1e-5,
    steps=(
        "First make (n, D) of both sets: what has four axes is averaged over the last two.",
        "Take the mean and the covariance of each set. Rows are images. Then add up the squared differences of the "
        "means, and both traces.",
        "For the last part multiply the two covariances, take the eigenvalues of the product (real parts, nothing "
        "below 0), and add up their square roots.",
    ),
)
