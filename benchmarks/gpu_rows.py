"""Rows (2) to (5) of benchmarks/gpu.py."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import bench
import bench_data
import torch
from gpu_timing import Sizes, network, noise, per_second, wait, with_fit
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from lab_utils.data import Split
from lab_utils.device import default_device, precision_for
from lab_utils.networks import build_model
from lab_utils.similarity import covariances, mean_cca
from lab_utils.training import fit

ROOT = Path(__file__).resolve().parents[1]


def recipes(sizes: Sizes, say: Callable[[str], None]) -> None:
    """Row (2): one epoch each, ResNet-50 (smoke: a small one), the same images and batches."""
    name = "resnet50" if torch.cuda.is_available() else "resnet10_w16"
    px, batch = list(sizes.batches.items())[1]
    split, model = noise(8 * batch, px, torch.device("cpu")), network(name)
    loader = DataLoader(TensorDataset(model.preprocessing(split.images), split.labels), batch_size=batch, shuffle=True)
    others = {"a plain DataLoader recipe (fp32)": lambda steps: bench.course_recipe(model, loader, steps=steps)}
    if importlib.util.find_spec("lightning") is not None:
        warnings.simplefilter("ignore")  # Lightning's, about workers and loggers
        precision = "bf16-mixed" if precision_for(default_device()) == "bf16" else "32-true"
        others["Lightning's Trainer (the same precision)"] = lambda steps: bench.lightning_epoch(
            model, loader, max_epochs=-(-steps // len(loader)), precision=precision
        )
    else:
        say("- Lightning is not installed: left out (pip install lightning)")
    ours = per_second(with_fit(name, split, batch), batch, sizes.seconds)
    for what, steps in others.items():
        theirs = per_second(steps, batch, sizes.seconds)
        say(f"- {name}, {px} px: fit {ours:,.0f} images/s, {what} {theirs:,.0f}: {ours / theirs:.2f} x")


def from_file(sizes: Sizes, say: Callable[[str], None]) -> None:
    """Row (3)."""
    with bench_data.folder_and_cache() as folder:
        paths = bench_data.pictures(folder / "set", sizes.pictures)
        stored = bench_data.decode_large(paths, bench_data.SIZE, 1, root=folder / "set")
        labels, groups = torch.arange(len(paths)) % 2, torch.arange(len(paths))
        splits = [Split(images, labels, groups, "binary", ("no", "yes")) for images in (stored, stored.clone())]
        name, batch = ("resnet50", 64) if torch.cuda.is_available() else ("resnet10_w16", 4)
        found = []
        for split, here in zip(splits, ("stays in its file", "goes to the card"), strict=True):
            steps = _binary(name, split, batch)
            with patch("lab_utils.training.reading.resident", _stays if "file" in here else _goes):
                found.append(per_second(steps, batch, sizes.seconds))
    say(f"- {name}, {bench_data.SIZE} px: from a file {found[0]:,.0f} images/s, resident {found[1]:,.0f}: "
        f"{found[0] / found[1]:.2f}")  # fmt: skip


def _binary(name: str, split: Split, batch: int) -> Callable[[int], None]:
    model = build_model(name, num_classes=2, in_channels=1, seed=0)
    return lambda count: fit(model, split, steps=count, batch_size=batch, progress=False) and None


def _stays(split: Split, _: torch.device) -> Split:
    return split


def _goes(split: Split, device: torch.device) -> Split:
    return split.to(device)


def similarity(sizes: Sizes, say: Callable[[str], None]) -> None:
    """Row (4): layers in float32, sums and decomposition in float64."""
    generator = torch.Generator(default_device()).manual_seed(0)
    rows = 10_000 if sizes.datapoints >= 10_000 else 500

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(sizes.datapoints // rows):
            both = torch.randn(rows, 2 * sizes.neurons, generator=generator, device=generator.device)
            yield both[:, : sizes.neurons], both[:, : sizes.neurons] + both[:, sizes.neurons :]

    mean_cca(covariances(batches()))
    wait()
    start = time.perf_counter()
    found = mean_cca(covariances(batches()))
    say(f"- CCA, {sizes.neurons} x {sizes.neurons} neurons, {sizes.datapoints:,} datapoints: "
        f"{time.perf_counter() - start:.2f} s (mean {found:.3f}; 0.707 plus chance is right)")  # fmt: skip


def labs(sizes: Sizes, say: Callable[[str], None], began: float) -> None:
    """Row (5): with nbclient, as `make run` does; a lab that does not end in time is said."""
    for lab in ("03", "06"):
        left = sizes.deadline - (time.perf_counter() - began)
        command = [sys.executable, "-m", "lab_utils", "run", lab]
        environment = {**os.environ, "LAB_PROFILE": sizes.profile}
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True, encoding="utf-8", start_new_session=True) as process:  # fmt: skip
            try:
                text, _ = process.communicate(timeout=max(1.0, left))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # with its kernel and workers
                say(f"- lab {lab} did not end within the {left:.0f} s that were left")
                continue
        say("\n```\n" + text.strip() + "\n```\n")
