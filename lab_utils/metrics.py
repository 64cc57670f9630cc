"""Metrics on NumPy arrays, always in the order (labels, scores).

Three kinds of input, the same everywhere:

* *binary*: labels 0 or 1 of shape (N,), scores of shape (N,), higher means positive;
* *multiclass* and *ordinal*: labels 0 ... K-1 of shape (N,), scores (N, K);
* *multilabel*: labels (N, K) in {1, 0}, and -1 or NaN where unknown, scores (N, K).

A class without both positive and negative images has no AUROC. It is reported as NaN
by `auroc_per_class`, left out of `macro_auroc`, and never counted as 0, 0.5 or 1.
AUROC lives in `ranking.py` and the intervals in `intervals.py`; import all from here.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.intervals import (
    bootstrap_draws,
    bootstrap_interval,
    interval_text,
    mean_interval,
    paired_bootstrap,
    paired_difference,
)
from lab_utils.ranking import (
    Array,
    absent_classes,
    auroc,
    auroc_per_class,
    binary_inputs,
    column_inputs,
    finite,
    macro_auroc,
    roc_curve,
)

__all__ = [
    "Calibration",
    "absent_classes",
    "accuracy",
    "auroc",
    "auroc_per_class",
    "balanced_accuracy",
    "bootstrap_draws",
    "bootstrap_interval",
    "brier",
    "calibration_curve",
    "expected_calibration_error",
    "interval_text",
    "macro_auroc",
    "macro_recall",
    "mean_interval",
    "paired_bootstrap",
    "paired_difference",
    "quadratic_kappa",
    "recall_per_class",
    "roc_curve",
]


class Calibration(NamedTuple):
    """Reliability diagram: one entry for each bin that holds an image."""

    predicted: Array  # mean predicted probability of the bin, in [0, 1]
    observed: Array  # fraction of positives (binary) or of hits (multiclass)
    images: NDArray[np.int64]  # number of them in the bin


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Fraction of images whose class is right.

    Args:
        labels: class numbers, shape (N,).
        predictions: class numbers (N,), or scores (N, K), whose largest counts.
    """
    y, p = _classes(labels, predictions)
    return float(np.mean(y == p))


def recall_per_class(labels: ArrayLike, predictions: ArrayLike) -> Array:
    """Fraction found of each class, NaN for a class without images.

    Takes what `accuracy` takes; shape (K,), K the largest class number seen plus one.
    """
    from sklearn.metrics import recall_score  # a second to import: not for those who only train

    y, p = _classes(labels, predictions)
    values = np.full(max(y.max(), p.max()) + 1, np.nan)
    present = np.unique(y)
    values[present] = recall_score(y, p, labels=present, average=None, zero_division=0)
    return values


def macro_recall(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean recall over the classes that have images (the metric of ISIC)."""
    return float(np.nanmean(recall_per_class(labels, predictions)))


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Another name for `macro_recall`: chance is 1 / K however rare a class is."""
    return macro_recall(labels, predictions)


def quadratic_kappa(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Cohen's kappa with quadratic weights, for grades: a miss by 2 costs 4 times more.

    Takes what `accuracy` takes; 1 is perfect, 0 is chance, below 0 is worse.

    Raises:
        ValueError: if labels and predictions are one and the same class everywhere.
    """
    from sklearn.metrics import cohen_kappa_score

    y, p = _classes(labels, predictions)
    if len(np.unique(np.concatenate([y, p]))) < 2:
        raise ValueError(
            f"kappa needs at least two classes among labels and predictions, but all "
            f"{len(y)} of both are class {y[0]}. Take a larger or a stratified sample."
        )
    grades = np.arange(max(y.max(), p.max()) + 1)  # an unused grade keeps its distance
    return float(cohen_kappa_score(y, p, labels=grades, weights="quadratic"))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared error of predicted probabilities; lower is better.

    Binary (N,) and multilabel (N, K): in [0, 1], over all known labels. Multiclass:
    the squares are summed over the K classes, as Brier did, so it lies in [0, 2].

    Raises:
        ValueError: if a probability is outside [0, 1].

    References:
        Brier (1950), Monthly Weather Review 78(1).
    """
    p = _probabilities(probabilities)
    if np.ndim(labels) == 1 and p.shape[1:] == (2,):
        p = p[:, 1]  # binary, given as two columns
    y, p = column_inputs(labels, p)
    squares = np.where(y >= 0, (p - y) ** 2, np.nan)
    if np.isnan(squares).all():
        raise ValueError("the Brier score needs a known label, but all are masked")
    if np.ndim(labels) == 1:
        return float(squares.sum(axis=1).mean())
    return float(np.nanmean(squares))


def calibration_curve(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10) -> Calibration:
    """How often the network is right when it says 0.8, in bins of equal width.

    Args:
        labels: (N,), 0 or 1, or class numbers.
        probabilities: (N,) of class 1, or (N, K): then the top class's probability is
            compared with how often the top class is right.
        bins: number of bins between 0 and 1; empty ones are left out.

    Raises:
        ValueError: if a probability is outside [0, 1], or shapes do not fit.
    """
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    p = _probabilities(probabilities)
    if p.ndim == 2:
        y, top = _classes(labels, p)
        hits, p = (y == top).astype(np.float64), p.max(axis=1)
    else:
        hits, p = binary_inputs(labels, p)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    return Calibration(
        (np.bincount(place, p, bins)[used] / count[used]),
        (np.bincount(place, hits, bins)[used] / count[used]),
        count[used],
    )


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10) -> float:
    """Mean distance between confidence and hit rate over `calibration_curve`'s bins.

    Weighted by the images in each bin; a fraction in [0, 1], 0 is calibrated.

    References:
        Guo et al. (2017), On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    curve = calibration_curve(labels, probabilities, bins=bins)
    gaps = np.abs(curve.predicted - curve.observed)
    return float(np.average(gaps, weights=curve.images))


def _probabilities(probabilities: ArrayLike) -> Array:
    p = finite(probabilities)
    if p.size and (p.min() < 0 or p.max() > 1):
        raise ValueError(
            f"probabilities must lie in [0, 1], got {p.min():.3g} to {p.max():.3g}. "
            f"Are these logits? Apply a sigmoid or a softmax first."
        )
    return p


def _classes(labels: ArrayLike, predictions: ArrayLike) -> tuple[Any, Any]:
    y, p = np.asarray(labels), finite(predictions)
    p = p.argmax(axis=1) if p.ndim == 2 else p
    if y.ndim != 1 or p.ndim != 1 or len(y) != len(p) or len(y) == 0:
        raise ValueError(
            f"expected labels (N,) with N > 0 and predicted classes (N,) or scores "
            f"(N, K), got {y.shape} and {np.shape(predictions)}."
        )
    for name, values in (("labels", y), ("predictions", p)):
        if not np.array_equal(values, np.abs(np.rint(values))):
            raise ValueError(
                f"{name} must be class numbers 0, 1, 2, ..., got values between "
                f"{values.min()} and {values.max()}. Turn binary scores into classes "
                f"by a threshold."
            )
    return y.astype(np.int64), p.astype(np.int64)
