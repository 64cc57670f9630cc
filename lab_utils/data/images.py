"""From arrays of any size and type to uint8 tensors of one size."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.data.validation import check_size

CHUNK = 256  # images per step: a set that is larger than memory is never held whole

ENOUGH = 10  # images that tell what scale their set has

Array = NDArray[np.generic]
Ints = NDArray[np.int64]


def as_uint8(images: Tensor) -> Tensor:
    """Turn pixels into uint8, 0 to 255, or say why they cannot be.

    Args:
        images: uint8 (returned as they are), whole numbers from 0 to 255, or floats in [0, 1] (times 255, rounded).

    Raises:
        ValueError: if pixels are NaN, infinite or out of range.
    """
    if images.dtype == torch.uint8:
        return images
    if images.dtype in (torch.uint16, torch.uint32, torch.uint64):
        images = images.to(torch.int64)  # PyTorch cannot compare or reduce these
    if images.is_complex() or images.dtype == torch.bool:
        raise ValueError(f"pixels must be uint8 or floats in [0, 1]; got {images.dtype}. Convert them to uint8 first.")
    floating = images.is_floating_point()
    if floating and not bool(torch.isfinite(images).all()):
        bad = int((~torch.isfinite(images)).sum())
        raise ValueError(
            f"every pixel must be a finite number; {bad} are NaN or infinite. "
            "Find the images that hold them and correct or leave out these images."
        )
    low, high = float(images.min()), float(images.max())
    most = 1 if floating else 255
    if low < 0 or high > most:
        kind = "float" if floating else "integer"
        raise ValueError(
            f"{kind} pixels must lie in [0, {most}]; got values from {low:g} to {high:g}. Rescale them "
            "first, with the same two numbers for all images: (pixels - lowest) / (highest - lowest)."
        )
    return (images * 255).round().to(torch.uint8) if floating else images.to(torch.uint8)


def resize(images: Tensor, size: int | None) -> Tensor:
    """Resize uint8 images (N, C, H, W) to (N, C, size, size), antialiased; None keeps them."""
    if size is not None:
        check_size(size)
    if size is None or tuple(images.shape[2:]) == (size, size):
        return images
    out = torch.empty(len(images), images.shape[1], size, size, dtype=torch.uint8)
    for start in range(0, len(images), CHUNK):
        # uint8 goes in and out: 2 to 5 times the speed of float32, and within one grey level of it
        part = images[start : start + CHUNK]
        out[start : start + CHUNK] = F.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
    return out


def chunks_of(array: Array) -> Iterator[Array]:
    """Read an array, in memory or mapped from a file, a few images at a time."""
    for start in range(0, len(array), CHUNK):
        yield np.array(array[start : start + CHUNK])


def read_images(chunks: Iterable[Array], positions: Ints, *, size: int | None) -> Tensor:
    """Collect the images at `positions` from a stream of chunks, in the order of `positions`.

    Args:
        chunks: consecutive arrays of shape (n, H, W), (n, H, W, 1) or (n, H, W, 3).
        positions: which images of the stream to keep; the rest is skipped.
        size: side in pixels to resize to, or None.

    Returns:
        uint8, shape (len(positions), C, H, W).

    Raises:
        ValueError: if shapes or pixels are not those of images.
    """
    order = np.argsort(positions, kind="stable")
    wanted, start, done = positions[order], 0, 0
    images: Tensor | None = None
    for chunk in chunks:
        inside = wanted[(wanted >= start) & (wanted < start + len(chunk))] - start
        start += len(chunk)
        if len(inside):
            small = resize(as_uint8(_channels_first(_tensor(chunk[inside]))), size)
            if images is None:
                images = torch.empty((len(positions), *small.shape[1:]), dtype=torch.uint8)
            images[torch.from_numpy(order[done : done + len(small)])] = small
            done += len(small)
        if start > wanted[-1]:
            break
    if images is None or done < len(positions):
        raise ValueError(
            f"{len(positions)} images were expected; the stream ended after {start}. Check that images and labels were "
            "saved together."
        )
    if len(images) >= ENOUGH and int(images.max()) == 1:
        raise ValueError(
            f"grey levels from 0 to 255 were expected; all {len(images)} images hold only 0 and 1, which is black. "
            "Multiply whole numbers by 255, or save floats in [0, 1]."
        )
    return images


def _tensor(pixels: Array) -> Tensor:
    """The same numbers as a tensor, also from a file of the other byte order."""
    if pixels.dtype.kind not in "buif" or pixels.dtype.itemsize > 8:
        raise ValueError(
            f"pixels must be uint8 or floats in [0, 1]; got type {pixels.dtype}. Convert them to uint8 first."
        )
    return torch.from_numpy(pixels.astype(pixels.dtype.newbyteorder("="), order="C", copy=False))


def _channels_first(pixels: Tensor) -> Tensor:
    if pixels.ndim == 3 and 0 not in pixels.shape:
        return pixels[:, None]
    if pixels.ndim == 4 and pixels.shape[3] in (1, 3) and 0 not in pixels.shape:
        return pixels.permute(0, 3, 1, 2)
    raise ValueError(
        f"images must have shape (N, H, W) or (N, H, W, 1 or 3); got {tuple(pixels.shape)} in one chunk. "
        "Move the colour axis to the end, and keep one picture per row."
    )
