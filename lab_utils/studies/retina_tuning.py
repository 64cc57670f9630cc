"""Whole networks trained on the colour retinas of RetinaMNIST, from procedural and from ImageNet weights.

    python -m lab_utils.studies.retina_tuning --data RETINAMNIST.npz

trains every start of `TUNED` with each rate and length of `CHOICES` on the first seed, chooses both on the validation
images, does the other seeds of that choice alone, and writes data/results/retina_tuning.json. It may be killed at any
moment: the same command goes on with what is missing in data/cache/retina_tuning.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.atomic import write_text
from lab_utils.data import MILD
from lab_utils.metrics import mean_interval
from lab_utils.networks import build_model
from lab_utils.profile import cache_root, data_root
from lab_utils.studies.grid import combinations, run_grid
from lab_utils.studies.results import load_results
from lab_utils.studies.source_weights import MAIN, SIZES, STARTS, WANTED, depends, load, rows_without_paths, values_of
from lab_utils.training import evaluate, fit

if TYPE_CHECKING:
    import pandas as pd

COMMAND = "python -m lab_utils.studies.retina_tuning --data RETINAMNIST.npz"
STUDY = "retina_tuning"
TUNED = ("procedural ResNet-10", "ImageNet EfficientNet-Lite0")
CHOICES: dict[str, list[Any]] = {"lr": [3e-4, 1e-3, 3e-3], "epochs": [5, 15]}
CHOOSING, SEEDS = (0,), (0, 1, 2)
BATCH_SIZE = 32
PUBLISHED = (  # Doerrich et al. 2025, arXiv:2404.15786: ResNet-18 on the official split; no interval is given
    ("ResNet-18, end to end, 28 px (published)", 0.5233, 0.7041),
    ("ResNet-18, end to end, 64 px (published)", 0.5308, 0.7440),
    ("ResNet-18, linear probe, 28 px (published)", 0.4350, 0.6891),
)


def tune(path: str, start: str, lr: float, epochs: int, seed: int) -> dict[str, Any]:
    """Train the whole network on all training images, and measure it once on val and once on test.

    The rate rises over the first epoch and falls to nothing along a cosine, so that each length is a run of its own.
    """
    splits = load("retinas", path)
    name, weights = STARTS[start]
    train, val, test = (splits[part] for part in ("train", "val", "test"))
    model = build_model(name, weights=weights, num_classes=train.num_classes, in_channels=train.in_channels, seed=seed)
    fit(
        model, train, None, epochs=epochs, lr=lr, schedule="cosine", warmup=len(train) // BATCH_SIZE,
        batch_size=BATCH_SIZE, augment=MILD, seed=seed, progress=False,
    )  # fmt: skip
    found = evaluate(model, test)
    return {"val": evaluate(model, val)["auroc"], **{key: found[key] for key in WANTED}}


def choice(rows: list[dict[str, Any]], start: str) -> dict[str, Any]:
    """Rate and length with the highest AUROC on the validation images, over the seeds that all of them have."""
    options = combinations(**CHOICES)
    return max(options, key=lambda one: values_of(rows, "val", start=start, **one)[: len(CHOOSING)].mean())


def run_study(path: str, target: Path, *, workers: int | None = None) -> dict[str, Any]:
    """Run what is missing, and write the file when all of it is done.

    Args:
        path: the .npz file of the retinas.
        target: the file to write.
        workers: as `run_grid` takes it.
    """

    def runs(configs: list[dict[str, Any]]) -> pd.DataFrame:
        return run_grid(tune, configs, keep=cache_root() / STUDY, depends=depends, workers=workers)

    grid = combinations(path=[path], start=TUNED, seed=CHOOSING, **CHOICES)
    first = rows_without_paths(runs(grid))
    rest = [
        {"path": path, "start": start, "seed": seed, **choice(first, start)}
        for start in TUNED
        for seed in SEEDS
        if seed not in CHOOSING
    ]
    study = {
        "schema": 1,
        "command": COMMAND,
        "file": depends(path=path),
        "runs": first + rows_without_paths(runs(rest)),
    }
    write_text(target, json.dumps(study, indent=1) + "\n")
    return study


def table(study: dict[str, Any], probes: list[dict[str, Any]]) -> str:
    """A Markdown table: probes (of `source_weights`) and whole networks, beside the published ResNet-18."""
    lines = ["| retinas | accuracy | AUROC | kappa |", "|---|---|---|---|"]
    largest = SIZES["retinas"][-1]
    for start in MAIN:
        lines.append(_row(f"{start}, probe, {largest} images", probes, data="retinas", start=start, n=largest))
    for start in TUNED:
        chosen = choice(study["runs"], start)
        name = f"{start}, fine-tuned, {chosen['epochs']} epochs, lr {chosen['lr']:g} (chosen on val)"
        lines.append(_row(name, study["runs"], start=start, **chosen))
    lines += [f"| {name} | {accuracy:.3f} | {auc:.3f} | - |" for name, accuracy, auc in PUBLISHED]
    return "\n".join(lines)


def _row(name: str, rows: list[dict[str, Any]], **settings: Any) -> str:
    cells = []
    for key in ("accuracy", "auroc", "kappa"):
        mean, low, high = mean_interval(values_of(rows, key, **settings))
        cells.append(f"{mean:.3f} [{low:.3f}, {high:.3f}]")
    return f"| {name} | " + " | ".join(cells) + " |"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, metavar="PATH.npz", help="RetinaMNIST, or a file like it")
    study = run_study(parser.parse_args().data, data_root() / "results" / f"{STUDY}.json")
    print(table(study, load_results("source_weights")["probes"]))


if __name__ == "__main__":  # by its name, so that worker processes find the functions with their caches
    importlib.import_module("lab_utils.studies.retina_tuning").main()
