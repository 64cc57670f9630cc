"""The table of claims: what the literature found, and what the runs of `claims` show, with interval and verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lab_utils.atomic import write_whole
from lab_utils.claims import Job, finished, grid
from lab_utils.claims_similarity import filter_orientation, jackknife, measure_similarity
from lab_utils.convergence import compare_steps, steps_to_reach
from lab_utils.intervals import paired_difference
from lab_utils.profile import data_root

GOAL = 0.75  # validation AUROC; set before the runs, about what random weights reach in half of them
SAME = 0.01  # AUROC: a smaller difference counts as none
COMMAND = "python -m lab_utils.claims"
RAGHU = "Raghu et al. 2019"

Interval = tuple[float, float, float]


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


def verdict(interval: Interval, expected: str, same: float = SAME) -> str:
    """Judge an effect by its whole interval.

    Args:
        interval: mean, low, high.
        expected: ``"above"`` or ``"below"`` 0, or ``"none"``: no effect larger than `same`.
        same: what counts as no effect.

    Returns:
        "shown" where the interval lies where it was expected, "refuted" where it lies wholly elsewhere, else "open":
        the seeds do not tell.
    """
    _, low, high = interval
    if expected == "none":
        return "shown" if -same < low and high < same else "refuted" if low > same or high < -same else "open"
    sign = 1 if expected == "above" else -1
    low, high = sorted((sign * low, sign * high))
    return "shown" if low > 0 else "refuted" if high < 0 else "open"


class Runs:
    """Finished runs, looked up by what they are."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = {Job(**row["job"]): row for row in rows}

    def get(self, start: str, model: str = "resnet10_w16", n: int = 500, **more: Any) -> dict[int, dict[str, Any]]:
        """Results by seed, for one kind of run."""
        wanted = {"start": start, "model": model, "n": n, "scale": 1.0, "lr": 1e-3} | more
        return {job.seed: row for job, row in self.rows.items() if all(getattr(job, k) == v for k, v in wanted.items())}


def pairs(a: dict[int, Any], b: dict[int, Any], value: Callable[[Any], float]) -> tuple[list[float], list[float]]:
    """The values of two kinds of runs for the seeds that both have."""
    seeds = sorted(set(a) & set(b))
    return [value(a[seed]) for seed in seeds], [value(b[seed]) for seed in seeds]


def final_gain(a: dict[int, Any], b: dict[int, Any]) -> tuple[Interval, int]:
    """Paired difference of the test AUROC after training, a minus b."""
    x, y = pairs(a, b, lambda row: row["auroc"])
    return paired_difference(x, y), len(x)


def speed_gain(a: dict[int, Any], b: dict[int, Any]) -> tuple[Interval, int]:
    """Paired difference of the steps to `GOAL`, a minus b; runs that never get there count as the last step."""
    (xs, xr), (ys, yr) = (zip(*part, strict=True) for part in pairs(a, b, lambda row: reached(row)))
    found = compare_steps(xs, xr, ys, yr, horizon=min(max(row["steps"]) for row in a.values()))
    return (found.difference, found.low, found.high), len(xs)


def reached(row: dict[str, Any]) -> Any:
    """Steps to `GOAL`, and whether it was reached."""
    return steps_to_reach(row["steps"], row["curve"], GOAL)


def difference_of_gains(first: tuple[dict[int, Any], ...], second: tuple[dict[int, Any], ...]) -> tuple[Interval, int]:
    """(a - b) of the first pair minus (a - b) of the second, by seed, in test AUROC."""
    seeds = sorted(set.intersection(*(set(part) for part in (*first, *second))))
    gains = [[a[s]["auroc"] - b[s]["auroc"] for s in seeds] for a, b in (first, second)]
    return paired_difference(*gains), len(seeds)


def speed_claims(runs: Runs) -> list[Claim]:
    """How fast: steps until the validation AUROC is `GOAL`."""
    random, transfer = runs.get("random"), runs.get("transfer")
    conv1, goal = runs.get("pretrained_conv1"), f"steps to AUROC {GOAL:g}, 500 images"

    def row(text: str, measured: str, found: tuple[Interval, int], expected: str, source: str = RAGHU) -> Claim:
        return make(text, source, f"{measured}: {goal}", found, "steps", verdict(found[0], expected, same=10))

    return [
        row("Transfer converges faster", "transfer - random", speed_gain(transfer, random), "below"),
        row(
            "Mean Var alone is faster than random",
            "Mean Var - random",
            speed_gain(runs.get("mean_var"), random),
            "below",
        ),
        row(
            "Scale, not order: shuffled weights are as fast as Mean Var",
            "permuted - Mean Var",
            speed_gain(runs.get("permuted"), runs.get("mean_var")),
            "none",
        ),
        row("A pretrained conv1 alone is faster than random", "conv1 - random", speed_gain(conv1, random), "below"),
        row(
            "Gabor filters do as well as a pretrained conv1",
            "Gabor - conv1",
            speed_gain(runs.get("gabor"), conv1),
            "none",
        ),
        row("A slim hybrid keeps most of the speed", "slim - random", speed_gain(runs.get("slim"), random), "below"),
        *(
            row(f"Transfer converges faster, {name}", "transfer - random", speed_gain(*both(runs, name)), "below")
            for name in ("cbr_tiny", "cbr_small")
        ),
    ]


