"""Heads on cached features: a linear probe and nearest neighbours, in milliseconds.

Features come from a frozen backbone, one row per image; tensors and arrays both do.
A probe answers one question: can the classes be read off these features?
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.arguments import number, one_of, whole
from lab_utils.array_input import Array, as_numbers, check_order, column
from lab_utils.data import TASKS
from lab_utils.metrics import MOST, advice, knn_votes, per_finding


def linear_probe(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    test_features: ArrayLike,
    *,
    task: str,
    l2: float = 1.0,
) -> Array:
    """Logistic regression on features standardised by the training set's statistics.

    Minimises the summed cross-entropy (nats) plus l2 / 2 times the squared weights; the
    bias is free. Test features are never looked at before the fit.

    Args:
        train_features: (N, D).
        train_labels: (N,) or (N, 1) class numbers, or multilabel (N, K) in {1, 0}, and -1 or NaN
            where unknown, which leaves the image out for that finding.
        test_features: (M, D).
        task: binary, multiclass, ordinal (treated as multiclass) or multilabel.
        l2: strength of the penalty, above 0.

    Returns:
        Probabilities: (M,) of class 1 for binary, else (M, K), where K is the largest
        label plus one. A class without a training image gets 0. A multilabel finding
        whose known labels are all alike teaches nothing: its column is the constant
        (positives + 1) / (known + 2), so that its AUROC is 0.5.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, labels do not fit the
            task, there is one class only, or l2 is not positive.

    References:
        Alain & Bengio (2016), linear classifier probes, arXiv:1610.01644.
    """
    from sklearn.linear_model import LogisticRegression  # a second to import: not for those who only train
    from sklearn.preprocessing import StandardScaler

    l2 = _positive("l2", l2, example=1.0)
    x, y, z = _inputs(train_features, train_labels, test_features, task)

    def fit(rows: NDArray[np.bool_], labels: NDArray[np.int64]) -> Array:
        scaler = StandardScaler().fit(x[rows])
        solver = LogisticRegression(C=1 / l2, max_iter=10_000)
        solver.fit(scaler.transform(x[rows]), labels)
        return _spread(solver.predict_proba(scaler.transform(z)), solver.classes_)

    return _by_task(fit, y, len(z), task)


def knn_probe(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    test_features: ArrayLike,
    *,
    task: str,
    k: int = 200,
    temperature: float = 0.1,
) -> Array:
    """Vote of the k nearest training images, weighted by exp(cosine / temperature).

    Has nothing to fit, so it measures the features alone. The features are taken as
    they are, without standardising; a row of zeros is equally far from everything.

    Args:
        train_features: (N, D).
        train_labels: as for `linear_probe`; unknown labels have no vote.
        test_features: (M, D).
        task: as for `linear_probe`.
        k: neighbours; all known ones where there are fewer.
        temperature: small values let the very nearest decide.

    Returns:
        Shares of the vote in [0, 1], shaped as by `linear_probe` and with the same
        rule for findings whose labels are all alike.

    Raises:
        ValueError: as `linear_probe`, or if k < 1 or temperature is not positive.

    References:
        Matsoukas et al. (2022), arXiv:2203.01825 (k = 200, temperature 0.1).
    """
    k = whole("k", k, 1, example=200)
    temperature = _positive("temperature", temperature, example=0.1)
    x, y, z = _inputs(train_features, train_labels, test_features, task)
    votes = knn_votes(x, y, z, k=k, temperature=temperature)
    return votes[:, 1] if task == "binary" else votes


def _by_task(fit: Callable[..., Array], y: Array, count: int, task: str) -> Array:
    """Call fit(rows, labels) -> (M, K) once, or once per finding."""
    if task == "multilabel":
        return per_finding(fit, y, count)
    scores = fit(np.ones(len(y), dtype=bool), y.astype(np.int64))
    return scores[:, 1] if task == "binary" else scores


def _spread(probabilities: Array, classes: NDArray[Any]) -> Array:
    """Columns of the classes seen -> columns of all classes 0 ... K-1."""
    full = np.zeros((len(probabilities), int(classes.max()) + 1))
    full[:, classes] = probabilities
    return full


def _positive(name: str, value: float, *, example: float) -> float:
    found = number(name, value, example=example)
    if not 0 < found < float("inf"):
        raise ValueError(f"{name} must be a number above 0, got {value!r}. Try {example}.")
    return found


def _inputs(
    train_features: ArrayLike,
    train_labels: ArrayLike,
    test_features: ArrayLike,
    task: str,
) -> tuple[Array, Array, Array]:
    one_of("task", task, TASKS)
    check_order("train_features", train_features, "train_labels", train_labels)
    x = as_numbers("train_features", train_features)
    z = as_numbers("test_features", test_features)
    y = as_numbers("train_labels", train_labels)
    if task != "multilabel":
        y = column(y)
    if x.ndim != 2 or z.ndim != 2 or x.shape[1] != z.shape[1] or x.shape[:1] != y.shape[:1] or not x.size or not z.size:
        raise ValueError(
            f"expected train features (N, D), N labels and test features (M, D), got "
            f"{x.shape}, {y.shape} and {z.shape}. Pool feature maps over space first."
        )
    if not (np.isfinite(x).all() and np.isfinite(z).all()):
        raise ValueError("features must be finite, but some are NaN or infinite")
    return x, _labels(y, task), z


def _labels(y: Array, task: str) -> Array:
    """Labels of one of the tasks, -1 where a finding is unknown."""
    if task == "multilabel":
        y = np.where(np.isnan(y), -1, y)
        if y.ndim != 2 or len(np.setdiff1d(y, (-1, 0, 1))):
            raise ValueError(
                f"multilabel labels must be (N, K) of 1, 0, or -1 for unknown, got "
                f"shape {y.shape} and values from {y.min()} to {y.max()}."
            )
        return y
    classes = y.ndim == 1 and bool(((y == np.abs(np.rint(y))) & (y < MOST)).all())
    if not classes or len(np.unique(y)) < 2:
        hint = " Are the labels one-hot? Give labels.argmax(axis=1)." if y.ndim == 2 else ""
        if not classes and y.ndim == 1:
            hint = " " + advice("labels", y)
        raise ValueError(
            f"{task} labels must be class numbers (N,) of at least two classes, got "
            f"shape {y.shape} and values {np.unique(y)[:5]}.{hint}"
        )
    if task == "binary" and y.max() > 1:
        raise ValueError(
            f"binary labels must be 0 or 1, got {y.max():g}. Name the positive class: labels == {y.max():g}."
        )
    return y
