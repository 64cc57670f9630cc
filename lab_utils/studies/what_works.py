"""What makes transfer learning work for medical images? (Matsoukas et al. 2022, arXiv:2203.01825) as a study.

Two transformers and two convolutional networks on five sets: random (RI), from pretrained statistics (ST, as
published), pretrained (WT), and pretrained up to a block with ST above it (WT-ST-n). Beside the printed table: the gain
by distance, size and network; and, stage by stage, how much of what was pretrained is still there: nearest neighbours,
CKA with the start, distance of the weights, and what is lost when a stage goes back to its start.
"""

from __future__ import annotations

import copy
import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab_utils.data import Augment, Split, subset
from lab_utils.metrics import recall_per_class
from lab_utils.similarity import cka_per_stage, knn_per_stage, l2_per_stage, reinit_robustness
from lab_utils.studies.starting import STAND_IN, started
from lab_utils.studies.study import Cell, Picture, Row, Splits, Study, Table, by_seed, rows_of
from lab_utils.training import evaluate, fit, predict, probabilities

if TYPE_CHECKING:
    import pandas as pd

NETWORKS = {
    "deit_small_patch16_224": "DeiT-S", "swin_tiny_patch4_window7_224": "Swin-T", "inception_v3": "Inception-v3",
    "resnet50": "ResNet-50",
}  # fmt: skip
SETS = {  # what is measured; images; Fréchet distance (FID) to ImageNet, as printed
    "aptos": ("quadratic kappa", 3662, 160),
    "cbis_ddsm": ("AUC", 10_239, 155),
    "isic2019": ("mean recall", 25_333, 141),
    "chexpert": ("AUC", 224_316, 181),
    "pcam": ("AUC", 327_680, 202),
}
DEIT, SWIN, INCEPTION, RESNET = NETWORKS
KINDS = {"transformers": (DEIT, SWIN), "convolutional networks": (INCEPTION, RESNET)}
# mean and sd over five runs, in the order of SETS
PRINTED = {
    (DEIT, "random"): ((0.684, 0.017), (0.907, 0.005), (0.576, 0.013), (0.740, 0.006), (0.921, 0.002)),
    (DEIT, "st"): ((0.721, 0.016), (0.895, 0.005), (0.607, 0.017), (0.734, 0.002), (0.916, 0.005)),
    (DEIT, "transfer"): ((0.894, 0.017), (0.949, 0.011), (0.824, 0.008), (0.792, 0.001), (0.962, 0.003)),
    (SWIN, "random"): ((0.689, 0.022), (0.898, 0.005), (0.597, 0.080), (0.780, 0.001), (0.936, 0.002)),
    (SWIN, "st"): ((0.722, 0.017), (0.900, 0.004), (0.654, 0.008), (0.785, 0.000), (0.948, 0.013)),
    (SWIN, "transfer"): ((0.906, 0.005), (0.961, 0.007), (0.833, 0.008), (0.805, 0.000), (0.968, 0.006)),
    (INCEPTION, "random"): ((0.835, 0.012), (0.923, 0.003), (0.668, 0.008), (0.794, 0.001), (0.956, 0.006)),
    (INCEPTION, "st"): ((0.796, 0.014), (0.907, 0.014), (0.629, 0.013), (0.787, 0.001), (0.956, 0.003)),
    (INCEPTION, "transfer"): ((0.873, 0.007), (0.939, 0.010), (0.758, 0.011), (0.797, 0.000), (0.958, 0.004)),
    (RESNET, "random"): ((0.845, 0.022), (0.919, 0.005), (0.664, 0.016), (0.796, 0.000), (0.948, 0.008)),
    (RESNET, "st"): ((0.848, 0.006), (0.933, 0.006), (0.635, 0.012), (0.794, 0.001), (0.959, 0.003)),
    (RESNET, "transfer"): ((0.888, 0.004), (0.957, 0.003), (0.795, 0.011), (0.800, 0.001), (0.960, 0.006)),
}
PROBES = {  # of each stage
    "knn": "accuracy of nearest neighbours",
    "cka": "debiased CKA with the start",
    "l2": "distance of the weights to the start",
    "lost": "lost when the stage goes back to its start",
}
WORDS = {"random": "RI", "st": "ST", "transfer": "WT"}
# WT-ST-n: the last block that is pretrained, for t = -1, 0, 1 ...; all ST is t = -2, and WT the last
CUTS = {
    DEIT: ("stem", *(f"blocks.{t}" for t in range(12)), "norm"),
    SWIN: ("stem", *(f"layers.{stage}.blocks.{k}" for stage, n in enumerate((2, 2, 6, 2)) for k in range(n)), "norm"),
    INCEPTION: (
        "Conv2d_1a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "Mixed_5d", "Mixed_6e", "Mixed_7c",
    ),
    RESNET: ("conv1", "bn1", "layer1.2", "layer2.3", "layer3.5", "layer4.2"),
}  # fmt: skip
AUGMENT = Augment(scale=(0.8, 1.2), flip=True, brightness=0.1, contrast=0.2)


