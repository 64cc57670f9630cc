"""`confusion` in lab 1: what a threshold makes of probabilities, in counts, precision and recall."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise, Probe, shown

Array = NDArray[Any]


def confusion(labels: Array, probs: Array, threshold: float) -> tuple[Array, float, float]:
    """The kit's version: counts [[healthy: right, alarm], [sick: missed, found]], precision, recall."""
    known = labels >= 0
    sick, alarm = labels[known] == 1, probs[known] >= threshold
    counts = np.array([[(~sick & ~alarm).sum(), (~sick & alarm).sum()], [(sick & ~alarm).sum(), (sick & alarm).sum()]])
    found = counts[1, 1]
    return counts, float(found / alarm.sum()) if alarm.any() else 1.0, float(found / sick.sum())


def _on(labels: list[float], probs: list[float], threshold: float) -> Probe:
    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        with np.errstate(invalid="ignore", divide="ignore"):
            result = student(np.array(labels), np.array(probs), threshold)
        if not (isinstance(result, tuple | list) and len(result) == 3):
            return {"returned": f"a {type(result).__name__}"}
        counts, *rates = result
        counts = np.asarray(counts, dtype=np.float64)
        return {"returned": "three things", "counts": counts.tolist(), "rates": [float(rate) for rate in rates]}

    return probe


PROBES: dict[str, Probe] = {
    "9 images, 3 of them sick, threshold 0.5": _on(
        [1, 0, 0, 1, 0, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05], 0.5
    ),
    "The same images, threshold 0.15": _on(
        [1, 0, 0, 1, 0, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.1, 0.05], 0.15
    ),
    "A probability of exactly 0.5, threshold 0.5": _on([1, 0, 1], [0.5, 0.2, 0.1], 0.5),
    "Two of six labels are unknown (-1)": _on([1, -1, 0, -1, 1, 0], [0.9, 0.8, 0.6, 0.2, 0.3, 0.1], 0.5),
    "A threshold that nothing reaches": _on([1, 0, 1], [0.3, 0.2, 0.1], 0.5),
}


def _explain(got: Any, expected: Any) -> str:
    if got["returned"] != expected["returned"]:
        return f"expected three things (counts, precision, recall), got {got['returned']}."
    if got["counts"] != expected["counts"]:
        mine, right = ([[f"{n:g}" for n in row] for row in report["counts"]] for report in (got, expected))
        return f"expected the counts {right}, got {mine}.".replace("'", "")
    for name, mine, right in zip(("precision", "recall"), got["rates"], expected["rates"], strict=True):
        if not abs(mine - right) < 1e-4:
            return f"{name}: expected {shown(right)}, got {shown(mine)}."
    return "the result is not as expected."


# ---- wrong answers


def _by(
    *,
    known: Callable[[Array], Array] = lambda labels: labels >= 0,
    sick: Callable[[Array], Array] = lambda labels: labels == 1,
    alarm: Callable[[Array, float], Array] = lambda probs, threshold: probs >= threshold,
    counts: Callable[[Array], Any] = lambda counts: counts,
    rates: Callable[..., tuple[float, float]] = lambda tn, fp, fn, tp: (
        tp / (tp + fp) if tp + fp else 1,
        tp / (tp + fn),
    ),
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(labels: Array, probs: Array, threshold: float) -> Any:
        chosen = known(labels)
        y, said = sick(labels[chosen]), alarm(probs[chosen], threshold)
        four = [(~y & ~said).sum(), (~y & said).sum(), (y & ~said).sum(), (y & said).sum()]
        return counts(np.array(four).reshape(2, 2)), *rates(*four)

    return student


def _rate(numerator: str, *denominators: str) -> Callable[..., float]:
    """A rate of counts, by the letters tn, fp, fn, tp; 1 where nothing is counted."""

    def rate(**counts: float) -> float:
        total = sum(counts[name] for name in denominators)
        return counts[numerator] / total if total else 1.0

    return rate


def _rates(precision: Callable[..., float], recall: Callable[..., float]) -> Callable[..., tuple[float, float]]:
    def rates(tn: float, fp: float, fn: float, tp: float) -> tuple[float, float]:
        counts = {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
        return precision(**counts), recall(**counts)

    return rates


PRECISION, RECALL = _rate("tp", "tp", "fp"), _rate("tp", "tp", "fn")
UNKNOWN = "-1 means: nobody knows. Leave these images out of all counts."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_by(counts=lambda counts: counts.T), "The rows are the truth, the columns what the threshold says."),
    (_by(counts=lambda counts: counts[::-1, ::-1]), "Healthy comes first, in rows and in columns."),
    (_by(counts=lambda counts: counts / counts.sum()), "Counts, not shares: how many images?"),
    (_by(counts=lambda counts: counts / counts.sum(axis=1, keepdims=True)), "Counts, not shares: how many images?"),
    (_by(known=lambda labels: labels > -2), UNKNOWN + " Here they were counted as healthy."),
    (
        _by(known=lambda labels: labels > -2, sick=lambda labels: labels != 0),
        UNKNOWN + " Here they were taken as sick.",
    ),
    (_by(alarm=lambda probs, threshold: probs > threshold), "A probability equal to the threshold is an alarm: >=."),
    (_by(alarm=lambda probs, threshold: probs >= 0.5), "Always 0.5? Use the argument `threshold`."),
    (_by(alarm=lambda probs, threshold: probs < threshold), "The alarm is given *above* the threshold."),
    (_by(rates=_rates(RECALL, PRECISION)), "Precision and recall have changed places."),
    (
        _by(rates=_rates(PRECISION, _rate("tn", "tn", "fp"))),
        "This is the share of the healthy that are found healthy (specificity). Recall looks at the sick.",
    ),
    (
        _by(rates=_rates(_rate("tp", "tn", "fp", "fn", "tp"), RECALL)),
        "Precision is a share of the *alarms*, not of all images.",
    ),
    (
        _by(rates=lambda tn, fp, fn, tp: ((tp + tn) / (tn + fp + fn + tp), tp / (tp + fn))),
        "This is the accuracy. Precision looks only at the images with an alarm.",
    ),
    (_by(rates=lambda tn, fp, fn, tp: (np.float64(tp) / (tp + fp), tp / (tp + fn))), "No alarm: divide 0 by 0?"),
    (_by(rates=lambda tn, fp, fn, tp: (tp / max(tp + fp, 1), tp / (tp + fn))), "No alarm, no false alarm: return 1."),
    (lambda labels, probs, threshold: _by()(labels, probs, threshold)[0], "Return precision and recall, too."),
)

CONFUSION = Exercise(
    "confusion",
    confusion,
    PROBES,
    _explain,
    WRONG,
    "Two arrays of true and false, `sick` and `alarm`, of the known images; count each combination.",
    steps=(
        "Leave out the unknown images first, in labels and probabilities alike. Then: who is sick, where is an alarm?",
        "`a & b` is true where both are, `~a` where `a` is not, and `.sum()` counts. You need four counts.",
        "Both rates have the found ones above the line. Below it: all alarms, or all sick. Which number can be 0?",
    ),
)
