"""A course project on CheXpert (New York University, 2020) as a study: edema, four CBR networks and three ResNets.

Its questions: are deep networks harder to train (curves); how does AUROC grow with the number of images, and go with
parameters and depth; and does it help to have learned another finding of the same hospital first (Consolidation, then
Edema; whole and with a frozen backbone)?
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lab_utils.data import MILD, Split, subset
from lab_utils.studies.kept import keep_network
from lab_utils.studies.starting import STAND_IN, built
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
TEACHER = "teacher"  # learns `FIRST`, for the runs that begin with its weights
SIZES: tuple[int, ...] = (5000, 20_000, 50_000, 100_000, 200_000)
SMALL_SIZES: tuple[int, ...] = (16, 32)
IN_DOMAIN = "cbr_large_w"
STARTS = {"random": "from scratch", "transfer": "pretrained", "in-domain": f"after {FIRST}",
          "frozen": f"after {FIRST}, frozen"}  # fmt: skip
STEPS = "training steps"
GAINS = {  # in percent of AUROC, as the project prints them, without spread
    "from 50,000 to 200,000 images": 3.3,
    "from random to pretrained weights": 2.0,
}


def grid(whole: bool) -> list[Row]:
    """All networks on all sizes from scratch; the network of the in-domain question also after the other finding."""
    sizes, seeds = (SIZES, range(3)) if whole else (SMALL_SIZES, range(2))
    size: Row = {"epochs": 100 if whole else 2, "batch_size": 32 if whole else 8, "range_steps": 100 if whole else 10}
    size |= {"pretrained": None if whole else STAND_IN}
    rows: list[Row] = []
    for seed in seeds:
        rows.append({"network": IN_DOMAIN, "start": TEACHER, "n": None, "seed": seed})
        for n in sizes:
            rows += [{"network": network, "start": "random", "n": n, "seed": seed} for network in NETWORKS]
            rows += [{"network": IN_DOMAIN, "start": start, "n": n, "seed": seed} for start in list(STARTS)[1:]]
    return [{"data": "chexpert", **row, **size} for row in rows if whole or _tried(row)]


def _tried(row: Row) -> bool:
    """Whether stand-ins run it: everything with one seed, and what the printed gains come from with two."""
    return row["seed"] == 0 or (row["network"] == IN_DOMAIN and row["start"] in ("random", "transfer"))


def teacher(config: Row) -> Row | None:
    """The run that learns the other finding, for one that begins with its weights."""
    return {**config, "start": TEACHER, "n": None} if config["start"] in ("in-domain", "frozen") else None


def of_finding(split: Split, finding: str) -> Split:
    """The images whose label of one finding is known, as a task of one finding."""
    place = split.class_names.index(finding)
    known = split.take(split.labels[:, place] >= 0)
    return Split(known.images, known.labels[:, [place]], known.groups, "multilabel", (finding,), known.notes)


def run(
    splits: Splits, *, weights: str | Path | None, checkpoint: Path, network: str, start: str, n: int | None, seed: int,
    epochs: int, batch_size: int, range_steps: int, pretrained: str | None, taught: Path | None = None, **_: Any,
) -> Row:  # fmt: skip
    """Choose a rate by the range test, train until 100 epochs, dividing it where the training loss stalls; measure."""
    finding = FIRST if start == TEACHER else TASK
    train, val, test = (of_finding(splits[part], finding) for part in ("train", "val", "test"))
    train = train if n is None else subset(train, min(n, len(train)), seed=seed)
    model = built(network, train, seed, (weights or pretrained) if start == "transfer" else None)
    if taught is not None:
        first = built(network, train, seed)
        first.load_state_dict(torch.load(taught, weights_only=True))
        transfuse(model, first)
    if start == "frozen":
        freeze(model)
    lr = rate(model, train, range_steps, batch_size, seed)
    history = fit(
        model, train, val, epochs=epochs, lr=lr, optimizer="adam", batch_size=batch_size, schedule="plateau",
        augment=MILD, seed=seed, checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    if start == TEACHER:
        keep_network(model, checkpoint)
    return {
        "used": len(train),
        "lr": lr,
        "parameters": sum(p.numel() for p in model.parameters()),
        "depth": sum(type(module).__name__ in ("Conv2d", "Linear") for module in model.modules()),
        "steps": np.array(history.column("step")),
        "curve": np.array(history.column("val_auroc")),
        "auroc": evaluate(model, test)["auroc"],
    }


def rate(model: Any, train: Split, steps: int, batch_size: int, seed: int) -> float:
    """The rate that the range test suggests; 1e-3 where its curve shows none."""
    found = lr_range_test(model, train, steps=steps, batch_size=batch_size, seed=seed)
    suggested = lr_suggestion(found.lrs, found.losses)
    return float(suggested) if np.isfinite(suggested) else 1e-3


def tables(runs: pd.DataFrame) -> list[Table]:
    """Gains that the project prints, then AUROC by images, by network and by what was learned before."""
    sizes = _sizes(runs)
    by_size = [
        Cell(NETWORKS[network], f"{n:,} images", None, None, _percent(runs, network, "random", n))
        for network, n in product(ranking(runs), sizes)
    ]
    in_domain = [
        Cell(words, f"{n:,} images", None, None, _percent(runs, IN_DOMAIN, start, n))
        for (start, words), n in product(STARTS.items(), sizes)
    ]
    name = NETWORKS[IN_DOMAIN]
    return [
        Table(f"{name}: what more images, and pretraining, bring", "gain of AUROC in %", _gains(runs)),
        Table("Edema: AUROC by images", "AUROC in %, from scratch; networks by what they reach with the most images",
              tuple(by_size)),
        Table(f"{name} on edema: what it learned before", "AUROC in %", tuple(in_domain)),
    ]  # fmt: skip


def ranking(runs: pd.DataFrame) -> list[str]:
    """Networks, the best one first, by their mean AUROC with the most images; those that have not run come last."""
    sizes = _sizes(runs)
    reached = {network: _percent(runs, network, "random", sizes[-1]) if sizes else () for network in NETWORKS}
    return sorted(NETWORKS, key=lambda network: -float(np.mean(reached[network])) if reached[network] else 0.0)


def _sizes(runs: pd.DataFrame) -> list[int]:
    return [int(n) for n in sorted(runs["n"].dropna().unique())] if len(runs) else []


def _gains(runs: pd.DataFrame) -> tuple[Cell, ...]:
    sizes = _sizes(runs)
    few, many = SMALL_SIZES if max(sizes, default=0) <= max(SMALL_SIZES) else (50_000, 200_000)
    scratch, more = (by_seed(runs, "auroc", network=IN_DOMAIN, start="random", n=n) for n in (few, many))
    pretrained = by_seed(runs, "auroc", network=IN_DOMAIN, start="transfer", n=many)
    own = [tuple(100 * (after / before - 1).dropna()) for after, before in ((more, scratch), (pretrained, more))]
    cells = [
        Cell(name, "gain", printed, None, values) for (name, printed), values in zip(GAINS.items(), own, strict=True)
    ]
    there = rows_of(runs, "used", network=IN_DOMAIN, start="random", n=many)
    if len(there) and (used := int(there["used"].max())) < many:  # the project's gain is not that of fewer images
        cells[0] = replace(cells[0], column=f"gain; there are {used:,} images, not {many:,}", printed=None)
    return tuple(cells)


def _percent(runs: pd.DataFrame, network: str, start: str, n: int) -> tuple[float, ...]:
    return tuple(100 * by_seed(runs, "auroc", network=network, start=start, n=n))


def curves(runs: pd.DataFrame) -> list[Picture]:
    """Training curves with the most images; AUROC by images, parameters and depth; and by what was learned before."""
    part = rows_of(runs, "auroc", start="random")
    if not len(part):
        return []
    most = part[part["n"] == part["n"].max()]
    found = {NETWORKS[network]: (rows["steps"].iloc[0], np.stack(list(rows["curve"])))
             for network, rows in most.groupby("network", sort=False)}  # fmt: skip
    by_size = {name: _against(part[part["network"] == network], "n") for network, name in NETWORKS.items()}
    starts = rows_of(runs, "auroc", network=IN_DOMAIN)
    learned = {words: _against(starts[starts["start"] == start], "n") for start, words in STARTS.items()}
    part = part.assign(parameters=part["parameters"] / 1e6)
    by_network = [
        Picture(f"Edema: AUROC by {key}, from scratch on {n:,} images", label, "AUROC",
                {name: _against(part[(part["network"] == network) & (part["n"] == n)], key)
                 for network, name in NETWORKS.items()})
        for n in dict.fromkeys((_sizes(part)[0], _sizes(part)[-1]))
        for key, label in (("parameters", "million parameters"), ("depth", "layers with weights"))
    ]  # fmt: skip
    return [
        Picture("Edema, the most images: are deep networks harder to train?", STEPS, "validation AUROC", found),
        Picture("Edema: AUROC by images", "training images", "AUROC", by_size),
        *by_network,
        Picture(f"{NETWORKS[IN_DOMAIN]} on edema: what it learned before", "training images", "AUROC", learned),
    ]


def _against(part: pd.DataFrame, key: str) -> tuple[Any, Any]:
    """AUROC (seeds, P) over the values (P,) of a column, NaN where a run is missing."""
    table = part.pivot_table(index="seed", columns=key, values="auroc")
    return table.columns.to_numpy(), table.to_numpy()


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
    teacher=teacher,
    weights=(IN_DOMAIN,),
    changed=(
        "The rate is divided where the loss stalls by the kit's schedule plateau, and the range test is the kit's.",
        "The kit's mild augmentation (shift, turn, scale) stands for the project's random affine maps.",
        "Images are divided by patient, uncertain labels of edema left out; 224 px and batches of 32 are ours. A tenth "
        "validates, so fewer than 200,000 are left to train on: the report says how many, and compares only the same "
        "numbers of images.",
        "The project's ranking of networks is not in the texts at hand: the table by images has the own one.",
        "The in-domain network learns Consolidation on all images of the training part, then Edema on n of them: once "
        "for each seed, and all runs of that seed begin with its weights.",
    ),
)
