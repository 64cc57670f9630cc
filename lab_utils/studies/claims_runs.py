"""The trainings behind the table of claims (see `claims`). Some keep their network, beside their results."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from lab_utils.data import FINDINGS, smaller, subset
from lab_utils.networks import build_model, first_conv, set_conv1, stages
from lab_utils.studies.family import train_and_measure
from lab_utils.studies.kept import keep_network
from lab_utils.studies.study import Row, Splits
from lab_utils.transfer import gabor_init, mean_var_init, permuted_init, scale_weights, slim

SEEDS = range(10)
LONG_SEEDS = SEEDS[:5]  # of the trainings of thousands of steps: half of the study's time, and their claims are decided
SIDE = 64  # px
SMALL = 32  # px; for what would take too long: the CBR nets, and trainings of thousands of steps
COUNTS: dict[str, Any] = {"n_train": 6000, "n_val": 500, "n_test": 1200}
PROBES = 800  # images that activations are compared on
MARKS = (0, 10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 180, 210, 240, 270, 300)
STARTS = ("random", "transfer", "mean_var", "permuted", "gabor", "pretrained_conv1", "slim")
BATCH = 32
SCALE = 0.3  # factor on the random weights
LONG = ((100, 1000), (700, 2000), (5000, 6000))  # images and steps, long enough to converge


@dataclass(frozen=True)
class Job:
    """The configuration of one training.

    Attributes:
        network: its name.
        start: how its weights begin, see `start_network`.
        n: training images; as many as there are, if there are fewer.
        steps: batches of `BATCH` images.
        seed: of images, order, head and start.
        scale: factor on the random weights of the backbone.
        lr: of AdamW, the peak of a cosine.
        side: of the images in px.
    """

    network: str
    start: str
    n: int
    steps: int
    seed: int
    scale: float = 1.0
    lr: float = 1e-3
    side: int = SIDE


def grid() -> list[Job]:
    """Every training: the small network first, and seed by seed."""
    jobs = []
    for seed in SEEDS:
        jobs += [Job("resnet10_w16", start, 500, 300, seed) for start in STARTS]
        jobs += [Job("resnet10_w16", "random", 500, 300, seed, SCALE, lr) for lr in (1e-3, 1e-3 * SCALE)]
        for start in ("random", "transfer"):
            if seed in LONG_SEEDS:
                jobs += [Job("resnet10_w16", start, n, steps, seed, side=SMALL) for n, steps in LONG]
            jobs += [Job(model, start, 500, 300, seed, side=SMALL) for model in ("cbr_tiny", "cbr_small")]
    jobs += [Job("resnet10_w32", "random", 500, 300, seed) for seed in SEEDS]
    return jobs


def start_network(job: Job) -> nn.Module:
    """The network as it is before training. Every seed draws its own head, random weights, Gabor filters."""

    def new(weights: str | None) -> nn.Module:
        return build_model(job.network, weights=weights, num_classes=len(FINDINGS), in_channels=1, seed=job.seed)

    if job.start == "transfer":
        return new("procedural")
    if job.start == "slim":
        keep = list(stages(new(None)))[2]  # as in the paper: pretrained through the second block above the stem
        return slim(new("procedural"), keep=keep, width=0.5, seed=job.seed)
    model = new(None)
    if job.start == "random":
        scale_weights(model, job.scale)
    elif job.start == "mean_var":
        mean_var_init(model, new("procedural"), seed=job.seed)
    elif job.start == "permuted":
        permuted_init(model, new("procedural"), seed=job.seed)
    elif job.start == "gabor":
        gabor_init(model, seed=job.seed, std=float(first_conv(new("procedural")).weight.detach().std()))
    elif job.start == "pretrained_conv1":
        set_conv1(model, first_conv(new("procedural")).weight.detach())
    else:
        raise ValueError(f"expected a known start, got {job.start!r}; see start_network for the names")
    return model


def train_job(job: Job, data: Splits, checkpoint: Path | None = None) -> tuple[Row, nn.Module]:
    """Train and measure; returns ``marks`` (steps) with the results of `train_and_measure`, and the trained network.

    A training that was cut short goes on from its checkpoint.
    """
    model = start_network(job)
    marks = {*(mark for mark in MARKS if mark < job.steps), job.steps}
    if job.steps > MARKS[-1]:
        marks |= {round(job.steps * share) for share in (0.25, 0.375, 0.5, 0.625, 0.75, 0.875)}
    results = train_and_measure(
        model,
        subset(data["train"], min(job.n, len(data["train"])), seed=job.seed),
        data["val"],
        data["test"],
        seed=job.seed,
        marks=sorted(marks),
        batch_size=BATCH,
        lr=job.lr,
        schedule="cosine",
        warmup=min(10, job.steps - 1),
        checkpoint=checkpoint,
    )
    return {"marks": sorted(marks), **results}, model


def configs(whole: bool) -> list[Row]:
    """The grid for the engine; not whole: of three seeds, and four steps each."""
    jobs = grid() if whole else [replace(job, steps=4) for job in grid() if job.seed < 3]
    more = {"data": "phantoms", "batch_size": BATCH, "probes": PROBES if whole else 176}
    return [{**more, "pretrained": None if job.start == "random" else "procedural", **asdict(job)} for job in jobs]


def job_of(row: Row) -> Job:
    """The training of a configuration, or of a finished run."""
    return Job(**{field.name: row[field.name] for field in fields(Job)})


def run(splits: Splits, *, checkpoint: Path, **config: Any) -> Row:
    """One run of the study."""
    job = job_of(config)
    if job.side < SIDE:  # the same images, averaged over pixels: phantoms are drawn at 64 px or more
        splits = {part: smaller(split, job.side) for part, split in splits.items()}
    results, model = train_job(job, splits, checkpoint)
    if keeps_model(job):
        keep_network(model, checkpoint)
    return results


def keeps_model(job: Job) -> bool:
    """Whether the trained weights are kept: where the table compares activations."""
    return job.start in ("random", "transfer") and (job.n, job.scale) == (500, 1.0)