def both(runs: Runs, model: str, **more: Any) -> tuple[dict[int, Any], dict[int, Any]]:
    """The runs of one network from transferred weights, and from random ones."""
    return runs.get("transfer", model, **more), runs.get("random", model, **more)


def gain_claims(runs: Runs) -> list[Claim]:
    """How good in the end: test AUROC after the last step."""
    few, many = both(runs, "resnet10_w16", n=100), both(runs, "resnet10_w16", n=5000)

    def row(text: str, measured: str, found: tuple[Interval, int], expected: str, source: str = RAGHU) -> Claim:
        return make(text, source, measured, found, "AUROC", verdict(found[0], expected))

    return [
        row("Transfer helps with few images", "transfer - random, n = 100, 1,000 steps", final_gain(*few), "above"),
        row(
            "The gain shrinks with more images",
            "gain at n = 100 minus gain at n = 5,000",
            difference_of_gains(few, many),
            "above",
        ),
        row(
            "With many images and long training transfer gains nothing",
            "transfer - random, n = 5,000, 3,000 steps",
            final_gain(*many),
            "none",
        ),
        *(
            row(
                f"{name}: transfer brings no better end",
                "transfer - random, n = 500, 300 steps",
                final_gain(*both(runs, name)),
                "none",
            )
            for name in ("cbr_tiny", "cbr_small")
        ),
        row(
            "Small weights help: random x 0.3",
            "x 0.3 - x 1, same learning rate, n = 500",
            final_gain(runs.get("random", scale=0.3), runs.get("random")),
            "above",
            "this kit",
        ),
        row(
            "It is the effective learning rate: with that fixed, scale is nothing",
            "x 0.3 with 0.3 lr minus x 1, n = 500",
            final_gain(runs.get("random", scale=0.3, lr=0.3e-3), runs.get("random")),
            "none",
            "this kit",
        ),
    ]


def similarity_claims(runs: Runs) -> list[Claim]:
    """What is alike inside: mean CCA per stage, every position of 800 images a datapoint."""
    small, large = measure_similarity("resnet10_w16"), measure_similarity("resnet10_w32")
    kept, drawn = small["to_start"]["transfer"], small["to_start"]["random"]  # (seeds, stages)
    reuse = kept - drawn
    top = {start: values[:, -1] for start, values in small["between"].items()}  # (pairs,)
    between = jackknife(top["random"] - top["transfer"], len(kept))
    wide = large["to_start"]["random"].mean(axis=1)

    def row(text: str, measured: str, interval: Interval, expected: str, seeds: int, unit: str = "mean CCA") -> Claim:
        return make(text, RAGHU, measured, (interval, seeds), unit, verdict(interval, expected))

    bottom, seeds = reuse[:, :3].mean(axis=1), len(reuse)
    orientation = filter_orientation("resnet10_w16")
    return [
        row(
            "Features are reused at the bottom",
            "similarity to the start, stem to layer2: transfer - random",
            paired_difference(kept[:, :3].mean(axis=1), drawn[:, :3].mean(axis=1)),
            "above",
            seeds,
        ),
        row(
            "More is reused at the bottom than at the top",
            "the same, stem to layer2 minus layer4",
            paired_difference(bottom, reuse[:, -1]),
            "above",
            seeds,
        ),
        row(
            "At the top nothing is reused",
            "similarity to the start, layer4: transfer - random",
            paired_difference(kept[:, -1], drawn[:, -1]),
            "none",
            seeds,
        ),
        row(
            "At the top, two random starts end more alike than two transferred ones",
            "between seeds, layer4: random - transfer",
            between,
            "above",
            seeds,
        ),
        row(
            "Larger networks change less",
            "similarity to the start, random: resnet10_w32 - w16",
            paired_difference(wide, drawn.mean(axis=1)),
            "above",
            min(len(wide), seeds),
        ),
        row(
            "Pretrained first filters are oriented",
            "power within 22.5 degrees: transfer - random, after training",
            paired_difference(orientation["transfer"], orientation["random"]),
            "above",
            seeds,
            "share",
        ),
        row(
            "CBR-Small learns no oriented filters from scratch",
            "power within 22.5 degrees: after - before training",
            paired_difference(*(filter_orientation("cbr_small")[k] for k in ("random", "before"))),
            "none",
            seeds,
            "share",
        ),
    ]


def make(text: str, source: str, measured: str, found: tuple[Interval, int], unit: str, judgement: str) -> Claim:
    """A row, rounded to what the interval supports."""
    interval, seeds = found
    mean, low, high = (round(value, 1 if unit == "steps" else 3) for value in interval)
    return Claim(text, source, measured, mean, low, high, unit, seeds, judgement)


def write_table(path: Path | None = None) -> None:
    """Write data/results/claims.json from the runs that are done."""
    path = data_root() / "results" / "claims.json" if path is None else path
    runs = Runs(list(finished(grid())))
    rows = [*speed_claims(runs), *gain_claims(runs), *similarity_claims(runs)]
    content = json.dumps([row._asdict() for row in rows], indent=1) + "\n"
    write_whole(path, lambda unfinished: unfinished.write_text(content))
