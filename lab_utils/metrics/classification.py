"""Metrics on NumPy arrays, always in the order (labels, scores).

Three kinds of input, the same everywhere:

* *binary*: labels 0 or 1 of shape (N,), scores of shape (N,), higher means positive;
* *multiclass* and *ordinal*: labels 0 ... K-1 of shape (N,), scores (N, K);
* *multilabel*: labels (N, K) in {1, 0}, and -1 or NaN where unknown, scores (N, K).

One column (N, 1) is (N,). Lists, arrays, tensors (of any type and device) and pandas columns will do; an unknown label
of a binary or multiclass task, another coding (-1 and 1; 1 and 2), words and transposed scores are refused.
What `predict` returns are logits: they go into the metrics of classes and of multilabel and two-class ranking; the
others want `losses.probabilities(logits, task)`, and say so.

A class without both positive and negative images has no AUROC. It is reported as NaN
by `auroc_per_class`, left out of `macro_auroc`, and never counted as 0, 0.5 or 1.
AUROC is in `ranking.py`, intervals are in `intervals.py`; `lab_utils.metrics` offers all of them.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.arguments import whole
from lab_utils.array_input import Array
from lab_utils.metrics.score_inputs import (
    SLACK,
    SUM,
    Misread,
    adds_up,
    binary_inputs,
    class_inputs,
    holds_no_zero,
    is_one_hot,
    pair,
)


def accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Fraction of images whose class is right.

    Args:
        labels: class numbers, shape (N,) or (N, 1).
        predictions: class numbers (N,) or (N, 1), or scores (N, K) with K > 1, whose largest counts.

    Raises:
        ValueError: if the shapes do not fit, a label is no class number below K, or predictions of one column are
            fractions: turn these into classes by a threshold.
    """
    y, p, _ = class_inputs(labels, predictions)
    return float(np.mean(y == p))


