"""What makes transfer work? Distance, size and inductive bias, varied apart; the stored experiment of lab 7.

    python -m lab_utils.studies.what_transfers --retinas PATH.npz

fine-tunes from every source on phantoms (two findings that no source has labels of) and colour retinas, measures how
far sources are and what is reused, and writes data/results/lab07_transfer.json, and what it says of the second paper's
claims beside it. The file is RetinaMNIST, or like it. It may be killed at any moment: the same command goes on with
what is missing in data/cache/what_transfers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import warnings
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from lab_utils.atomic import write_text
from lab_utils.data import GENERATOR_VERSION, Split, load_data, smaller
from lab_utils.device import default_device, precision_for
from lab_utils.metrics import Interval
from lab_utils.networks import build_model, load_weights, stages
from lab_utils.profile import cache_root, data_root
from lab_utils.similarity import collect_activations, knn_per_stage, l2_per_stage, linear_cka, reinit_robustness
from lab_utils.studies.grid import run_grid
from lab_utils.studies.kept import digest_of
from lab_utils.studies.source_gains import NO_SOURCE, start_of, target_findings, tune
from lab_utils.studies.sources_on_the_spot import SOURCES, source_distances
from lab_utils.studies.study import Row
from lab_utils.training import evaluate

COMMAND = "python -m lab_utils.studies.what_transfers --retinas RETINAMNIST.npz"
STUDY = "lab07_transfer"
NETWORKS = RESNET, CBR, VIT, WIDE = "resnet10_w16", "cbr_tiny", "small_vit", "resnet10_w32"
SIDE = 32  # px; phantoms are drawn at 64 px and averaged
COUNTS: dict[str, Any] = {"n_train": 1000, "n_val": 300, "n_test": 1000}  # of the phantoms
SIZES = (50, 200, 800)  # training images
STEPS = 300  # the same for every size: who changes both cannot tell images from steps
MIDDLE = 200  # images, where ST, WT-ST, width and what is reused are measured
BOTH = "procedural"  # fractals and photo patches, the only weights that both widths have, by one recipe
SEEDS = range(5)
TRAINING: dict[str, Any] = {"lr": 1e-3, "batch_size": 32}
PROBED, NEIGHBOURS = 400, 20  # images that features are compared on, and neighbours that vote
DISTANCE_SEED, DISTANCE_IMAGES = 9_000, 1000
DISTANCE_STAGE = "layer3"  # 128 features: for more, 1,000 images are few


def grid(seeds: Iterable[int] = SEEDS) -> list[Row]:
    """Every training, seed by seed."""
    rows: list[Row] = []
    for seed in seeds:
        for target, sizes in (("phantoms", SIZES), ("retinas", [n for n in SIZES if n >= MIDDLE])):
            rows += [_row(target, RESNET, NO_SOURCE, "RI", n, seed) for n in sizes]
            for source in SOURCES:
                rows += [_row(target, RESNET, source, "WT", n, seed) for n in sizes]
                rows.append(_row(target, RESNET, source, "ST", MIDDLE, seed))
        for network in (CBR, VIT):
            for n in SIZES:
                rows.append(_row("phantoms", network, NO_SOURCE, "RI", n, seed))
                rows += [_row("phantoms", network, "photos", start, n, seed) for start in ("ST", "WT")]
        rows += [_row("phantoms", RESNET, "photos", "ST", n, seed) for n in SIZES if n != MIDDLE]
        for network in (RESNET, VIT):
            cuts = list(stages(build_model(network, num_classes=2)))[:-1]
            rows += [_row("phantoms", network, "photos", "WT-ST", MIDDLE, seed, upto) for upto in cuts]
        rows.append(_row("phantoms", WIDE, NO_SOURCE, "RI", MIDDLE, seed))
        rows += [_row("phantoms", net, BOTH, start, MIDDLE, seed) for net in (RESNET, WIDE) for start in ("ST", "WT")]
    return rows


def _row(target: str, network: str, source: str, start: str, n: int, seed: int, upto: str = "") -> Row:
    found: Row = {"target": target, "network": network, "source": source, "start": start, "upto": upto}
    return {**found, "n": n, "seed": seed, "steps": STEPS}


def run(retinas: str, **config: Any) -> Row:
    """One training: the test AUROC, and for `MIDDLE` images what is reused in each stage."""
    splits = images(config["target"], retinas)
    settings = {key: value for key, value in config.items() if key != "target"}
    model, found = tune(splits, **settings, **TRAINING)
    if config["n"] == MIDDLE and config["start"] != "WT-ST":
        network, source, first, upto = (config[key] for key in ("network", "source", "start", "upto"))
        start = start_of(network, source, first, upto, splits["train"], config["seed"])
        found["stages"] = reuse(model, start.eval(), splits)
    return found


def reuse(model: nn.Module, start: nn.Module, splits: Mapping[str, Split]) -> dict[str, dict[str, float]]:
    """What each stage has kept of its start, and how much depends on it: measure -> stage -> value."""
    bank, asked = (splits[part].take(range(min(PROBED, len(splits[part])))) for part in ("train", "test"))
    ours, before = (collect_activations(net, asked.images) for net in (model, start))
    whole = float(evaluate(model, asked)["auroc"])  # of these images: what is lost must not hold other ones
    without = reinit_robustness(model, start, lambda net: float(evaluate(net, asked)["auroc"]))
    return {
        "knn": knn_per_stage(model, bank, asked, k=NEIGHBOURS),
        "knn_before": knn_per_stage(start, bank, asked, k=NEIGHBOURS),
        "cka": {stage: linear_cka(ours[stage], before[stage], debiased=True) for stage in ours},
        "lost": {stage: whole - auroc for stage, auroc in without.items()},
        "l2": l2_per_stage(model, start),
    }


@lru_cache(maxsize=2)
def images(target: str, retinas: str) -> dict[str, Split]:
    """The images of a target, `SIDE` px wide."""
    if target == "phantoms":
        found = target_findings(load_data("phantoms", size=64, **COUNTS))
        return {part: smaller(split, SIDE) for part, split in found.items()}
    splits: dict[str, Split] = load_data(retinas, size=SIDE)
    return splits


def depends(retinas: str, **config: Any) -> Row:
    """What a run depends on besides its configuration: images, weights, settings, device and precision."""
    device = default_device()
    weights = None
    if config["source"] != NO_SOURCE:
        weights = load_weights(config["network"], config["source"]).info["sha256"]
    return {
        "images": _digest(config["target"], retinas),
        "weights": weights,
        "training": TRAINING,
        "probed": [PROBED, NEIGHBOURS],
        "device": device.type,
        "precision": precision_for(device),
    }


@lru_cache(maxsize=2)  # asked for every configuration
def _digest(target: str, retinas: str) -> str:
    return digest_of(images(target, retinas))


def distances(retinas: str) -> list[Row]:
    """How far each source is from each target, in the features of an untrained and of a trained network."""
    rows: list[Row] = []
    for target in ("phantoms", "retinas"):
        train = images(target, retinas)["train"].images
        for words, weights in (("untrained", None), ("trained", "procedural")):
            model = build_model(RESNET, weights=weights, num_classes=2, in_channels=train.shape[1], seed=0).eval()
            with warnings.catch_warnings():  # the row of the target itself shows what the number of images makes
                warnings.filterwarnings("ignore", ".*images are few", UserWarning)
                found = source_distances(train, model, stage=DISTANCE_STAGE, n=DISTANCE_IMAGES, seed=DISTANCE_SEED)
            rows += [_distance(target, source, f"{words} {RESNET}", value) for source, value in found.items()]
    return rows


def _distance(target: str, source: str, features: str, found: Interval) -> Row:
    distance, low, high = found
    source = "itself" if source.startswith("itself") else source
    return {"target": target, "source": source, "features": features, "distance": distance, "low": low, "high": high}


def write_results(rows: list[Row], apart: list[Row], target: Path) -> None:
    """Write the stored results: runs, distances, and what each stage has kept."""
    kept = [{key: value for key, value in row.items() if key not in ("retinas", "seconds", "stages")} for row in rows]
    by_stage = [
        {**{key: row[key] for key in ("target", "network", "source", "start", "seed")}, "measure": measure, **pair}
        for row in rows
        if isinstance(row.get("stages"), Mapping)
        for measure, values in row["stages"].items()
        for pair in ({"stage": stage, "value": value} for stage, value in values.items())
    ]
    study = {
        "schema": 1,
        "command": COMMAND,
        "phantoms": GENERATOR_VERSION,
        "settings": {
            "side": SIDE,
            "counts": COUNTS,
            "steps": STEPS,
            **TRAINING,
            "distance_images": DISTANCE_IMAGES,
            "stage": DISTANCE_STAGE,
        },
        "runs": _table(kept),
        "distances": _table(apart),
        "stages": _table(by_stage),
    }
    write_text(target, json.dumps(study) + "\n")


def _table(rows: list[Row]) -> dict[str, list[Any]]:
    """Column -> values, numbers rounded to what can be seen."""
    return {key: [_rounded(row[key]) for row in rows] for key in rows[0]}


def _rounded(value: Any) -> Any:
    if not isinstance(value, float | np.floating):
        return value
    return float(f"{value:.4g}") if np.isfinite(value) else None


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--retinas", required=True, metavar="PATH.npz", help="RetinaMNIST, or a file like it")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="fewer for a first look")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, help="fewer for a first look")
    chosen = parser.parse_args()
    images("phantoms", chosen.retinas)  # drawn here once, not by every worker
    wanted = [row for row in grid(range(chosen.seeds)) if row["network"] in chosen.networks]
    configs = [{"retinas": chosen.retinas, **row} for row in wanted]
    rows = run_grid(run, configs, keep=cache_root() / "what_transfers", depends=depends).to_dict("records")
    write_results(rows, distances(chosen.retinas), data_root() / "results" / f"{STUDY}.json")
    importlib.import_module("lab_utils.studies.claims_transfer").write_claims()  # it imports what is above


if __name__ == "__main__":  # by its name, so that worker processes find the functions with their caches
    importlib.import_module("lab_utils.studies.what_transfers").main()
