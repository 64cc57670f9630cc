"""How many steps until a network is good enough, when some runs never get there.

A run that has not reached the goal at its last step is **censored**: it would have needed
more steps than it had. To drop it, or to count its last step as if it had arrived, makes a
slow start look fast. The median and the mean here take account of it.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.arguments import number
from lab_utils.array_input import as_numbers
from lab_utils.metrics.intervals import paired_difference

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Reached(NamedTuple):
    """When a run reached a goal.

    Attributes:
        steps: steps done when it did; if it did not, its last measured step.
        reached: False if the run is censored: then it needs more than `steps`.
    """

    steps: float
    reached: bool


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of two ways to start, over seeds.

    Attributes:
        difference: restricted mean of a minus that of b, in steps; below 0, a is faster.
        low: lower end of its t interval over seeds; NaN for one seed.
        high: upper end.
        faster: seeds in which a is known to have been there first.
        slower: seeds in which b is known to have been there first.
        undecided: all others: both censored, at the same step, or censored too early to tell.
        p: two-sided exact sign test of faster against slower; 1 if no seed decides.
    """

    difference: float
    low: float
    high: float
    faster: int
    slower: int
    undecided: int
    p: float


def steps_to_reach(steps: ArrayLike, values: ArrayLike, threshold: float) -> Reached:
    """Steps until a learning curve first is at or above a threshold.

    Between two measurements the curve is taken for a straight line, so runs that were
    measured at different steps can be compared. A noisy curve touches a threshold a little
    earlier than its trend does; that is the same for every start.

    Args:
        steps: when it was measured, increasing, shape (P,).
        values: what was measured, such as AUROC in [0, 1], shape (P,).
        threshold: the goal, in the unit of `values`.

    Returns:
        (steps, reached). A curve that begins above the threshold reached it at its first step.

    Raises:
        ValueError: if the shapes differ, nothing was measured, the steps do not increase,
            a number is not finite, or one of `values` and `threshold` is in percent and the other is not.

    Example:
        >>> steps_to_reach([0, 10, 20], [0.5, 0.625, 0.875], 0.75)
        Reached(steps=15.0, reached=True)
        >>> steps_to_reach([0, 10, 20], [0.5, 0.625, 0.875], 0.9)
        Reached(steps=20.0, reached=False)
    """
    x, y = as_numbers("steps", steps), as_numbers("values", values)
    threshold = number("threshold", threshold, example=0.9)
    if x.ndim != 1 or x.shape != y.shape or not len(x):
        raise ValueError(
            f"expected one value for each step, both of shape (P,), got shapes {x.shape} and {y.shape}; "
            "pass one run at a time"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all() and math.isfinite(threshold)):
        raise ValueError(
            f"expected finite steps, values and threshold, got {x}, {y} and {threshold}; leave out the "
            "steps at which nothing was measured"
        )
    if (np.diff(x) <= 0).any():
        raise ValueError(f"expected steps that increase, got {x}; sort steps and values together")
    if (0 < threshold <= 1 and y.min() > 10) or (10 < threshold <= 100 and y.min() >= 0 and y.max() <= 1):
        raise ValueError(
            f"expected a threshold in the unit of the values, got {threshold:g} for values from {y.min():g} to "
            f"{y.max():g}: is one of them percent? Give both as fractions, such as 0.9"
        )
    above = y >= threshold
    if not above.any():
        return Reached(float(x[-1]), False)
    i = int(above.argmax())
    if i == 0:
        return Reached(float(x[0]), True)
    share = (threshold - y[i - 1]) / (y[i] - y[i - 1])
    return Reached(float(x[i - 1] + share * (x[i] - x[i - 1])), True)


def still_waiting(steps: ArrayLike, reached: ArrayLike) -> tuple[Floats, Floats]:
    """Kaplan-Meier curve: the share of runs that have not reached the goal yet.

    At each step at which runs arrive, the share is multiplied by 1 - arrivals / runs still
    under way. A run censored at that very step still counts as under way.

    Args:
        steps: per run, shape (R,), as `steps_to_reach` gives them.
        reached: per run, whether it did; False for a censored one.

    Returns:
        (places, shares): the steps at which runs arrive, increasing, and the share right
        after each; before the first place the share is 1. Both empty if no run arrives.

    Raises:
        ValueError: if the shapes differ, or a step is negative or not finite.

    References:
        Kaplan and Meier (1958), Nonparametric estimation from incomplete observations.
    """
    times, arrived = _runs(steps, reached)
    places = np.unique(times[arrived])
    under_way = (times[:, None] >= places).sum(axis=0)
    arrivals = ((times[:, None] == places) & arrived[:, None]).sum(axis=0)
    return places, np.cumprod(1 - arrivals / under_way)


