"""The gain of a source of weights over a random start: trainings of seconds, seed by seed, as lab 7 compares them.

Starts are called as in the second paper: RI random; ST drawn with the mean and sd of the pretrained weights; WT the
pretrained weights; WT-ST pretrained up to a stage, and ST above it.

References:
    Matsoukas et al. (2022), What makes transfer learning work for medical images, arXiv:2203.01825.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from lab_utils.data import MILD, Split, subset
from lab_utils.metrics import mean_interval
from lab_utils.names import unknown_name
from lab_utils.networks import stages
from lab_utils.studies.grid import run_grid
from lab_utils.studies.sources_on_the_spot import TARGET
from lab_utils.studies.starting import built, started
from lab_utils.studies.study import Row
from lab_utils.training import evaluate, fit

if TYPE_CHECKING:
    import pandas as pd

NO_SOURCE = "none"  # of a random start
KEYS = ["target", "network", "source", "n", "seed"]
_KINDS = {"RI": "random", "ST": "st", "WT": "transfer", "WT-ST": "st_upto"}


def target_findings(splits: Mapping[str, Split], names: Sequence[str] = TARGET) -> dict[str, Split]:
    """The same images with the labels of these findings only.

    Args:
        splits: with several findings.
        names: of those to keep; by default what no source of phantoms has labels of.

    Raises:
        ValueError: if the task has classes instead of findings, or no such finding.
    """
    kept = {}
    for part, split in splits.items():
        if split.task != "multilabel":
            raise ValueError(
                f"Expected images with several findings, got a {split.task} task in {part!r}. Use them as they are."
            )
        for name in names:
            if name not in split.class_names:
                raise unknown_name("finding", name, split.class_names)
        columns = [split.class_names.index(name) for name in names]
        kept[part] = replace(split, labels=split.labels[:, columns], class_names=tuple(names))
    return kept


def start_of(network: str, source: str, start: str, upto: str, split: Split, seed: int) -> nn.Module:
    """A network as it is before training; see the head of this file for the names of starts."""
    kind = f"{_KINDS[start]}:{upto}" if upto else _KINDS[start]
    return started(network, kind, split, seed, None if source == NO_SOURCE else source)


def tune(
    splits: Mapping[str, Split], *, network: str, source: str, start: str, upto: str, n: int, seed: int, steps: int,
    lr: float, batch_size: int,
) -> tuple[nn.Module, Row]:  # fmt: skip
    """Train all layers on n images, and measure once on the test images; nothing is chosen on the way."""
    train = subset(splits["train"], n, seed=seed)
    model = start_of(network, source, start, upto, train, seed)
    fit(
        model, train, None, steps=steps, lr=lr, schedule="cosine", warmup=min(10, steps - 1), batch_size=batch_size,
        augment=MILD, seed=seed, progress=False,
    )  # fmt: skip
    return model, {"auroc": evaluate(model, splits["test"])["auroc"]}


def _run(splits: Mapping[str, Split], **config: Any) -> Row:
    return tune(splits, **config)[1]


def transfer_gain(
    splits: Mapping[str, Split],
    *,
    network: str = "resnet10_w16",
    sources: Sequence[str] = ("photos", "same_hospital"),
    sizes: Sequence[int] = (50, 500),
    seeds: Iterable[int] = range(3),
    steps: int = 100,
    lr: float = 1e-3,
    batch_size: int = 32,
    workers: int | None = None,
) -> pd.DataFrame:
    """Fine-tune from each source, and from random weights, on several numbers of images.

    A seed draws the training images, the head, the random weights and the order: compare starts within a seed.

    Args:
        splits: train and test, as `load_data` gives them.
        network: name of it.
        sources: weights as `build_model` takes them: "photos", "fractals", "imagenet", the path of a file.
        sizes: numbers of training images.
        seeds: a run of each kind for each.
        steps: batches of each training.
        lr: peak of the learning rate, the same for all starts.
        batch_size: images per step.
        workers: as `run_grid` takes it.

    Returns:
        A row per run: network, source ("none" for RI), start ("RI" or "WT"), upto (""), n, seed, steps, auroc.
    """
    same = {"network": network, "upto": "", "steps": steps, "lr": lr, "batch_size": batch_size}
    starts = [(NO_SOURCE, "RI"), *((str(source), "WT") for source in sources)]
    grid = [
        {**same, "source": source, "start": start, "n": n, "seed": seed}
        for seed in seeds
        for n in sizes
        for source, start in starts
    ]
    return run_grid(partial(_run, dict(splits)), grid, workers=workers)


def wt_st_curve(
    splits: Mapping[str, Split],
    *,
    network: str = "resnet10_w16",
    source: str = "photos",
    n: int = 200,
    seeds: Iterable[int] = range(3),
    steps: int = 100,
    lr: float = 1e-3,
    batch_size: int = 32,
    workers: int | None = None,
) -> pd.DataFrame:
    """WT-ST-n: fine-tune from networks that are pretrained up to one stage after another, and ST above.

    Arguments are those of `transfer_gain`.

    Returns:
        A row per run, as `transfer_gain`; upto is "" where all is ST, then the stages from the image upwards. At the
        last one all is pretrained: start "WT".
    """
    same = {"network": network, "source": source, "n": n, "steps": steps, "lr": lr, "batch_size": batch_size}
    names = list(stages(built(network, splits["train"], 0)))
    cuts = [("ST", ""), *(("WT-ST", name) for name in names[:-1]), ("WT", names[-1])]
    grid = [{**same, "start": start, "upto": upto, "seed": seed} for seed in seeds for start, upto in cuts]
    return run_grid(partial(_to_the_cut, dict(splits)), grid, workers=workers)


def _to_the_cut(splits: Mapping[str, Split], start: str, upto: str, **config: Any) -> Row:
    return _run(splits, start=start, upto=upto if start == "WT-ST" else "", **config)


def gains(runs: pd.DataFrame) -> pd.DataFrame:
    """What each source gains over the random start of the same seed.

    Args:
        runs: of `transfer_gain`, or the stored ones. Without a column target all have one.

    Returns:
        A row per target, network, source, n and seed: ``gain`` (WT - RI, AUROC) and ``relative`` (WT / RI - 1). Where
        ST was run, also ``st_gain`` (ST - RI) and ``reuse``, (WT - ST) / WT as the paper has it; NaN elsewhere.

    Raises:
        ValueError: if there is no run from random weights with the same seed.
    """
    import pandas as pd

    found = runs if "target" in runs else runs.assign(target="")
    keys = [key for key in KEYS if key != "source"]
    random = found[found["start"] == "RI"].set_index(keys)["auroc"].rename("ri")
    st = found[found["start"] == "ST"].set_index(KEYS)["auroc"].rename("st")
    paired = found[found["start"] == "WT"][[*KEYS, "auroc"]].rename(columns={"auroc": "wt"})
    paired = paired.join(random, on=keys).join(st, on=KEYS)
    if paired["ri"].isna().any() or paired.empty:
        raise ValueError(
            "Expected for each run from pretrained weights (WT) one from random weights (RI) with the same n and seed. "
            "Run both, as transfer_gain does."
        )
    wt, ri, st = paired["wt"], paired["ri"], paired["st"]
    more = {"gain": wt - ri, "relative": wt / ri - 1, "st_gain": st - ri, "reuse": (wt - st) / wt}
    return pd.DataFrame({**paired[KEYS], **more}).reset_index(drop=True)


def gain_intervals(runs: pd.DataFrame) -> pd.DataFrame:
    """The mean gain in AUROC with its 95 % interval over seeds, paired: a row per target, network, source and n.

    Returns:
        Columns target, network, source, n, gain, low, high, seeds. With one seed low and high are NaN.
    """
    import pandas as pd

    rows = []
    for cell, part in gains(runs).groupby(KEYS[:-1], sort=False):
        gain, low, high = mean_interval(part["gain"])
        rows.append({**dict(zip(KEYS, cell, strict=False)), "gain": gain, "low": low, "high": high, "seeds": len(part)})
    return pd.DataFrame(rows)
