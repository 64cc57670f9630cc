"""What labels and scores may look like, for every metric the same: what is not understood is refused.

Part of `lab_utils.metrics`, which explains the kinds of input; `array_input` says what an array may come as.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.array_input import Array, as_numbers, check_joined, check_order, column

Ints = NDArray[np.int64]

MOST = 100_000  # classes; what is larger is a number of something else
# How far a probability may lie outside [0, 1] by rounding: the mean of float16 probabilities reaches 1.001.
SLACK = 1e-3
# How far a row may add up to something else than 1: bfloat16 and two decimals are rounded.
ROWS = 0.05
SUM = 0.005  # that of a softmax in bfloat16


class Misread(ValueError):
    """Labels or scores that could be read in more than one way; a bootstrap stops at it as well."""


def finite(scores: ArrayLike) -> Array:
    """Scores as float64, of the shape in which they came.

    Raises:
        ValueError: if one is NaN or infinite, or no number.
    """
    s = as_numbers("scores", scores)
    if bad := int((~np.isfinite(s)).sum()):
        raise ValueError(
            f"scores must be finite, but {bad} of {s.size} are NaN or infinite. "
            f"Did the training diverge? Look at its loss."
        )
    return s


def pair(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Labels and scores of one of the three kinds, told by the shapes that come back.

    Returns:
        Binary: (N,) of 0 and 1, and (N,). Multiclass: (N,) class numbers below K, and (N, K). Multilabel: (N, K) in
        {1, 0, -1}, and (N, K).

    Raises:
        ValueError: if the shapes do not fit, a score is not finite or a label is no label.
    """
    check_order("labels", labels, "scores", scores)
    check_joined(labels, scores)
    y, s = as_numbers("labels", labels), finite(scores)
    shapes = f"scores {s.shape} and labels {y.shape}"
    if y.shape != s.shape:
        y = column(y)
    if y.ndim == 1:
        s = column(s)
    if y.ndim not in (1, 2) or s.ndim not in (y.ndim, 2) or y.shape not in (s.shape, s.shape[:1]) or y.size == 0:
        raise ValueError(
            f"expected scores (N, K) with labels (N, K) or (N,) and N > 0, got {shapes}. "
            f"The order is (labels, scores), one row for each image."
        )
    if y.ndim == 1:
        (_check_binary if s.ndim == 1 else _check_class_numbers)(y, s)
        return y, s
    y = np.where(np.isnan(y), -1, y)
    if len(wrong := np.setdiff1d(y, (-1, 0, 1))):
        raise ValueError(f"labels must be 1, 0, or -1 for unknown, got {wrong[0]:g}.{_swapped(y, s)}")
    return y, s


