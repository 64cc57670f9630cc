"""The Fréchet distance of 2,048 features and 10,000 images, against the formula with a root of a matrix."""

import warnings
from collections.abc import Callable

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray

from lab_utils.similarity import frechet_distance

Array = NDArray[np.float64]
FEATURES, IMAGES = 2048, 10_000


def by_root(x: Array, y: Array) -> float:
    """The usual code: SciPy's root of the product of the covariances."""
    s_x, s_y = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(s_x @ s_y).real
    return float(((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(s_x + s_y - 2 * root))


def rows(ratios: Callable[..., list[float]], report: Callable[..., None], rounds: int) -> None:
    """Print the row: time, and how far apart the two are."""
    warnings.simplefilter("ignore")  # that so many images are just too few for so many features
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(FEATURES, FEATURES)) / FEATURES**0.5
    x = rng.normal(size=(IMAGES, FEATURES)) @ mix
    y = rng.normal(size=(IMAGES, FEATURES)) @ mix * 1.1 + 0.1
    sides = torch.from_numpy(x), torch.from_numpy(y)
    apart = abs(frechet_distance(*sides) / by_root(x, y) - 1)
    found = ratios(lambda: by_root(x, y), lambda: frechet_distance(*sides), rounds=max(1, rounds // 9))
    size = f"{FEATURES:,} features, {IMAGES:,} images"
    what = f"time with SciPy's root / time of frechet_distance, {size}, apart {apart:.0e}"
    report("frechet", what, found, "more than 1 (and apart 1e-6)")
