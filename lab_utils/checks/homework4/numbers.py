"""Homework 4, tasks A, D and E: say what is wrong with a choice of models, a comparison, and an explained gap."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.outcome import Case, Wrong
from lab_utils.names import did_you_mean
from lab_utils.networks import is_known, list_models

Floats = NDArray[np.float64]
PAIRED = ("accuracy_a", "accuracy_b", "difference", "only_a_right", "only_b_right")
GAP = ("gap", "from_prevalence", "from_images")
TOLERANCE = 1e-6
ROUNDED = "The values are rounded. Return them as they are."
Mistakes = Sequence[tuple[Sequence[float], str]]  # values that a mistake gives, and its hint


def two_names(answer: Any) -> list[str]:
    """Return the two names, or raise the hint that fits."""
    if answer is None:
        raise Wrong("`choose_models` returned None. Does it end with a `return`?")
    if not isinstance(answer, list | tuple) or len(answer) != 2 or not all(isinstance(name, str) for name in answer):
        raise Wrong("`choose_models` should return two names, as in `return first, second`.")
    return list(answer)


def explain_known(answer: Any) -> None:
    """Raise a hint if one of the names is none that `build_model` knows."""
    for name in two_names(answer):
        if not is_known(name):
            hint = did_you_mean(name, list_models())
            raise Wrong(f"`build_model` knows no network {name[:60]!r}.{hint} See `list_models()`.")


def explain_different(answer: Any) -> None:
    """Raise a hint if both names are the same."""
    first, second = two_names(answer)
    if first == second:
        raise Wrong("Both names are the same. Choose two different networks, so that there is something to compare.")


def explain_paired(answer: Any, expected: Mapping[str, float], right: Mapping[str, float]) -> None:
    """Raise the hint that fits, unless `paired_difference` returned what is expected.

    Args:
        answer: what came back.
        expected: the value of each of `PAIRED`.
        right: numbers for the hints: "n" images; "right_a", "right_b" counts; "called_a", "called_b": images that only
            this network calls positive; "strict_a": the accuracy of A if a probability equal to the threshold counted
            as negative.
    """
    got = _numbers("paired_difference", answer, PAIRED)
    a, b, difference, only_a, only_b = (expected[name] for name in PAIRED)
    n, right_a, right_b, strict_a = (right[name] for name in ("n", "right_a", "right_b", "strict_a"))
    accuracies: Mistakes = [
        ((right_a, right_b), "The accuracies are numbers of images. An accuracy is a share, from 0 to 1."),
        ((100 * a, 100 * b), "The accuracies are in percent. Return shares, from 0 to 1."),
        ((b, a), "The accuracies of A and B have changed places."),
        ((strict_a, got["accuracy_b"]), "A probability equal to the threshold counts as positive: compare with >=."),
    ]
    what = f"The accuracies are wrong. {CALLED} The accuracy is the share of images with the right call."
    _explain(got, expected, PAIRED[:2], accuracies, what)
    sign: Mistakes = [((-difference,), "The difference has the wrong sign: it is A minus B.")]
    _explain(got, expected, PAIRED[2:3], sign, "The difference is not accuracy_a minus accuracy_b.")
    counts: Mistakes = [
        ((only_a / n, only_b / n), "`only_a_right` and `only_b_right` are shares here. Return numbers of images."),
        ((right_a, right_b), "`only_a_right` counts all that A has right. Count what A has right *and* B has wrong."),
        (
            (right["called_a"], right["called_b"]),
            "These are the images that only one network *calls positive*. Compare which calls are *right*.",
        ),
        ((only_b, only_a), "`only_a_right` and `only_b_right` have changed places."),
    ]
    what = "`only_a_right` counts the images that A has right and B has wrong; `only_b_right` the others."
    _explain(got, expected, PAIRED[3:], counts, what)


def explain_gap_parts(answer: Any, expected: Mapping[str, float], others: Mapping[str, float]) -> None:
    """Raise the hint that fits, unless `explain_gap` returned what is expected.

    Args:
        answer: what came back.
        expected: the value of each of `GAP`.
        others: wrong values of "from_prevalence", by the keys of `WRONG_PARTS`.
    """
    got = _numbers("explain_gap", answer, GAP)
    what = "It is the accuracy at A minus the accuracy at B."
    sign: Mistakes = [((-expected["gap"],), f"The gap has the wrong sign. {what}")]
    _explain(got, expected, GAP[:1], sign, f"The gap is wrong. {what} {CALLED}")
    parts: Mistakes = [((others[key],), hint) for key, hint in WRONG_PARTS.items()]
    what = (
        "`from_prevalence` is wrong. Compute the accuracy that the network would have with A's sensitivity and A's "
        "specificity, but with the share of positive images of B. How far is that below its accuracy at A?"
    )
    _explain(got, expected, GAP[1:2], parts, what)
    _explain(got, expected, GAP[2:], [], "`from_images` is the rest: both parts together make the gap.")


CALLED = "An image is called positive where its probability is at least `threshold` (which need not be 0.5)."
WRONG_PARTS = {
    "swapped": "`from_prevalence` and `from_images` have changed places.",
    "sign": "`from_prevalence` has the wrong sign: it is the accuracy at A minus the one with B's prevalence.",
    "of_b": "Here `from_prevalence` uses sensitivity and specificity of B. They belong to B's images: take A's.",
    "level": "This is the accuracy with B's prevalence itself. Return how far it lies below the accuracy at A.",
    "share": "`from_prevalence` is not the difference of the two prevalences: an accuracy is asked for.",
}


def _numbers(name: str, answer: Any, keys: tuple[str, ...]) -> dict[str, float]:
    """Return the values of a dict of numbers, or raise the hint that fits."""
    if answer is None:
        raise Wrong(f"`{name}` returned None. Does it end with a `return`?")
    if not isinstance(answer, Mapping):
        raise Wrong(f"`{name}` should return a dict, but returned a {type(answer).__name__}.")
    if missing := [key for key in keys if key not in answer]:
        raise Wrong(f"In the dict that `{name}` returns there is no {missing[0]!r}. It needs {', '.join(keys)}.")
    return {key: number(answer[key], repr(key)) for key in keys}


def number(value: Any, what: str) -> float:
    """Return a value as a number, or raise the hint that fits."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be a number, but is a {type(value).__name__}.") from None
    if array.size != 1:
        raise Wrong(f"{what} should be one number, but has {array.size} values.")
    if not math.isfinite(array.item()):
        raise Wrong(f"{what} is {array.item()}. Is something divided by 0?")
    return float(array.item())


