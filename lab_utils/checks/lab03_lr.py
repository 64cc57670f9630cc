"""`lr_suggestion` in lab 3."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.training import smooth

Floats = NDArray[np.float64]
NEAR = 2.5  # a suggestion may be off by this factor: other ways to smooth are right too


def lr_suggestion(lrs: Floats, losses: Floats) -> float:
    """The kit's version; unlike `lr_range.lr_suggestion` it also answers where the loss never falls: the first rate."""
    lrs, losses = _finite(lrs, losses)
    smoothed = smooth(losses)
    slope = np.gradient(smoothed, np.log(lrs))
    return float(lrs[slope[: smoothed.argmin() + 1].argmin()])


def _finite(lrs: Floats, losses: Floats) -> tuple[Floats, Floats]:
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(finite.argmin())
    return lrs[:stop], losses[:stop]


def _on(fall: float, turn: float, *, noise: float = 0.0, end: tuple[float, ...] = ()) -> Probe:
    """Try a range test from 1e-6 to 1 that falls fastest at `fall`, turns up at `turn`, and has these last losses.

    The report is a text: the kit's rate for every rate that is right, else the number that came.
    """
    lrs = np.geomspace(1e-6, 1.0, 101, dtype=np.float64)
    u = np.log(lrs)
    losses = 0.7 - 0.4 / (1 + np.exp(-(u - np.log(fall)) / 1.2)) + 0.03 * np.maximum(0, u - np.log(turn)) ** 2
    losses += noise * np.random.default_rng(5).normal(size=len(lrs))
    losses[len(lrs) - len(end) :] = end

    def probe(student: Callable[..., Any]) -> str:
        value, right = student(lrs, losses), lr_suggestion(lrs, losses)
        if np.ndim(value) != 0 or isinstance(value, str | bool) or value is None:
            return f"a {type(value).__name__}. Expected one number"
        if not np.isclose(lrs, value, rtol=1e-3, atol=0).any():
            return f"{value:.3g}, and this is none of the {len(lrs)} learning rates"
        return f"{right if 1 / NEAR <= value / right <= NEAR else value:.1e}"

    return probe


BACK = (*np.linspace(1.6, 4.0, 10), *np.linspace(3.9, 1.2, 15))
PROBES = {
    "A smooth curve that falls fastest at 3.0e-04": _on(3e-4, 3e-2),
    "A smooth curve that falls fastest at 1.0e-02": _on(1e-2, 2e-1),
    "The losses jump from batch to batch": _on(3e-3, 1e-1, noise=0.03),
    "The loss explodes to 4 and comes back to 1.2": _on(1e-4, 3e-3, end=BACK),
    "The last 12 losses are nan": _on(3e-4, 3e-2, end=(np.nan,) * 12),
    "The last 12 losses are inf": _on(3e-4, 3e-2, end=(np.inf,) * 12),
    "Six losses are inf, and the six after them are small again": _on(3e-4, 3e-2, end=(np.inf,) * 6 + (0.1,) * 6),
}


def _explain(got: Any, expected: Any) -> str:
    return f"expected about {expected}, got {got}."


# ---- wrong answers

Choose = Callable[[Floats, Floats], Any]


def _of(choose: Choose, *, smoothed: bool = True) -> Callable[..., Any]:
    """Return the rate at the position `choose(rates, losses)` of the finite part."""

    def student(lrs: Floats, losses: Floats) -> float:
        x, y = _finite(lrs, losses)
        return float(x[choose(x, smooth(y) if smoothed else y)])

    return student


def _steepest(x: Floats, y: Floats, axis: Callable[[Floats], Floats] = np.log) -> int:
    return int(np.gradient(y, axis(x))[: y.argmin() + 1].argmin())


def _without_the_bad_ones(lrs: Floats, losses: Floats) -> float:
    good = np.isfinite(losses)
    return float(lrs[good][_steepest(lrs[good], smooth(losses[good]))])


def _smooths_nan(lrs: Floats, losses: Floats) -> float:
    return float(lrs[_steepest(lrs, smooth(losses))])


LOWEST = "There the loss is lowest: the rate is already so large that it stops falling. Where does it fall fastest?"
END = "This is an end of the range. Look for the most negative slope."
SMALL = "Per learning rate small rates always win. The axis of the plot is log(lr)."
PER_RATE = f"You measure the fall per learning rate. {SMALL}"
RISE = "There the loss rises fastest. Which sign has the slope of a fall?"
NUMBER = "A learning rate is a positive number. Is this a position, a logarithm or a slope?"
BEFORE = "One nan or inf spoils every sum it enters. When do you leave these losses out: before or after smoothing?"
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_of(lambda x, y: y.argmin()), LOWEST),
    (lambda lrs, losses: float(lrs[np.nanargmin(losses)]), LOWEST),
    (
        lambda lrs, losses: _of(lambda x, y: y.argmin())(lrs, losses) / 10,
        "A tenth of the rate with the lowest loss is a rule of thumb. Read the rate off the curve.",
    ),
    (lambda lrs, losses: float(lrs[-1]), END),
    (_of(lambda x, y: -1), END),
    (_of(lambda x, y: _steepest(x, y, np.asarray), smoothed=False), f"This is the lower end of the range. {SMALL}"),
    (_of(lambda x, y: _steepest(x, y, np.asarray)), PER_RATE),
    (_of(lambda x, y: (np.diff(y) / np.diff(x)).argmin()), PER_RATE),
    (_of(lambda x, y: np.gradient(y, np.log(x)).argmax()), RISE),
    (_of(lambda x, y: np.diff(y).argmax()), RISE),
    (
        _of(lambda x, y: np.gradient(y, np.log(x))[: smooth(y).argmin() + 1].argmin(), smoothed=False),
        "Two neighbouring batches can differ by more than the whole fall. What did you do against the noise?",
    ),
    (
        _of(lambda x, y: np.gradient(y, np.log(x)).argmin()),
        "This is after the loss had turned up. Which part of the curve still shows a network that learns?",
    ),
    (_smooths_nan, BEFORE),
    (_without_the_bad_ones, "What follows the first nan or inf does not count either."),
    (lambda lrs, losses: lr_suggestion(lrs, losses) * 1.05, "It is near, but return one of them."),
    (lambda lrs, losses: _steepest(*_finite(lrs, smooth(losses))), NUMBER),
    (lambda lrs, losses: np.log10(lr_suggestion(lrs, losses)), NUMBER),
    (lambda lrs, losses: np.gradient(smooth(losses), np.log(lrs)).min(), NUMBER),
    (lambda lrs, losses: lrs[np.gradient(smooth(losses), np.log(lrs)) < 0], "Which of the learning rates is it?"),
)

LR_SUGGESTION = Exercise(
    "lr_suggestion",
    lr_suggestion,
    PROBES,
    _explain,
    WRONG,
    "Look at the curve: where does it fall fastest?",
    steps=(
        "First cut: where is the first loss that is not finite? Keep what comes before, of both arrays.",
        "Smooth what is left. The slope per log(lr) is a gradient with the logarithms of the rates as places:"
        " `np.gradient` takes the places as its second argument.",
        "Look for the steepest fall only up to the lowest point of the smoothed loss. After it the curve turns up.",
    ),
)