def binary_inputs(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Labels in {0, 1} and the score of class 1 of each image, both (N,).

    Of two columns it is the score of class 1 against that of class 0, their difference. A column of two-class logits
    alone ranks nothing: the softmax adds the same number to both.
    """
    check_order("labels", labels, "scores", scores)
    y, s = as_numbers("labels", labels), finite(scores)
    shapes = f"{y.shape} and {s.shape}"
    y, s = column(y), column(s)
    if y.ndim == 1 and s.shape == (len(y), 2):
        s = _one_of_two(s)
    if y.ndim != 1 or s.ndim != 1 or len(y) != len(s) or len(y) == 0:
        raise ValueError(
            f"expected labels (N,) and scores (N,) with N > 0, got {shapes}. Take one column of scores, such as "
            f"probabilities[:, 1], or use auroc_per_class for more than two classes."
        )
    _check_binary(y, s)
    return y, s


def column_inputs(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Labels in {1, 0, -1} and scores that rank images, both (N, K), of any of the three kinds.

    Raises:
        ValueError: as `pair`, or if the scores of a class can not be compared between images.
    """
    y, s = pair(labels, scores)
    if s.ndim == 1:
        return y[:, None], s[:, None]
    if y.ndim == 1:
        classes = s.shape[1]
        if classes == 2:  # each against the other; right for logits as well
            difference = _one_of_two(s)
            s = np.column_stack([-difference, difference])
        elif not _comparable(s):
            raise ValueError(
                f"the scores of {classes} classes lie between {s.min():.3g} and {s.max():.3g}: logits of two images "
                f"can not be compared. Give probabilities(logits, task) of lab_utils.losses, a softmax. (If each "
                f"column answers a question of its own, as those of one-vs-rest classifiers and distances do, take "
                f"one at a time: auroc(labels == k, scores[:, k]).)"
            )
        return (y[:, None] == np.arange(classes)).astype(np.float64), s
    if is_one_hot(y) and not _comparable(s):
        raise Misread(
            f"each of the {len(y)} rows of labels has exactly one 1, and the scores lie between {s.min():.3g} and "
            f"{s.max():.3g}. If one class is right for each image, give the class numbers labels.argmax(axis=1) and "
            f"the softmax of the logits. If several findings can occur together, give the sigmoid of the logits."
        )
    return y, s


def class_inputs(labels: ArrayLike, predictions: ArrayLike) -> tuple[Ints, Ints, int]:
    """Class numbers of labels and predictions, int64 (N,), and K.

    Raises:
        ValueError: if the shapes do not fit, or one is no class number.
    """
    check_order("labels", labels, "predictions", predictions)
    y, p = as_numbers("labels", labels), finite(predictions)
    shapes = f"{y.shape} and {p.shape}"
    y, p = column(y), column(p)
    if y.ndim != 1 or p.ndim not in (1, 2) or len(y) != len(p) or p.size == 0:
        hint = " Are the labels one-hot? Give labels.argmax(axis=1)." if y.ndim == 2 else ""
        raise ValueError(
            f"expected labels (N,) with N > 0 and predicted classes (N,) or scores (N, K), got {shapes}.{hint}"
        )
    for name, values in (("labels", y), ("predictions", p)):
        if values.ndim == 1 and len(wrong := values[(values != np.abs(np.rint(values))) | (values >= MOST)]):
            raise ValueError(f"{name} must be class numbers 0, 1, 2, ..., got {wrong[0]:g}. {advice(name, values)}")
    if p.ndim == 2:
        _check_class_numbers(y, p)
        if np.isin(p, (0, 1)).all() and not is_one_hot(p):
            raise Misread(
                "predictions hold only 0 and 1, and some rows mark no class or several. Give class numbers (N,), or "
                "the scores from which these were made."
            )
        return y.astype(np.int64), p.argmax(axis=1), p.shape[1]
    if 255 in y and 255 not in p and y[y != 255].max(initial=0) < 100:
        raise ValueError(
            "labels must be class numbers 0, 1, 2, ..., got 255, far above the others: is it an unknown label, -1 as "
            "uint8? Leave these images out: keep = labels < 255."
        )
    return y.astype(np.int64), p.astype(np.int64), int(max(y.max(), p.max())) + 1


def is_one_hot(labels: Array) -> bool:
    """Whether every row of labels (N, K) with K > 1 is one 1 among zeros: classes, most likely, and no findings."""
    return labels.shape[1] > 1 and bool(((labels >= 0).all(axis=1) & ((labels == 1).sum(axis=1) == 1)).all())


def holds_no_zero(labels: Array) -> bool:
    """Whether labels (N, K) hold 1 and -1 only: -1 may stand for negative there."""
    return bool((labels == -1).any() and (labels == 1).any() and not (labels == 0).any())


def adds_up(probabilities: Array, within: float = ROWS) -> bool:
    """Whether each row (N, K) adds up to 1, but for rounding."""
    return bool((np.abs(probabilities.sum(axis=1) - 1) <= within).all())


def _check_class_numbers(labels: Array, scores: Array) -> None:
    """Refuse what is no class number below the number of columns of scores (N, K)."""
    if not len(wrong := np.setdiff1d(labels, np.arange(scores.shape[1]))):
        return
    if np.isnan(wrong).any() or (wrong < 0).any():
        hint = " Leave images without a known class out: keep = labels >= 0."
    elif 255 in wrong:
        hint = " Is 255 an unknown label, -1 as uint8? Leave these images out: keep = labels < 255."
    elif labels.min() == 1 and labels.max() == scores.shape[1]:
        hint = " Do your classes begin at 1? Subtract 1."
    else:
        hint = _swapped(labels, scores)
    raise ValueError(
        f"labels must be class numbers below {scores.shape[1]}, the columns of scores, got {wrong[0]:g}.{hint}"
    )


def _one_of_two(s: Array) -> Array:
    if s.min() >= 0 and s.max() <= 1 and not adds_up(s):
        raise Misread(
            "got scores (N, 2) in [0, 1] whose rows do not add up to 1. If they belong to two networks or two "
            "findings, give one column at a time; if they are logits, give scores[:, 1] - scores[:, 0]."
        )
    return np.asarray(s[:, 1] - s[:, 0])


def _check_binary(y: Array, s: Array) -> None:
    if not len(wrong := np.setdiff1d(y, (0, 1))):
        return
    if set(np.unique(y)) in ({-1.0, 1.0}, {1.0, 2.0}):
        low, high = np.unique(y)
        hint = f" If {low:g} stands for negative and {high:g} for positive, give labels == {high:g}."
    elif swapped := _swapped(y, s):
        hint = swapped
    else:
        hint = " Leave unknown labels out first; auroc_per_class masks them where labels and scores are (N, 1)."
        if (y > 1).any():
            hint = " With more than two classes, give scores (N, K), one column for each." + hint
    raise ValueError(f"labels must be 0 or 1, got {wrong[0]:g}.{hint}")


def _swapped(y: Array, s: Array) -> str:
    fractions = bool((y != np.rint(y))[~np.isnan(y)].any())
    classes = bool((s == np.rint(s)).all())
    return " Are labels and scores swapped? The order is (labels, scores)." if fractions and classes else ""


def _comparable(s: Array) -> bool:
    """Whether a score of one image can be compared with that of another, within each column of (N, K)."""
    low, high = s.min(), s.max()
    if low >= -SLACK and high <= 1 + SLACK:  # probabilities, or one score in [0, 1] per class
        return True
    if low >= 0:  # shares in another unit: percent, votes
        totals = s.sum(axis=1)
        return bool(np.ptp(totals) <= ROWS * totals.max())
    return bool(high <= SLACK and adds_up(np.exp(np.minimum(s, 0))))  # log-probabilities


def advice(name: str, values: Array) -> str:
    """What to do with labels or predictions (N,) that are no class numbers."""
    if (values >= MOST).any():
        return f"Are these numbers of patients or images? There are at most {MOST:,} classes."
    if name == "predictions":
        return (
            "Turn binary scores into classes by a threshold, and the grades of a regression by rounding: "
            "np.rint(predictions).clip(0, highest)."
        )
    if set(np.unique(values)) == {-1.0, 1.0}:
        return "If -1 stands for negative and 1 for positive, give labels == 1."
    if np.isnan(values).any() or (values < 0).any():
        return "Leave images without a known class out: keep = labels >= 0. The classes of a binary task are 0 and 1."
    return "Are labels and scores swapped? The order is (labels, predictions)."
