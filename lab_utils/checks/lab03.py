"""Checks of lab 3: a learning rate and the first layer; the other exercises have files of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab03_conv1 import ADAPT_CONV1, adapt_conv1
from lab_utils.checks.lab03_fine_tune import FINE_TUNE, fine_tune
from lab_utils.checks.lab03_param_groups import PARAM_GROUPS, param_groups
from lab_utils.checks.lab03_questions import FAIR, INTERVAL, NEW_CONV1, WHICH_DEPTH, WHICH_RATE
from lab_utils.checks.outcome import Wrong
from lab_utils.training import smooth

__all__ = [
    "EXERCISES",
    "FAIR",
    "INTERVAL",
    "NEW_CONV1",
    "WHICH_DEPTH",
    "WHICH_RATE",
    "adapt_conv1",
    "check_adapt_conv1",
    "check_fine_tune",
    "check_lr_suggestion",
    "check_param_groups",
    "fine_tune",
    "lr_suggestion",
    "param_groups",
]

Floats = NDArray[np.float64]
Suggest = Callable[[Floats, Floats], float]

NEAR = 2.5  # a suggestion may be off by this factor: other ways to smooth are right too


def lr_suggestion(lrs: Floats, losses: Floats) -> float:
    """The kit's version; unlike `lr_range.lr_suggestion` it also answers where the loss never falls: the first rate."""
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(finite.argmin())
    smoothed = smooth(losses[:stop])
    slope = np.gradient(smoothed, np.log(lrs[:stop]))
    return float(lrs[slope[: smoothed.argmin() + 1].argmin()])


# ---- exercise 1


def _curve(fall: float, turn: float, *, noise: float = 0.0, width: float = 1.2) -> tuple[Floats, Floats]:
    """A range test from 1e-6 to 1 that falls fastest at `fall` and turns up at `turn`."""
    lrs = np.geomspace(1e-6, 1.0, 101, dtype=np.float64)
    u = np.log(lrs)
    losses = 0.7 - 0.4 / (1 + np.exp(-(u - np.log(fall)) / width)) + 0.03 * np.maximum(0, u - np.log(turn)) ** 2
    return lrs, losses + noise * np.random.default_rng(5).normal(size=len(lrs))


def _clean_curve(student: Suggest) -> None:
    lrs, losses = _curve(3e-4, 3e-2)
    _compare(student, lrs, losses, "A smooth curve that falls fastest at 3.0e-04")


def _other_range(student: Suggest) -> None:
    lrs, losses = _curve(1e-2, 2e-1)
    _compare(student, lrs, losses, "A smooth curve that falls fastest at 1.0e-02")


def _noisy_curve(student: Suggest) -> None:
    lrs, losses = _curve(3e-3, 1e-1, noise=0.03)
    hint = "Two neighbouring batches can differ by more than the whole fall. What did you do against the noise?"
    _compare(student, lrs, losses, "The losses jump from batch to batch", hint)


def _comes_back(student: Suggest) -> None:
    lrs, losses = _curve(1e-4, 3e-3)
    losses[-25:] = np.concatenate([np.linspace(1.6, 4.0, 10), np.linspace(3.9, 1.2, 15)])
    hint = "This is after the loss had turned up. Which part of the curve still shows a network that learns?"
    _compare(student, lrs, losses, "The loss explodes to 4 and comes back to 1.2", hint)


def _not_finite(student: Suggest) -> None:
    hint = "One nan or inf spoils every sum it enters. When do you leave these losses out: before or after smoothing?"
    for bad in (np.nan, np.inf):
        lrs, losses = _curve(3e-4, 3e-2)
        losses[-12:] = bad
        _compare(student, lrs, losses, f"The last 12 losses are {bad}", hint)
    losses[-6:] = 0.1
    _compare(student, lrs, losses, "Six losses are inf, and the six after them are small again", hint)


def _compare(student: Suggest, lrs: Floats, losses: Floats, what: str, hint: str = "") -> None:
    value: Any = student(lrs, losses)
    if np.ndim(value) != 0 or isinstance(value, str | bool):
        raise Wrong(f"Expected one number, got a {type(value).__name__}. Which of the learning rates is it?")
    value = float(value)
    expected = lr_suggestion(lrs, losses)
    if np.isfinite(value) and value > 0 and max(value / expected, expected / value) <= NEAR:
        if np.isclose(lrs, value).any():
            return
        raise Wrong(
            f"{what}: {value:.3g} is near, but it is none of the {len(lrs)} learning rates. Return one of them."
        )
    reason = hint or _mistake(lrs, losses, value) or "Look at the curve: where does it fall fastest?"
    raise Wrong(f"{what}: expected about {expected:.1e}, got {value:.3g}. {reason}")


def _mistake(lrs: Floats, losses: Floats, value: float) -> str:
    """A hint for the mistake that gives `value`, or ''."""
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(finite.argmin())
    x, y = lrs[:stop], losses[:stop]
    smoothed = smooth(y)
    lowest = (int(y.argmin()), int(smoothed.argmin()))

    def among(*places: int) -> bool:
        return any(np.isclose(value, x[place]) for place in places)

    if value <= 0 or np.isnan(value):
        return "A learning rate is a positive number. Is this a position, a logarithm or a slope?"
    if value == int(value) and value > 1 and not np.isclose(x, value).any():
        return "This looks like a position in the array. Return the learning rate at that position."
    if among(*lowest):
        return (
            "There the loss is lowest: the rate is already so large that it stops falling. Where does it fall fastest?"
        )
    if among(0, len(x) - 1) or np.isclose(value, lrs[-1]):
        return "This is an end of the range. Look for the most negative slope."
    per_lr = [int(np.gradient(part, x).argmin()) for part in (y, smoothed)]
    if among(*per_lr) or among(int((np.diff(smoothed) / np.diff(x)).argmin())):
        return "You measure the fall per learning rate, where small rates always win. The axis of the plot is log(lr)."
    rise = np.gradient(smoothed, np.log(x))
    if among(int(rise.argmax()), int(np.diff(smoothed).argmax())):
        return "There the loss rises fastest. Which sign has the slope of a fall?"
    return ""


LR_SUGGESTION = Exercise(
    "lr_suggestion", lr_suggestion, cases=(_clean_curve, _other_range, _noisy_curve, _comes_back, _not_finite)
)

EXERCISES = (LR_SUGGESTION, ADAPT_CONV1, PARAM_GROUPS, FINE_TUNE)
check_lr_suggestion = LR_SUGGESTION.check
check_adapt_conv1 = ADAPT_CONV1.check
check_param_groups = PARAM_GROUPS.check
check_fine_tune = FINE_TUNE.check
