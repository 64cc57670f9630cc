"""The trainings of lab 4, and its stored study of the networks that take too long in a lab.

    python -m lab_utils study family

trains every network of `NETWORKS` from scratch on phantoms, as `SETTINGS` says, and writes the results to
data/results/lab04_family.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from lab_utils.data import GENERATOR_VERSION, MILD, Split, subset
from lab_utils.networks import build_model
from lab_utils.studies.results import load_results
from lab_utils.studies.study import Cell, Picture, Row, Splits, Study, Table, by_seed, rows_of
from lab_utils.training import evaluate, fit

if TYPE_CHECKING:
    import pandas as pd

COMMAND = "python -m lab_utils study family"
FILE = "lab04_family"
NETWORKS = (
    "resnet10_w16", "resnet10_w32", "cbr_tiny", "cbr_small", "cbr_large_t", "cbr_large_w", "resnet18", "resnet50",
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "data": "phantoms",
    "size": 64,
    "n": 1000,
    "n_train": 2000,
    "n_val": 300,
    "n_test": 600,
    "seeds": [0, 1, 2, 3, 4],
    "marks": [0, 20, 40, 60, 80, 120, 160],
    "batch_size": 16,
    "lr": 1e-3,
}
MACHINE = ("device", "precision", "torch")  # that the stored results name


def train_and_measure(
    model: nn.Module,
    train: Split,
    val: Split,
    test: Split,
    *,
    seed: int,
    marks: Sequence[int],
    batch_size: int = 16,
    lr: float = 1e-3,
    schedule: str = "constant",
    warmup: int | None = None,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Train a network in place, watch its validation AUROC, measure it once on the test images.

    By default the learning rate stays constant after the warm-up, so that a longer training begins with the same
    curve. Nothing is chosen on the way: the last weights count.

    Args:
        model: a network from `build_model`; frozen stages stay as they are.
        train: what to train on.
        val: for the curve.
        test: for the numbers at the end.
        seed: of the data order and the augmentation.
        marks: steps at which to measure on `val`, in rising order, 0 being before training; the last one ends it.
        batch_size: images per step.
        lr: of AdamW.
        schedule: of the learning rate, as `fit` takes it.
        warmup: steps of it; default a tenth of all, 20 at most.
        checkpoint: file that the training goes on from if it was cut short, see `fit`; the results stay the same.

    Returns:
        ``curve``: AUROC on `val` at each mark, shape (P,). ``auroc`` and, but for a binary task, ``auroc_<class>`` on
        `test`.
    """
    history = fit(
        model,
        train,
        val,
        steps=marks[-1],
        lr=lr,
        schedule=schedule,
        warmup=min(20, marks[-1] // 10) if warmup is None else warmup,
        batch_size=batch_size,
        augment=MILD,
        seed=seed,
        eval_at=marks,
        keep_best=False,
        checkpoint=checkpoint,
        progress=False,
    )
    aurocs = {key: value for key, value in evaluate(model, test).items() if key.startswith("auroc")}
    return {"curve": np.array(history.column("val_auroc")), **aurocs}


def grid(whole: bool) -> list[Row]:
    """Every network with every seed; not whole: two steps each."""
    seeds, n, marks = (SETTINGS["seeds"], SETTINGS["n"], SETTINGS["marks"]) if whole else ([0, 1], 16, [0, 1, 2])
    size = {"batch_size": SETTINGS["batch_size"] if whole else 8, "lr": SETTINGS["lr"], "steps": marks[-1]}
    size |= {"data": SETTINGS["data"], "marks": tuple(marks)}
    return [
        {"network": network, "start": "random", "n": n, "seed": seed, **size}
        for seed, network in product(seeds, NETWORKS)
    ]


def run(
    splits: Splits, *, checkpoint: Path, network: str, n: int, seed: int, marks: Sequence[int], batch_size: int,
    lr: float, **_: Any,
) -> Row:  # fmt: skip
    """Train from scratch and measure."""
    train = subset(splits["train"], n, seed=seed)
    model = build_model(network, num_classes=train.num_classes, in_channels=1, seed=seed)
    settings: dict[str, Any] = {"seed": seed, "marks": marks, "batch_size": batch_size, "lr": lr}
    settings |= {"checkpoint": checkpoint}
    return train_and_measure(model, train, splits["val"], splits["test"], **settings)


def tables(runs: pd.DataFrame) -> list[Table]:
    """AUROC by network, beside the stored one."""
    from lab_utils.show import name_of  # with Matplotlib: not for those who only train

    theirs: dict[str, list[float]] = {}
    for row in load_results(FILE)["rows"]:
        theirs.setdefault(row["network"], []).append(100 * row["auroc"])
    cells = []
    for network in NETWORKS:
        mean, spread = np.mean(theirs[network]), np.std(theirs[network], ddof=1)
        own = tuple(100 * by_seed(runs, "auroc", network=network))
        name = name_of(network)
        cells.append(Cell(name, "mean of the findings", round(float(mean), 2), round(float(spread), 2), own))
    return [Table("From scratch, on phantoms", "AUROC in %; printed: the stored mean and sd", tuple(cells))]


def curves(runs: pd.DataFrame) -> list[Picture]:
    """AUROC on the validation images, network by network."""
    from lab_utils.show import name_of

    found = {}
    for network in NETWORKS:
        part = rows_of(runs, "curve", network=network)
        if len(part):
            found[name_of(network)] = (part["marks"].iloc[0], np.stack(list(part["curve"])))
    return [Picture("Validation AUROC while training", "training steps", "validation AUROC", found)] if found else []


def stored(runs: pd.DataFrame) -> Row:
    """What data/results/lab04_family.json holds."""
    machine: Row = {key: ", ".join(sorted({made[key] for made in runs["made"]})) for key in MACHINE}
    machine["phantoms"] = GENERATOR_VERSION
    rows = []
    for row in runs.to_dict("records"):
        results = {str(key): np.round(row[key], 4).tolist() for key in row if str(key).startswith(("curve", "auroc"))}
        rows.append({"network": row["network"], "n": row["n"], "seed": row["seed"], **results})
    return {"schema": 1, "command": COMMAND, "settings": SETTINGS, "machine": machine, "rows": rows}


STUDY = Study(
    name="family",
    title="CBR networks and ResNets from scratch, on phantoms",
    source=f"Lab 4 of this kit; the numbers called printed are those in data/results/{FILE}.json",
    sets=(SETTINGS["data"],),
    size=SETTINGS["size"],
    small_size=SETTINGS["size"],
    options={SETTINGS["data"]: {key: SETTINGS[key] for key in ("n_train", "n_val", "n_test")}},
    grid=grid,
    run=run,
    tables=tables,
    curves=curves,
    changed=("Nothing: this is the kit's own study. It takes longer than a lab may.",),
    stored=stored,
    file=FILE,
)
