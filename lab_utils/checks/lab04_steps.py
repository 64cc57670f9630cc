"""Check of `steps_to_reach` in lab 4."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import metrics
from lab_utils.checks.outcome import Wrong, judge

Floats = NDArray[np.float64]
Steps = Callable[[Floats, Floats, float], tuple[float, bool]]

MARKS = np.array([0.0, 10.0, 20.0, 40.0, 80.0])


def check_steps_to_reach(student: Steps) -> Steps:
    """Judge exercise 3; return the function to go on with."""
    cases = (_a_pair, _never, _on_the_line, _falls_back, _exactly, _from_the_start, _late)
    return judge("steps_to_reach", student, steps_to_reach, cases)


def steps_to_reach(steps: Floats, values: Floats, threshold: float) -> tuple[float, bool]:
    """The kit's version."""
    return metrics.steps_to_reach(steps, values, threshold)


def _a_pair(student: Steps) -> None:
    _call(student, [0.5, 0.6, 0.7, 0.8, 0.9], 0.75, "A curve that rises")


def _never(student: Steps) -> None:
    curve = [0.5, 0.6, 0.66, 0.69, 0.68]
    steps, reached = _call(student, curve, 0.7, "The curve ends at 0.68 and never reaches 0.7")
    what = "The curve never reaches the threshold. "
    if reached:
        raise Wrong(f"{what}You say that it did, at step {steps:g}. What does your test for 'above' find here?")
    if steps == 40:
        raise Wrong(f"{what}At step 40 it was highest, but it was watched until step 80. Give the last step.")
    if not math.isfinite(steps) or steps != 80:
        raise Wrong(
            f"{what}Return the last step that was measured, 80, together with False: all we know is that it takes "
            f"longer. You returned {steps:g}."
        )


def _on_the_line(student: Steps) -> None:
    _compare(student, [0.5, 0.6, 0.7, 0.8, 0.9], 0.725, "0.70 at step 20, 0.80 at step 40, threshold 0.725")
    _compare(student, [0.5, 0.525, 0.725, 0.8, 0.9], 0.575, "0.525 at step 10, 0.725 at step 20, threshold 0.575")


def _exactly(student: Steps) -> None:
    curve = [0.5, 0.5625, 0.75, 0.75, 0.8125]
    hint = "A value equal to the threshold has reached it."
    _compare(student, curve, 0.75, "The curve is exactly at the threshold at step 20", hint)


def _from_the_start(student: Steps) -> None:
    hint = "There is no measurement before the first one. What then?"
    _compare(student, [0.8, 0.7, 0.9, 0.9, 0.9], 0.75, "The curve begins above the threshold, at step 0", hint)
    _compare(student, [0.8, 0.85], 0.75, "The curve begins above the threshold, at step 5", hint, steps=[5.0, 10.0])


def _falls_back(student: Steps) -> None:
    hint = "The *first* time counts. A curve may fall below the threshold again."
    _compare(student, [0.5, 0.75, 0.625, 0.5, 0.875], 0.6875, "The curve rises, falls back and rises again", hint)


def _late(student: Steps) -> None:
    _compare(student, [0.5, 0.5, 0.5, 0.5, 0.9], 0.9, "The curve reaches the threshold at its last measurement")


def _compare(
    student: Steps, curve: list[float], threshold: float, what: str, hint: str = "", *, steps: list[float] | None = None
) -> None:
    marks = MARKS if steps is None else np.array(steps)
    got, reached = _call(student, curve, threshold, what, marks)
    expected = metrics.steps_to_reach(marks, curve, threshold)
    if not reached:
        raise Wrong(f"{what}: the threshold is reached, but you say that it is not. {hint}".rstrip())
    if math.isclose(got, expected.steps, abs_tol=1e-6):
        return
    raise Wrong(f"{what}: you found {got:g}. {hint or _mistake(marks, curve, threshold, got)}")


def _mistake(marks: Floats, curve: list[float], threshold: float, got: float) -> str:
    place = next(i for i, value in enumerate(curve) if value >= threshold)
    if got == place:
        return "This is the position in the array. Which step belongs to it?"
    if got == marks[place]:
        return (
            "This is the first measurement at or above it. On a straight line from the one before, where is it crossed?"
        )
    if place and got == marks[place - 1]:
        return "This is the last measurement below it. On a straight line to the next one, where is it crossed?"
    if place and math.isclose(got, (marks[place - 1] + marks[place]) / 2):
        return "This is half way between two measurements. On a straight line it depends on their heights."
    return "Draw the straight line between the last measurement below and the first one above. Where does it cross?"


def _call(student: Steps, curve: list[float], threshold: float, what: str, marks: Floats = MARKS) -> tuple[float, bool]:
    """What the student returned, as a number and a truth value."""
    result: Any = student(marks, np.array(curve), threshold)
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong(
            f"{what}: expected two values (steps, reached), got {_described(result)}. The second one says whether the "
            "threshold was reached at all."
        )
    steps, reached = result
    if isinstance(steps, bool | np.bool_) and not isinstance(reached, bool | np.bool_):
        raise Wrong(f"{what}: expected (steps, reached), in this order.")
    if not isinstance(reached, bool | np.bool_):
        raise Wrong(f"{what}: the second value should be True or False, got {_described(reached)}.")
    if steps is None or np.ndim(steps) != 0 or isinstance(steps, str):
        raise Wrong(
            f"{what}: the first value should be one number, got {_described(steps)}. A run that never arrives has one "
            "too: the last step that was measured."
        )
    return float(steps), bool(reached)


def _described(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
