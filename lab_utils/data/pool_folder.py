"""The folder of a pool (see `pool`): which pictures are in it, and what more of them will take."""

import os
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

from lab_utils.data import hdf5
from lab_utils.data.cache import Unreadable, read_tensors, write_tensors
from lab_utils.data.decode import RULES
from lab_utils.data.disk import check_room, free_at, say_bytes
from lab_utils.data.folders.tree import numbered
from lab_utils.data.picture import quietly, read_picture
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


def say_plan(pool: Pool, paths: Sequence[Path]) -> str:
    """A sentence on pictures that are still to be decoded, on disk and time. Nothing is written, nor unpacked.

    Raises:
        Unwritable: if the disk has less room.
    """
    packed = hdf5.still_packed(paths)
    unpacking = sum(map(hdf5.packed_bytes, packed))
    needed = len(paths) * pool.row
    what = f"{len(paths):,} pictures of {pool.size} px need{', with what has to be unpacked,' * bool(packed)}"
    check_room(needed + unpacking, pool.folder, what, advice="Free some space, take a smaller size=")
    seconds = _seconds(pool, [path for path in paths if path.parent not in packed])
    time_of_all = f"about {_minutes(seconds * len(paths))}" if seconds else "in a time that can be said when unpacked,"
    first = f"; before that {say_bytes(unpacking)} are unpacked from {numbered(len(packed), 'file')} into that cache"
    return (
        f"{numbered(len(paths), 'picture')} to {pool.size} px: {say_bytes(needed)} in {pool.folder} "
        f"({say_bytes(free_at(pool.folder))} are free), {time_of_all} on {numbered(joblib.cpu_count(), 'processor')}"
        f"{first * bool(packed)}"
    )


def _seconds(pool: Pool, paths: Sequence[Path]) -> float:
    """What a picture will take on all processors; a few are decoded to say so. 0 if there are none."""
    tried = paths[:: max(1, len(paths) // TRIED)][:TRIED]
    start = time.perf_counter()
    with quietly():
        for path in tried:
            with suppress(ValueError):  # it will be named later
                read_picture(path, pool.size, pool.channels)
    return (time.perf_counter() - start) / len(tried) / joblib.cpu_count() if tried else 0.0


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
