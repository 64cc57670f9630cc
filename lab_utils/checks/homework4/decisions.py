"""Homework 4, tasks D and E: say what is wrong with a p value of McNemar's test and with a chosen threshold."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.homework4.numbers import ROUNDED, near, number
from lab_utils.checks.outcome import Wrong

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

# ---------------------------------------------------------------- D2


def exact_p(only_a: int, only_b: int) -> float:
    """The exact two-sided p value of McNemar's test, by whole numbers.

    References:
        McNemar (1947), Psychometrika 12, 153-157; the exact form is the sign test of the discordant pairs.
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    tail = sum(math.comb(n, count) for count in range(fewer + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def explain_mcnemar(answer: Any, only_a: int, only_b: int) -> None:
    """Raise the hint that fits, unless `mcnemar` returned the exact two-sided p value."""
    got, expected = _one_number("mcnemar", answer, "What `mcnemar` returns"), exact_p(only_a, only_b)
    if near(got, expected):
        return
    if only_a + only_b == 0:
        raise Wrong("There is no image on which only one network is right: nothing speaks against chance, so p is 1.")
    for value, hint in _other_p_values(only_a, only_b):
        if near(got, value):
            raise Wrong(hint)
    if any(near(got, round(expected, digits)) for digits in range(1, 6)):
        raise Wrong(ROUNDED)
    if only_a + only_b > 1000:
        raise Wrong(
            "With many images p is wrong: 2 ** n is too large, and 0.5 ** n too small, for floating point. Stay with whole "
            "numbers up to the last division, or take SciPy."
        )
    raise Wrong(
        "The p value is wrong. If both networks are equally good, `only_a_right` of the n images that only one has "
        "right is like the number of heads of n tosses of a fair coin. How likely is a result as far from n / 2, or "
        "further?"
    )


def _other_p_values(only_a: int, only_b: int) -> list[tuple[float, str]]:
    """What mistakes give, each with its hint; there is at least one image on which only one network is right."""
    n, fewer = only_a + only_b, min(only_a, only_b)

    def tail(count: int) -> float:
        return float(Fraction(sum(math.comb(n, heads) for heads in range(count + 1)), 2**n))

    def chi_square(distance: float) -> float:  # one degree of freedom: the square of a normal number
        return math.erfc(math.sqrt(distance**2 / n / 2))

    point, both = float(Fraction(math.comb(n, fewer), 2**n)), 2 * tail(fewer)
    one_sided = "This is the chance of one side only. Which network is better was not fixed before: count both sides."
    exactly = "This is the chance of exactly these counts. Add those of all counts that are at least as far from n / 2."
    return [
        (both, "This p value is above 1. With equal counts both sides share the middle: p is at most 1."),
        (tail(fewer), one_sided),
        (tail(only_a), one_sided),
        (tail(only_b), one_sided),
        (2 * tail(only_a), "The tail is summed up to `only_a_right`. Sum up to the smaller of the two counts."),
        (
            min(1.0, 2 * tail(only_a)),
            "The tail is summed up to `only_a_right`. Sum up to the smaller of the two counts.",
        ),
        (
            min(1.0, 2 * tail(only_b)),
            "The tail is summed up to `only_b_right`. Sum up to the smaller of the two counts.",
        ),
        (point, exactly),
        (2 * point, exactly),
        (both - point, "This is the mid-p value: it counts half of the chance of these very counts. Count all of it."),
        (
            chi_square(only_a - only_b),
            "This is the chi-square test, good for many images only. The exact one is asked for.",
        ),
        (
            chi_square(abs(only_a - only_b) - 1),
            "This is the chi-square test with a correction, good for many images only. The exact one is asked for.",
        ),
        ((only_a - only_b) ** 2 / n, "This is the chi-square statistic. Return a p value, and the exact one."),
        (1 - min(1.0, both), "This is 1 minus the p value."),
    ]


# ---------------------------------------------------------------- E1


def largest_threshold(labels: Labels, probs: Floats, sensitivity: float) -> float:
    """The largest threshold with at least this sensitivity: the k-th largest probability of the positive images."""
    positive = np.sort(probs[labels == 1])[::-1]
    reached = np.arange(1, len(positive) + 1) / len(positive) >= sensitivity - 1e-9
    return float(positive[np.argmax(reached)])


def explain_threshold(answer: Any, labels: Labels, probs: Floats, sensitivity: float) -> None:
    """Raise the hint that fits, unless `choose_threshold` returned the right one. There is a positive image."""
    got = _one_number("choose_threshold", answer, "What `choose_threshold` returns")
    expected = largest_threshold(labels, probs, sensitivity)
    if near(got, expected):
        return
    for value, hint in _other_thresholds(labels, probs, sensitivity, expected):
        if near(got, value):
            raise Wrong(hint)
    if any(near(got, round(expected, digits)) for digits in range(1, 6)):
        raise Wrong(ROUNDED)
    positive = probs[labels == 1]
    found = np.mean(positive >= got)
    if found < sensitivity - 1e-9:
        raise Wrong("At your threshold the sensitivity on these images is below the one that is asked for.")
    if found == np.mean(positive >= expected):
        raise Wrong(
            "Your threshold finds the right positive images, but is not the largest that does: it lies between two "
            "probabilities. The largest is itself the probability of an image."
        )
    raise Wrong("The sensitivity is high enough, but there is a larger threshold that reaches what is asked for, too.")


def explain_refusal(reply: Any) -> None:
    """Raise a hint unless the function refused labels without a positive image.

    Args:
        reply: {"refused": message} if it stopped with ValueError, else {"returned": value}.
    """
    if not isinstance(reply, dict) or not isinstance(reply.get("refused"), str):
        raise Wrong(
            "Without a positive image there is no sensitivity, and no threshold to choose. Stop with "
            "`raise ValueError(...)`: whoever gets a number would use it."
        )


def _other_thresholds(labels: Labels, probs: Floats, sensitivity: float, expected: float) -> list[tuple[float, str]]:
    """What mistakes give, each with its hint."""
    values = np.unique(probs)
    positive, normal = probs[labels == 1], probs[labels == 0]
    found = np.array([np.mean(positive >= value) for value in values])
    spared = np.array([np.mean(normal < value) for value in values]) if len(normal) else np.ones(len(values))
    right = (found * len(positive) + spared * len(normal)) / len(labels)
    strict = [value for value in values if np.mean(positive > value) >= sensitivity - 1e-9]
    called = [value for value in values if np.mean(probs >= value) >= sensitivity - 1e-9]
    kept = values[spared >= sensitivity - 1e-9]
    turned = np.sort(normal)[::-1][: max(1, math.ceil(sensitivity * len(normal) - 1e-9))]
    best = "This is the threshold with the {} on these images. Here the sensitivity is given: reach it, no more."
    wrong: list[tuple[Sequence[float] | Floats, str]] = [
        (strict[-1:], "A probability equal to the threshold counts as positive: compare with >=."),
        (values[:1], "At this threshold all images are called positive. Take the *largest* one that is good enough."),
        (kept[:1], "This threshold has that *specificity*. Sensitivity is about the images with label 1."),
        (turned[-1:], "This is about the images with label 0. Sensitivity is about those with label 1."),
        (called[-1:], "This is a share of *all* images. Sensitivity is the share of the images with label 1."),
        ([np.quantile(positive, 1 - sensitivity)], BETWEEN),
        (values[[np.argmax(found + spared)]], best.format("largest sum of sensitivity and specificity")),
        (values[[np.argmax(right)]], best.format("best accuracy")),
        ([np.mean(positive >= expected)], "This is the sensitivity. Return the threshold that has it."),
        ([largest_threshold(labels, probs, 0.9)], "The sensitivity is an argument: it need not be 0.9."),
        ([sensitivity], "This is the sensitivity that is asked for. Return the threshold that has it."),
        ([1 - expected], "This is 1 minus the threshold."),
    ]
    return [(float(value), hint) for found_values, hint in wrong for value in found_values]


BETWEEN = (
    "A quantile lies between two probabilities, and its sensitivity may be too small. Take a threshold that is itself "
    "the probability of an image, and see that its sensitivity is reached."
)


def _one_number(name: str, answer: Any, what: str) -> float:
    if answer is None:
        raise Wrong(f"`{name}` returned None. Does it end with a `return`?")
    return number(answer, what)


# ---- public inputs, with results that can be computed by hand


def _p(only_a: int, only_b: int) -> Callable[[Callable[..., Any]], None]:
    return lambda student: explain_mcnemar(student(only_a, only_b), only_a, only_b)


def _threshold(
    probs: Sequence[float], labels: Sequence[int], sensitivity: float
) -> Callable[[Callable[..., Any]], None]:
    y, p = np.array(labels), np.array(probs)
    return lambda student: explain_threshold(student(y, p, sensitivity), y, p, sensitivity)


def _refused(student: Callable[..., Any]) -> None:
    reply: dict[str, Any]
    try:
        reply = {"returned": student(np.zeros(4, dtype=np.int64), np.array([0.25, 0.5, 0.125, 0.75]), 0.75)}
    except NotImplementedError:
        raise
    except ValueError as error:
        reply = {"refused": str(error)}
    explain_refusal(reply)


# 2 * (1 + 5) / 2**5 = 12 / 32; 2 * 1 / 2**6; equal counts: 2 * (1 + 4 + 6) / 2**4 is above 1, so 1
MCNEMAR = (_p(4, 1), _p(0, 6), _p(2, 2), _p(0, 0))
# positive: 0.925 0.765 0.738 0.7; three of four are 0.75, all four are needed for 0.9
_PROBS = (0.97, 0.925, 0.825, 0.82, 0.815, 0.765, 0.738, 0.705, 0.7, 0.18, 0.17, 0.085, 0.03)
_LABELS = (0, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0)
CHOOSE_THRESHOLD = (
    _threshold(_PROBS, _LABELS, 0.75),
    _threshold(_PROBS, _LABELS, 0.9),
    _threshold((0.9, 0.5, 0.5, 0.5, 0.25, 0.75), (1, 1, 1, 1, 1, 0), 0.75),  # 0.5 three times: four of five
    _refused,
)
