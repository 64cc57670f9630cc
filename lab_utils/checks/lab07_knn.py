"""`knn_accuracy` in lab 7."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Neighbours = Callable[[Array, Labels, Array, Labels, int, float], Any]


def knn_accuracy(
    bank: Array, bank_labels: Labels, features: Array, labels: Labels, k: int, temperature: float
) -> float:
    """The kit's version."""
    return similarity.knn_accuracy(bank, bank_labels, features, labels, k=k, temperature=temperature)


def _images(n: int, classes: int, seed: int) -> tuple[Array, Labels]:
    """Features whose direction says a little of the class, and whose length says nothing of it, but varies much."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = np.random.default_rng(99).normal(size=(classes, 3))
    towards = 0.8 * centres[labels] + rng.normal(size=(n, 3))
    return towards * np.exp(rng.normal(scale=1.2, size=(n, 1))), labels


def _on(k: int, temperature: float, classes: int = 3, seed: int = 0) -> Probe:
    bank, bank_labels = _images(150, classes, 2 * seed)
    features, labels = _images(120, classes, 2 * seed + 1)

    def probe(student: Neighbours) -> Any:
        found = student(bank, bank_labels, features, labels, k, temperature)
        return float(found) if np.ndim(found) == 0 else f"an array of shape {np.shape(found)}"

    return probe


PROBES: dict[str, Probe] = {
    "3 classes, k = 9, temperature = 0.1": _on(9, 0.1),
    "3 classes, k = 1, temperature = 0.1": _on(1, 0.1),
    "3 classes, k = 40, temperature = 0.05": _on(40, 0.05),
    "3 classes, k = 150 (all of the bank), temperature = 0.05": _on(150, 0.05),
    "5 classes, k = 25, temperature = 0.3": _on(25, 0.3, classes=5, seed=1),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(got, str):
        return f"expected one number, the share of right answers, got {got}."
    return f"expected {expected:.3f}, got {got:.3f}."


# ---- wrong answers


def _unit(features: Array) -> Array:
    return np.asarray(features / np.linalg.norm(features, axis=1, keepdims=True))


def _cosine(x: Array, y: Array) -> Array:
    return np.asarray(_unit(x) @ _unit(y).T)


def _euclidean(x: Array, y: Array) -> Array:
    return -np.linalg.norm(x[:, None] - y[None], axis=2)


def _way(
    similar: Callable[[Array, Array], Array] = _cosine,
    order: Callable[[Array, int], Labels] = lambda s, k: np.argsort(-s, axis=1, kind="stable")[:, :k],
    weight: Callable[[Array, float], Array] = lambda s, temperature: np.exp(s / temperature),
    end: Callable[[NDArray[np.bool_]], Any] = lambda right: right.mean(),
    classes: int | None = None,
) -> Neighbours:
    """The usual way with one part exchanged."""

    def student(bank: Array, bank_labels: Labels, features: Array, labels: Labels, k: int, temperature: float) -> Any:
        s = similar(features, bank)
        nearest = order(s, k)
        weights = weight(np.take_along_axis(s, nearest, axis=1), temperature)
        votes = [(weights * (bank_labels[nearest] == c)).sum(axis=1) for c in range(classes or bank_labels.max() + 1)]
        return end(np.argmax(votes, axis=0) == labels)

    return student


def _own_images_in_the_bank(bank: Array, bank_labels: Labels, features: Array, labels: Labels, *rest: Any) -> Any:
    everything, names = np.concatenate([bank, features]), np.concatenate([bank_labels, labels])
    return knn_accuracy(everything, names, features, labels, *rest)


def _only_test_images(bank: Array, bank_labels: Labels, features: Array, labels: Labels, *rest: Any) -> Any:
    return knn_accuracy(features, labels, features, labels, *rest)


def _places_for_labels(bank: Array, bank_labels: Labels, features: Array, labels: Labels, k: int, t: float) -> Any:
    s = _cosine(features, bank)
    weights = np.exp(-np.sort(-s, axis=1)[:, :k] / t)
    votes = [(weights * (bank_labels[:k] == c)).sum(axis=1) for c in range(bank_labels.max() + 1)]
    return (np.argmax(votes, axis=0) == labels).mean()


def _whitened(x: Array, y: Array) -> Array:
    """Each feature, instead of each image, brought to length 1."""
    return np.asarray(x / np.linalg.norm(x, axis=0) @ (y / np.linalg.norm(y, axis=0)).T)


def _one_side(x: Array, y: Array) -> Array:
    return np.asarray(x @ _unit(y).T)


LENGTH = "Near means a large *cosine*: bring each image's features to length 1 first. Their length says nothing here."
FAR = "These are the k images that are farthest away. A large cosine is near, a large distance is far."
UPSIDE = "Divide by the temperature: a *small* temperature lets the nearest image decide."
IN_BANK = "Test images are in the bank, and each finds itself. Only the training images may vote."

WRONG: tuple[tuple[Neighbours, str], ...] = (
    (_way(similar=_euclidean), LENGTH),
    (_way(similar=_euclidean, weight=lambda s, t: np.ones_like(s)), LENGTH),
    (
        _way(similar=lambda x, y: x @ y.T / np.linalg.norm(x, axis=1)),
        "What is divided by a length needs its axis: `np.linalg.norm(features, axis=1, keepdims=True)`.",
    ),
    (_way(similar=lambda x, y: x @ y.T, weight=lambda s, t: np.exp((s - s.max(axis=1, keepdims=True)) / t)), LENGTH),
    (
        _way(similar=_one_side, weight=lambda s, t: np.exp((s - s.max(axis=1, keepdims=True)) / t)),
        "Both sides need length 1, the bank and the images asked about.",
    ),
    (
        _way(similar=lambda x, y: _unit(x) @ y.T, weight=lambda s, t: np.exp((s - s.max(axis=1, keepdims=True)) / t)),
        LENGTH,
    ),
    (_way(similar=_whitened), "Bring each *image* (row) to length 1, not each feature: which axis is that?"),
    (
        _way(similar=lambda x, y: _cosine(x - x.mean(axis=0), y - y.mean(axis=0))),
        "The features are taken as they are: no mean is taken off.",
    ),
    (
        _way(similar=lambda x, y: abs(_cosine(x, y))),
        "A cosine of -1 is the opposite direction, not near. Keep the sign.",
    ),
    (_way(order=lambda s, k: np.argsort(s, axis=1, kind="stable")[:, :k]), FAR),
    (
        _way(order=lambda s, k: np.argsort(-s, axis=1, kind="stable")[:, 1 : k + 1]),
        "You leave the nearest image out. That is for images that are in the bank themselves.",
    ),
    (_way(order=lambda s, k: np.argsort(-s, axis=1, kind="stable")), "Only the k nearest vote, not the whole bank."),
    (_way(weight=lambda s, t: np.exp(s * t)), UPSIDE),
    (_way(weight=lambda s, t: np.exp(-s / t)), "The weight must grow with the cosine: look at the sign."),
    (_way(weight=lambda s, t: np.exp(s)), "Where do you use the temperature?"),
    (_way(weight=lambda s, t: np.ones_like(s)), "Each of your votes counts the same. The nearer image counts more."),
    (
        _way(order=lambda s, k: np.argsort(-s, axis=1, kind="stable")[:, :1]),
        "Only the nearest image votes. There are k of them.",
    ),
    (_way(classes=2), "There may be more than two classes: take their number from the labels of the bank."),
    (_way(end=lambda right: 100 * right.mean()), "Return a fraction, 0.5 for half. Percent is for printing."),
    (_way(end=lambda right: right.sum()), "Return the share of right answers, not their number."),
    (_way(end=lambda right: 1 - right.mean()), "This is the share of *wrong* answers."),
    (_way(end=lambda right: right), "Return one number, the share of right answers."),
    (_own_images_in_the_bank, IN_BANK),
    (_only_test_images, IN_BANK),
    (_places_for_labels, "The labels must be those of the nearest images: `bank_labels[nearest]`, with shape (m, k)."),
)

KNN_ACCURACY = Exercise(
    "knn_accuracy",
    knn_accuracy,
    PROBES,
    _explain,
    WRONG,
    "Which images vote, with which weight, and for which class?",
    steps=(
        "Divide each row by its length, on both sides. Then one product of matrices gives the cosine of every test "
        "image with every image of the bank, shape (m, n).",
        "Find the places of the k largest cosines in each row, take the cosines and the labels that stand there, and "
        "make weights of the cosines.",
        "For each class add up the weights of its votes, image by image. The answer is the class with the largest sum.",
    ),
)