def printed_table() -> pd.DataFrame:
    """The printed table: a row per network, set and start.

    Returns:
        Columns network, data, n (images), fid (to ImageNet, as printed), metric, start ("RI", "ST", "WT"), mean and sd
        over five runs.
    """
    import pandas as pd

    return pd.DataFrame(
        {"network": NETWORKS[network], "data": data, "n": n, "fid": fid, "metric": metric, "start": WORDS[start],
         "mean": mean, "sd": sd}
        for (network, start), row in PRINTED.items()
        for (data, (metric, n, fid)), (mean, sd) in zip(SETS.items(), row, strict=True)
    )  # fmt: skip


def grid(whole: bool) -> list[Row]:
    """The printed table, and WT-ST-n on the smallest set."""
    size: Row = {"n": None, "epochs": 50 if whole else 1, "batch_size": 64 if whole else 8, "lr": 1e-4}
    size |= {"pretrained": "imagenet" if whole else STAND_IN, "asked": 500 if whole else 16}
    rows = []
    for seed in range(5 if whole else 2):
        for data, (network, start) in product(SETS, PRINTED):
            rows.append({"data": data, "network": network, "start": start, "seed": seed})
        for network, cuts in CUTS.items():
            few = cuts[:-1] if whole else cuts[1:2]
            rows += [{"data": "aptos", "network": network, "start": f"st_upto:{cut}", "seed": seed} for cut in few]
    return [{**row, **size} for row in rows if whole or _tried(row)]


def _tried(row: Row) -> bool:
    """Whether stand-ins run it: every set, network and start once, and ResNet-50 on APTOS with a second seed."""
    if row["network"] == RESNET and row["start"] != "st":
        return row["seed"] == 0 or row["data"] == "aptos"
    return row["seed"] == 0 and row["data"] == "aptos"


