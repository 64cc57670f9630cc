"""How far the sources that a network can be pretrained on are from the images of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lab_utils.data import FINDINGS, make_fractals, make_phantoms, make_photos
from lab_utils.metrics import Interval
from lab_utils.names import unknown_name
from lab_utils.networks import stages
from lab_utils.similarity import collect_activations, distance_interval, frechet_distance

TARGET = ("Atelectasis", "Consolidation")  # findings of phantoms that no source has labels of
OTHERS = tuple(name for name in FINDINGS if name not in TARGET)
NOISE_CATEGORIES = 50
SMALLEST = 64  # px, of phantoms
Drawn = tuple[NDArray[np.uint8], NDArray[np.int64]]  # images (N, H, H), categories (N,)


def _noise(n: int, *, size: int, seed: int) -> Drawn:
    """Grey levels and categories drawn at random: there is nothing to learn, and only the scale of weights changes."""
    rng = np.random.default_rng([31, seed])
    images = rng.integers(0, 256, (n, size, size), dtype=np.uint8)
    return images, np.random.default_rng([37, seed]).integers(0, NOISE_CATEGORIES, n)


def _hospital(site: str) -> Callable[..., Drawn]:
    """Phantoms; which of the `OTHERS` an image shows is its category, 0 for none of them."""

    def draw(n: int, *, size: int, seed: int) -> Drawn:
        split = make_phantoms(n, size=size, seed=seed, site=site)
        columns = [FINDINGS.index(name) for name in OTHERS]
        return split.images[:, 0].numpy(), split.labels[:, columns].numpy().astype(np.int64) @ (1, 2, 4)

    return draw


SOURCES: dict[str, Callable[..., Drawn]] = {
    "same_hospital": _hospital("A"),
    "other_hospital": _hospital("B"),
    "photos": make_photos,
    "fractals": make_fractals,
    "noise": _noise,
}


def draw_source(name: str, n: int, *, size: int = 64, seed: int = 0) -> Tensor:
    """Images of one source, made on the spot.

    "same_hospital" and "other_hospital" are phantoms; "noise" is white noise. The names are those of the weights that
    were trained on them, for `build_model`. ImageNet is not among them: its weights come with the kit, its images do
    not.

    Args:
        name: one of `SOURCES`.
        n: number of images.
        size: side in px; below 64 px the images are drawn at 64 px and averaged.
        seed: which images.

    Returns:
        uint8 (n, 1, size, size).

    Raises:
        ValueError: if there is no such source.
    """
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
    images = _drawn(name, n, max(SMALLEST, size), seed).clone()
    if size >= SMALLEST:
        return images
    return torch.cat([F.adaptive_avg_pool2d(x.float(), size).round().to(torch.uint8) for x in images.split(1000)])


@lru_cache(maxsize=len(SOURCES))  # of one target in several networks
def _drawn(name: str, n: int, size: int, seed: int) -> Tensor:
    return torch.from_numpy(SOURCES[name](n, size=size, seed=seed)[0])[:, None]


def source_distances(
    target: Tensor,
    model: nn.Module,
    *,
    stage: str | None = None,
    sources: Sequence[str] = tuple(SOURCES),
    n: int | None = None,
    seed: int = 1000,
    draws: int = 50,
) -> dict[str, Interval]:
    """Fréchet distance of each source to the images of a task, in the pooled features of one stage of a network.

    Compare sources with each other in one network; numbers of two networks, or two stages, have other units. An
    untrained network favours no source. What two halves of the task's own images are apart is the distance that the
    number of images alone makes.

    Args:
        target: uint8 (m, C, H, W), the training images of the task.
        model: any network with a `preprocessing` that takes such images and grey ones.
        stage: of the features; None for the last one.
        sources: some of `SOURCES`.
        n: images of each source; None for as many as the target has.
        seed: of the images of the sources. Take another one than that of phantoms that are the target: of one seed
            they are the same images.
        draws: of the bootstrap.

    Returns:
        Source -> (distance, low, high), and "itself, in halves" first.

    Raises:
        ValueError: if there is no such source or stage, or there are fewer than 4 images.
    """
    if len(target) < 4:
        raise ValueError(f"Expected at least 4 images of the task, got {len(target)}. Take all training images.")
    stage = list(stages(model))[-1] if stage is None else stage

    def features(images: Tensor) -> Tensor:
        return collect_activations(model, images, stages=[stage])[stage]

    ours = features(target)
    mixed = ours[torch.randperm(len(ours), generator=torch.Generator().manual_seed(seed))]
    found = {"itself, in halves": distance_interval(frechet_distance, *mixed.tensor_split(2), draws=draws, seed=seed)}
    for name in sources:
        images = draw_source(name, n or len(target), size=target.shape[-1], seed=seed)
        theirs = features(images)
        found[name] = distance_interval(frechet_distance, theirs, ours, draws=draws, seed=seed)
    return found
