"""Source images that need no camera: fractals drawn by iterated function systems.

A category is one iterated function system (IFS): 2 to 7 affine maps that shrink the plane. Drawing
it is the chaos game: start anywhere, apply one of the maps at random, again and again, and mark
where the point lands. An image varies its category's maps a little, and is turned, zoomed, shifted
and exposed at random.

References:
    Kataoka et al.: Pre-training without Natural Images. ACCV 2020, arXiv:2101.08515.
    Barnsley: Fractals Everywhere. Academic Press, 1988.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab_utils.atomic import write_whole

CATEGORIES = 200

_CHUNK = 100  # images drawn together; every chunk has its own random stream
_POINTS = 300  # points that play the chaos game side by side in one image
_MOVES = 36  # marked positions of each point
_BURN_IN = 8  # moves before the first mark, until a point has reached the fractal
_MAX_MAPS = 7
_SLOTS = 256  # resolution of the table that turns one random byte into the number of a map

FloatArray = NDArray[np.float64]


class System(NamedTuple):
    """One IFS: x becomes matrices[k] @ x + offsets[k] with the chance of map k in `slots`."""

    matrices: FloatArray  # (7, 2, 2), unused maps are zero
    offsets: FloatArray  # (7, 2)
    slots: NDArray[np.intp]  # (256,) number of the map for each random byte


@cache
def fractal_system(category: int) -> System:
    """Draw the IFS of one category: the first candidate that fills enough of its own box."""
    rng = np.random.default_rng([4242, category])
    while True:
        count = int(rng.integers(2, _MAX_MAPS + 1))
        matrices = np.zeros((_MAX_MAPS, 2, 2))
        offsets = np.zeros((_MAX_MAPS, 2))
        matrices[:count] = rng.uniform(-1, 1, (count, 2, 2))
        offsets[:count] = rng.uniform(-1, 1, (count, 2))
        stretch = np.linalg.svd(matrices[:count], compute_uv=False)[:, 0]
        matrices[:count] *= (rng.uniform(0.35, 0.85, count) / stretch)[:, None, None]
        # A map is chosen in proportion to the area it covers, so that marks spread evenly.
        chance = np.abs(np.linalg.det(matrices[:count])) + 0.02
        edges = np.cumsum(chance / chance.sum())
        middles = (np.arange(_SLOTS) + 0.5) / _SLOTS
        slots = np.minimum(np.searchsorted(edges, middles), count - 1)
        system = System(matrices, offsets, slots)
        marks = _chaos_game(matrices[None], offsets[None], slots[None], rng)
        if _filled(marks[:, 0]) > 0.18:
            return system


def _filled(marks: FloatArray) -> float:
    """Share of a 24 x 24 grid over the marks' own box that holds a mark; marks are (2, M)."""
    low, high = marks.min(axis=1, keepdims=True), marks.max(axis=1, keepdims=True)
    column, row = ((marks - low) / (high - low + 1e-9) * 23.999).astype(np.intp)
    return len(np.unique(row * 24 + column)) / 24**2


def _chaos_game(
    matrices: FloatArray, offsets: FloatArray, slots: NDArray[np.intp], rng: np.random.Generator
) -> FloatArray:
    """Play B games at once: (B, 7, 2, 2), (B, 7, 2), (B, 256) to marks (2, B, moves * points)."""
    batch = len(matrices)
    a, b, c, d = matrices.reshape(-1, 4).T.copy()  # each (B * 7,): x' = a x + b y + e
    e, f = offsets.reshape(-1, 2).T.copy()  # y' = c x + d y + f
    table = (slots + np.arange(batch)[:, None] * _MAX_MAPS).ravel()  # (B * 256,)
    first_slot = np.arange(batch)[:, None] * _SLOTS
    x, y = rng.uniform(-1, 1, (2, batch, _POINTS))
    choices = rng.integers(0, _SLOTS, (_BURN_IN + _MOVES, batch, _POINTS), dtype=np.uint8)
    marks = np.empty((2, batch, _MOVES, _POINTS))
    for move, byte in enumerate(choices):
        k = table[first_slot + byte]  # (B, points): the map each point goes through
        x, y = a[k] * x + b[k] * y + e[k], c[k] * x + d[k] * y + f[k]
        if move >= _BURN_IN:
            marks[0, :, move - _BURN_IN] = x
            marks[1, :, move - _BURN_IN] = y
    return marks.reshape(2, batch, -1)