def recall_per_class(labels: ArrayLike, predictions: ArrayLike, *, num_classes: int | None = None) -> Array:
    """Fraction found of each class, NaN for a class without images.

    Args:
        labels: as for `accuracy`.
        predictions: as for `accuracy`.
        num_classes: K. None takes the columns of scores (N, K), or the largest class number seen plus one.

    Returns:
        Shape (K,).

    Raises:
        ValueError: as `accuracy`, or if a class number is not below `num_classes`.
    """
    from sklearn.metrics import recall_score  # a second to import: not for those who only train

    y, p, classes = class_inputs(labels, predictions)
    if num_classes is not None and whole("num_classes", num_classes, 1, example=classes) < classes:
        raise ValueError(
            f"expected class numbers below num_classes={num_classes}, but labels and predictions hold {classes} "
            f"classes, the largest number is {max(y.max(), p.max())}."
        )
    values = np.full(num_classes or classes, np.nan)
    present = np.unique(y)
    values[present] = recall_score(y, p, labels=present, average=None, zero_division=0)
    return values


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean recall over the classes that have images (the metric of ISIC): chance is 1 / K however rare a class is."""
    return float(np.nanmean(recall_per_class(labels, predictions)))


def quadratic_kappa(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Cohen's kappa with quadratic weights, for grades: a miss by 2 costs 4 times more.

    Takes what `accuracy` takes; 1 is perfect, 0 is chance, below 0 is worse.
    Grades may begin at 1, as long as both do: only their distance counts.

    Raises:
        ValueError: as `accuracy`, or if labels and predictions are one and the same class everywhere.
    """
    from sklearn.metrics import cohen_kappa_score

    y, p, _ = class_inputs(labels, predictions)
    if len(np.unique(np.concatenate([y, p]))) < 2:
        raise ValueError(
            f"kappa needs at least two classes among labels and predictions, but all "
            f"{len(y)} of both are class {y[0]}. Take a larger or a stratified sample."
        )
    grades = np.arange(max(y.max(), p.max()) + 1)  # an unused grade keeps its distance
    return float(cohen_kappa_score(y, p, labels=grades, weights="quadratic"))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared error of predicted probabilities; lower is better.

    Binary (N,), also as two columns, and multilabel (N, K): in [0, 1], over all known labels. Multiclass:
    the squares are summed over the K classes, as Brier did, so it lies in [0, 2].

    Raises:
        ValueError: if a probability is outside [0, 1], or those of the classes of an image do not add up to 1; if
            one-hot labels come with probabilities that do: give class numbers.

    References:
        Brier (1950), Monthly Weather Review 78(1).
    """
    y, p = _probabilities(labels, probabilities)
    if y.ndim == 1 and p.ndim == 2:
        if p.shape[1] == 2:
            return float(((p[:, 1] - y) ** 2).mean())
        return float(((p - np.eye(p.shape[1])[y.astype(np.int64)]) ** 2).sum(axis=1).mean())
    if y.ndim == 2 and y.shape[1] > 2 and is_one_hot(y) and adds_up(p, SUM):
        raise Misread(
            f"each of the {len(y)} rows of labels has exactly one 1, and each row of probabilities adds up to 1: these "
            f"are {y.shape[1]} classes, no findings. Give the class numbers, labels.argmax(axis=1)."
        )
    if holds_no_zero(y):
        raise ValueError(
            "labels hold 1 and -1, which stands for unknown, and no 0. If -1 stands for negative, give labels == 1; if "
            "only present findings are known, there is no Brier score: always saying 1 would be perfect."
        )
    return findings_brier(y, p)


def findings_brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """`brier` of labels that are findings for sure, also where each image has exactly one: mean over known labels.

    Raises:
        ValueError: as `brier`.
    """
    y, p = _probabilities(labels, probabilities)
    squares = np.where(y >= 0, (p - y) ** 2, np.nan)
    if np.isnan(squares).all():
        raise ValueError("the Brier score needs a known label, but all are masked")
    return float(np.nanmean(squares))


def calibration_curve(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10
) -> tuple[Array, Array, NDArray[np.int64]]:
    """How often the network is right when it says 0.8, in bins of equal width between 0 and 1.

    Args:
        labels: (N,) or (N, 1), 0 or 1, or class numbers.
        probabilities: (N,) or (N, 1) of class 1, or (N, K): then the top class's probability is
            compared with how often the top class is right.
        bins: number of bins.

    Returns:
        For each bin that holds an image: mean predicted probability, fraction of positives (or of hits), images.

    Raises:
        ValueError: as `brier`.
    """
    bins = whole("bins", bins, 1, example=10)
    y, p = _probabilities(labels, probabilities)
    if y.ndim == 2:
        y, p = binary_inputs(y, p)  # one finding; more have no top class
    hits = y
    if p.ndim == 2:
        hits, p = (y == p.argmax(axis=1)).astype(np.float64), p.max(axis=1)
    place = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    predicted, observed = (np.bincount(place, values, bins)[used] / count[used] for values in (p, hits))
    return predicted, observed, count[used]


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Array, Array]:
    """What `pair` gives, with the scores in [0, 1], and one row of classes adding up to 1."""
    y, p = pair(labels, probabilities)
    if p.min() < -SLACK or p.max() > 1 + SLACK:
        raise ValueError(
            f"probabilities must lie in [0, 1], got {p.min():.3g} to {p.max():.3g}. "
            f"Are these logits? Apply a sigmoid or a softmax first. Are they percent? Divide by 100."
        )
    if y.ndim == 1 and p.ndim == 2 and not adds_up(p):
        total = p.sum(axis=1)
        raise ValueError(
            f"the probabilities of the {p.shape[1]} classes of an image must add up to 1, but the rows add up to "
            f"{total.min():.3g} to {total.max():.3g}. Apply a softmax to the logits of each row."
        )
    return y, np.clip(p, 0, 1)
