"""The table of claims: what the literature found, and what the embedded data shows, with interval and verdict.

    python -m lab_utils study claims

trains what is missing (see `claims_runs`), and writes data/results/claims.json when all is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from lab_utils.metrics import Interval, jackknife, paired_difference
from lab_utils.studies.claims_effects import (
    GOAL,
    Claim,
    Runs,
    both,
    difference_of_gains,
    final_gain,
    make,
    paired,
    speed_gain,
)
from lab_utils.studies.claims_runs import COUNTS, SIDE, configs, run
from lab_utils.studies.claims_similarity import (
    before_training,
    between_seeds,
    filter_orientation,
    probe_images,
    started,
    to_start,
    trained,
)
from lab_utils.studies.claims_view import read_claims
from lab_utils.studies.study import Cell, Row, Study, Table

if TYPE_CHECKING:
    import pandas as pd

RAGHU = "Raghu et al. 2019"

# fmt: off
# Tables, a claim each: its text, what is measured, the effect with its seeds, and what is expected of it.


def speed_claims(runs: Runs) -> list[Claim]:
    """How fast: steps until the validation AUROC is `GOAL`."""

    def row(text: str, measured: str, found: tuple[Interval, int], expected: str) -> Claim:
        return make(text, f"{measured}: steps to AUROC {GOAL:g}, 500 images", found, expected, "steps", RAGHU)

    def gain(a: str, b: str = "random") -> tuple[Interval, int]:
        return speed_gain(runs.get(a), runs.get(b))

    return [
        row("Transfer converges faster", "transfer minus random", gain("transfer"), "below"),
        row("Mean Var alone is faster than random", "Mean Var minus random", gain("mean_var"), "below"),
        row("Scale, not order: shuffled weights are as fast as Mean Var",
            "permuted minus Mean Var", gain("permuted", "mean_var"), "none"),
        row("A pretrained conv1 alone is faster than random", "conv1 minus random", gain("pretrained_conv1"), "below"),
        row("Gabor filters do as well as a pretrained conv1",
            "Gabor minus conv1", gain("gabor", "pretrained_conv1"), "none"),
        row("A slim hybrid keeps most of the speed", "slim minus random", gain("slim"), "below"),
        *(row(f"{name}: transfer is faster", "transfer minus random (32 px)", speed_gain(*both(runs, name)), "below")
          for name in ("cbr_tiny", "cbr_small")),
    ]


def gain_claims(runs: Runs) -> list[Claim]:
    """How good in the end: test AUROC after the last step."""
    few, many = both(runs, "resnet10_w16", n=100), both(runs, "resnet10_w16", n=5000)
    random, small = runs.get("random"), runs.get("random", scale=0.3)

    def row(text: str, measured: str, found: tuple[Interval, int], expected: str, source: str = RAGHU) -> Claim:
        return make(text, measured, found, expected, "AUROC", source)

    return [
        row("Transfer helps with few images",
            "transfer minus random, n = 100, 1,000 steps, 32 px", final_gain(*few), "above"),
        row("The gain shrinks with more images",
            "gain at n = 100 minus gain at n = 5,000, 32 px", difference_of_gains(few, many), "above"),
        row("With many images and long training transfer gains nothing",
            "transfer minus random, n = 5,000, 6,000 steps, 32 px", final_gain(*many), "none"),
        *(row(f"{name}: transfer brings no better end",
              "transfer minus random, n = 500, 300 steps, 32 px", final_gain(*both(runs, name)), "none")
          for name in ("cbr_tiny", "cbr_small")),
        row("Small weights help: random x 0.3",
            "x 0.3 minus x 1, same learning rate, n = 500", final_gain(small, random), "above", "this kit"),
        row("It is the effective learning rate: with that fixed, scale is nothing",
            "x 0.3 with 0.3 lr minus x 1, n = 500",
            final_gain(runs.get("random", scale=0.3, lr=0.3e-3), random), "none", "this kit"),
    ]


def similarity_claims(runs: Runs) -> list[Claim]:
    """What is alike inside: mean CCA per stage, 4 x 4 positions of each of 800 images as datapoints."""
    transfer, random, wider, small = paired(
        lambda row: row, runs.get("transfer"), runs.get("random"), runs.get("random", "resnet10_w32"),
        runs.get("random", "cbr_small"),
    )
    if len(random) < 3:  # of pairs of seeds there must be some
        return []
    images = probe_images(random[0]["probes"])
    kept, drawn = to_start(transfer, images), to_start(random, images)  # (seeds, stages) each
    reuse = kept - drawn
    top = {start: values[:, -1] for start, values in between_seeds(random, transfer, images).items()}  # (pairs,)
    untrained = {start: values[:, -1] for start, values in before_training(random, transfer, images).items()}
    wide = to_start(wider, images).mean(axis=1)
    oriented = {"transfer": _oriented(trained, transfer), "random": _oriented(trained, random)}
    of_cbr = {"after": _oriented(trained, small), "before": _oriented(started, small)}

    def row(text: str, measured: str, interval: Interval, expected: str, *, seeds: int = len(reuse),
            unit: str = "mean CCA", source: str = RAGHU) -> Claim:
        return make(text, measured, (interval, seeds), expected, unit, source)

    return [
        row("Features are reused at the bottom", "similarity to the start, stem to layer2: transfer minus random",
            paired_difference(kept[:, :3].mean(axis=1), drawn[:, :3].mean(axis=1)), "above"),
        row("More is reused at the bottom than at the top", "the same, stem to layer2 minus layer4",
            paired_difference(reuse[:, :3].mean(axis=1), reuse[:, -1]), "above"),
        row("At the top nothing is reused", "similarity to the start, layer4: transfer minus random",
            paired_difference(kept[:, -1], drawn[:, -1]), "not above"),
        row("At the top, two random starts end more alike than a random and a transferred one",
            "between seeds, layer4: random with random minus random with transfer; see the next row",
            jackknife(top["random"] - top["mixed"], len(reuse)), "above"),
        row("The same pairs differ before the first step",
            "between seeds, layer4, untrained: random with random minus random with transfer",
            jackknife(untrained["random"] - untrained["mixed"], len(reuse)), "above", source="this kit"),
        row("At the top, two random starts end more alike than two transferred ones",
            "between seeds, layer4: random with random minus transfer with transfer",
            jackknife(top["random"] - top["transfer"], len(reuse)), "above", source="prediction of this kit"),
        row("Larger networks change less", "similarity to the start, random: resnet10_w32 minus w16",
            paired_difference(wide, drawn.mean(axis=1)), "above", seeds=min(len(wide), len(reuse))),
        row("Pretrained first filters are oriented", "power within 22.5 degrees: transfer minus random, after training",
            paired_difference(oriented["transfer"], oriented["random"]), "above", unit="share"),
        row("CBR-Small learns no oriented filters from scratch",
            "power within 22.5 degrees: after minus before training",
            paired_difference(of_cbr["after"], of_cbr["before"]), "none", unit="share"),
    ]

# fmt: on


def _oriented(network: Callable[[Row], nn.Module], rows: Sequence[Row]) -> list[float]:
    return filter_orientation(map(network, rows))


_TOLD: dict[tuple[str, ...], list[Claim]] = {}  # of one set of runs: similarities take minutes, the report asks again


def claims_of(runs: pd.DataFrame) -> list[Claim]:
    """The claims that enough of the runs are there for."""
    key = tuple(map(str, runs["kept"])) if "kept" in runs else ()
    if not key or key not in _TOLD:
        _TOLD.clear()
        found = Runs(runs.to_dict("records"))
        claims = [*speed_claims(found), *gain_claims(found), *similarity_claims(found)]
        _TOLD[key] = [claim for claim in claims if claim.seeds > 1]
    return _TOLD[key]


def tables(runs: pd.DataFrame) -> list[Table]:
    """The stored effects, and the own ones with what they say of the claim."""
    own = {claim.claim: claim for claim in claims_of(runs)}
    theirs = {row["claim"]: row for row in read_claims()}
    cells = []
    for text in dict.fromkeys([*theirs, *own]):
        of = theirs.get(text) or own[text]._asdict()
        effect = (own[text][3:6], own[text].seeds, own[text].verdict) if text in own else None
        printed = theirs[text]["effect"] if text in theirs else None
        cells.append(Cell(f"{text} ({of['source']})", f"{of['measured']}; {of['unit']}", printed, None, (), effect))
    return [Table("Claims, on phantoms", "effect, with its unit; printed: the stored one", tuple(cells))]


def stored(runs: pd.DataFrame) -> list[dict[str, Any]]:
    """What data/results/claims.json holds."""
    return [claim._asdict() for claim in claims_of(runs)]


STUDY = Study(
    name="claims",
    title="The claims of the literature, on phantoms",
    source="Raghu, Zhang, Kleinberg, Bengio 2019, arXiv:1902.07208, and predictions of this kit; the numbers called "
    "printed are those in data/results/claims.json",
    sets=("phantoms",),
    size=SIDE,
    small_size=SIDE,
    options={"phantoms": COUNTS},
    grid=configs,
    run=run,
    tables=tables,
    changed=(
        "Drawn X-rays of 64 px (32 where a run would take too long), and small networks: the claims are the "
        "literature's, the numbers are ours.",
        "Pretrained means the kit's procedural weights.",
    ),
    stored=stored,
    file="claims",
)
