"""What a similarity would be by chance, and how much it would change with other images.

Part of `lab_utils.similarity`. A measure here is any function of `Covariances` that returns a
number, such as `mean_cca`, `pwcca` or ``partial(svcca, threshold=0.9)``.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from lab_utils.arguments import function, share, whole
from lab_utils.array_input import as_array, column
from lab_utils.metrics import patient_codes
from lab_utils.similarity.covariance import Acts, Covariances, as_covariances, checked, merged

Array = NDArray[np.float64]
Measure = Callable[[Covariances], float]


def null(measure: Measure, acts_x: Acts, acts_y: Acts, *, draws: int = 10, seed: int = 0) -> Array:
    """The measure after the rows of `acts_y` were permuted: what chance gives, one value per draw.

    Which datapoint belongs to which is lost; every layer keeps its own covariances. A similarity
    below or inside these values shows nothing. Where several rows come from one image, the rows of
    all images are mixed.

    Args:
        measure: a function of `Covariances`.
        acts_x: (samples, dx).
        acts_y: (samples, dy).
        draws: number of permutations.
        seed: of the permutations.

    Returns:
        Shape (draws,).

    Raises:
        ValueError: if `draws` < 1, or as the measure.
    """
    function("measure", measure, example="mean_cca")
    draws, seed = whole("draws", draws, 1, example=10), whole("seed", seed, 0, example=0)
    x, y = checked(acts_x, acts_y)
    rng = np.random.default_rng(seed)
    orders = (torch.from_numpy(rng.permutation(len(y))).to(y.device) for _ in range(draws))
    return np.array([measure(as_covariances(x, y[order])) for order in orders])


def bootstrap(
    measure: Measure,
    acts_x: Acts,
    acts_y: Acts,
    images: ArrayLike | None = None,
    *,
    draws: int = 100,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """The measure with its bootstrap interval over images: (value, low, high).

    Each draw takes images with replacement, all rows of an image together. Images that come twice
    make every draw look more alike than the data are, so the quantiles of the draws lie too high;
    their *spread* is right, and gives a normal interval about the value.

    Args:
        measure: a function of `Covariances`.
        acts_x: (samples, dx).
        acts_y: (samples, dy).
        images: the image (or patient) of each row, (samples,); None if each row is one.
        draws: number of sets of images, at least 2.
        seed: the same seed draws the same images, for any measure and any layers.
        confidence: between 0 and 1.

    Raises:
        ValueError: if the arguments do not fit, or as the measure.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapters 10 and 13.
    """
    draws, seed, confidence = _settings(measure, draws, seed, confidence)
    x, y = checked(acts_x, acts_y)
    rows = rows_by_image(images, len(x))
    rng = np.random.default_rng(seed)

    def draw() -> float:
        chosen = np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])
        index = torch.from_numpy(chosen).to(x.device)
        return measure(as_covariances(x[index], y[index]))

    return normal_interval(measure(as_covariances(x, y)), draw, draws, confidence)


def bootstrap_parts(
    measure: Measure,
    parts: Sequence[Covariances],
    *,
    draws: int = 100,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """As `bootstrap`, for images that were summed up in parts: whole parts are drawn.

    Args:
        measure: a function of `Covariances`.
        parts: covariances of disjoint sets of images of about one size, 20 sets or more.
        draws: number of sets of parts, at least 2.
        seed: the same seed draws the same parts.
        confidence: between 0 and 1.

    Raises:
        ValueError: if the arguments do not fit, or as the measure.
    """
    draws, seed, confidence = _settings(measure, draws, seed, confidence)
    if len(parts) < 2:
        raise ValueError(f"expected several parts to draw from, got {len(parts)}; give stage_covariances parts=20")
    rng = np.random.default_rng(seed)

    def draw() -> float:
        return measure(merged([parts[i] for i in rng.integers(len(parts), size=len(parts))]))

    return normal_interval(measure(merged(parts)), draw, draws, confidence)


def _settings(measure: Measure, draws: int, seed: int, confidence: float) -> tuple[int, int, float]:
    function("measure", measure, example="mean_cca")
    whole_numbers = whole("draws", draws, 2, example=100), whole("seed", seed, 0, example=0)
    return *whole_numbers, share("confidence", confidence, example=0.95)


def normal_interval(
    value: float, draw: Callable[[], float], draws: int, confidence: float
) -> tuple[float, float, float]:
    """A value with a normal interval whose spread is that of `draws` bootstrap draws."""
    spread = float(np.std([draw() for _ in range(draws)], ddof=1))
    half = float(stats.norm.ppf((1 + confidence) / 2)) * spread
    return value, value - half, value + half


def rows_by_image(images: ArrayLike | None, n: int) -> list[NDArray[np.int64]]:
    """Rows of each image."""
    if images is None:
        return list(np.arange(n)[:, None])
    of_row = column(as_array("images", images))
    if of_row.shape != (n,):
        raise ValueError(f"images must name the image of each of the {n} rows, got shape {of_row.shape}")
    codes = patient_codes(of_row, n, name="images")
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
