"""`steps_to_reach` in lab 4."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import metrics
from lab_utils.checks.exercise import Exercise, Probe

Floats = NDArray[np.float64]
Answer = tuple[float, bool]


def steps_to_reach(steps: Floats, values: Floats, threshold: float) -> Answer:
    """The kit's version."""
    return metrics.steps_to_reach(steps, values, threshold)


def _on(*curve: float, threshold: float, steps: tuple[float, ...] = (0, 10, 20, 40, 80)) -> Probe:
    return lambda student: student(np.array(steps, dtype=float), np.array(curve), threshold)


PROBES = {
    "The curve ends at 0.68 and never reaches 0.7": _on(0.5, 0.6, 0.66, 0.69, 0.68, threshold=0.7),
    "A curve that rises": _on(0.5, 0.6, 0.7, 0.8, 0.9, threshold=0.75),
    "0.70 at step 20, 0.80 at step 40, threshold 0.725": _on(0.5, 0.6, 0.7, 0.8, 0.9, threshold=0.725),
    "0.525 at step 10, 0.725 at step 20, threshold 0.575": _on(0.5, 0.525, 0.725, 0.8, 0.9, threshold=0.575),
    "The curve rises, falls back and rises again": _on(0.5, 0.75, 0.625, 0.5, 0.875, threshold=0.6875),
    "The curve is exactly at the threshold at step 20": _on(0.5, 0.5625, 0.75, 0.75, 0.8125, threshold=0.75),
    "The curve begins above the threshold, at step 0": _on(0.8, 0.7, 0.9, 0.9, 0.9, threshold=0.75),
    "The curve begins above the threshold, at step 5": _on(0.8, 0.85, threshold=0.75, steps=(5, 10)),
    "The curve reaches the threshold at its last measurement": _on(0.5, 0.5, 0.5, 0.5, 0.9, threshold=0.9),
}


def _explain(got: Any, expected: Any) -> str:
    if not isinstance(got, tuple | list) or len(got) != 2:
        found = "None" if got is None else f"a {type(got).__name__}"
        return f"expected two values (steps, reached), got {found}. The second one says whether it was reached at all."
    steps, reached = got
    if isinstance(steps, bool | np.bool_) and not isinstance(reached, bool | np.bool_):
        return "expected (steps, reached), in this order."
    if not isinstance(reached, bool | np.bool_):
        return f"the second value should be True or False, got a {type(reached).__name__}."
    if steps is None or np.ndim(steps) != 0 or isinstance(steps, str):
        found = "None" if steps is None else f"a {type(steps).__name__}"
        return (
            f"the first value should be one number, got {found}. A run that never arrives has one too: its last step."
        )
    if reached != expected[1]:
        return f"you say that the threshold is {'' if reached else 'not '}reached, at step {steps:g}."
    return f"you found {steps:g}."


# ---- wrong answers


def _step_at(choose: Callable[[Floats, int], Any]) -> Callable[..., Any]:
    """Find the first index at or above, and take `choose(steps, index)`; right where the curve never arrives."""

    def student(steps: Floats, values: Floats, threshold: float) -> Answer:
        above = values >= threshold
        return (float(choose(steps, int(above.argmax()))), True) if above.any() else (float(steps[-1]), False)

    return student


def _then(change: Callable[..., Any]) -> Callable[..., Any]:
    """Change the right answer: `change(steps, values, threshold, found, reached)`."""
    return lambda *curve: change(*curve, *steps_to_reach(*curve))


def _argmax_of_nothing(steps: Floats, values: Floats, threshold: float) -> Answer:
    return float(steps[(values >= threshold).argmax()]), True


def _whole_curve(steps: Floats, values: Floats, threshold: float) -> Answer:
    return float(np.interp(threshold, np.sort(values), steps)), bool(values.max() >= threshold)


def _last_crossing(steps: Floats, values: Floats, threshold: float, found: float, reached: bool) -> Answer:
    below = np.flatnonzero(values < threshold)
    if not reached or not len(below):
        return found, reached
    return float(np.interp(threshold, values[below[-1] :][:2], steps[below[-1] :][:2])), True


def _crossed_before(steps: Floats, values: Floats, threshold: float, above: NDArray[np.bool_]) -> Answer:
    i = int(above.argmax())
    share = (threshold - values[i - 1]) / (values[i] - values[i - 1])
    return (float(steps[i - 1] + share * (steps[i] - steps[i - 1])), True) if above.any() else (float(steps[-1]), False)


NOT_ARRIVED = "All we know is that it takes longer than the last step that was measured. Return this step, and False."
FIRST_TIME = "The *first* time counts. A curve may fall below the threshold again."

WRONG = (
    (_step_at(lambda s, i: i), "This is the position in the array. Which step belongs to it?"),
    (_step_at(lambda s, i: s[i]), "This is the first measurement at or above it. Where is it crossed before that?"),
    (_step_at(lambda s, i: s[max(i - 1, 0)]), "This is the last measurement below it. Where is it crossed after that?"),
    (
        _step_at(lambda s, i: (s[i] + s[max(i - 1, 0)]) / 2),
        "This is half way between two measurements. On a straight line it depends on their heights.",
    ),
    (_argmax_of_nothing, "What does your test for 'above' find here?"),
    (_whole_curve, FIRST_TIME),
    (_then(_last_crossing), FIRST_TIME),
    (lambda s, v, t: _crossed_before(s, v, t, v > t), "A value equal to the threshold has reached it."),
    (lambda s, v, t: _crossed_before(s, v, t, v >= t), "There is no measurement before the first one. What then?"),
    (_then(lambda s, v, t, found, reached: found), "Which of the two is missing?"),
    (_then(lambda s, v, t, found, reached: (found if reached else None, reached)), NOT_ARRIVED),
    (_then(lambda s, v, t, found, reached: (found if reached else np.inf, reached)), NOT_ARRIVED),
    (
        _then(lambda s, v, t, found, reached: (found if reached else float(s[v.argmax()]), reached)),
        "There the curve was highest, but it was watched for longer. " + NOT_ARRIVED,
    ),
    (_then(lambda s, v, t, found, reached: (found, True)), "What does your test for 'above' find here?"),
    (
        _then(lambda s, v, t, found, reached: (found, True) if (v[-2:] >= t).all() else (float(s[-1]), False)),
        "The threshold is reached as soon as one measurement is there; the curve need not stay.",
    ),
    (_then(lambda s, v, t, found, reached: (reached, found)), "Exchange the two."),
    (lambda s, v, t: (s[v >= t], True), "Of these steps, which one is the first?"),
)

STEPS_TO_REACH = Exercise(
    "steps_to_reach",
    steps_to_reach,
    PROBES,
    _explain,
    WRONG,
    "Draw the straight line between the last measurement below and the first one above. Where does it cross?",
    steps=(
        "At which places is the curve at the goal or above? If there is none, which two things do you return?",
        "Take the first such place. If it is the very first measurement, there is no line to draw.",
        "Else draw the line from the measurement before it. Which share of the way up is the goal? The same "
        "share of the steps has passed.",
    ),
)
