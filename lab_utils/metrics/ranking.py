"""Ranking metrics: the area under the ROC curve, of one class or of many.

Part of `lab_utils.metrics`, which explains the kinds of input.
"""

import numpy as np
from numpy.typing import ArrayLike

from lab_utils.array_input import Array
from lab_utils.metrics.score_inputs import binary_inputs, column_inputs, holds_no_zero


def auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve of a binary classifier.

    The probability that a random positive image scores above a random negative one;
    ties count one half. Any monotone map of a score gives the same: the one logit of a sigmoid and its probability
    do. The column of class 1 out of two logits does not: the softmax looks at its distance to the other one.

    Args:
        labels: 0 or 1, shape (N,) or (N, 1).
        scores: higher means more likely positive, shape (N,) or (N, 1). Classes instead of scores, 0 and 1 only,
            rank little: their AUROC is the balanced accuracy. Of two columns, as `predict` returns logits and the
            softmax probabilities, the score is column 1 minus column 0.

    Returns:
        A fraction in [0, 1]; 0.5 is chance.

    Raises:
        ValueError: if a class is absent, a score is not finite, a label is neither
            0 nor 1 (-1 and 1, 1 and 2, fractions), or the shapes do not fit.
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

    Labels of -1 or NaN are masked, finding by finding.

    Args:
        labels: (N, K) multilabel, or (N,) or (N, 1) class numbers.
        scores: (N, K); (N,) or (N, 1) for binary labels, which gives one value. Multilabel: logits or
            probabilities, each finding is a question of its own. Two classes: likewise, one column is compared with
            the other. More classes: scores that can be compared between images, so probabilities, their logarithms,
            shares such as percent or votes, or for each class a score in [0, 1]. Logits of a softmax can not.

    Returns:
        Shape (K,), each in [0, 1], or NaN where a class has no AUROC.

    Raises:
        ValueError: if shapes do not fit, a score is not finite, a label is no label, or the scores of more than two
            classes are logits, also with one-hot labels.
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


def macro_auroc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Mean AUROC over the classes that have one; `auroc_per_class` is NaN for the others.

    Raises:
        ValueError: as `auroc_per_class`, and if no class has an AUROC.
    """
    values = auroc_per_class(labels, scores)
    if np.isnan(values).all():
        raise ValueError(
            f"macro AUROC needs a class with positive and negative images, but none of the {len(values)} classes has "
            "both. "
            + (
                "-1 stands for unknown here. If it stands for negative, give labels == 1."
                if holds_no_zero(column_inputs(labels, scores)[0])
                else "Take a larger or a stratified sample."
            )
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