def run(
    splits: Splits, *, weights: str | Path | None, checkpoint: Path, network: str, start: str, seed: int, epochs: int,
    batch_size: int, lr: float, pretrained: str, asked: int, **_: Any,
) -> Row:  # fmt: skip
    """Train with Adam and keep the best on validation; measure the table's metric and what is left of the start."""
    train, val, test = (splits[part] for part in ("train", "val", "test"))
    model = started(network, start, train, seed, weights or pretrained)
    begin = copy.deepcopy(model)
    steps = epochs * math.ceil(len(train) / batch_size)
    fit(
        model, train, val, epochs=epochs, lr=lr, optimizer="adam", weight_decay=1e-5, warmup=min(1000, steps // 10),
        schedule="plateau", batch_size=batch_size, augment=AUGMENT, seed=seed, checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    few = subset(test, min(asked, len(test)), seed=seed)  # of all classes: a file may hold them one after the other
    return {"measure": measured(model, test), **probes(model, begin, train, few, seed)}


def probes(model: Any, begin: Any, train: Split, asked: Split, seed: int) -> Row:
    """Stage by stage, from the image up: what the features tell, and what is left of the start."""
    bank = subset(train, min(2000, len(train)), seed=seed)
    moved, whole = l2_per_stage(model, begin), measured(model, asked)
    found = {
        "knn": knn_per_stage(model, bank, asked),
        "cka": cka_per_stage(begin, model, asked.images),
        "lost": {name: whole - score for name, score in
                 reinit_robustness(model, begin, lambda part: measured(part, asked)).items()},
    }  # fmt: skip
    found["l2"] = {name: moved.get(name, math.nan) for name in found["knn"]}  # a last norm has no weights of its own
    return {"stages": list(found["knn"]), **{name: np.array(list(part.values())) for name, part in found.items()}}


def measured(model: Any, test: Split) -> float:
    """The metric of the printed table that fits the task: kappa for grades, mean recall for many classes, else AUC."""
    if test.task == "multiclass":
        probs = probabilities(predict(model, test).double(), test.task).numpy()
        return float(np.nanmean(recall_per_class(test.labels.numpy(), probs)))
    found = evaluate(model, test)
    return float(found.get("kappa", math.nan) if test.task == "ordinal" else found["auroc"])


def tables(runs: pd.DataFrame) -> list[Table]:
    """The printed table, gains, and WT-ST-n, whose numbers the source draws and does not print."""
    table, gains = [], []
    for (network, start), row in PRINTED.items():
        for (data, (metric, _, _)), printed in zip(SETS.items(), row, strict=True):
            name = f"{NETWORKS[network]}, {WORDS[start]}"
            table.append(Cell(name, f"{data}, {metric}", *printed, _values(runs, data, network, start)))
    for network, name in NETWORKS.items():
        for data, (_, n, fid) in SETS.items():
            own = tuple(_gain(runs, data, network))
            gains.append(Cell(name, f"{data}, n = {n:,}, FID {fid}", _printed_gain(network, data), None, own))
    depths = [
        Cell(NETWORKS[network], f"t = {t - 1}, pretrained up to {cut}", None, None,
             _values(runs, "aptos", network, f"st_upto:{cut}"))
        for network, cuts in CUTS.items() for t, cut in enumerate(cuts[:-1])
    ]  # fmt: skip
    return [
        Table("The printed table", "the metric that stands beside the set", tuple(table)),
        Table("Gain of pretraining", "100 (WT / RI - 1), by size and distance of the set", tuple(gains)),
        Table("Gain by inductive bias", "100 (WT / RI - 1), mean over networks and sets", by_kind(runs)),
        Table("WT-ST-n on APTOS", "quadratic kappa", tuple(depths)),
    ]


def by_kind(runs: pd.DataFrame) -> tuple[Cell, ...]:
    """The mean gain of transformers and of convolutional networks, over what has run of both; nothing run: over all."""
    import pandas as pd

    own = {(network, data): _gain(runs, data, network) for network, data in product(NETWORKS, SETS)}
    there = [data for data in SETS if all(len(own[network, data]) for network in NETWORKS)]
    cells = []
    for kind, networks in KINDS.items():
        pairs = list(product(networks, there or SETS))
        printed = [_printed_gain(*pair) for pair in pairs]
        by_seed = pd.concat([own[pair] for pair in pairs], axis=1).dropna()  # seeds that all of them have
        values = tuple(by_seed.mean(axis=1)) if there else ()
        cells.append(Cell(kind, ", ".join(there or SETS), float(np.mean(printed)), None, values))
    return tuple(cells)


def _printed_gain(network: str, data: str) -> float:
    """100 (WT / RI - 1) of the printed table."""
    place = list(SETS).index(data)
    return 100 * (PRINTED[network, "transfer"][place][0] / PRINTED[network, "random"][place][0] - 1)


def curves(runs: pd.DataFrame) -> list[Picture]:
    """Gain by distance and by size of the set; then, on APTOS, stage by stage from the image up."""
    found = [
        Picture(f"Gain of pretraining by {what}", label, "100 (WT / RI - 1)", _gains_against(runs, place), log)
        for what, place, label, log in (
            ("distance", 2, "Fréchet distance of the set to ImageNet, as printed", False),
            ("size", 1, "images of the set, as printed", True),
        )
    ]
    for (network, name), (probe, what) in product(NETWORKS.items(), PROBES.items()):
        drawn = {}
        for start, words in WORDS.items():
            part = rows_of(runs, probe, data="aptos", network=network, start=start)
            if len(part):
                drawn[words] = (part["stages"].iloc[0], np.stack(list(part[probe])))
        if drawn:
            found.append(Picture(f"{name} on APTOS: {what}", "stage, from the image up", what, drawn))
    return found


def _gain(runs: pd.DataFrame, data: str, network: str) -> pd.Series:
    """100 (WT / RI - 1) by seed, where both have run and RI is not 0."""
    pretrained, scratch = (
        by_seed(runs, "measure", data=data, network=network, start=start) for start in ("transfer", "random")
    )
    gain = 100 * (pretrained / scratch - 1)
    return gain[np.isfinite(gain)]


def _gains_against(runs: pd.DataFrame, place: int) -> dict[str, tuple[Any, Any]]:
    """Network -> that property of the sets (5,), in rising order, and the gain (seeds, 5); NaN where it has not run."""
    import pandas as pd

    order = sorted(SETS, key=lambda data: SETS[data][place])
    x = [SETS[data][place] for data in order]
    return {
        name: (x, pd.DataFrame({data: _gain(runs, data, network) for data in order}, dtype=float).to_numpy())
        for network, name in NETWORKS.items()
    }


def _values(runs: pd.DataFrame, data: str, network: str, start: str) -> tuple[float, ...]:
    return tuple(by_seed(runs, "measure", data=data, network=network, start=start))


STUDY = Study(
    name="what_works",
    title="What makes transfer learning work for medical images?",
    source="Matsoukas, Haslum, Sorkhei, Söderberg, Smith 2022, arXiv:2203.01825, Table 1",
    sets=tuple(SETS),
    size=224,
    small_size=96,
    grid=grid,
    run=run,
    tables=tables,
    curves=curves,
    weights=tuple(NETWORKS),
    changed=(
        "Images are resized to 224 px once; the source resizes to 256 and crops. Shift, zoom, flip, brightness and "
        "contrast as the kit has them; no grey or vertical flip.",
        "Normalised with the mean and sd of the pretrained weights, not of the target.",
        "50 epochs, the best on validation, which is measured after each epoch; the source measures after half of one "
        "and clips gradients at 1.",
        "The rate is divided by 10 when the training loss has not fallen for 10 epochs; the source's plateau has a "
        "patience of 3. It rises over a tenth of the steps, 1,000 at most, as in the source: a small set has fewer.",
        "Weight decay also on biases; sets are divided by patient, lesion or slide.",
        "Stages are probed on 500 test images, neighbours on 2,000 training images, and over all tokens of a "
        "transformer; CKA as in the source: whole maps, debiased, means of batches of 64.",
        "The source's numbers per n of WT-ST, and how it computed its FID, were not published. Distances to ImageNet "
        "are the printed ones: its images are not at hand.",
    ),
)
