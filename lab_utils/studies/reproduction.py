"""The reproduction (Zingo, Brockmeier, Novocin 2019) as a study on EyePACS.

ResNet-50 and Inception-v3, random and pretrained, five grades, 587 px, three runs each; the AUC of every epoch of every
run; and how alike the last hidden layers are: a pretrained and a random start, against two random ones. Divided nine to
one by image, as the source does, and also with both eyes of a patient on one side.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.data import MILD, split_by_image, split_by_patient
from lab_utils.similarity import cca, extract_features
from lab_utils.studies.starting import STAND_IN, started
from lab_utils.studies.study import Cell, Picture, Row, Splits, Study, Table, by_seed, rows_of
from lab_utils.training import fit

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = {"resnet50": "ResNet-50", "inception_v3": "Inception-v3"}
PRINTED = {  # AUC in %, mean and what stands behind its +- sign
    ("resnet50", "random"): (81.25, 0.02),
    ("resnet50", "transfer"): (86.89, 0.03),
    ("inception_v3", "random"): (86.57, 0.03),
    ("inception_v3", "transfer"): (93.1, 0.007),
}
PRINTED_STARTS = ("random", "transfer")
DIVIDED = {"by image": split_by_image, "by patient": split_by_patient}
COMPARED = 1000  # images whose features are compared
KEPT = 0.99  # of the variance of a layer, as in SVCCA


def grid(whole: bool) -> list[Row]:
    """Two networks, two starts, two ways to divide. (Stand-ins: by image with one seed; SVCCA needs two by patient.)"""
    size = {"epochs": 50 if whole else 2, "batch_size": 32 if whole else 8, "lr": 1e-3}
    return [
        {"data": "eyepacs", "network": network, "start": start, "n": None, "divided": divided, "seed": seed,
         "pretrained": "imagenet" if whole else STAND_IN, **size}
        for seed, network, start, divided in product(range(3 if whole else 2), NETWORKS, PRINTED_STARTS, DIVIDED)
        if whole or seed == 0 or divided == "by patient"
    ]  # fmt: skip


def run(
    splits: Splits, *, weights: str | Path | None, checkpoint: Path, network: str, start: str, divided: str, seed: int,
    epochs: int, batch_size: int, lr: float, pretrained: str, **_: Any,
) -> Row:  # fmt: skip
    """Train, and measure after each epoch on the tenth that is left."""
    train, rest = DIVIDED[divided](splits["train"], (0.9, 0.1), seed=0)  # one division for all runs, as they are paired
    model = started(network, start, train, seed, weights or pretrained)
    history = fit(
        model, train, rest, epochs=epochs, lr=lr, optimizer="adam", batch_size=batch_size, augment=MILD, seed=seed,
        keep_best=False, checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    curve = np.array(history.column("val_auroc"))
    hidden = extract_features(model, rest.images[:COMPARED]).numpy()
    return {"epoch": np.arange(1, len(curve) + 1), "curve": curve, "auroc": float(curve[-1]), "hidden": leading(hidden)}


def leading(features: NDArray[Any]) -> NDArray[np.float32]:
    """A layer (N, D) along its directions of most variance (N, d): all that SVCCA takes of it."""
    u, s, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    explained = np.cumsum(s**2) / max(float((s**2).sum()), 1e-30)
    d = min(int(np.searchsorted(explained, KEPT)) + 1, max(1, len(features) // 5), 100)
    return (u[:, :d] * s[:d]).astype(np.float32)


def tables(runs: pd.DataFrame) -> list[Table]:
    """AUC beside the source's, and SVCCA, which it draws."""
    aucs = []
    for ((network, start), printed), divided in product(PRINTED.items(), DIVIDED):
        values = tuple(100 * by_seed(runs, "auroc", network=network, start=start, divided=divided))
        as_printed = divided == "by image"
        mean, spread = (printed[0], printed[1]) if as_printed else (None, None)
        aucs.append(Cell(f"{NETWORKS[network]}, {start}", f"divided {divided}", mean, spread, values))
    alike = []
    for network, kind, divided in product(NETWORKS, ("random - random", "transfer - random"), DIVIDED):
        values = tuple(svccas(runs, network, kind, divided)) if len(runs) else ()
        alike.append(Cell(f"{NETWORKS[network]}, {kind}", f"divided {divided}", None, None, values))
    return [
        Table("Five grades of diabetic retinopathy", "AUC in %, last epoch", tuple(aucs)),
        Table(
            "SVCCA of the last hidden layer",
            "mean correlation, a value for each pair of runs (pairs share runs: intervals are too narrow)",
            tuple(alike),
        ),
    ]


def svccas(runs: pd.DataFrame, network: str, kind: str, divided: str) -> list[float]:
    """SVCCA of all pairs of runs of different seeds: of two random ones, or a pretrained and a random one."""
    first, second = (
        rows_of(runs, "hidden", network=network, start=start, divided=divided).set_index("seed")["hidden"]
        for start in kind.split(" - ")
    )
    pairs = [
        (first[i], second[j])
        for i, j in product(first.index, second.index)
        if (i < j if kind == "random - random" else i != j)
    ]
    return [float(cca(x, y, guard=False).mean()) for x, y in pairs]


def curves(runs: pd.DataFrame) -> list[Picture]:
    """AUC of every epoch of every run, a picture for each network, as the source draws it, and divided by patient."""
    found = []
    for divided, (network, name) in product(DIVIDED, NETWORKS.items()):
        drawn = {}
        for start in PRINTED_STARTS:
            part = rows_of(runs, "curve", network=network, start=start, divided=divided)
            if len(part):
                drawn[start] = (part["epoch"].iloc[0], np.stack(list(part["curve"])))
        if drawn:
            found.append(Picture(f"{name}, divided {divided}", "epoch", "AUC", drawn))
    return found


STUDY = Study(
    name="reproduction",
    title="A reproduction: ResNet-50 and Inception-v3 on retinas",
    source="Zingo, Brockmeier, Novocin 2019, Table 1",
    sets=("eyepacs",),
    size=587,
    small_size=96,
    grid=grid,
    run=run,
    tables=tables,
    curves=curves,
    weights=tuple(NETWORKS),
    changed=(
        "Nine to one is taken of the part that the loader calls train; the source divides all 35,126 images.",
        "Besides by image, the images are divided by patient: by image, nearly every image that is measured has its "
        "fellow eye in training.",
        "Batches of 32 and mild augmentation: the source does not print them.",
        "SVCCA keeps 99 % of the variance of a layer, 100 directions at most, over 1,000 images.",
    ),
)
