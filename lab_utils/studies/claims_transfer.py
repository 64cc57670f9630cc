"""The part of the table of claims about what makes transfer work, from the stored runs of `what_transfers`.

Margins and directions were fixed before the runs. Intervals are over seeds: they say nothing of other sources, targets
and networks than those at hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab_utils.atomic import write_text
from lab_utils.metrics import Interval, mean_interval, paired_difference
from lab_utils.networks import build_model, stages
from lab_utils.profile import data_root
from lab_utils.studies.claims_effects import SAME, Claim, make, verdict
from lab_utils.studies.results import StoredTransfer, stored_transfer
from lab_utils.studies.source_gains import gains
from lab_utils.studies.study import by_seed
from lab_utils.studies.what_transfers import BOTH, CBR, MIDDLE, RESNET, SIZES, STEPS, VIT, WIDE

if TYPE_CHECKING:
    import pandas as pd

PAPER = "Matsoukas et al. 2022"
CELL = ["target", "network", "source"]
SAME_R = 0.3  # a correlation nearer to 0 counts as none
FEATURES = f"untrained {RESNET}"
_FEW, _MANY = min(SIZES), max(SIZES)

# fmt: off


def transfer_claims(stored: StoredTransfer) -> list[Claim]:
    """The rows of the second paper: its text, what is measured, the effect with its seeds, and what is expected."""
    runs, gained = stored.runs, gains(stored.runs)

    def row(text: str, measured: str, effect: tuple[Interval, int], expected: str, unit: str = "AUROC",
            source: str = PAPER) -> Claim:
        found = make(text, f"{measured}, {STEPS} steps, 32 px", effect, expected, unit, source)
        judgement = verdict((found.effect, found.low, found.high), expected, SAME_R if unit == "r" else SAME)
        return found._replace(command=stored.command, phantoms=stored.phantoms, verdict=judgement)

    def gain(network: str, n: int = MIDDLE, source: str = "photos") -> pd.Series:
        return by_seed(gained, "gain", target="phantoms", network=network, source=source, n=n)

    def start(network: str, start: str, source: str = "photos", upto: str = "") -> pd.Series:
        choice = {"network": network, "source": source, "start": start, "upto": upto, "n": MIDDLE}
        return by_seed(runs, "auroc", target="phantoms", **choice)

    lost = {network: start(network, "WT") - start(network, "WT-ST", upto=middle(network)) for network in (VIT, RESNET)}
    rows = [
        *(row(f"{network}: the gain grows as images become fewer",
              f"gain from photo patches at n = {_FEW} minus that at n = {_MANY}, phantoms",
              minus(gain(network, _FEW), gain(network, _MANY)), "above") for network in (RESNET, CBR, VIT)),
        *(row(f"The gain grows as the source comes nearer: {target}",
              "slope of the gain over the logarithm (base 10) of the Fréchet distance, four sources"
              f"{sign_of_gains(gained, target)}, n = {MIDDLE}",
              over_seeds(gained, partial(slope, distances=stored.distances, target=target)), "below")
          for target in ("phantoms", "retinas")),
        *(row("The gain grows as inductive bias falls",
              f"gain from photo patches: {VIT} minus {network}, n = {MIDDLE}, phantoms",
              minus(gain(VIT), gain(network)), "above") for network in (CBR, RESNET)),
        row("The gain grows with capacity: a network twice as wide",
            f"gain from fractals and photo patches: {WIDE} minus {RESNET}, n = {MIDDLE}, phantoms",
            minus(gain(WIDE, source=BOTH), gain(RESNET, source=BOTH)), "above", source="this kit"),
        row("The gain goes with reuse, (WT - ST) / WT; the two share WT",
            f"correlation with WT / RI - 1 over {cells(gained)} sources, targets and networks, n = {MIDDLE}",
            correlation_over_seeds(gained, "relative", "reuse"), "above", "r"),
        row("The gain does not go with similarity to the start",
            f"correlation of WT - RI with CKA, mean over stages, over the same {cells(gained)}",
            correlation_over_seeds(with_cka(gained, stored.stages), "gain", "cka"), "none", "r",
            "Juodelyte et al. 2023"),
        row("A transformer reuses more stages than a CNN",
            f"AUROC lost if the upper two of five stages are ST: {VIT} minus {RESNET}, n = {MIDDLE}, phantoms",
            minus(lost[VIT], lost[RESNET]), "above"),
        row("ST alone explains little of a transformer's gain",
            f"ST minus random, {VIT}, n = {MIDDLE}, phantoms",
            minus(start(VIT, "ST"), start(VIT, "RI", "none")), "none"),
        row("A source with nothing to learn gains nothing",
            f"WT minus random, white noise with random categories, {RESNET}, n = {MIDDLE}, phantoms",
            minus(gain(RESNET, source="noise"), 0 * gain(RESNET)), "none", source="this kit"),
    ]
    return [claim for claim in rows if claim.seeds > 1]  # of networks that have not run yet there are none

# fmt: on


def write_claims(folder: Path | None = None) -> None:
    """Write claims_transfer.json beside the stored runs; `read_claims` reads it."""
    folder = data_root() / "results" if folder is None else folder
    rows = [claim._asdict() for claim in transfer_claims(stored_transfer(folder))]
    write_text(folder / "claims_transfer.json", json.dumps(rows, indent=1) + "\n")


def minus(a: pd.Series, b: pd.Series) -> tuple[Interval, int]:
    """Paired difference of two series by seed, over the seeds that both have."""
    a, b = a.align(b, join="inner")
    return paired_difference(a, b) if len(a) > 1 else (math.nan, math.nan, math.nan), len(a)


def middle(network: str) -> str:
    """The third of five stages, or the second of four: the last that stays pretrained."""
    names = list(stages(build_model(network, num_classes=2)))
    return names[(len(names) - 1) // 2]


def over_seeds(rows: pd.DataFrame, statistic: Callable[[pd.DataFrame], float]) -> tuple[Interval, int]:
    """A number computed from all seeds, with a jackknife interval around it: each seed in turn is left out."""
    seeds = sorted(rows["seed"].unique())
    whole, count = statistic(rows), len(seeds)
    without = np.array([statistic(rows[rows["seed"] != seed]) for seed in seeds])
    mean, low, high = mean_interval(count * whole - (count - 1) * without)
    return (whole, whole + low - mean, whole + high - mean), count


def correlation_over_seeds(rows: pd.DataFrame, one: str, other: str) -> tuple[Interval, int]:
    """`correlation` with its interval, which is computed on Fisher's scale, where it cannot leave -1 to 1."""
    z, count = over_seeds(rows, lambda part: float(np.arctanh(correlation(part, one, other))))
    mean, low, high = map(float, np.tanh(z))
    return (mean, low, high), count


