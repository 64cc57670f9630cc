"""Which weights to start from: procedural, ImageNet or random, on phantoms, real X-rays and colour retinas.

    python -m lab_utils.studies.source_weights --data xrays=PATH.npz retinas=PATH.npz

puts linear probes on every stage of each network of `STARTS`, for every set and several training sizes, and writes
data/results/source_weights.json. The two files are those of MedMNIST or like them:
PneumoniaMNIST, RetinaMNIST. It may be killed at any moment: the same command goes on with what is missing in
data/cache/source_weights.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
from collections.abc import Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab_utils.atomic import write_text
from lab_utils.data import GENERATOR_VERSION, Split, load_data, subset_indices
from lab_utils.device import default_device, precision_for
from lab_utils.metrics import paired_difference
from lab_utils.networks import build_model
from lab_utils.profile import cache_root, data_root
from lab_utils.similarity import collect_activations
from lab_utils.studies.grid import run_grid
from lab_utils.studies.kept import digest_of
from lab_utils.training import linear_probe, score

if TYPE_CHECKING:
    import pandas as pd

COMMAND = "python -m lab_utils.studies.source_weights --data xrays=PNEUMONIAMNIST.npz retinas=RETINAMNIST.npz"
STUDY = "source_weights"
MAIN: dict[str, tuple[str, str | None]] = {
    "random ResNet-10": ("resnet10_w32", None),
    "procedural ResNet-10": ("resnet10_w32", "procedural"),
    "random EfficientNet-Lite0": ("efficientnet_lite0", None),
    "ImageNet EfficientNet-Lite0": ("efficientnet_lite0", "imagenet"),
}
COLOUR: dict[str, tuple[str, str | None]] = {  # one network, one recipe
    "random ResNet-10, 16 wide": ("resnet10_w16", None),
    "grey patches": ("resnet10_w16", "photos"),
    "colour patches": ("resnet10_w16", "colour_photos"),
}
STARTS = MAIN | COLOUR
COLOUR_COMPARED = (
    ("grey patches", "random ResNet-10, 16 wide"),
    ("colour patches", "random ResNet-10, 16 wide"),
    ("colour patches", "grey patches"),
)
COMPARED = (  # what is asked: first minus second, seed by seed
    ("procedural ResNet-10", "random ResNet-10"),
    ("ImageNet EfficientNet-Lite0", "random EfficientNet-Lite0"),
    ("ImageNet EfficientNet-Lite0", "procedural ResNet-10"),
)
SIZES = {"phantoms": [50, 200, 500], "xrays": [50, 200, 500], "retinas": [200, 500, 1000]}
SEEDS = range(8)
SIDE = 64  # px
COUNTS: dict[str, Any] = {"n_train": 2000, "n_val": 400, "n_test": 600}  # of the phantoms
WANTED = ("auroc", "accuracy", "kappa")


@lru_cache(maxsize=1)
def load(data: str, path: str) -> dict[str, Split]:
    """The images of one set; a path of "" stands for phantoms."""
    splits: dict[str, Split] = load_data(path, size=SIDE) if path else load_data(data, size=SIDE, **COUNTS)
    return splits


@lru_cache(maxsize=1)  # runs of one start come one after the other
def features(data: str, path: str, start: str, seed: int) -> list[dict[str, NDArray[np.float32]]]:
    """Pooled features of train, val and test: stage -> (N, D)."""
    splits = load(data, path)
    name, weights = STARTS[start]
    train = splits["train"]
    model = build_model(name, weights=weights, num_classes=2, in_channels=train.in_channels, seed=seed)
    parts = (splits[part].images for part in ("train", "val", "test"))
    return [{stage: x.numpy() for stage, x in collect_activations(model, images).items()} for images in parts]


def probe_best_stage(data: str, path: str, start: str, n: int, seed: int) -> dict[str, Any]:
    """Probe every stage after n training images; the stage is chosen on val, and measured once on test."""
    splits = load(data, path)
    train, val, test = (splits[part] for part in ("train", "val", "test"))
    of_train, of_val, of_test = features(data, path, start, seed if STARTS[start][1] is None else 0)
    chosen = subset_indices(train.labels, n, seed=seed)
    labels = train.labels.numpy()[chosen]
    found = {}
    for stage in of_train:
        rows = np.concatenate([of_val[stage], of_test[stage]])
        probs = linear_probe(of_train[stage][chosen], labels, rows, task=train.task)
        found[stage] = measures(probs[: len(val)], val)["auroc"], measures(probs[len(val) :], test)
    best = max(found, key=lambda stage: found[stage][0])
    return {"stage": best, **found[best][1]}


def measures(probs: NDArray[np.float64], split: Split) -> dict[str, float]:
    """AUROC (mean over findings or classes), and accuracy and kappa where they are defined, of probabilities."""
    p = np.clip(probs, 1e-12, 1 - 1e-12)
    if split.task == "binary":
        p = np.stack([1 - p, p], axis=1)
    logits = np.log(p / (1 - p)) if split.task == "multilabel" else np.log(p)
    return {key: value for key, value in score(torch.from_numpy(logits), split).items() if key in WANTED}


def depends(*, path: str, **_: Any) -> dict[str, str]:
    """What a run depends on besides its configuration: the very file, the device and its precision."""
    device = default_device()
    file = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else _drawn(SIDE, **COUNTS)
    return {"file": file, "device": device.type, "precision": precision_for(device), "torch": str(torch.__version__)}


@lru_cache  # asked for every configuration
def _drawn(size: int, **counts: Any) -> str:
    """A digest of the phantoms: another version of the kit may draw others."""
    return digest_of(load_data("phantoms", size=size, **counts))


def run_study(paths: dict[str, str], target: Path, *, workers: int | None = None) -> dict[str, Any]:
    """Run what is missing, and write the file when all of it is done.

    Args:
        paths: "xrays" and "retinas" to the .npz file of each.
        target: the file to write.
        workers: as `run_grid` takes it.
    """
    places = {"phantoms": "", **paths}
    keep = cache_root() / STUDY
    probes = [
        {"data": data, "path": path, "start": start, "n": n, "seed": seed}
        for data, path in places.items()
        for start in STARTS
        for seed in SEEDS
        for n in SIZES[data]
    ]
    rows = run_grid(probe_best_stage, probes, keep=keep / "probes", depends=depends, workers=workers)
    study = {
        "schema": 1,
        "command": COMMAND,
        "phantoms": GENERATOR_VERSION,
        "files": {data: depends(path=path) for data, path in places.items()},
        "probes": rows_without_paths(rows),
    }
    write_text(target, json.dumps(study, indent=1) + "\n")
    return study


def rows_without_paths(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows without the paths of one machine, and without values that a set does not have."""
    kept = rows.drop(columns=["path", "seconds"]).to_dict("records")
    return [
        {str(k): round(v, 4) if isinstance(v, float) else v for k, v in row.items() if v == v}  # NaN is not itself
        for row in kept
    ]


