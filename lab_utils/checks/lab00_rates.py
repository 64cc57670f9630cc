"""`rates` in lab 0: sensitivity and specificity at a threshold."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise, Probe, same, shown

Array = NDArray[Any]
Rates = Callable[[Array, Array, float], Any]

LABELS = np.array([1, 1, 1, 0, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.5, 0.2, 0.8, 0.6, 0.5, 0.3, 0.1])


def rates(labels: Array, scores: Array, threshold: float) -> tuple[float, float]:
    """The kit's version: (sensitivity, specificity), positive where the score is at least the threshold."""
    called = scores >= threshold
    return float(np.mean(called[labels == 1])), float(np.mean(~called[labels == 0]))


def _at(threshold: float, labels: Array = LABELS, scores: Array = SCORES) -> Probe:
    def probe(student: Rates) -> Any:
        result = student(labels, scores, threshold)
        return list(result) if isinstance(result, tuple | list | np.ndarray) else f"a {type(result).__name__}"

    return probe


PROBES = {
    "labels = 1 1 1 0 0 0 0 0, scores = .9 .5 .2 .8 .6 .5 .3 .1, threshold 0.55": _at(0.55),
    "The same eight images, threshold 0.5, which is the score of two of them": _at(0.5),
    "The same eight images, threshold 0: all are called positive": _at(0.0),
    "The same eight images, threshold 1: none is called positive": _at(1.0),
    "In another order, with labels as floats": _at(0.25, LABELS[::-1].astype(np.float32), SCORES[::-1]),
}


def _explain(got: Any, expected: Any) -> str:
    if not isinstance(got, list) or len(got) != 2:
        return f"expected two numbers, got {shown(got)}. Return both: `return a, b`."
    words = []
    for name, mine, right in zip(("sensitivity", "specificity"), got, expected, strict=True):
        if not same(mine, right):
            words.append(f"expected the {name} {shown(right)}, got {shown(mine)}")
    return ", and ".join(words) + "."


def _by(make: Callable[[Array, Array], Any], call: Callable[[Array, float], Array] = np.greater_equal) -> Rates:
    """`make(positive, called)` of two masks."""
    return lambda labels, scores, threshold: make(labels == 1, call(scores, threshold))


AMONG = "Sensitivity looks at the sick only, specificity at the healthy only: what do you divide by?"
WRONG: tuple[tuple[Rates, str], ...] = (
    (
        _by(lambda p, c: (np.mean(c[p]), np.mean(~c[~p])), np.greater),
        "An image whose score is exactly the threshold is called positive.",
    ),
    (_by(lambda p, c: (np.mean(~c[~p]), np.mean(c[p]))), "These are the two numbers in the other order."),
    (
        _by(lambda p, c: (np.mean(c[p]), np.mean(c[~p]))),
        "The second number is the false positive rate. Specificity is the share of the healthy who are called healthy.",
    ),
    (_by(lambda p, c: (np.mean(c & p), np.mean(~c & ~p))), f"You divided by the number of all images. {AMONG}"),
    (_by(lambda p, c: (np.sum(c & p), np.sum(~c & ~p))), "These are numbers of images. A rate is a share."),
    (
        _by(lambda p, c: (np.mean(p[c]) if c.any() else 0.0, np.mean(~p[~c]) if (~c).any() else 0.0)),
        f"You divided by the images that are called positive, or negative. {AMONG}",
    ),
    (
        _by(lambda p, c: (np.mean(~c[p]), np.mean(c[~p]))),
        "These are the shares of errors. Both rates count what is right.",
    ),
    (_by(lambda p, c: (100 * np.mean(c[p]), 100 * np.mean(~c[~p]))), "Shares lie between 0 and 1: no percent."),
    (_by(lambda p, c: (np.mean(c == p), np.mean(c == p))), f"This is the accuracy, twice. {AMONG}"),
    (_by(lambda p, c: np.mean(c[p])), "This is the sensitivity alone."),
)

RATES = Exercise(
    "rates",
    rates,
    PROBES,
    _explain,
    WRONG,
    AMONG,
    steps=(
        "First decide: which images are called positive? Compare all scores with the threshold at once.",
        "Sensitivity looks only at images whose label is 1: pick them with a mask. Which share of them is called "
        "positive?",
        "Specificity looks only at images whose label is 0. Which share of them is *not* called positive?",
    ),
)
