"""Pictures: contact sheets of images, and mosaics of filters. Part of `lab_utils.show.plots`."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from lab_utils.show.style import WIDTH

Array = NDArray[np.float64]


def plot_images(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 8,
    row_labels: Sequence[str] | None = None,
    heading: str | None = None,
) -> NDArray[Any]:
    """Contact sheet of grey or RGB images.

    Args:
        images: uint8, or fractions in [0, 1], shape (N, H, W), (N, 1, H, W) or (N, 3, H, W). All are
            drawn on one grey scale, from 0 to full.
        titles: one per image.
        columns: images per row.
        row_labels: one per row, written at its left.
        heading: title of the whole sheet.

    Returns:
        The Axes of the images, shape (N,).
    """
    pictures = _pictures(images)
    rows = -(-len(pictures) // columns)
    side = WIDTH / max(columns, 5)
    lines = max((title.count("\n") + 1 for title in titles or ()), default=0)
    named = max((len(label) for label in row_labels or ()), default=0)
    tile = side - (0.08 * named + 0.1 if named else 0) / columns  # the names of rows take their room from the images
    height = rows * (tile + 0.16 * lines + 0.03) + (0.3 if heading else 0)
    figure, grid = plt.subplots(rows, columns, figsize=(side * columns, height), squeeze=False)
    for ax in grid.flat:
        ax.set_axis_off()
    for i, (ax, picture) in enumerate(zip(grid.flat, pictures, strict=False)):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=1)
        if titles:
            ax.set_title(titles[i], fontsize=9, fontweight="normal", pad=2)
    for ax, label in zip(grid[:, 0], row_labels or (), strict=False):
        ax.text(-0.06, 0.5, label, transform=ax.transAxes, ha="right", va="center", fontsize=9)
    if heading:
        figure.suptitle(heading, fontsize=11, fontweight="bold")
    return grid.ravel()[: len(pictures)]


def plot_filters(
    weight: ArrayLike, *, columns: int = 8, count: int | None = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """First-layer filters as a mosaic: grey is zero, each filter is scaled by its own largest weight.

    Args:
        weight: (filters, channels, k, k); three channels are drawn in colour, others are summed.
        columns: filters per row.
        count: draw only so many.
        title: above the mosaic.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    w = np.asarray(weight, dtype=np.float64)[:count]
    w = w if w.shape[1] == 3 else w.sum(axis=1, keepdims=True)
    peak = np.abs(w).max(axis=(1, 2, 3), keepdims=True)
    tiles = (0.5 + 0.5 * w / np.where(peak > 0, peak, 1)).transpose(0, 2, 3, 1)  # (N, k, k, 1 or 3)
    rows, k = -(-len(tiles) // columns), tiles.shape[1]
    mosaic = np.ones((rows * (k + 1) - 1, columns * (k + 1) - 1, 3))  # white lines between the filters
    for i, tile in enumerate(tiles):
        top, left = (k + 1) * (i // columns), (k + 1) * (i % columns)
        mosaic[top : top + k, left : left + k] = tile
    ax.imshow(mosaic, interpolation="nearest")
    ax.set_axis_off()
    if title:
        ax.set_title(title)
    return ax


def _pictures(images: ArrayLike) -> list[Array]:
    """(N, H, W) or (N, C, H, W), uint8 or fractions -> N arrays (H, W) or (H, W, 3) in [0, 1]."""
    x = np.asarray(images)
    if x.ndim not in (3, 4) or len(x) == 0 or (x.ndim == 4 and x.shape[1] not in (1, 3)):
        raise ValueError(
            f"expected images (N, H, W) or (N, 1 or 3, H, W) with N > 0, got {x.shape}. For one image write images[:1]."
        )
    x = x / 255 if x.dtype == np.uint8 else x.astype(np.float64)
    if not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(
            f"images must be uint8 or fractions in [0, 1], got values from {x.min():.3g} to {x.max():.3g}. "
            f"Plot them before they are normalised."
        )
    x = x[:, None] if x.ndim == 3 else x
    return [picture[0] if len(picture) == 1 else picture.transpose(1, 2, 0) for picture in x]
