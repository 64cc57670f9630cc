"""`auroc` in lab 0: the formula, pair by pair."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lab_utils.checks.exercise import Exercise, Probe, Raised, difference
from lab_utils.metrics import auroc, balanced_accuracy

Array = NDArray[Any]

LABELS = np.array([0, 1, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.3, 0.1])  # from high to low; AUROC 4/6
ORDER = np.array([3, 1, 4, 0, 2])
TIED_LABELS = np.array([1, 1, 1, 0, 0, 0])
TIED_SCORES = np.array([0.8, 0.5, 0.5, 0.5, 0.2, 0.8])  # 4 of 9 pairs won, 3 equal: AUROC 5.5/9


def _on(labels: Array, scores: Array) -> Probe:
    return lambda student: student(labels, scores)


def _three_hundred(student: Callable[..., Any]) -> Any:
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.2).astype(np.float64)
    return student(labels, np.round(rng.normal(labels, 1.0), 1))


SITUATIONS = {
    "Five images": (LABELS, SCORES),
    "The same five images, no longer sorted by score": (LABELS[ORDER].astype(np.float32), SCORES[ORDER]),
    "Some scores are equal": (TIED_LABELS, TIED_SCORES),
    "Equal scores in another order": (TIED_LABELS[::-1], TIED_SCORES[::-1]),
    "All scores are equal": (LABELS, np.full(5, 0.5)),
    "Logits, which may be below 0 and above 1": (LABELS, np.array([9.0, 4.0, 3.9, -3.8, -20.0])),
    "Scores that rank worse than chance": (LABELS, -SCORES),
    "Whole numbers (grades 0 to 4)": (np.array([0, 0, 1, 1, 0, 1]), np.array([0, 2, 2, 4, 1, 3])),
}
NO_PAIR = "image, so no pair and no AUROC: a ValueError that says what is missing is expected"
PROBES: dict[str, Probe] = {
    **{f"{what}, labels = {y.tolist()}, scores = {s.tolist()}": _on(y, s) for what, (y, s) in SITUATIONS.items()},
    "300 images, and the small sets were right (does anything depend on their size?)": _three_hundred,
    f"No negative {NO_PAIR}": _on(np.ones(4), np.array([0.1, 0.4, 0.35, 0.8])),
    f"No positive {NO_PAIR}": _on(np.zeros(4), np.array([0.1, 0.4, 0.35, 0.8])),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, Raised):
        return f"your function returned {got}. A number that looks like a result is dangerous here."
    if isinstance(got, str) or np.ndim(got) != 0:
        shape = f" of shape {np.shape(got)}" if hasattr(got, "shape") else ""
        return f"expected one number, got a {type(got).__name__}{shape}. Take the mean over all pairs."
    return difference(got, expected)


def _points(points: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    """The mean of some points over all pairs: `points(positive, negative)` of scores that stretch to a table."""
    return lambda labels, scores: np.mean(points(scores[labels == 1][:, None], scores[labels == 0]))


def _won(labels: Array, scores: Array) -> Any:
    above = scores[labels == 1][:, None] - scores[labels == 0]
    return np.sum(above > 0) + 0.5 * np.sum(above == 0)


def _in_given_order(labels: Array, scores: Array) -> Any:
    tpr, fpr = (np.concatenate([[0], np.cumsum(labels == one) / np.sum(labels == one)]) for one in (1, 0))
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


def _on_a_grid(labels: Array, scores: Array) -> Any:
    grid = np.linspace(1, 0, 101)
    tpr, fpr = (np.array([0, *(np.mean(scores[labels == one] >= t) for t in grid), 1]) for one in (1, 0))
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


COIN = "A tie is like a coin toss: look at the formula again."
TOO_MANY = "You divided by too many pairs. Only pairs of one positive and one negative image count."
THRESHOLD = "AUROC needs no threshold: compare the scores themselves, pair by pair."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_points(lambda p, n: p > n), f"You gave pairs with equal scores nothing. {COIN}"),
    (_points(lambda p, n: p >= n), f"You gave pairs with equal scores a full point. {COIN}"),
    (lambda y, s: 1 - auroc(y, s), "You counted the pairs in which the NEGATIVE image has the higher score."),
    (lambda y, s: max(auroc(y, s), 1 - auroc(y, s)), "An AUROC below 0.5 is a result too: report it as it is."),
    (lambda y, s: np.mean((s >= 0.5) == y), f"This is the accuracy at threshold 0.5. {THRESHOLD}"),
    (
        lambda y, s: balanced_accuracy(y, (s >= 0.5).astype(np.int64)),
        f"This is the balanced accuracy at threshold 0.5. {THRESHOLD}",
    ),
    (
        average_precision_score,
        "This is the average precision, the area under another curve. Its value depends on the prevalence.",
    ),
    (_won, "This is a number of pairs. A probability is a fraction: of how many pairs?"),
    (lambda y, s: _won(y, s) / len(y) ** 2, TOO_MANY),
    (lambda y, s: _won(y, s) / (len(y) * (len(y) - 1) / 2), TOO_MANY),
    (
        lambda y, s: (s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0]),
        "These are the points of each pair. The formula has one more step.",
    ),
    (_in_given_order, "You had them right when they came sorted by score. Does your code need them sorted?"),
    (
        lambda y, s: _in_given_order(y[np.argsort(-s, kind="stable")], s),
        "What does the definition say about a pair with equal scores? With thresholds, both are passed in one step.",
    ),
    (_on_a_grid, "Only the order of the scores may count. Between which values do your thresholds lie?"),
    (
        _points(lambda p, n: (p - n).mean()),
        "This is how far the scores lie apart on average. Only the order of the two scores of a pair may count.",
    ),
    (
        lambda y, s: np.mean((s[y][:, None] > s[1 - y]) + 0.5 * (s[y][:, None] == s[1 - y])),
        "The labels, 0 and 1, were taken as positions. Which scores belong to the images whose label is 1?",
    ),
    (
        lambda y, s: auroc(y, s) if 0 < y.sum() < len(y) else 0.5,
        "0.5 would say that the network guesses, but nothing was compared. Raise a ValueError.",
    ),
    (lambda y, s: float(_won(y, s)) / int(sum(y == 1) * sum(y == 0)), "Look at both numbers before you divide."),
)


AUROC = Exercise(
    "auroc",
    auroc,
    PROBES,
    _explain,
    WRONG,
    "Which pairs of one positive and one negative image are in the right order?",
    1e-6,
    steps=(
        "Split the scores in two: those of the images with label 1, and those with label 0. A mask such as "
        "`labels == 1` does it.",
        "Compare all pairs at once: with `a[:, None]` and `b[None, :]` every entry of one meets every entry "
        "of the other. You need two tables: where the first is larger, and where both are equal.",
        "A won pair counts 1, a tie one half. What do you divide by? And what can you not divide by, if one "
        "of the two classes is missing?",
    ),
)
