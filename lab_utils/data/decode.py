"""Picture files to uint8 tensors: decoded once, in threads, and kept."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from lab_utils.data.cache import cached_tensors
from lab_utils.profile import cache_root

SAMPLE = 32  # pictures looked at to tell grey from colour
DEEP = ("I", "F", "I;16", "I;16L", "I;16B")  # more than 8 bits: how to show them is a choice only the user can make


def decode(paths: Sequence[Path], size: int, channels: int) -> Tensor:
    """Decode and resize (antialiased) picture files.

    The result is kept below ``cache_root() / "folders"``, named after the files, their sizes and dates.

    Args:
        paths: the files.
        size: side in pixels; pictures that are not square are squeezed.
        channels: 1 for grey, 3 for colour.

    Returns:
        uint8, shape (len(paths), channels, size, size).

    Raises:
        ValueError: naming the first file that is not a whole 8-bit picture.
    """
    files = [(str(path.absolute()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    key = f"pictures 1 {size} {channels} " + hashlib.sha256(repr(files).encode()).hexdigest()
    name = f"{size}px-{len(paths)}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"
    build = partial(_decode_all, paths, size, channels)
    return cached_tensors(cache_root() / "folders" / name, build, key=key)["images"]


def count_channels(paths: Sequence[Path]) -> int:
    """3 if any of a sample of pictures has colour, else 1."""
    for path in paths[:: max(1, len(paths) // SAMPLE)]:
        pixels = _decode_one(path, 32, 3).astype(np.int16)
        # JPEG rounds each colour by itself: equal channels may come out a few levels apart.
        if np.abs(pixels - pixels[:1]).mean() > 2:
            return 3
    return 1


def _decode_all(paths: Sequence[Path], size: int, channels: int) -> dict[str, Tensor]:
    images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside the interpreter lock
        decoded = pool.map(lambda path: _decode_one(path, size, channels), paths)
        for i, pixels in enumerate(tqdm(decoded, total=len(paths), desc="pictures", delay=2, leave=False)):
            images[i] = torch.from_numpy(pixels)
    return {"images": images}


def _decode_one(path: Path, size: int, channels: int) -> NDArray[np.uint8]:
    """One picture, (channels, size, size)."""
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(path) as picture:
            if picture.mode in DEEP:
                raise ValueError(
                    f"{path}: an 8-bit picture was expected; this one has more grey levels (mode {picture.mode}). "
                    "Choose the range that should be visible and save it as 8-bit, the same range for all pictures."
                )
            picture.draft(mode, (2 * size, 2 * size))  # JPEG: decode no more detail than needed
            small = picture.convert(mode).resize((size, size), Image.Resampling.BILINEAR)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{path}: a whole picture was expected; it cannot be decoded ({error}). The file is damaged, cut short or "
            "no picture: copy it again, or remove it."
        ) from error
    return np.array(small, dtype=np.uint8).reshape(size, size, channels).transpose(2, 0, 1)
