"""Transfusion (Raghu, Zhang, Kleinberg, Bengio 2019, arXiv:1902.07208) as a study on CheXpert and EyePACS.

Random against pretrained weights for ResNet-50 and four CBR networks: five findings of CheXpert; retinas, all of them
and 5,000; and what it is in the weights that helps: their scale (Mean Var), their lowest stages (transfusion), Gabor
filters, or half a network (slim).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.data import FINDINGS, MILD, subset
from lab_utils.studies.starting import STAND_IN, started, words_of
from lab_utils.studies.study import Cell, Picture, Row, Splits, Study, Table, by_seed, rows_of
from lab_utils.training import evaluate, fit

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = {
    "resnet50": "ResNet-50", "cbr_large_t": "CBR-LargeT", "cbr_large_w": "CBR-LargeW", "cbr_small": "CBR-Small",
    "cbr_tiny": "CBR-Tiny",
}  # fmt: skip
# AUC in %, mean and sd, of the five findings in the order of FINDINGS
PRINTED = {
    ("resnet50", "random"): ((79.52, 0.31), (75.23, 0.35), (85.49, 1.32), (88.34, 1.17), (88.70, 0.13)),
    ("resnet50", "transfer"): ((79.76, 0.47), (74.93, 1.41), (84.42, 0.65), (88.89, 1.66), (88.07, 1.23)),
    ("cbr_large_t", "random"): ((81.52, 0.25), (74.83, 1.66), (88.12, 0.25), (87.97, 1.40), (88.37, 0.01)),
    ("cbr_large_t", "transfer"): ((80.89, 1.68), (76.84, 0.87), (86.15, 0.71), (89.03, 0.74), (88.44, 0.84)),
    ("cbr_large_w", "random"): ((79.79, 0.79), (74.63, 0.69), (86.71, 1.45), (84.80, 0.77), (86.53, 0.54)),
    ("cbr_large_w", "transfer"): ((80.70, 0.31), (77.23, 0.84), (86.87, 0.33), (89.57, 0.34), (87.29, 0.69)),
    ("cbr_small", "random"): ((80.43, 0.72), (74.36, 1.06), (88.07, 0.60), (86.20, 1.35), (86.14, 1.78)),
    ("cbr_small", "transfer"): ((80.18, 0.85), (75.24, 1.43), (86.48, 1.13), (89.09, 1.04), (87.88, 1.01)),
    ("cbr_tiny", "random"): ((80.81, 0.55), (75.17, 0.73), (85.31, 0.82), (84.87, 1.13), (85.56, 0.89)),
    ("cbr_tiny", "transfer"): ((80.02, 1.06), (75.74, 0.71), (84.28, 0.82), (89.81, 1.08), (87.69, 0.75)),
}
# AUC in % on the source's retinas: all of them (mean, sd), and 5,000
RETINA: dict[tuple[str, str], tuple[tuple[float, float] | None, float]] = {
    ("resnet50", "random"): ((96.4, 0.05), 92.2),
    ("resnet50", "transfer"): ((96.7, 0.04), 94.6),
    ("cbr_large_t", "random"): ((96.2, 0.04), 93.6),
    ("cbr_large_t", "transfer"): ((96.2, 0.04), 93.9),
    ("cbr_large_w", "random"): (None, 93.6),
    ("cbr_large_w", "transfer"): (None, 93.7),
}
DEPTHS = {  # how far up the pretrained weights go, in transfusion
    "resnet50": ("stem", "layer1", "layer2", "layer3"),
    "cbr_large_t": ("block1", "block2", "block3", "block4"),
    **dict.fromkeys(("cbr_large_w", "cbr_small", "cbr_tiny"), ("block1", "block2", "block3")),
}
SLIM = {network: "block2" for network in NETWORKS if network.startswith("cbr")}  # of which `slim` can rebuild the top
FEW = 5000


def grid(whole: bool) -> list[Row]:
    """Table 2, the retinas, and the starts of each network."""
    if whole:
        size = {"epochs": 10, "batch_size": 32, "lr": 1e-3}
        seeds, few = range(3), FEW
    else:
        size = {"epochs": 2, "batch_size": 8, "lr": 1e-3}
        seeds, few = range(2), 16
    rows: list[Row] = []
    for seed in seeds:
        for network in NETWORKS:
            for start in ("random", "transfer"):
                rows.append({"data": "chexpert", "network": network, "start": start, "n": None, "seed": seed})
                if (network, "random") in RETINA:
                    where = {"data": "eyepacs", "network": network, "start": start, "seed": seed}
                    rows += [{**where, "n": n} for n in (None, few)]
            for start in starts_of(network):
                rows.append({"data": "chexpert", "network": network, "start": start, "n": few, "seed": seed})
    return [{**row, "pretrained": _pretrained(row["network"], whole), **size} for row in rows if whole or _tried(row)]


def _tried(row: Row) -> bool:
    """Whether stand-ins run it: every network, start and depth once, and a second seed where that is quick."""
    if row["seed"]:
        return row["network"] == "cbr_tiny" and row["start"] in ("random", "transfer")
    return row["network"] in ("resnet50", "cbr_tiny") or row["n"] is None or row["start"] == "upto:block4"


def starts_of(network: str) -> list[str]:
    """What is compared with few images."""
    depths = [f"upto:{stage}" for stage in DEPTHS[network]]
    halved = [f"slim:{SLIM[network]}"] if network in SLIM else []
    return ["random", "transfer", "mean_var", "gabor", *depths, *halved]


def _pretrained(network: str, whole: bool) -> str | None:
    """What a transfer starts from; the larger CBR networks have no weights that anybody published."""
    if not whole:
        return STAND_IN
    return {"resnet50": "imagenet", "cbr_small": "procedural", "cbr_tiny": "procedural"}.get(network)


def run(
    splits: Splits, *, weights: str | Path | None, checkpoint: Path, network: str, start: str, n: int | None,
    seed: int, epochs: int, batch_size: int, lr: float, pretrained: str | None, **_: Any,
) -> Row:  # fmt: skip
    """Train and measure; the curve is the AUROC on the validation images, ten times on the way."""
    train = splits["train"] if n is None else subset(splits["train"], min(n, len(splits["train"])), seed=seed)
    model = started(network, start, train, seed, weights or pretrained)
    history = fit(
        model, train, splits["val"], epochs=epochs, lr=lr, optimizer="adam", batch_size=batch_size, augment=MILD,
        seed=seed, checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    found = evaluate(model, splits["test"])
    return {
        "steps": np.array(history.column("step")),
        "curve": np.array(history.column("val_auroc")),
        **{key: value for key, value in found.items() if key.startswith("auroc")},
    }


def tables(runs: pd.DataFrame) -> list[Table]:
    """Table 2, the retinas, and the starts, which the source draws as curves and prints no numbers of."""
    counts = runs["n"].dropna() if len(runs) else []
    few = max(counts, default=0)
    chest = []
    for (network, start), row in PRINTED.items():
        for finding, (mean, spread) in zip(FINDINGS, row, strict=True):
            own = _percent(runs, f"auroc_{finding}", data="chexpert", network=network, start=start, n=None)
            chest.append(Cell(f"{NETWORKS[network]}, {start}", finding, mean, spread, own))
    retina = []
    for (network, start), (all_images, after_few) in RETINA.items():
        name, whole = f"{NETWORKS[network]}, {start}", all_images or (None, None)
        where = {"data": "eyepacs", "network": network, "start": start}
        retina.append(Cell(name, "all images", whole[0], whole[1], _percent(runs, "auroc", **where, n=None)))
        retina.append(Cell(name, "5,000 images", after_few, None, _percent(runs, "auroc", **where, n=few)))
    own_starts = []
    for network, name in NETWORKS.items():
        for start in starts_of(network):
            own = _percent(runs, "auroc", data="chexpert", network=network, start=start, n=few)
            own_starts.append(Cell(name, words_of(start), None, None, own))
    return [
        Table("CheXpert, five findings", "AUC in %", tuple(chest)),
        Table("Retinas: grade 2 and above against the others", "AUC in %", tuple(retina)),
        Table("After 5,000 X-rays: what it is in the weights", "AUC in %, mean of the findings", tuple(own_starts)),
    ]


def curves(runs: pd.DataFrame) -> list[Picture]:
    """The starts of each network: AUROC on the validation images, step by step."""
    pictures = []
    for network, name in NETWORKS.items():
        found = {}
        for start in starts_of(network):
            part = rows_of(runs, "auroc", data="chexpert", network=network, start=start)
            part = part[part["n"].notna()] if len(part) else part
            if len(part):
                found[words_of(start)] = (part["steps"].iloc[0], np.stack(list(part["curve"])))
        if found:
            pictures.append(Picture(f"{name} after 5,000 X-rays", "training steps", "validation AUROC", found))
    return pictures


def _percent(runs: pd.DataFrame, column: str, **choice: Any) -> tuple[float, ...]:
    return tuple(100 * by_seed(runs, column, **choice))


STUDY = Study(
    name="transfusion",
    title="Transfusion: does ImageNet pretraining help medical imaging?",
    source="Raghu, Zhang, Kleinberg, Bengio 2019, arXiv:1902.07208, Tables 1 to 3",
    sets=("chexpert", "eyepacs"),
    size=224,
    options={"eyepacs": {"task": "referable"}},
    grid=grid,
    run=run,
    tables=tables,
    curves=curves,
    weights=tuple(NETWORKS),
    changed=(
        "The retinas are those of EyePACS, grade 2 and above against the others; the source's set is not public.",
        "Adam at 1e-3, batches of 32, 10 epochs, 224 px, mild augmentation: the facts at hand do not say the source's.",
        "CheXpert's uncertain labels are left out of loss and AUC; the test images are a part by patient, as the "
        "official test labels are not in the download.",
        "Slim hybrids of the CBR networks alone: the kit cannot rebuild the top of ResNet-50 at half its width.",
        "CBR networks transfer from the kit's procedural weights, or from those of --weights NETWORK=FILE; nobody "
        "published ImageNet weights of them.",
    ),
)
