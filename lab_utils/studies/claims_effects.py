"""Effects of the runs behind the table of claims, paired by seed, and the verdict on a claim."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lab_utils.data import GENERATOR_VERSION
from lab_utils.metrics import Interval, compare_steps, paired_difference, steps_to_reach
from lab_utils.studies.study import Row

GOAL = 0.75  # validation AUROC; set before the runs, about what random weights reach in half of them
SAME = 0.01  # AUROC, mean CCA, share of power: a smaller difference counts as none
SAME_STEPS = 10
COMMAND = "python -m lab_utils study claims"
NONE: Interval = (math.nan, math.nan, math.nan)  # where fewer than two seeds are there


class Claim(NamedTuple):
    """One row of the table.

    Attributes:
        claim: what was found, in one sentence.
        source: by whom.
        measured: what the effect is the difference of.
        effect: mean over seeds; `low` and `high`: its 95 % interval.
        unit: of the effect.
        seeds: how many.
        verdict: "shown", "refuted" or "open", see `verdict`.
        command: what made the numbers.
        phantoms: version of the phantoms.
    """

    claim: str
    source: str
    measured: str
    effect: float
    low: float
    high: float
    unit: str
    seeds: int
    verdict: str
    command: str = COMMAND
    phantoms: int = GENERATOR_VERSION


def verdict(interval: Interval, expected: str, same: float = SAME) -> str:
    """Judge an effect by its whole interval.

    Args:
        interval: mean, low, high.
        expected: ``"above"`` or ``"below"`` 0; ``"none"``: no effect larger than `same`; ``"not above"``: none upwards.
        same: what counts as no effect.

    Returns:
        "shown" where the interval lies where it was expected, "refuted" where it lies wholly elsewhere, else "open":
        the seeds do not tell.
    """
    _, low, high = interval
    if expected == "not above":
        return "shown" if high < same else "refuted" if low > same else "open"
    if expected == "none":
        return "shown" if -same < low and high < same else "refuted" if low > same or high < -same else "open"
    sign = 1 if expected == "above" else -1
    low, high = sorted((sign * low, sign * high))
    return "shown" if low > 0 else "refuted" if high < 0 else "open"


class Runs:
    """Finished runs, looked up by what they are."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def get(self, start: str, network: str = "resnet10_w16", n: int = 500, **more: float) -> dict[int, Row]:
        """Rows by seed, for one kind of run."""
        wanted = {"start": start, "network": network, "n": n, "scale": 1.0, "lr": 1e-3} | more
        return {row["seed"]: row for row in self.rows if all(row[key] == value for key, value in wanted.items())}


def paired(value: Callable[[Row], Any], *runs: dict[int, Row]) -> list[list[Any]]:
    """A value of each kind of runs, for the seeds that all have."""
    seeds = sorted(set.intersection(*map(set, runs)))
    return [[value(kind[seed]) for seed in seeds] for kind in runs]


def final_gain(a: dict[int, Row], b: dict[int, Row]) -> tuple[Interval, int]:
    """Paired difference of the test AUROC after training, a minus b."""
    x, y = paired(lambda row: row["auroc"], a, b)
    return paired_difference(x, y) if len(x) > 1 else NONE, len(x)


def speed_gain(a: dict[int, Row], b: dict[int, Row]) -> tuple[Interval, int]:
    """Paired difference of the steps to `GOAL`, a minus b; runs that never get there count as the last step."""
    kinds = paired(lambda row: steps_to_reach(row["marks"], row["curve"], GOAL), a, b)
    if len(kinds[0]) < 2:
        return NONE, len(kinds[0])
    (xs, xr), (ys, yr) = (zip(*kind, strict=True) for kind in kinds)
    found = compare_steps(xs, xr, ys, yr, horizon=min(max(row["marks"]) for row in a.values()))
    return (found.difference, found.low, found.high), len(xs)


def difference_of_gains(first: tuple[dict[int, Row], ...], second: tuple[dict[int, Row], ...]) -> tuple[Interval, int]:
    """(a - b) of the first pair minus (a - b) of the second, by seed, in test AUROC."""
    a, b, c, d = map(np.array, paired(lambda row: row["auroc"], *first, *second))
    return paired_difference(a - b, c - d) if len(a) > 1 else NONE, len(a)


def both(runs: Runs, network: str, **more: Any) -> tuple[dict[int, Row], dict[int, Row]]:
    """The runs of one network from transferred weights, and from random ones."""
    return runs.get("transfer", network, **more), runs.get("random", network, **more)


def make(text: str, measured: str, found: tuple[Interval, int], expected: str, unit: str, source: str) -> Claim:
    """A row, rounded to what the interval supports, with its `verdict`."""
    interval, seeds = found
    mean, low, high = (round(value, 1 if unit == "steps" else 3) for value in interval)
    judgement = verdict(interval, expected, SAME_STEPS if unit == "steps" else SAME)
    return Claim(text, source, measured, mean, low, high, unit, seeds, judgement)