def probe_table(study: dict[str, Any]) -> str:
    """A Markdown table: AUROC of the best stage, and the differences seed by seed with their intervals."""
    return _table(study, MAIN, COMPARED)


def colour_table(study: dict[str, Any]) -> str:
    """The same of one network and one recipe: patches of photographs in grey and in colour."""
    return _table(study, COLOUR, COLOUR_COMPARED)


def _table(study: dict[str, Any], starts: Collection[str], compared: Sequence[tuple[str, str]]) -> str:
    lines = ["| set | n | " + " | ".join(starts) + " | " + " | ".join(f"{a} minus {b}" for a, b in compared) + " |"]
    lines.append("|---" * (2 + len(starts) + len(compared)) + "|")
    for data, sizes in SIZES.items():
        for n in sizes:
            found = {start: values_of(study["probes"], "auroc", data=data, start=start, n=n) for start in starts}
            cells = [f"{values.mean():.3f}" for values in found.values()]
            differences = [paired_difference(found[a], found[b]) for a, b in compared]
            cells += [f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]" for mean, low, high in differences]
            lines.append(f"| {data} | {n} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def values_of(rows: list[dict[str, Any]], key: str, **choice: Any) -> NDArray[np.float64]:
    """Values of the rows with these settings, in the order of their seeds."""
    chosen = [row for row in rows if all(row[name] == value for name, value in choice.items())]
    return np.array([row[key] for row in sorted(chosen, key=lambda row: row["seed"])])


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", nargs=2, required=True, metavar="SET=PATH.npz", help="xrays=... and retinas=...")
    paths = dict(text.split("=", 1) for text in parser.parse_args().data if "=" in text)
    if set(paths) != {"xrays", "retinas"}:
        parser.error(f"Expected xrays=PATH.npz retinas=PATH.npz, got the names {sorted(paths)}.")
    study = run_study(paths, data_root() / "results" / f"{STUDY}.json")
    print(f"{probe_table(study)}\n\n{colour_table(study)}")


if __name__ == "__main__":  # by its name, so that worker processes find the functions with their caches
    importlib.import_module("lab_utils.studies.source_weights").main()