def near(a: float, b: float) -> bool:
    """Whether two values are the same but for rounding errors."""
    return abs(a - b) <= TOLERANCE


def _explain(
    got: Mapping[str, float], expected: Mapping[str, float], names: Sequence[str], mistakes: Mistakes, hint: str
) -> None:
    """Raise the hint of the mistake that gives these values, or the last one, unless they are right."""
    values, wanted = [got[name] for name in names], [expected[name] for name in names]
    if all(map(near, values, wanted)):
        return
    rounded = [([round(value, digits) for value in wanted], ROUNDED) for digits in range(1, 6)]
    raise Wrong(next((text for wrong, text in [*mistakes, *rounded] if all(map(near, values, wrong))), hint))


def _six_images(student: Callable[..., Any]) -> None:
    # threshold 0.6; A calls 1 1 1 0 0 0 (right: 1 0 0 1 0 0), B calls 1 0 0 1 1 1 (right: 1 1 1 0 1 1)
    labels = np.array([1, 0, 0, 0, 1, 1])
    probs_a, probs_b = np.array([0.8, 0.65, 0.6, 0.55, 0.4, 0.3]), np.array([0.9, 0.2, 0.3, 0.7, 0.6, 0.8])
    expected = {"accuracy_a": 2 / 6, "accuracy_b": 5 / 6, "difference": -3 / 6, "only_a_right": 1, "only_b_right": 4}
    right = {"n": 6, "right_a": 2, "right_b": 5, "called_a": 2, "called_b": 3, "strict_a": 3 / 6}
    explain_paired(student(labels, probs_a, probs_b, 0.6), expected, right)


def _two_hospitals(student: Callable[..., Any]) -> None:
    # threshold 0.6; A: 6 of 9 positive, sensitivity 5/6, specificity 3/3, accuracy 8/9 = 64/72; B: 2 of 8 positive,
    # sensitivity 2/2, specificity 4/6, accuracy 6/8 = 54/72. With B's prevalence A would have
    # 1/4 * 5/6 + 3/4 * 1 = 23/24 = 69/72. B's rates with A's prevalence: 2/3 * 1 + 1/3 * 4/6 = 64/72.
    labels_a, labels_b = np.array([1] * 6 + [0] * 3), np.array([1] * 2 + [0] * 6)
    probs_a = np.array([0.9, 0.8, 0.7, 0.6, 0.7, 0.2, 0.1, 0.55, 0.3])
    probs_b = np.array([0.9, 0.6, 0.8, 0.6, 0.1, 0.2, 0.55, 0.3])
    expected = {"gap": 10 / 72, "from_prevalence": -5 / 72, "from_images": 15 / 72}
    values = {"swapped": 15 / 72, "sign": 5 / 72, "of_b": 10 / 72, "level": 69 / 72, "share": 2 / 3 - 1 / 4}
    explain_gap_parts(student(labels_a, probs_a, labels_b, probs_b, 0.6), expected, values)


CHOOSE_MODELS: tuple[Case, ...] = (
    lambda student: explain_known(student()),
    lambda student: explain_different(student()),
)
PAIRED_DIFFERENCE = (_six_images,)
EXPLAIN_GAP = (_two_hospitals,)
