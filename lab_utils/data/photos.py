"""Source images cut from photographs that a required package brings along.

Scikit-learn ships two photographs (a temple, a flower), Matplotlib one (Grace Hopper). A category is one cell of
a photograph, unless the cell is as good as empty (sky, dark background); an image is a patch around a point of that
cell, turned, zoomed and exposed at random.

References:
    Asano, Rupprecht, Vedaldi: A critical analysis of self-supervision, or what we can learn from a single image.
    ICLR 2020, arXiv:1904.13132.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.arguments import flag

CELLS = 5  # cells along each side of a photograph

_CHUNK = 100  # images drawn together; every chunk has its own random stream
_TURN = 0.6  # largest turn in radians
_EMPTY = 0.03  # standard deviation of the fine detail, in grey levels of [0, 1], below which a cell counts as empty
_HALF = (0.10, 0.24)  # half the side of a patch, as a share of the shorter side of the photograph


@cache
def photographs(colour: bool) -> tuple[Tensor, ...]:
    """Return the photographs, each float32 (1, 1, H, W), or (1, 3, H, W) in colour, in [0, 1]."""
    from matplotlib import get_data_path  # these import much that only this function needs
    from PIL import Image
    from sklearn.datasets import load_sample_images

    hopper = np.asarray(Image.open(Path(get_data_path(), "sample_data", "grace_hopper.jpg")).convert("RGB"))
    luminance = np.array([0.299, 0.587, 0.114])
    pictures = [*load_sample_images().images, hopper]
    if colour:
        return tuple(torch.from_numpy(image / 255).float().permute(2, 0, 1)[None] for image in pictures)
    return tuple(torch.from_numpy(image @ luminance / 255).float()[None, None] for image in pictures)


@cache
def cells() -> NDArray[np.int64]:
    """Return photograph, row and column of every category, (categories, 3)."""
    found = []
    for number, picture in enumerate(photographs(False)):
        detail = picture - F.avg_pool2d(picture, 9, stride=1, padding=4, count_include_pad=False)
        rows = detail[0, 0].tensor_split(CELLS, dim=0)
        for i, row in enumerate(rows):
            parts = row.tensor_split(CELLS, dim=1)
            found += [(number, i, j) for j, part in enumerate(parts) if float(part.std()) > _EMPTY]
    return np.array(found, dtype=np.int64)


def _draw_chunk(chunk: int, size: int, seed: int, colour: bool) -> NDArray[np.uint8]:
    """Draw images chunk * 100 ... chunk * 100 + 99 as (100, 1, size, size), or (100, 3, size, size) in colour."""
    rng = np.random.default_rng([23, seed, chunk])
    category = np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK) % len(cells())
    photo, row, column = cells()[category].T
    place = np.stack([row, column]) + rng.uniform(0.25, 0.75, (2, _CHUNK))  # in cells, (row, column)
    centre = torch.from_numpy(place / CELLS * 2 - 1)[:, :, None, None]  # -1 ... 1 over the photograph
    turn = torch.from_numpy(rng.uniform(-_TURN, _TURN, (_CHUNK, 1, 1)))
    half = torch.from_numpy(rng.uniform(*_HALF, (_CHUNK, 1, 1)))
    axis = (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1
    x, y = axis[None, None, :] * half, axis[None, :, None] * half
    across, down = x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos()
    patches = torch.empty(_CHUNK, 3 if colour else 1, size, size)
    for number, picture in enumerate(photographs(colour)):
        height, width = picture.shape[-2:]
        shorter, here = min(height, width), torch.from_numpy(np.flatnonzero(photo == number))
        where = torch.stack(
            [
                centre[1, here] + across[here] * 2 * shorter / width,
                centre[0, here] + down[here] * 2 * shorter / height,
            ],
            dim=-1,
        ).float()
        source = picture.expand(len(here), -1, -1, -1)
        patches[here] = F.grid_sample(source, where, padding_mode="reflection", align_corners=False)
    return _expose(patches.numpy(), rng)


def _expose(patches: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change contrast, brightness and sign of each patch at random, of all its channels alike, and add noise."""

    def each(low: float, high: float) -> NDArray[np.float64]:
        return rng.uniform(low, high, (len(patches), 1, 1, 1))

    shown = (patches - 0.5) * each(0.6, 1.3) + 0.5 + each(-0.2, 0.2)
    shown = np.where(each(0, 1) < 0.3, 1 - shown, shown)
    shown = shown + each(0.0, 0.04) * rng.standard_normal(patches.shape)
    return (shown.clip(0, 1) * 255).astype(np.uint8)


def make_photos(
    n: int, *, size: int = 64, seed: int = 0, colour: bool = False
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Cut `n` patches and name their categories.

    Image i shows category i % len(cells()) and depends on seed and i alone: a smaller set is the beginning of a
    larger one.

    Args:
        n: Number of images.
        size: Side in px.
        seed: Which images.
        colour: The same patches in colour.

    Returns:
        Grey images, uint8 (n, size, size), in colour (n, 3, size, size), and categories, int64 (n,).

    Raises:
        ValueError: If n or size is not positive, or colour neither True nor False.
    """
    flag("colour", colour)
    if n < 1 or size < 1:
        raise ValueError(f"Expected a positive number of images and pixels, got n={n}, size={size}. Pass at least 1.")
    chunks = range((n + _CHUNK - 1) // _CHUNK)
    images = np.concatenate([_draw_chunk(chunk, size, seed, colour) for chunk in chunks])[:n]
    return images if colour else images[:, 0], np.arange(n, dtype=np.int64) % len(cells())
