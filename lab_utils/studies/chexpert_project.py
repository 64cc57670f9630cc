"""A course project on CheXpert (New York University, 2020) as a study: edema, four CBR networks and three ResNets.

Its questions: are deep networks harder to train (curves); how does AUROC grow with the number of images, and go with
parameters and depth; and does it help to have learned another finding of the same hospital first (Consolidation, then
Edema; whole and with a frozen backbone)?
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.data import MILD, Split, subset
from lab_utils.studies.starting import built
from lab_utils.studies.study import Cell, Picture, Row, Splits, Study, Table, by_seed, rows_of
from lab_utils.training import evaluate, fit, lr_range_test, lr_suggestion
from lab_utils.transfer import freeze, transfuse

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = {
    "cbr_tiny": "CBR-Tiny", "cbr_small": "CBR-Small", "cbr_large_t": "CBR-LargeT", "cbr_large_w": "CBR-LargeW",
    "resnet18": "ResNet-18", "resnet34": "ResNet-34", "resnet50": "ResNet-50",
}  # fmt: skip
TASK, FIRST = "Edema", "Consolidation"
SIZES: tuple[int, ...] = (5000, 20_000, 50_000, 100_000, 200_000)
SMALL_SIZES: tuple[int, ...] = (16, 32)
IN_DOMAIN = "cbr_large_w"
STEPS = "training steps"
GAINS = {  # in percent of AUROC, as the project prints them, without spread
    "50,000 to 200,000 images": 3.3,
    "CBR-LargeW, pretrained": 2.0,
}


def grid(whole: bool) -> list[Row]:
    """All networks on all sizes from scratch; the network of the in-domain question also after the other finding."""
    networks = tuple(NETWORKS) if whole else ("cbr_tiny", "resnet18", IN_DOMAIN)
    sizes, seeds = (SIZES, range(3)) if whole else (SMALL_SIZES, range(2))
    size = {"epochs": 100 if whole else 2, "batch_size": 32 if whole else 8}
    rows = []
    for seed, n in product(seeds, sizes):
        rows += [{"network": network, "start": "random", "n": n, "seed": seed} for network in networks]
        rows += [{"network": IN_DOMAIN, "start": start, "n": n, "seed": seed} for start in ("in-domain", "frozen")]
        if whole:
            rows.append({"network": IN_DOMAIN, "start": "transfer", "n": n, "seed": seed})
    return [{"data": "chexpert", **row, **size} for row in rows]


def of_finding(split: Split, finding: str) -> Split:
    """The images whose label of one finding is known, as a task of one finding."""
    place = split.class_names.index(finding)
    known = split.take(split.labels[:, place] >= 0)
    return Split(known.images, known.labels[:, [place]], known.groups, "multilabel", (finding,), known.notes)


def run(
    splits: Splits, *, weights: str | Path | None, checkpoint: Path, network: str, start: str, n: int, seed: int,
    epochs: int, batch_size: int, **_: Any,
) -> Row:  # fmt: skip
    """Choose a rate by the range test, train until 100 epochs, dividing it where the training loss stalls; measure."""
    train, val, test = (of_finding(splits[part], TASK) for part in ("train", "val", "test"))
    train = subset(train, min(n, len(train)), seed=seed)
    if start == "transfer" and weights is None:
        return {"missing": f"no weights: give --weights {network}=FILE"}
    model = built(network, train, seed, weights if start == "transfer" else None)
    settings: dict[str, Any] = {"optimizer": "adam", "batch_size": batch_size, "augment": MILD, "seed": seed,
                                "progress": False, "schedule": "plateau"}  # fmt: skip
    if start in ("in-domain", "frozen"):
        first = of_finding(splits["train"], FIRST)
        teacher = built(network, first, seed)
        fit(teacher, first, of_finding(splits["val"], FIRST), epochs=epochs, lr=1e-3,
            checkpoint=checkpoint.with_suffix(".first.pt"), **settings)  # fmt: skip
        transfuse(model, teacher)
    if start == "frozen":
        freeze(model)
    lr = rate(model, train, batch_size, seed)
    history = fit(model, train, val, epochs=epochs, lr=lr, checkpoint=checkpoint, **settings)
    checkpoint.with_suffix(".first.pt").unlink(missing_ok=True)
    return {
        "lr": lr,
        "parameters": sum(p.numel() for p in model.parameters()),
        "depth": sum(type(module).__name__ in ("Conv2d", "Linear") for module in model.modules()),
        "steps": np.array(history.column("step")),
        "curve": np.array(history.column("val_auroc")),
        "auroc": evaluate(model, test)["auroc"],
    }


def rate(model: Any, train: Split, batch_size: int, seed: int) -> float:
    """The rate that the range test suggests; 1e-3 where its curve shows none."""
    steps = min(100, 10 * max(1, len(train) // batch_size))
    found = lr_range_test(model, train, steps=steps, batch_size=batch_size, seed=seed)
    suggested = lr_suggestion(found.lrs, found.losses)
    return float(suggested) if np.isfinite(suggested) else 1e-3


def tables(runs: pd.DataFrame) -> list[Table]:
    """Gains that the project prints, then AUROC by images, by network and by what was learned before."""
    if "auroc" in runs:
        runs = runs[runs["auroc"].notna()]
    sizes = sorted(runs["n"].unique()) if len(runs) else []
    by_size = [
        Cell(name, f"{n:,} images", None, None, _percent(runs, network=network, start="random", n=n))
        for (network, name), n in product(NETWORKS.items(), sizes)
    ]
    starts = {"random": "from scratch", "in-domain": f"after {FIRST}", "frozen": f"after {FIRST}, frozen"}
    in_domain = [
        Cell(words, f"{n:,} images", None, None, _percent(runs, network=IN_DOMAIN, start=start, n=n))
        for (start, words), n in product(starts.items(), sizes)
    ]
    return [
        Table("What more images, and pretraining, bring", "gain of AUROC in %", _gains(runs)),
        Table("Edema: AUROC by images", "AUROC in %", tuple(by_size)),
        Table(f"{NETWORKS[IN_DOMAIN]} on edema: what it learned before", "AUROC in %", tuple(in_domain)),
    ]


def _gains(runs: pd.DataFrame) -> tuple[Cell, ...]:
    more, pretrained = (), ()
    if len(runs):
        few, many = (_by_seed(runs, IN_DOMAIN, "random", n) for n in (50_000, 200_000))
        more = tuple((100 * (many / few - 1)).dropna())
        scratch, transfer = (_by_seed(runs, IN_DOMAIN, start, max(runs["n"])) for start in ("random", "transfer"))
        pretrained = tuple((100 * (transfer / scratch - 1)).dropna())
    values = (more, pretrained)
    return tuple(
        Cell(name, "gain", printed, None, own) for (name, printed), own in zip(GAINS.items(), values, strict=True)
    )


def _by_seed(runs: pd.DataFrame, network: str, start: str, n: int) -> pd.Series:
    return by_seed(runs, "auroc", network=network, start=start, n=n)


def _percent(runs: pd.DataFrame, *, network: str, start: str, n: int) -> tuple[float, ...]:
    return tuple(100 * _by_seed(runs, network, start, n))


def curves(runs: pd.DataFrame) -> list[Picture]:
    """Training curves of all networks with the most images."""
    part = rows_of(runs, "auroc", start="random")
    if not len(part):
        return []
    part = part[part["n"] == part["n"].max()]
    found = {
        NETWORKS[network]: (rows["steps"].iloc[0], np.stack(list(rows["curve"])))
        for network, rows in part.groupby("network", sort=False)
    }
    return [Picture("Edema, the most images: are deep networks harder to train?", STEPS, "validation AUROC", found)]


STUDY = Study(
    name="chexpert_project",
    title="A course project: deep and shallow networks on CheXpert",
    source="New York University, a course project of 2020; task: edema",
    sets=("chexpert",),
    size=224,
    grid=grid,
    run=run,
    tables=tables,
    curves=curves,
    changed=(
        "The rate is divided where the loss stalls by the kit's schedule plateau, and the range test is the kit's.",
        "The kit's mild augmentation (shift, turn, scale) stands for the project's random affine maps.",
        "Images are divided by patient, uncertain labels of edema left out; 224 px and batches of 32 are ours.",
        "The in-domain network learns Consolidation on all images of the training part, then Edema on n of them.",
    ),
)