def slope(rows: pd.DataFrame, distances: pd.DataFrame, target: str) -> float:
    """AUROC gained per factor 10 of distance, over the sources that have something to learn."""
    apart = distances[(distances["target"] == target) & (distances["features"] == FEATURES)]
    place = apart.set_index("source")["distance"].map(np.log10)
    mean = gain_by_source(rows, target)
    return float(np.polyfit(place[mean.index], mean, 1)[0])


def gain_by_source(rows: pd.DataFrame, target: str) -> pd.Series:
    """Mean gain of the four sources that have something to learn and a distance."""
    part = rows[(rows["target"] == target) & (rows["network"] == RESNET) & (rows["n"] == MIDDLE)]
    return part[~part["source"].isin(["noise", BOTH])].groupby("source")["gain"].mean()


def sign_of_gains(rows: pd.DataFrame, target: str) -> str:
    """What a slope does not say: whether all sources cost."""
    return " that all cost AUROC" if (gain_by_source(rows, target) < 0).all() else ""


def correlation(rows: pd.DataFrame, one: str, other: str) -> float:
    """Pearson's r between the means of two columns over sources, targets and networks, at `MIDDLE` images."""
    mean = rows[rows["n"] == MIDDLE].groupby(CELL)[[one, other]].mean()
    return float(np.corrcoef(mean[one], mean[other])[0, 1])


def cells(rows: pd.DataFrame) -> int:
    """Over how many sources, targets and networks `correlation` goes."""
    return len(rows[rows["n"] == MIDDLE].groupby(CELL))


def with_cka(rows: pd.DataFrame, by_stage: pd.DataFrame) -> pd.DataFrame:
    """The gains with the mean CKA of the trained network with its own start in a column cka."""
    chosen = by_stage[(by_stage["measure"] == "cka") & (by_stage["start"] == "WT")]
    mean = chosen.groupby([*CELL, "seed"])["value"].mean().rename("cka")
    return rows[rows["n"] == MIDDLE].join(mean, on=[*CELL, "seed"])
