"""`relative_gain` in lab 7."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise, Probe, difference

Array = NDArray[np.float64]
Gain = Callable[[Array, Array], Any]


def relative_gain(transfer: Array, random: Array) -> Array:
    """The kit's version."""
    return np.asarray(transfer / random - 1)


def _of(transfer: list[Any], random: list[Any]) -> Probe:
    def probe(student: Gain) -> dict[str, Any]:
        found = np.asarray(student(np.array(transfer), np.array(random)), dtype=np.float64)
        return {"shape": found.shape, "gains": found}

    return probe


PROBES: dict[str, Probe] = {
    "Three runs, pretrained 0.9, 0.8, 0.6 and random 0.6, 0.5, 0.8": _of([0.9, 0.8, 0.6], [0.6, 0.5, 0.8]),
    "One run, 0.7 and 0.7": _of([0.7], [0.7]),
    "A table of two networks and two sets": _of([[0.9, 0.8], [0.6, 0.84]], [[0.3, 0.64], [0.75, 0.8]]),
}


def _explain(got: Any, expected: Any) -> str:
    if got["shape"] != expected["shape"]:
        return f"expected an array of shape {expected['shape']}, one gain for each run, got {got['shape']}."
    return difference(got["gains"], expected["gains"])


RELATIVE = "This is a difference. *Relative* means: as a share of what the random start reaches."
ONE_EACH = "Return one gain for each pair of runs. The mean over runs is taken later, with its interval."
KEEP_SIGN = "Pretrained weights can hurt: then the gain is below 0, and that must be seen."

WRONG: tuple[tuple[Gain, str], ...] = (
    (lambda t, r: t - r, RELATIVE),
    (lambda t, r: (t - r) / t, "You divide by the pretrained run. The gain is measured from the random one."),
    (lambda t, r: t / r, "This is the ratio: it is 1 where both are equal. A gain is 0 there."),
    (lambda t, r: r / t - 1, "The two runs are exchanged: a better pretrained run must give a gain above 0."),
    (lambda t, r: (r - t) / r, "The sign is the wrong way round: a better pretrained run has a gain above 0."),
    (lambda t, r: 100 * (t / r - 1), "Return a fraction, 0.1 and not 10 for ten percent. Percent is for printing."),
    (lambda t, r: abs(t / r - 1), KEEP_SIGN),
    (lambda t, r: np.maximum(t / r - 1, 0), KEEP_SIGN),
    (lambda t, r: (t - r) / r.mean(), "Each run is divided by its own random run (same seed), not by their mean."),
    (lambda t, r: (t - r) / r[0], "Each run is divided by its own random run, not by the first one."),
    (lambda t, r: t.mean() / r.mean() - 1, ONE_EACH),
    (lambda t, r: (t / r - 1).mean(), ONE_EACH),
    (lambda t, r: np.log(t / r), "A logarithm is near the gain only where the gain is small."),
    (
        lambda t, r: (t - r) / (1 - r),
        "This is the share of the missing part that is gained. It is a good measure, but not the one of the paper.",
    ),
)

RELATIVE_GAIN = Exercise(
    "relative_gain",
    relative_gain,
    PROBES,
    _explain,
    WRONG,
    "The gain is how much better the pretrained run is, as a share of the random run.",
    steps=(
        "What should come out where both runs are equal, and where the pretrained one is twice as good? Try the "
        "numbers 0 and 1.",
        "Take the ratio of the two arrays, entry by entry, and move it so that equal runs give 0.",
    ),
)
