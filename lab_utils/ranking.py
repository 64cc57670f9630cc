"""Ranking metrics: the area under the ROC curve, of one class or of many.

Part of `lab_utils.metrics`, which explains the kinds of input.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of a binary classifier.

    The probability that a random positive image scores above a random negative one;
    ties count one half. Any monotone score works: logits or probabilities.

    Args:
        labels: 0 or 1, shape (N,).
        scores: higher means more likely positive, shape (N,).

    Returns:
        A fraction in [0, 1]; 0.5 is chance.

    Raises:
        ValueError: if a class is absent, a score is not finite, a label is neither
            0 nor 1, or the shapes do not fit.
    """
    y, s = binary_inputs(labels, scores)
    positives = int(y.sum())
    if positives in (0, len(y)):
        raise ValueError(
            f"AUROC needs images of both classes, got {positives} positive and "
            f"{len(y) - positives} negative. Take a larger or a stratified sample."
        )
    return _area(y, s)


def auroc_per_class(labels: ArrayLike, scores: ArrayLike) -> Array:
    """AUROC of each finding (multilabel) or of each class against the rest.

    Labels of -1 or NaN are masked, finding by finding. For more than two classes give
    probabilities, not logits: logits of two images can not be compared.

    Args:
        labels: (N, K) multilabel, or (N,) class numbers.
        scores: (N, K); (N,) for binary labels, which gives one value.

    Returns:
        Shape (K,), each in [0, 1], or NaN where a class has no AUROC.

    Raises:
        ValueError: if shapes do not fit, a score is not finite or a label is no label.
    """
    y, s = column_inputs(labels, scores)
    values = np.full(y.shape[1], np.nan)
    for k in range(y.shape[1]):
        known = y[:, k] >= 0
        if len(np.unique(y[known, k])) == 2:
            values[k] = _area(y[known, k], s[known, k])
    return values


def _area(y: Array, s: Array) -> float:
    from sklearn.metrics import roc_auc_score  # a second to import: not for those who only train

    return float(roc_auc_score(y, s))


def absent_classes(labels: ArrayLike, scores: ArrayLike) -> list[int]:
    """Numbers of the classes that have no AUROC and are left out of `macro_auroc`."""
    return [int(k) for k in np.flatnonzero(np.isnan(auroc_per_class(labels, scores)))]


def macro_auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean AUROC over the classes that have one; `absent_classes` names the others.

    Raises:
        ValueError: as `auroc_per_class`, and if no class has an AUROC.
    """
    values = auroc_per_class(labels, scores)
    if np.isnan(values).all():
        raise ValueError(
            f"macro AUROC needs a class with positive and negative images, but none of "
            f"the {len(values)} classes has both. Take a larger or a stratified sample."
        )
    return float(np.nanmean(values))


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Points of the ROC curve: false and true positive rates, from (0, 0) to (1, 1).

    Raises:
        ValueError: as `auroc`.
    """
    from sklearn import metrics

    auroc(labels, scores)  # the same conditions
    fpr, tpr, _ = metrics.roc_curve(*binary_inputs(labels, scores), drop_intermediate=False)
    return fpr, tpr


def finite(scores: ArrayLike) -> Array:
    s = np.asarray(scores, dtype=np.float64)
    if bad := int((~np.isfinite(s)).sum()):
        raise ValueError(
            f"scores must be finite, but {bad} of {s.size} are NaN or infinite. "
            f"Did the training diverge? Look at its loss."
        )
    return s


def binary_inputs(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    y, s = np.asarray(labels, dtype=np.float64), finite(scores)
    if y.ndim != 1 or s.ndim != 1 or len(y) != len(s) or len(y) == 0:
        raise ValueError(
            f"expected labels (N,) and scores (N,) with N > 0, got {y.shape} and "
            f"{s.shape}. Take one column of scores, such as probabilities[:, 1]."
        )
    if len(wrong := np.setdiff1d(y, (0, 1))):
        raise ValueError(
            f"labels must be 0 or 1, got {wrong[0]:g}. Leave unknown labels out first, "
            f"or use auroc_per_class, which masks them."
        )
    return y, s


def column_inputs(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Labels in {1, 0, -1} and scores, both (N, K), of any of the three kinds."""
    y, s = np.asarray(labels, dtype=np.float64), finite(scores)
    if y.ndim == 1 and s.ndim == 1:
        y, s = binary_inputs(y, s)
        return y[:, None], s[:, None]
    if s.ndim != 2 or y.shape not in (s.shape, s.shape[:1]) or len(y) == 0:
        raise ValueError(
            f"expected scores (N, K) with labels (N, K) or (N,) and N > 0, got scores {s.shape} and labels {y.shape}."
        )
    if y.ndim == 1:
        if len(wrong := np.setdiff1d(y, np.arange(s.shape[1]))):
            raise ValueError(
                f"labels must be class numbers below {s.shape[1]}, the columns of scores, got {wrong[0]:g}."
            )
        return (y[:, None] == np.arange(s.shape[1])).astype(np.float64), s
    y = np.where(np.isnan(y), -1, y)
    if len(wrong := np.setdiff1d(y, (-1, 0, 1))):
        raise ValueError(f"labels must be 1, 0, or -1 for unknown, got {wrong[0]:g}.")
    return y, s
