"""Homework 4, tasks A, D and E: say what is wrong with a choice of models, a comparison, and an explained gap."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.outcome import Wrong
from lab_utils.names import did_you_mean
from lab_utils.networks import list_models

Floats = NDArray[np.float64]
PAIRED = ("accuracy_a", "accuracy_b", "difference", "only_a_right", "only_b_right")
GAP = ("gap", "from_prevalence", "from_images")
TOLERANCE = 1e-6


def two_names(answer: Any) -> list[str]:
    """Return the two names, or raise the hint that fits."""
    if answer is None:
        raise Wrong("`choose_models` returned None. Does it end with a `return`?")
    if not isinstance(answer, list | tuple) or len(answer) != 2 or not all(isinstance(name, str) for name in answer):
        raise Wrong("`choose_models` should return two names, as in `return first, second`.")
    return list(answer)


def explain_known(answer: Any) -> None:
    """Raise a hint if one of the names is none that `build_model` knows."""
    known = list_models()
    for name in two_names(answer):
        if name not in known:
            hint = did_you_mean(name, known)
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
    accuracy = {name: got[name] for name in ("accuracy_a", "accuracy_b")}
    if all(_near(accuracy[name], expected[name]) for name in accuracy):
        _explain_counts(got, expected, right)
        return
    if _near(accuracy["accuracy_a"], right["right_a"]) and _near(accuracy["accuracy_b"], right["right_b"]):
        raise Wrong("The accuracies are numbers of images. An accuracy is a share, from 0 to 1.")
    if all(_near(accuracy[name], 100 * expected[name]) for name in accuracy):
        raise Wrong("The accuracies are in percent. Return shares, from 0 to 1.")
    if _near(accuracy["accuracy_a"], expected["accuracy_b"]) and _near(accuracy["accuracy_b"], expected["accuracy_a"]):
        raise Wrong("The accuracies of A and B have changed places.")
    if _rounded(accuracy, expected):
        raise Wrong("The accuracies are rounded. Return them as they are.")
    if _near(accuracy["accuracy_a"], right["strict_a"]):
        raise Wrong("A probability equal to the threshold counts as positive: compare with >=.")
    raise Wrong(
        "The accuracies are wrong. An image is called positive where its probability is at least `threshold` (which "
        "need not be 0.5); the accuracy is the share of images with the right call."
    )


def _explain_counts(got: Mapping[str, float], expected: Mapping[str, float], right: Mapping[str, float]) -> None:
    if not _near(got["difference"], expected["difference"]):
        if _near(got["difference"], -expected["difference"]):
            raise Wrong("The difference has the wrong sign: it is A minus B.")
        raise Wrong("The difference is not accuracy_a minus accuracy_b.")
    counts = ("only_a_right", "only_b_right")
    if all(_near(got[name], expected[name]) for name in counts):
        return
    if all(_near(got[name], expected[name] / right["n"]) for name in counts):
        raise Wrong("`only_a_right` and `only_b_right` are shares here. Return numbers of images.")
    if _near(got["only_a_right"], right["right_a"]) and _near(got["only_b_right"], right["right_b"]):
        raise Wrong("`only_a_right` counts all that A has right. Count the images that A has right *and* B has wrong.")
    if _near(got["only_a_right"], right["called_a"]) and _near(got["only_b_right"], right["called_b"]):
        raise Wrong("These are the images that only one network *calls positive*. Compare which calls are *right*.")
    if _near(got["only_a_right"], expected["only_b_right"]) and _near(got["only_b_right"], expected["only_a_right"]):
        raise Wrong("`only_a_right` and `only_b_right` have changed places.")
    raise Wrong("`only_a_right` counts the images that A has right and B has wrong; `only_b_right` the others.")


def explain_gap_parts(answer: Any, expected: Mapping[str, float], others: Mapping[str, float]) -> None:
    """Raise the hint that fits, unless `explain_gap` returned what is expected.

    Args:
        answer: what came back.
        expected: the value of each of `GAP`.
        others: wrong values of "from_prevalence", by the hint that fits each of them.
    """
    got = _numbers("explain_gap", answer, GAP)
    if not _near(got["gap"], expected["gap"]):
        if _near(got["gap"], -expected["gap"]):
            raise Wrong("The gap has the wrong sign: it is the accuracy at A minus the accuracy at B.")
        if _rounded(got, expected):
            raise Wrong("The values are rounded. Return them as they are.")
        raise Wrong(
            "The gap is wrong. It is the accuracy at A minus the accuracy at B. At both an image is called positive "
            "where its probability is at least `threshold` (which need not be 0.5)."
        )
    if not _near(got["from_prevalence"], expected["from_prevalence"]):
        for hint, value in others.items():
            if _near(got["from_prevalence"], value):
                raise Wrong(hint)
        raise Wrong(
            "`from_prevalence` is wrong. Compute the accuracy that the network would have with A's sensitivity and A's "
            "specificity, but with the share of positive images of B. How far is that below its accuracy at A?"
        )
    if not _near(got["from_images"], expected["from_images"]):
        raise Wrong("`from_images` is the rest: both parts together make the gap.")


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
    return {key: _number(answer[key], key) for key in keys}


def _number(value: Any, key: str) -> float:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{key!r} should be a number, but is a {type(value).__name__}.") from None
    if array.size != 1:
        raise Wrong(f"{key!r} should be one number, but has {array.size} values.")
    if not math.isfinite(array.item()):
        raise Wrong(f"{key!r} is {array.item()}. Is something divided by 0?")
    return float(array.item())


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= TOLERANCE


def _rounded(got: Mapping[str, float], expected: Mapping[str, float]) -> bool:
    """Whether all values are the expected ones, rounded."""
    return any(all(_near(got[name], round(expected[name], digits)) for name in got) for digits in (1, 2, 3, 4, 5))


def _known(student: Callable[..., Any]) -> None:
    explain_known(student())


def _different(student: Callable[..., Any]) -> None:
    explain_different(student())


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
    others = {WRONG_PARTS[key]: value for key, value in values.items()}
    explain_gap_parts(student(labels_a, probs_a, labels_b, probs_b, 0.6), expected, others)


CHOOSE_MODELS = (_known, _different)
PAIRED_DIFFERENCE = (_six_images,)
EXPLAIN_GAP = (_two_hospitals,)
