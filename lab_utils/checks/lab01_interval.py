"""`paired_interval` and `choose_then_test` of lab 1: an interval over seeds, a choice that the test does not see."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.metrics import paired_difference

Floats = NDArray[np.float64]
Interval = tuple[float, float, float]


def paired_interval(a: Floats, b: Floats, confidence: float = 0.95) -> Interval:
    """The kit's version: mean of a - b over seeds and the ends of its t interval."""
    return paired_difference(a, b, confidence=confidence)


def _numbers(result: Any) -> Any:
    """Three numbers as a list; anything else by its type."""
    if isinstance(result, tuple | list | np.ndarray) and len(result) == 3:
        return [float(np.asarray(value)) if np.ndim(value) == 0 else "an array" for value in result]
    return f"{len(result)} of them" if isinstance(result, tuple | list | np.ndarray) else f"a {type(result).__name__}"


def _between(a: list[float], b: list[float], **settings: float) -> Probe:
    return lambda student: _numbers(student(np.array(a), np.array(b), **settings))


PROBES: dict[str, Probe] = {
    "a = (0.7, 0.8, 0.9), b = (0.6, 0.6, 0.8)": _between([0.7, 0.8, 0.9], [0.6, 0.6, 0.8]),
    "Two seeds: a = (0.7, 0.9), b = (0.8, 0.7)": _between([0.7, 0.9], [0.8, 0.7]),
    "Five seeds, confidence = 0.9": _between(
        [0.71, 0.64, 0.75, 0.66, 0.7], [0.68, 0.65, 0.7, 0.6, 0.61], confidence=0.9
    ),
}


def _explain(got: Any, expected: Any) -> str:
    if not isinstance(got, list):
        return f"expected three numbers (mean, low, high), got {got}."
    for name, mine, right in zip(("mean", "low end", "high end"), got, expected, strict=True):
        if isinstance(mine, str) or not abs(mine - right) < 1e-4:
            return f"{name}: expected {right:.4f}, got {mine if isinstance(mine, str) else f'{mine:.4f}'}."
    return difference(got, expected)


# ---- wrong answers


def _t(n: int, confidence: float) -> float:
    return float(stats.t.ppf((1 + confidence) / 2, n - 1))


def _by(
    *,
    quantile: Callable[[int, float], float] = _t,
    error: Callable[[Floats, Floats], float] = lambda a, b: (a - b).std(ddof=1) / len(a) ** 0.5,
    middle: Callable[[Floats], float] = np.mean,
    end: Callable[[float, float], Any] = lambda mean, half: (mean, mean - half, mean + half),
    take: Callable[[Floats, Floats], Floats] = lambda a, b: a - b,
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(a: Floats, b: Floats, confidence: float = 0.95) -> Any:
        return end(float(middle(take(a, b))), quantile(len(a), confidence) * error(a, b))

    return student


def _of_two_groups(a: Floats, b: Floats) -> float:
    return float(((a.var(ddof=1) + b.var(ddof=1)) / len(a)) ** 0.5)


UNPAIRED = (
    "This is the error of two groups that have nothing to do with each other. Here each pair has the same seed: take "
    "the difference within each seed first, then the sd of these differences."
)
NORMAL = (
    "1.96 belongs to the normal distribution, for very many seeds. With few seeds take Student's t, which is wider: "
    "`stats.t.ppf((1 + confidence) / 2, n - 1)`."
)
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_by(error=_of_two_groups), UNPAIRED),
    (_by(quantile=lambda n, confidence: float(stats.norm.ppf((1 + confidence) / 2))), NORMAL),
    (_by(quantile=lambda n, confidence: 1.96), NORMAL),
    (_by(error=lambda a, b: (a - b).std() / len(a) ** 0.5), "`np.std` divides by n; of a sample take `ddof=1`."),
    (
        _by(error=lambda a, b: (a - b).std(ddof=1)),
        "This is the sd of one seed. That of a *mean* is smaller by sqrt(n).",
    ),
    (_by(error=lambda a, b: (a - b).std(ddof=1) / len(a)), "Divide the sd by the square root of n, not by n."),
    (_by(error=lambda a, b: (a - b).var(ddof=1) / len(a) ** 0.5), "This is the variance; take the sd, its root."),
    (
        _by(quantile=lambda n, confidence: float(stats.t.ppf(confidence, n - 1))),
        "What lies outside is shared by two ends: `(1 + confidence) / 2`, which is 0.975 for 95 %.",
    ),
    (
        _by(quantile=lambda n, confidence: float(stats.t.ppf((1 + confidence) / 2, n))),
        "With n differences there are n - 1 degrees of freedom: one was used for their mean.",
    ),
    (_by(quantile=lambda n, confidence: _t(n, 0.95)), "Always 95 %? Use the argument `confidence`."),
    (_by(take=lambda a, b: b - a), "The difference is a minus b."),
    (_by(take=lambda a, b: np.abs(a - b)), "A difference has a sign: where b is better, it is negative."),
    (_by(middle=np.median), "The interval belongs to the mean of the differences, not to their median."),
    (_by(end=lambda mean, half: (mean, half)), "Return the mean and both ends, mean - half and mean + half."),
    (_by(end=lambda mean, half: (mean - half, mean, mean + half)), "The mean comes first, then low, then high."),
    (_by(end=lambda mean, half: (mean, mean + half, mean - half)), "Low before high."),
    (_by(end=lambda mean, half: (mean, -half, half)), "The ends lie around the mean: add it."),
    (
        lambda a, b, confidence=0.95: tuple(x - y for x, y in zip(a, b, strict=True)),
        "These are the differences of the seeds.",
    ),
)