def median_steps(steps: ArrayLike, reached: ArrayLike) -> float:
    """Median number of steps to the goal, censored runs counted: where the Kaplan-Meier curve falls to 1/2.

    Returns:
        The first step after which at most half of the runs are still waiting; infinity if more
        than half still wait in the end, since then the median is only known to lie beyond.

    Raises:
        ValueError: as `still_waiting`.
    """
    places, shares = still_waiting(steps, reached)
    there = shares <= 0.5 + 1e-12  # a product of fractions may miss 1/2 by rounding
    return float(places[there.argmax()]) if there.any() else math.inf


def restricted_mean(steps: ArrayLike, reached: ArrayLike, horizon: float) -> float:
    """Mean number of steps to the goal within the first `horizon` steps: the area under the Kaplan-Meier curve.

    A run that needs longer counts as `horizon`, so the number exists also where no run
    arrives, and then it is `horizon`. It is meant for comparison at one horizon.

    Args:
        steps: per run, shape (R,).
        reached: per run, whether it did.
        horizon: steps; at most the last step at which some run was still watched.

    Raises:
        ValueError: if nothing is known of the curve up to the horizon, or as `still_waiting`.

    References:
        Royston and Parmar (2013), Restricted mean survival time, doi:10.1186/1471-2288-13-152.
    """
    horizon = number("horizon", horizon, example=100)
    times, arrived = _runs(steps, reached)
    places, shares = still_waiting(times, arrived)
    if horizon <= 0 or (horizon > times.max() and (not len(shares) or shares[-1] > 0)):
        raise ValueError(
            f"expected a horizon above 0 and at most {times.max():g}, the last step at which a run was "
            f"still watched, got {horizon:g}; lower the horizon or train longer"
        )
    edges = np.concatenate([[0.0], places[places < horizon], [horizon]])
    heights = np.concatenate([[1.0], shares[places < horizon]])
    return float(np.sum(np.diff(edges) * heights))


def compare_steps(
    steps_a: ArrayLike,
    reached_a: ArrayLike,
    steps_b: ArrayLike,
    reached_b: ArrayLike,
    *,
    horizon: float,
    confidence: float = 0.95,
) -> Comparison:
    """Which of two ways to start is faster, paired by seed, with censored runs in it.

    The difference is that of the restricted means: each run counts as its steps, or as
    `horizon` if it needs longer. So a pair never counts for more than its true difference,
    and often for less. The sign test uses less and assumes less: who was first.

    Args:
        steps_a: per seed, shape (S,); entry i of all four from the same seed.
        reached_a: per seed, whether a did.
        steps_b: the same for the other start.
        reached_b: the same for the other start.
        horizon: steps; every censored run must have been watched that long.
        confidence: of the interval.

    Raises:
        ValueError: if the shapes differ, or a censored run ended before the horizon.
    """
    horizon = number("horizon", horizon, example=100)
    (a, there_a), (b, there_b) = _runs(steps_a, reached_a), _runs(steps_b, reached_b)
    if a.shape != b.shape:
        raise ValueError(f"expected the same seeds for both, got {len(a)} and {len(b)} runs; run both with the same")
    ends = np.concatenate([a[~there_a], b[~there_b]])
    if horizon <= 0 or (ends < horizon).any():
        raise ValueError(
            f"expected a horizon above 0 and no later than any censored run was watched, got {horizon:g}; "
            f"the first censored run ended at {ends.min(initial=math.inf):g}: take that or train longer"
        )
    mean, low, high = paired_difference(np.minimum(a, horizon), np.minimum(b, horizon), confidence=confidence)
    # a censored run is known to be later only than what arrived no later than it was watched
    faster = int((there_a & np.where(there_b, a < b, a <= b)).sum())
    slower = int((there_b & np.where(there_a, b < a, b <= a)).sum())
    return Comparison(mean, low, high, faster, slower, len(a) - faster - slower, _sign_test(faster, slower))


def _sign_test(faster: int, slower: int) -> float:
    """Two-sided probability of a split at least as uneven, if each seed were a fair coin."""
    from scipy.special import bdtr  # the binomial distribution; scipy.stats takes a second to import

    return min(1.0, 2 * float(bdtr(min(faster, slower), faster + slower, 0.5)))


def _runs(steps: ArrayLike, reached: ArrayLike) -> tuple[Floats, Flags]:
    times, arrived = as_numbers("steps", steps), as_numbers("reached", reached)
    if times.ndim != 1 or not len(times) or arrived.shape != times.shape or not np.isin(arrived, [0, 1]).all():
        raise ValueError(
            f"expected steps of shape (R,) and for each run whether it reached the goal (True or False), got "
            f"shapes {times.shape} and {arrived.shape}; `steps_to_reach` gives both for one run"
        )
    if not (np.isfinite(times) & (times >= 0)).all():
        raise ValueError(
            f"expected finite steps of at least 0, got {times}; a run that never arrives has its last "
            "measured step here, and False in `reached`"
        )
    return times, arrived.astype(np.bool_)
