"""`still_waiting` and `median_steps` in lab 4: a summary of runs, some of which never arrive."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import metrics
from lab_utils.checks.exercise import Exercise, Probe

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Curve = tuple[Floats, Floats]


def still_waiting(steps: Floats, reached: Flags) -> Curve:
    """The kit's version."""
    return metrics.still_waiting(steps, reached)


def median_steps(steps: Floats, reached: Flags) -> float:
    """The kit's version."""
    return metrics.median_steps(steps, reached)


def _runs(arrived: tuple[float, ...], censored: tuple[float, ...] = ()) -> tuple[Floats, Flags]:
    """Runs in mixed order, so that the last one need not be the slowest."""
    steps = np.array([*arrived, *censored], dtype=np.float64)
    order = np.random.default_rng(3).permutation(len(steps))
    return steps[order], (np.arange(len(steps)) < len(arrived))[order]


RUNS = {
    "Four runs arrive at 10, 20, 30 and 40": _runs((10, 20, 30, 40)),
    "Two runs arrive at 10, one at 30, one at 40": _runs((10, 10, 30, 40)),
    "Two runs arrive at 10 and 30, two are censored at 60": _runs((10, 30), (60, 60)),
    "Runs arrive at 10 and 40; one is censored at 20, two at 60": _runs((10, 40), (20, 60, 60)),
    "Runs arrive at 20 and 40; one is censored at 20 as well": _runs((20, 40), (20,)),
    "One run of five arrives, at 30": _runs((30,), (60, 60, 60, 60)),
    "No run of three arrives": _runs((), (60, 60, 60)),
}


def _waiting_on(runs: tuple[Floats, Flags]) -> Probe:
    def probe(student: Callable[..., Any]) -> Any:
        found = student(*runs)
        if not isinstance(found, tuple | list) or len(found) != 2:
            return f"expected two arrays (places, shares), got {'None' if found is None else type(found).__name__}"
        places, shares = (np.asarray(part, dtype=np.float64) for part in found)
        return {"places": places, "shares": shares}

    return probe


def _explain_waiting(got: Any, expected: Any) -> str:
    if isinstance(got, str):
        return f"{got}."
    for name in ("places", "shares"):
        mine, right = got[name], expected[name]
        if mine.shape != right.shape or not np.allclose(mine, right, rtol=1e-4, atol=1e-4):
            texts = [np.array2string(each, precision=3, separator=", ") for each in (right, mine)]
            return f"expected the {name} {texts[0]}, got {texts[1]}."
    return "something differs."


# ---- wrong answers


def _curve(
    runs: Callable[[Floats, Flags], tuple[Floats, Flags]] = lambda steps, reached: (steps, reached),
    under_way: Callable[[Floats, Flags, float], Any] = lambda steps, reached, place: (steps >= place).sum(),
    arrivals: Callable[[Floats, Flags, float], Any] = lambda steps, reached, place: ((steps == place) & reached).sum(),
    result: Callable[[Floats, Floats], Any] = lambda places, factors: (places, np.cumprod(factors)),
    unique: Callable[[Floats], Floats] = np.unique,
) -> Callable[..., Any]:
    """The usual way, with one thing done differently."""

    def student(steps: Floats, reached: Flags) -> Any:
        x, there = runs(steps, reached)
        places = unique(x[there])
        factors = [1 - arrivals(x, there, place) / max(under_way(x, there, place), 1) for place in places]
        return result(places, np.array(factors, dtype=np.float64))

    return student


