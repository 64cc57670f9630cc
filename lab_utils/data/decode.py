"""Sets of picture files to uint8 tensors: decoded once, in threads, and kept. `picture` says what is read and how."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from tqdm.auto import tqdm

from lab_utils.data.cache import cached_tensors
from lab_utils.data.picture import check_file, count_pages, looks_grey, quietly, read_picture
from lab_utils.data.validation import check_size
from lab_utils.profile import cache_root

BATCH = 2048  # pictures that are looked at before what was found is kept
RULES = 2  # raise it with every change of how a picture is read: it is part of the name of each cache file
T = TypeVar("T")


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
    check_size(size)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 for grey or 3 for colour; got {channels!r}. Choose one.")
    return _kept(paths, f"{size}px {channels}", partial(_decode_all, paths, size, channels))


def count_channels(paths: Sequence[Path]) -> int:
    """3 if any of the pictures has colour, else 1. All of them are looked at, the answers are kept as in `decode`.

    Raises:
        ValueError: as `decode`; what was found in other pictures is kept.
    """
    batches = [paths[i : i + BATCH] for i in range(0, len(paths), BATCH)]
    looked_at = tqdm(batches, desc="looking for colour", delay=2, leave=False, disable=len(batches) < 2)
    return (
        3 if any(_kept(batch, "channels", partial(_channels_of_all, batch)).item() == 3 for batch in looked_at) else 1
    )


def later_pages(paths: Sequence[Path]) -> dict[Path, int]:
    """How many pages or frames follow the first, for the files that have more than one; `decode` leaves them out.

    Raises:
        ValueError: as `decode`.
    """
    counts = _kept(paths, "pages", partial(_pages_of_all, paths)).tolist()
    return {path: count - 1 for path, count in zip(paths, counts, strict=True) if count > 1}


def _kept(paths: Sequence[Path], what: str, build: Callable[[], Tensor]) -> Tensor:
    """The tensor that `build` makes of the files, from a file of the cache if they are as they were."""
    files = []
    for path in paths:
        found = check_file(path)
        files.append((str(path.absolute()), found.st_size, found.st_mtime_ns))
    key = f"pictures {RULES} {what} {hashlib.sha256(repr(files).encode()).hexdigest()}"
    name = f"{what.replace(' ', '-')}-{len(paths)}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"
    return cached_tensors(cache_root() / "folders" / name, lambda: {"found": build()}, key=key)["found"]


def _decode_all(paths: Sequence[Path], size: int, channels: int) -> Tensor:
    images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
    for i, pixels in enumerate(_in_threads(lambda path: read_picture(path, size, channels), paths, "pictures")):
        images[i] = torch.from_numpy(pixels)
    return images


def _channels_of_all(paths: Sequence[Path]) -> Tensor:
    return torch.tensor(1 if all(_in_threads(looks_grey, paths, "looking for colour")) else 3)


def _pages_of_all(paths: Sequence[Path]) -> Tensor:
    return torch.tensor(list(_in_threads(count_pages, paths, "counting pages")))


def _in_threads(read: Callable[[Path], T], paths: Sequence[Path], what: str) -> Iterator[T]:
    """`read` of every file in order; Pillow decodes outside the interpreter lock."""
    with quietly(), ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            yield from tqdm(pool.map(read, paths), total=len(paths), desc=what, delay=2, leave=False)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after an error, or when enough was seen