def _place(marks: FloatArray, size: int, rng: np.random.Generator) -> FloatArray:
    """Turn, centre, zoom and shift the marks (2, B, M) of every image; returns px."""
    batch = marks.shape[1]
    turn = rng.uniform(0, 2 * np.pi, (batch, 1))
    x, y = marks - marks.mean(axis=2, keepdims=True)
    x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
    spread = np.sqrt(np.maximum((x * x).mean(axis=1), (y * y).mean(axis=1)))[:, None] + 1e-6
    zoom = rng.uniform(0.7, 1.15, (batch, 1)) / (4 * spread)  # 4 sd fill the image at zoom 1
    shift = 0.5 + rng.uniform(-0.1, 0.1, (2, batch, 1))
    return np.stack([x * zoom, y * zoom]) * size + shift * size


def _expose(counts: FloatArray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn marks per pixel (B, size, size) into grey levels: gamma, contrast, inversion, noise."""
    batch = len(counts)

    def each(low: float, high: float) -> FloatArray:
        return rng.uniform(low, high, (batch, 1, 1))

    peak = counts.max(axis=(1, 2), keepdims=True)
    density = np.minimum(counts / (0.25 * peak + 1e-6), 1.0) ** each(0.4, 0.9)
    grey = each(0.0, 0.4) + each(0.4, 0.6) * density
    grey = np.where(each(0, 1) < 0.5, 1 - grey, grey)
    grey = grey + each(0.0, 0.06) * rng.standard_normal(counts.shape)
    return (grey.clip(0, 1) * 255).astype(np.uint8)


def _draw_chunk(chunk: int, size: int, seed: int, categories: int) -> NDArray[np.uint8]:
    """Draw images chunk * 100 ... chunk * 100 + 99 as (100, size, size)."""
    rng = np.random.default_rng([17, seed, chunk])
    indices = np.arange(chunk * _CHUNK, (chunk + 1) * _CHUNK)
    systems = [fractal_system(int(k)) for k in indices % categories]
    matrices = np.stack([s.matrices for s in systems])
    offsets = np.stack([s.offsets for s in systems])
    slots = np.stack([s.slots for s in systems])
    # The same fractal, slightly bent: this is what a category's members differ in.
    matrices = matrices * rng.uniform(0.85, 1.12, (_CHUNK, _MAX_MAPS, 1, 1))
    offsets = offsets * rng.uniform(0.8, 1.2, offsets.shape)
    marks = _place(_chaos_game(matrices, offsets, slots, rng), size, rng)
    column, row = np.floor(marks).astype(np.intp)  # (B, M) each
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    flat = (np.arange(_CHUNK)[:, None] * size + row) * size + column
    counts = np.bincount(flat[inside], minlength=_CHUNK * size * size).astype(np.float64)
    return _expose(counts.reshape(_CHUNK, size, size), rng)


def make_fractals(
    n: int, *, size: int = 64, seed: int = 0, categories: int = CATEGORIES
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Draw `n` fractal images and their categories.

    Image i shows category i % categories and depends on seed and i alone: a smaller set is the
    beginning of a larger one. The categories do not depend on the seed, so another seed gives
    held-out images of the same categories.

    Args:
        n: Number of images.
        size: Side in px.
        seed: Which images.
        categories: Number of categories.

    Returns:
        Grey images, uint8 (n, size, size), and categories, int64 (n,).

    Raises:
        ValueError: If n, size or categories is not positive.
    """
    if n < 1 or size < 1 or categories < 1:
        raise ValueError(
            f"Expected a positive number of images, pixels and categories; got n={n}, size={size}, "
            f"categories={categories}. Pass values of at least 1."
        )
    chunks = range((n + _CHUNK - 1) // _CHUNK)
    images = np.concatenate([_draw_chunk(chunk, size, seed, categories) for chunk in chunks])[:n]
    return images, np.arange(n, dtype=np.int64) % categories


def load_fractals(
    n: int,
    *,
    cache_folder: Path,
    size: int = 64,
    seed: int = 0,
    categories: int = CATEGORIES,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return `make_fractals(...)`, drawn once and kept in `cache_folder`.

    The file gets its final name only when it is complete, so one cut short is never read.
    """
    path = cache_folder / f"fractals_{categories}x{size}px_seed{seed}_n{n}.npy"
    if not path.exists():
        images, _ = make_fractals(n, size=size, seed=seed, categories=categories)
        write_whole(path, lambda unfinished: _save(unfinished, images))
    return np.load(path), np.arange(n, dtype=np.int64) % categories


def _save(path: Path, images: NDArray[np.uint8]) -> None:
    with path.open("wb") as file:  # given a name, np.save would add .npy to it
        np.save(file, images)