CENSORED_ARRIVE = "A censored run was counted as if it had arrived. It is only known to need *more* steps."
FORGOTTEN = "Censored runs were left out. Until they were last watched, they are runs under way, and still waiting."
STARTED = (
    "You divide by the number of all runs. A run that arrived or was censored earlier is no longer under way. Divide "
    "by the runs that are still watched."
)
AT_PLACE = "The runs that arrive at this very step were under way up to it: count them, too."
WAITING_WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_curve(lambda steps, reached: (steps, np.ones_like(reached))), CENSORED_ARRIVE),
    (_curve(lambda steps, reached: (steps[reached], reached[reached])), FORGOTTEN),
    (_curve(under_way=lambda steps, reached, place: len(steps)), STARTED),
    (
        lambda steps, reached: (
            np.unique(steps[reached]),
            np.array([1 - ((steps <= place) & reached).mean() for place in np.unique(steps[reached])]),
        ),
        STARTED,
    ),
    (_curve(under_way=lambda steps, reached, place: (steps > place).sum()), AT_PLACE),
    (
        _curve(under_way=lambda steps, reached, place: ((steps > place) | ((steps == place) & reached)).sum()),
        "A run censored at this very step was watched up to it: it counts as under way.",
    ),
    (
        _curve(arrivals=lambda steps, reached, place: 1),
        "Several runs can arrive at the same step. How many do?",
    ),
    (
        _curve(arrivals=lambda steps, reached, place: (steps == place).sum()),
        "A run that was censored at this step did not arrive there.",
    ),
    (
        _curve(result=lambda places, factors: (places, factors)),
        "Each factor is the share of those who wait *on*. The shares are their products, from the first place up.",
    ),
    (
        _curve(result=lambda places, factors: (places, 1 - np.cumprod(factors))),
        "This is the share that has arrived. Which share is still waiting?",
    ),
    (
        _curve(result=lambda places, factors: (np.array([0, *places]), np.array([1, *np.cumprod(factors)]))),
        "Only steps at which runs arrive are places: leave the 0 out.",
    ),
    (_curve(unique=np.sort), "Each place stands once, also where two runs arrive together."),
    (lambda steps, reached: still_waiting(steps, reached)[1], "Return the places as well."),
)
STILL_WAITING = Exercise(
    "still_waiting",
    still_waiting,
    {what: _waiting_on(runs) for what, runs in RUNS.items()},
    _explain_waiting,
    WAITING_WRONG,
    "At each step at which runs arrive: how many are still watched there, and how many of these arrive?",
    steps=(
        "The places are the steps of the runs that arrived, sorted, each once. `np.unique` does this.",
        "At each place count two things: the runs whose step is this place or later, and the runs that arrive "
        "exactly there.",
        "Begin with a share of 1. At each place multiply it by one minus arrivals over runs under way, and keep it.",
    ),
)


# ---- the median


def _median_on(runs: tuple[Floats, Flags]) -> Probe:
    def probe(student: Callable[..., Any]) -> Any:
        value = student(*runs)
        if value is None:
            return "None"
        return float(value) if np.ndim(value) == 0 and not isinstance(value, str) else f"a {type(value).__name__}"

    return probe


def _explain_median(got: Any, expected: Any) -> str:
    shown = "infinity" if expected == math.inf else f"{expected:g}"
    return f"expected {shown}, got {got if isinstance(got, str) else f'{got:g}'}."


def _median(
    there: Callable[[Floats], Flags] = lambda shares: shares <= 0.5 + 1e-12,
    never: Callable[[Floats, Flags], Any] = lambda steps, reached: math.inf,
    place: Callable[[Flags], int] = lambda there: int(there.argmax()),
) -> Callable[..., Any]:
    """The usual way, with one thing done differently."""

    def student(steps: Floats, reached: Flags) -> Any:
        places, shares = still_waiting(steps, reached)
        found = there(shares)
        return float(places[place(found)]) if found.any() else never(steps, reached)

    return student


INFINITE = "More than half of the runs wait to the end. All we know is that the median lies beyond: infinity."
MEDIAN_WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda steps, reached: float(np.median(steps)), "This is the median of all numbers. Censored runs need *more*."),
    (
        lambda steps, reached: float(np.median(steps[reached])) if reached.any() else math.inf,
        "This is the median of those that arrived: the slow runs are forgotten.",
    ),
    (
        lambda steps, reached: float(steps[reached].mean()) if reached.any() else math.inf,
        "This is the mean of those that arrived: the slow runs are forgotten.",
    ),
    (_median(lambda shares: shares < 0.5 - 1e-12), "When exactly half are still waiting, it is reached."),
    (_median(place=lambda there: -1), "This is where the last run arrives. Where does the share *first* fall to 1/2?"),
    (_median(never=lambda steps, reached: float(steps.max())), INFINITE),
    (_median(never=lambda steps, reached: math.nan), INFINITE),
)
MEDIAN_STEPS = Exercise(
    "median_steps",
    median_steps,
    {what: _median_on(runs) for what, runs in RUNS.items()},
    _explain_median,
    MEDIAN_WRONG,
    "Take `still_waiting`: at which place are at most half of the runs still waiting, for the first time?",
    steps=(
        "You have written the curve already: call it, and go through its places from the first one up.",
        "The median is the first place where the share is one half or less. If there is no such place, it lies beyond "
        "all that was watched.",
    ),
)
