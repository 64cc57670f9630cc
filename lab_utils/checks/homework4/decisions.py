"""Homework 4, tasks D and E: say what is wrong with a p value of McNemar's test and with a chosen threshold.

The right values, and those that mistakes give, come from whoever asks: students read this file.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.homework4.numbers import ROUNDED, near, number
from lab_utils.checks.outcome import Wrong

Others = Mapping[
    str, float | None
]  # by the keys of the hints: the value that a mistake gives; None where it gives none

ONE_SIDE = "This is the chance of one side only. Which network is better was not fixed before: count both sides."
EXACTLY = "This is the chance of exactly these counts. Add those of all counts that are at least as far from n / 2."
UP_TO = "The tail is summed up to `only_{}_right`, whichever count is the larger. In which tail is the result?"
FEW = "This is the chi-square test{}, which is good for many images only. The exact one is asked for."
P_HINTS = {
    "above 1": "This p value is above 1. With equal counts both sides share the middle: p is at most 1.",
    "one side": ONE_SIDE,
    "side of a": ONE_SIDE,
    "side of b": ONE_SIDE,
    "up to a": UP_TO.format("a"),
    "up to b": UP_TO.format("b"),
    "exactly": EXACTLY,
    "exactly, twice": EXACTLY,
    "mid-p": "This is the mid-p value: it counts half of the chance of these very counts. Count all of it.",
    "chi-square": FEW.format(""),
    "corrected": FEW.format(" with a correction"),
    "statistic": "This is the chi-square statistic. Return a p value, and the exact one.",
    "complement": "This is 1 minus the p value.",
}

BEST = (
    "This is the threshold with the best accuracy, or with the largest sum of sensitivity and specificity. Here the "
    "sensitivity is given: reach it, no more."
)
THRESHOLD_HINTS = {
    "strict": "A probability equal to the threshold counts as positive: compare with >=.",
    "lowest": "At this threshold all images are called positive. Take the *largest* one that is good enough.",
    "specificity": "This threshold has that *specificity*. Sensitivity is about the images with label 1.",
    "turned": "This is about the images with label 0. Sensitivity is about those with label 1.",
    "all images": "This is a share of *all* images. Sensitivity is the share of the images with label 1.",
    "quantile": "A quantile lies between two probabilities, and its sensitivity may be too small. Take a threshold "
    "that is itself the probability of an image, and see that its sensitivity is reached.",
    "best sum": BEST,
    "best accuracy": BEST,
    "found": "This is the sensitivity. Return the threshold that has it.",
    "nine tenths": "The sensitivity is an argument: it need not be 0.9.",
}


def explain_mcnemar(answer: Any, n: int, expected: float, others: Others) -> None:
    """Raise the hint that fits, unless `mcnemar` returned what is expected.

    Args:
        answer: what came back.
        n: number of images that only one network has right.
        expected: the exact two-sided p value.
        others: p values of mistakes, by the keys of `P_HINTS`.
    """
    got = one_number("mcnemar", answer)
    if abs(got - expected) <= 1e-9:  # with many images the chi-square test is near
        return
    if n == 0:
        raise Wrong("There is no image on which only one network is right: nothing speaks against chance, so p is 1.")
    _name_mistake(got, expected, others, P_HINTS)
    if n > 1000:
        raise Wrong(
            "With many images p is wrong: 2 ** n is too large, and 0.5 ** n too small, for floating point. Stay with "
            "whole numbers up to the last division, or take SciPy."
        )
    raise Wrong(
        "The p value is wrong. If both networks are equally good, `only_a_right` of the n images that only one has "
        "right is like the number of heads of n tosses of a fair coin. How likely is a result as far from n / 2, or "
        "further?"
    )


def explain_threshold(
    answer: Any, positive: NDArray[np.float64], sensitivity: float, expected: float, others: Others
) -> None:
    """Raise the hint that fits, unless `choose_threshold` returned what is expected.

    Args:
        answer: what came back.
        positive: the probabilities of the positive images.
        sensitivity: that was asked for.
        expected: the threshold.
        others: thresholds of mistakes, by the keys of `THRESHOLD_HINTS`.
    """
    got = one_number("choose_threshold", answer)
    if near(got, expected):
        return
    _name_mistake(got, expected, others, THRESHOLD_HINTS)
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
    """Raise a hint unless `choose_threshold` refused labels without a positive image.

    Args:
        reply: {"refused": message} if it stopped with ValueError, else {"returned": value}.
    """
    if not isinstance(reply, dict) or not isinstance(reply.get("refused"), str):
        raise Wrong(
            "Without a positive image there is no sensitivity, and no threshold to choose. Stop with "
            "`raise ValueError(...)`: whoever gets a number would use it."
        )


def _name_mistake(got: float, expected: float, others: Others, hints: Mapping[str, str]) -> None:
    for name, hint in hints.items():
        value = others.get(name)
        if value is not None and near(got, value):
            raise Wrong(hint)
    if any(near(got, round(expected, digits)) for digits in range(1, 6)):
        raise Wrong(ROUNDED)


def one_number(name: str, answer: Any) -> float:
    """Return what came back as a number, or raise the hint that fits."""
    if answer is None:
        raise Wrong(f"`{name}` returned None. Does it end with a `return`?")
    return number(answer, f"What `{name}` returns")


# ---- public inputs, with results that can be computed by hand


def _p(only_a: int, only_b: int, expected: float, **others: float) -> Callable[[Callable[..., Any]], None]:
    named = {name.replace("_", " "): value for name, value in others.items()}
    return lambda student: explain_mcnemar(student(only_a, only_b), only_a + only_b, expected, named)


def _threshold(
    probs: Sequence[float], labels: Sequence[int], sensitivity: float, expected: float, **others: float
) -> Callable[[Callable[..., Any]], None]:
    y, p = np.array(labels), np.array(probs)
    named = {name.replace("_", " "): value for name, value in others.items()}
    return lambda student: explain_threshold(student(y, p, sensitivity), p[y == 1], sensitivity, expected, named)


def _refused(student: Callable[..., Any]) -> None:
    reply: dict[str, Any]
    try:
        reply = {"returned": student(np.zeros(4, dtype=np.int64), np.array([0.25, 0.5, 0.125, 0.75]), 0.75)}
    except NotImplementedError:
        raise
    except ValueError as error:
        reply = {"refused": str(error)}
    explain_refusal(reply)


# Of 6 tosses 0, 1 ... 6 heads have 1, 6, 15, 20, 15, 6, 1 of 64 ways; of 4 tosses 1, 4, 6, 4, 1 of 16. The statistic of
# 5 : 1 is 16 / 6, and (4 - 1)^2 / 6 with the correction; their p values are those of a table, one degree of freedom.
_FIVE_ONE = {"one_side": 7 / 64, "side_of_a": 63 / 64, "up_to_a": 1, "exactly": 6 / 64, "exactly,_twice": 12 / 64}
_FIVE_ONE |= {"mid-p": 8 / 64, "chi-square": 0.10247043, "corrected": 0.22067136, "statistic": 16 / 6}
MCNEMAR = (
    _p(5, 1, 14 / 64, complement=50 / 64, **_FIVE_ONE),
    _p(0, 6, 2 / 64, one_side=1 / 64, up_to_b=1),
    _p(2, 2, 1, **{"above_1": 22 / 16}),
    _p(0, 0, 1),
)
# Positive are 0.98 0.91 0.71 0.6 0.335 0.14: five of six for 0.75.
_PROBS = (0.98, 0.91, 0.71, 0.68, 0.65, 0.6, 0.49, 0.335, 0.32, 0.19, 0.14, 0.13, 0.08)
_LABELS = (1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0)
_OTHERS = {"strict": 0.32, "lowest": 0.08, "specificity": 0.68, "turned": 0.13, "all_images": 0.19, "found": 5 / 6}
_OTHERS |= {"quantile": 0.335 + 0.265 / 4, "best_sum": 0.71, "best_accuracy": 0.71, "nine_tenths": 0.14}
CHOOSE_THRESHOLD = (
    _threshold(_PROBS, _LABELS, 0.75, 0.335, **_OTHERS),
    _threshold((0.9, 0.8, 0.7, 0.6, 0.2, 0.1), (1, 1, 1, 1, 0, 0), 0.5, 0.8),  # exactly two of four
    _threshold((0.9, 0.5, 0.5, 0.5, 0.25, 0.75), (1, 1, 1, 1, 1, 0), 0.75, 0.5),  # 0.5 three times: four of five
    _refused,
)
