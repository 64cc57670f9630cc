"""The folder of a pool (see `pool`): which pictures are in it, and what more of them will take."""

import errno
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

from lab_utils.data.cache import Unreadable, read_tensors, write_tensors
from lab_utils.data.decode import RULES
from lab_utils.data.folders.tree import numbered
from lab_utils.data.picture import read_picture
from lab_utils.profile import cache_root

TRIED = 12  # pictures that are decoded to say how long it will take

Ints = NDArray[np.int64]


@dataclass
class Pool:
    """Where a set is kept: its folder, and the size of its pictures."""

    folder: Path
    size: int
    channels: int

    @property
    def pixels(self) -> Path:
        """The file of rows."""
        return self.folder / "pixels"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one picture."""
        return self.channels, self.size, self.size

    @property
    def row(self) -> int:
        """Bytes of one picture."""
        return self.channels * self.size**2

    def load(self) -> tuple[Ints, Ints]:
        """Sources and checksums of the rows; the checksum is 0 where a row is not there."""
        with suppress(Unreadable):
            table = read_tensors(self.folder / "table", key=self._key)
            sources, checksums = table["sources"].numpy().copy(), table["checksums"].numpy().copy()
            there = self.pixels.stat().st_size // self.row if self.pixels.is_file() else 0
            checksums[there:] = 0
            return sources, checksums
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    def save(self, sources: Ints, checksums: Ints) -> None:
        """Bring the pixels to the disk, then the table that speaks of them."""
        with self.pixels.open("rb+") as file:
            os.fsync(file.fileno())
        tensors = {"sources": torch.from_numpy(sources), "checksums": torch.from_numpy(checksums)}
        write_tensors(self.folder / "table", tensors, key=self._key)

    @property
    def _key(self) -> str:
        return f"pool {RULES} {self.size}px {self.channels}"


def pool_of(root: Path, size: int, channels: int) -> Pool:
    """The pool of the set in a folder."""
    root = root.absolute()
    name = f"{root.name}-{size}px-{channels}-{blake2b(str(root).encode(), digest_size=6).hexdigest()}"
    return Pool(cache_root() / "pools" / name, size, channels)


def plan(pool: Pool, paths: Sequence[Path]) -> tuple[int, float]:
    """Bytes and seconds that pictures will take; a few of them are decoded to say so."""
    tried = paths[:: max(1, len(paths) // TRIED)][:TRIED]
    start = time.perf_counter()
    for path in tried:
        with suppress(ValueError):  # it will be named later
            read_picture(path, pool.size, pool.channels)
    each = (time.perf_counter() - start) / max(1, len(tried))
    return len(paths) * pool.row, len(paths) * each / joblib.cpu_count()


def say_plan(pool: Pool, paths: Sequence[Path]) -> str:
    """A sentence on pictures, disk and time.

    Raises:
        OSError: if the disk has less room.
    """
    needed, seconds = plan(pool, paths)
    above = next(folder for folder in (pool.folder, *pool.folder.parents) if folder.is_dir())
    if (free := shutil.disk_usage(above).free) < needed:
        raise OSError(
            errno.ENOSPC,
            f"{len(paths):,} pictures of {pool.size} px need {_bytes(needed)} of disk in {pool.folder}; {_bytes(free)} "
            "are free. Free some space, take a smaller size=, or let the environment variable LAB_CACHE name a folder "
            "on another disk. Nothing was decoded.",
        )
    return (
        f"{numbered(len(paths), 'picture')} to {pool.size} px: {_bytes(needed)} in {pool.folder} "
        f"({_bytes(free)} are free), about {_minutes(seconds)} in {joblib.cpu_count()} processes"
    )


def _bytes(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
