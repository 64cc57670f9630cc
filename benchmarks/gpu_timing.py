"""What benchmarks/gpu.py times with: sizes, images, networks, and images per second."""

import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import nn

from lab_utils.data import FINDINGS, Split
from lab_utils.device import default_device, precision_for
from lab_utils.networks import build_model
from lab_utils.training import fit


class Sizes(NamedTuple):
    """How much is done: on a card, or (--smoke) only to see that every line runs."""

    batches: dict[int, int]  # side in px -> images in a batch
    seconds: float  # that a measurement takes at least
    together: int  # runs at a time
    pictures: int
    neurons: int
    datapoints: int
    profile: str
    deadline: float  # seconds from the start, by which the labs must end


CARD = Sizes({64: 128, 224: 64, 299: 32}, 2.0, 4, 600, 2048, 100_000, "full", 570)
SMOKE = Sizes({64: 2, 96: 2}, 0.0, 2, 40, 16, 2000, "smoke", 3600)


def noise(n: int, size: int, device: torch.device, channels: int = 3) -> Split:
    """Images to time with, on the device; what they show does not matter."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 2, (n, len(FINDINGS)), generator=generator).float()
    return Split(images.to(device), labels.to(device), torch.arange(n), "multilabel", FINDINGS)


def network(name: str, channels: int = 3) -> nn.Module:
    """A network on the device, as `fit` lays it out."""
    device = default_device()
    model = build_model(name, num_classes=len(FINDINGS), in_channels=channels, seed=0).to(device)
    return model.to(memory_format=torch.channels_last) if precision_for(device) == "bf16" else model


def with_fit(name: str, split: Split, batch: int) -> Callable[[int], None]:
    """The kit's loop."""
    model = network(name, split.in_channels)
    return lambda count: fit(model, split, steps=count, batch_size=batch, eval_every=count, progress=False) and None


def per_second(steps: Callable[[int], None], batch: int, seconds: float) -> float:
    """Images per second, after a warm-up that also says how many steps are enough."""
    count = 3
    steps(count)
    while True:
        wait()
        start = time.perf_counter()
        steps(count)
        wait()
        taken = time.perf_counter() - start
        if taken >= seconds:
            return count * batch / taken
        count = int(count * min(10.0, 1.2 * seconds / taken)) + 1


def wait() -> None:
    """Until the card has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
