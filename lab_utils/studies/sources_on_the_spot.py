"""How far the sources that a network can be pretrained on are from the images of a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab_utils.data import make_fractals, make_phantoms, make_photos
from lab_utils.metrics import Interval
from lab_utils.names import unknown_name
from lab_utils.networks import stages
from lab_utils.similarity import collect_activations, distance_interval, frechet_distance


def _noise(n: int, *, size: int, seed: int) -> tuple[NDArray[np.uint8], None]:
    return np.random.default_rng([31, seed]).integers(0, 256, (n, size, size), dtype=np.uint8), None


def _hospital(site: str) -> Callable[..., tuple[NDArray[np.uint8], None]]:
    def draw(n: int, *, size: int, seed: int) -> tuple[NDArray[np.uint8], None]:
        return make_phantoms(n, size=size, seed=seed, site=site).images[:, 0].numpy(), None

    return draw


SOURCES: dict[str, Callable[..., tuple[NDArray[np.uint8], Any]]] = {
    "same hospital": _hospital("A"),
    "other hospital": _hospital("B"),
    "photo patches": make_photos,
    "fractals": make_fractals,
    "white noise": _noise,
}


def draw_source(name: str, n: int, *, size: int = 64, seed: int = 0) -> Tensor:
    """Images of one source, made on the spot.

    "same hospital" and "other hospital" are phantoms (a task on other findings has the images of "same hospital").
    ImageNet is not among them: its weights come with the kit, its images do not.

    Args:
        name: one of `SOURCES`.
        n: number of images.
        size: side in px.
        seed: which images.

    Returns:
        uint8 (n, 1, size, size).

    Raises:
        ValueError: if there is no such source.
    """
    if name not in SOURCES:
        raise unknown_name("source", name, SOURCES)
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