PAIRED_INTERVAL = Exercise(
    "paired_interval",
    paired_interval,
    PROBES,
    _explain,
    WRONG,
    "Differences within each seed; their mean; the sd of the differences over the root of n, times the quantile of t.",
    1e-6,
    steps=(
        "Begin with one array: the difference within each seed. All else is computed from it.",
        "Half of the interval is a product: the quantile of t, times the sd of the differences over the root of n.",
        "`np.std` and `.std()` divide by n unless you give them `ddof`.",
    ),
)


def choose_then_test(val_scores: Floats, test_scores: Floats) -> tuple[int, Interval]:
    """The kit's version: the stage that is best on validation, and its gain over the last stage on test."""
    best = int(val_scores.mean(axis=0).argmax())
    return best, paired_difference(test_scores[:, best], test_scores[:, -1])


def _choice(val: list[list[float]], test: list[list[float]]) -> Probe:
    def probe(student: Callable[..., Any]) -> Any:
        result = student(np.array(val), np.array(test))
        if not (isinstance(result, tuple | list) and len(result) == 2):
            return {"returned": f"a {type(result).__name__}"}
        stage = result[0]
        place = int(stage) if isinstance(stage, int | np.integer) else f"a {type(stage).__name__}"
        return {"returned": "two things", "stage": place, "gain": _numbers(result[1])}

    return probe


_VAL = [[0.60, 0.71, 0.70, 0.66], [0.61, 0.70, 0.73, 0.65], [0.59, 0.72, 0.74, 0.67]]
_TEST = [[0.58, 0.74, 0.69, 0.64], [0.60, 0.73, 0.70, 0.66], [0.57, 0.75, 0.72, 0.65]]  # the second one is best here
CHOICES: dict[str, Probe] = {
    "Three seeds, four stages": _choice(_VAL, _TEST),
    "The same seeds, the stages in reverse order": _choice([v[::-1] for v in _VAL], [v[::-1] for v in _TEST]),
    # one seed with a very good first stage, which is bad in the others
    "Three seeds, two stages": _choice([[0.95, 0.7], [0.5, 0.72], [0.52, 0.71]], [[0.9, 0.6], [0.5, 0.7], [0.5, 0.8]]),
}


def _explain_choice(got: Any, expected: Any) -> str:
    if got["returned"] != expected["returned"]:
        return f"expected a pair (stage, interval), got {got['returned']}."
    if got["stage"] != expected["stage"]:
        return f"expected stage {expected['stage']} (counted from 0), got {got['stage']}."
    return f"the gain on test, {_explain(got['gain'], expected['gain'])}"


def _chooses(
    choose: Callable[[Floats, Floats], Any] = lambda val, test: int(val.mean(axis=0).argmax()),
    gain: Callable[[Floats, Floats, Any], Any] = lambda val, test, best: paired_difference(test[:, best], test[:, -1]),
    end: Callable[[Any, Any], Any] = lambda best, gain: (best, gain),
) -> Callable[..., Any]:
    def student(val_scores: Floats, test_scores: Floats) -> Any:
        best = choose(val_scores, test_scores)
        return end(best, gain(val_scores, test_scores, best))

    return student


PEEKED = "The test images have chosen. Then their score is too good, and nothing is left to test with. Choose on `val`."
SEEDS_FIRST = "Mean over the seeds first (axis 0), then the best stage: one lucky seed does not decide."
WRONG_CHOICES: tuple[tuple[Callable[..., Any], str], ...] = (
    (_chooses(lambda val, test: int(test.mean(axis=0).argmax())), PEEKED),
    (_chooses(lambda val, test: int((val + test).mean(axis=0).argmax())), PEEKED),
    (_chooses(lambda val, test: int(val.argmax() % val.shape[1])), SEEDS_FIRST),
    (_chooses(lambda val, test: int(val[0].argmax())), SEEDS_FIRST),
    (_chooses(lambda val, test: int(val.mean(axis=1).argmax())), "Axis 1 are the stages. The mean is over the seeds."),
    (_chooses(lambda val, test: int(val.mean(axis=0).argmin())), "This is the worst stage."),
    (_chooses(lambda val, test: val.shape[1] - 1), "This is always the last stage."),
    (
        _chooses(gain=lambda val, test, best: paired_difference(val[:, best], val[:, -1])),
        "This is the gain on validation, which has chosen the stage, so it is too good. Measure it on test.",
    ),
    (
        _chooses(gain=lambda val, test, best: paired_difference(test[:, -1], test[:, best])),
        "The best stage minus the last one, not the other way round.",
    ),
    (
        _chooses(gain=lambda val, test, best: paired_difference(test[:, best], test[:, 0])),
        "Compare with the *last* stage, what people usually take; this is the first one.",
    ),
    (
        _chooses(gain=lambda val, test, best: test[:, best].mean() - test[:, -1].mean()),
        "A mean alone does not say what chance does: `paired_interval` gives the interval too.",
    ),
    (_chooses(end=lambda best, gain: gain), "Return the stage too: `return best, interval`."),
    (_chooses(end=lambda best, gain: (gain, best)), "First the stage, then the interval."),
)

CHOOSE_THEN_TEST = Exercise(
    "choose_then_test",
    choose_then_test,
    CHOICES,
    _explain_choice,
    WRONG_CHOICES,
    "The mean over seeds on validation chooses; `paired_interval` compares two columns of the test scores.",
    1e-6,
    steps=(
        "First the mean over the seeds: which axis is that? Then the position of the largest one.",
        "Two columns of the test scores are compared: that of the chosen stage, and the last one.",
    ),
)
