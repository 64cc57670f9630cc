"""The trainings of lab 4, and its stored study of the networks that take too long in a lab.

    python -m lab_utils.studies.family

trains every network of `NETWORKS` from scratch on phantoms, as `SETTINGS` says, and writes the results to
data/results/lab04_family.json. It may be killed at any moment: the same command goes on with what is missing there and
in data/cache/family.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lab_utils.atomic import write_text
from lab_utils.data import MILD, Split, load_data, subset
from lab_utils.device import default_device, precision_for
from lab_utils.networks import build_model
from lab_utils.profile import cache_root, data_root
from lab_utils.studies.grid import combinations, run_grid
from lab_utils.training import evaluate, fit

COMMAND = "python -m lab_utils.studies.family"
STUDY = "lab04_family"
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
        progress=False,
    )
    aurocs = {key: value for key, value in evaluate(model, test).items() if key.startswith("auroc")}
    return {"curve": np.array(history.column("val_auroc")), **aurocs}


def train_network(
    network: str, seed: int, data: str, size: int, n: int, marks: list[int], batch_size: int, lr: float, **counts: Any
) -> dict[str, Any]:
    """One run of the study, with `SETTINGS`."""
    splits = load_data(data, size=size, **counts)
    train, val, test = subset(splits["train"], n, seed=seed), splits["val"], splits["test"]
    model = build_model(network, num_classes=train.num_classes, in_channels=1, seed=seed)
    return train_and_measure(model, train, val, test, seed=seed, marks=marks, batch_size=batch_size, lr=lr)


def run_study(path: Path, networks: Sequence[str] = NETWORKS, settings: dict[str, Any] = SETTINGS) -> None:
    """Train what is missing in the file at `path`, and write the file when all of it is done.

    Raises:
        ValueError: if the file holds results with other settings.
    """
    device = default_device()
    machine = {"device": device.type, "precision": precision_for(device), "torch": str(torch.__version__)}
    study = _begin(path, settings, machine)
    done = {(row["network"], row["seed"]) for row in study["rows"]}
    same = {key: [value] for key, value in settings.items() if key != "seeds"}
    grid = combinations(seed=settings["seeds"], network=networks, **same)
    missing = [config for config in grid if (config["network"], config["seed"]) not in done]
    if not missing:
        return
    counts = {key: settings[key] for key in ("n_train", "n_val", "n_test")}
    load_data(settings["data"], size=settings["size"], **counts)  # drawn here once, not by every worker
    runs = run_grid(train_network, missing, keep=cache_root() / "family", depends=lambda **_: machine)
    for run in runs.to_dict("records"):
        results = {key: np.round(run[key], 4).tolist() for key in run if key.startswith(("curve", "auroc"))}
        study["rows"].append({"network": run["network"], "n": run["n"], "seed": run["seed"], **results})
    write_text(path, json.dumps(study, indent=1) + "\n")


def _begin(path: Path, settings: dict[str, Any], machine: dict[str, str]) -> dict[str, Any]:
    if not path.exists():
        return {"schema": 1, "command": COMMAND, "settings": settings, "machine": machine, "rows": []}
    study: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if differ := [key for key, value in settings.items() if study["settings"].get(key) != value]:
        raise ValueError(
            f"Expected the results in {path} to be made with the settings of this study, but they differ in "
            f"{', '.join(differ)}. Delete the file to train everything again."
        )
    return study


if __name__ == "__main__":
    run_study(data_root() / "results" / f"{STUDY}.json")
