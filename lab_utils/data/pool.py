"""Sets of many pictures: decoded once, into one file for each set, size and colour; the large ones stay there.

A pool is a folder below ``cache_root() / "pools"`` with two files: ``pixels``, one row for each picture, and ``table``,
which says by path, length and date of which picture each row is, and by a checksum that it is there. Pictures get their
rows before they are decoded, and a row is entered in the table only when it is on the disk. So a run that is stopped,
killed, or out of disk goes on where it was; a picture that is added or replaced gets a row of its own, and the others
are not decoded again, whatever parts, subsets or labels are asked for.
"""

import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from filelock import FileLock, Timeout
from joblib.externals.loky.process_executor import TerminatedWorkerError
from torch import Tensor
from tqdm.auto import tqdm

from lab_utils.data.decode import decode
from lab_utils.data.disk import ADVICE, Unwritable
from lab_utils.data.on_disk import OnDisk, read_rows
from lab_utils.data.picture import check_file, quietly
from lab_utils.data.pool_folder import Ints, Pool, pool_of, say_plan
from lab_utils.data.pool_rows import checksum, decode_rows, write_rows

LARGE = 2**29  # bytes of decoded pictures; sets up to this size are read into memory
MANY = 256  # pictures; fewer are decoded at once, without a word: what an error can lose is seconds
BATCH = 64  # pictures that a worker is given at a time
SAVE_EVERY = 10.0  # seconds of work that a kill can lose
LOOKED_AT = 32  # rows that are compared with their checksums each time


def decode_parts(parts: Mapping[str, Sequence[Path]], size: int, channels: int, *, root: Path) -> dict[str, Tensor]:
    """Decode the pictures of several parts: into memory, or into the pool of `root` if they are many.

    The images of a set that fits into memory are there in any case; its pool only keeps what was decoded. A few
    pictures of a set that has a pool come from there, too.

    Returns:
        uint8, shape (pictures, channels, size, size), for each part.

    Raises:
        ValueError: naming pictures that are damaged; in a pool the others are kept.
        OSError: if there is not enough disk; what was decoded is kept. A set that fits into memory is decoded without
            a cache if there is too little from the start.
    """
    count = sum(map(len, parts.values()))
    small = count * channels * size**2 <= LARGE
    if small and count < MANY and not pool_of(root, size, channels).pixels.is_file():
        return _in_memory(parts, size, channels)
    try:
        images = decode_large([path for paths in parts.values() for path in paths], size, channels, root=root)
    except Unwritable:
        if not small:
            raise
        return _in_memory(parts, size, channels)  # which says that it cannot be kept
    found, start = {}, 0
    for part, paths in parts.items():
        chosen = images[start : start + len(paths)]
        found[part] = chosen.clone() if small else chosen
        start += len(paths)
    return found


def _in_memory(parts: Mapping[str, Sequence[Path]], size: int, channels: int) -> dict[str, Tensor]:
    return {part: decode(paths, size, channels) for part, paths in parts.items()}


def decode_large(paths: Sequence[Path], size: int, channels: int, *, root: Path) -> Tensor:
    """Decode pictures into the pool of `root`, as far as they are not there, and return them, still in its file.

    Raises:
        ValueError: naming pictures that are damaged, when all others are decoded.
        Unwritable: if the cache cannot be written, or has too little room to begin.
        OSError: if the disk is full while pictures are decoded; those that are decoded are kept.
    """
    pool = pool_of(root, size, channels)
    wanted = sources_of(paths)
    sources, checksums = pool.load()
    rows = _rows(wanted, sources)
    if (rows < 0).any() or not _whole(pool, rows, checksums):
        with _locked(pool):
            sources, checksums = pool.load()  # another process may have been at work
            new = wanted[_rows(wanted, sources) < 0]
            sources = np.concatenate([sources, np.array(list(dict.fromkeys(new.tolist())), np.int64)])
            checksums = np.concatenate([checksums, np.zeros(len(sources) - len(checksums), np.int64)])
            rows = _rows(wanted, sources)
            _clear_damaged(pool, rows, checksums)
            todo = dict(zip(rows.tolist(), paths, strict=True))
            todo = {row: path for row, path in todo.items() if not checksums[row]}
            _decode(pool, todo, sources, checksums)
    chosen = torch.from_numpy(rows)
    return OnDisk(pool.pixels, pool.shape, chosen, torch.from_numpy(checksums)[chosen])


def say_rest(paths: Sequence[Path], size: int, channels: int, *, root: Path) -> str:
    """What `decode_large` still has to do with the same arguments, in a sentence.

    Raises:
        Unwritable: if the disk has too little room for it.
    """
    pool = pool_of(root, size, channels)
    todo = list(paths)
    if pool.pixels.is_file():
        sources, checksums = pool.load()
        rows = _rows(sources_of(paths), sources).tolist()
        todo = [path for path, row in zip(paths, rows, strict=True) if row < 0 or not checksums[row]]
    if not todo:
        return f"All {len(paths):,} pictures of {size} px are decoded already, in {pool.folder}"
    return say_plan(pool, todo) + f"; {len(paths) - len(todo):,} are decoded already" * (len(todo) < len(paths))


def sources_of(paths: Sequence[Path]) -> Ints:
    """A number for each file, another one when its length or date has changed."""
    found = np.empty(len(paths), np.int64)
    for i, path in enumerate(paths):
        status = check_file(path)
        text = f"{os.path.abspath(path)}\0{status.st_size}\0{status.st_mtime_ns}"
        found[i] = checksum(text.encode())
    return found


def _decode(pool: Pool, todo: Mapping[int, Path], sources: Ints, checksums: Ints) -> None:
    """Decode pictures into their rows, entering them in `checksums`."""
    if not todo:
        return
    rows, paths = list(todo), list(todo.values())
    print(f"Decoding {say_plan(pool, paths)}. It may be stopped at any time: the same call goes on from there.")
    faults: list[str] = []
    try:
        with pool.pixels.open("ab") as file:
            file.truncate(max(len(sources) * pool.row, file.tell()))
        pool.save(sources, checksums)  # whose row is whose: a worker that outlives its parent writes what is right
        with quietly(), tqdm(total=len(rows), desc="decoding", unit="picture") as bar:
            saved = time.monotonic()
            for done, sums, wrong in _in_workers(pool, rows, paths):
                checksums[done] = sums
                faults += wrong
                bar.update(len(done))
                if time.monotonic() - saved > SAVE_EVERY:
                    pool.save(sources, checksums)
                    saved = time.monotonic()
    except TerminatedWorkerError as error:
        raise RuntimeError(
            "a process that decodes pictures was killed, most often because memory ran out. What was decoded is kept: "
            "close other programs and make the same call again."
        ) from error
    except OSError as error:
        raise OSError(
            error.errno,
            f"{pool.pixels} cannot be written further ({error.strerror}). What was decoded is kept: free some space "
            f"and make the same call again, or {ADVICE}.",
        ) from error
    finally:
        with suppress(OSError):  # of a full disk: the table of a few seconds ago is there
            pool.save(sources, checksums)
    if faults:
        raise ValueError(
            f"{len(faults):,} of {len(rows):,} pictures cannot be read, and the others are decoded and kept. "
            f"{faults[0]}{f' The next: {faults[1]}' if len(faults) > 1 else ''} Then make the same call again."
        )


def _in_workers(
    pool: Pool, rows: Sequence[int], paths: Sequence[Path]
) -> Iterator[tuple[list[int], list[int], list[str]]]:
    few = len(rows) * pool.row <= LARGE  # until processes have started, threads are done with hundreds
    work = decode_rows if few else write_rows
    tasks = (
        joblib.delayed(work)(pool.pixels, rows[i : i + BATCH], paths[i : i + BATCH], pool.size, pool.channels)
        for i in range(0, len(rows), BATCH)
    )
    workers = min(joblib.cpu_count(), len(rows) // BATCH + 1)
    options: dict[str, Any] = {"backend": "threading"} if few else {"backend": "loky", "inner_max_num_threads": 1}
    with joblib.parallel_config(**options):
        results = joblib.Parallel(workers, return_as="generator_unordered", batch_size=1)(tasks)
    try:
        yield from results
    finally:
        with warnings.catch_warnings():  # joblib's on cancelling, which is intended
            warnings.filterwarnings("ignore", ".*being processed by the workers")
            results.close()


@contextmanager
def _locked(pool: Pool) -> Iterator[None]:
    """One process decodes; the others wait for it."""
    lock = FileLock(pool.folder / "lock")
    try:
        pool.folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process decodes into {pool.folder}: waiting for it.")
        lock.acquire()
    except OSError as error:
        raise Unwritable(
            error.errno,
            f"{pool.folder} should be a folder for decoded pictures, but it cannot be written ({error.strerror}). Let "
            "the environment variable LAB_CACHE name a folder that you may write to.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _rows(wanted: Ints, sources: Ints) -> Ints:
    """The row of each source, -1 where it has none."""
    order = np.argsort(sources, kind="stable")
    at = np.searchsorted(sources[order], wanted).clip(max=len(sources) - 1)
    if not len(sources):
        return np.full(len(wanted), -1)
    return np.where(sources[order][at] == wanted, order[at], -1)


def holds_what_was_written(images: OnDisk) -> bool:
    """Whether some of the rows in a file, looked at now, are what their checksums say."""
    some = images.choose(slice(None, None, max(1, len(images) // LOOKED_AT)))
    try:
        return [checksum(image.numpy().tobytes()) for image in some.read()] == some.checksums.tolist()
    except OSError:
        return False


def _whole(pool: Pool, rows: Ints, checksums: Ints) -> bool:
    """Whether all rows are there; of some of them it is looked whether they hold what was written."""
    return bool(checksums[rows].all()) and not _wrong(pool, rows[:: max(1, len(rows) // LOOKED_AT)], checksums)


def _wrong(pool: Pool, rows: Ints, checksums: Ints) -> list[int]:
    """Those of the rows that do not hold what was written."""
    pictures = (read_rows(pool.pixels, torch.tensor([row]), pool.shape) for row in rows)
    return [
        row
        for row, picture in zip(rows, pictures, strict=True)
        if checksum(picture.numpy().tobytes()) != checksums[row]
    ]


def _clear_damaged(pool: Pool, rows: Ints, checksums: Ints) -> None:
    """If one of the rows that are looked at is damaged, look at all, and forget those that are."""
    there = rows[checksums[rows] != 0]
    if len(there) and _wrong(pool, there[:: max(1, len(there) // LOOKED_AT)], checksums):
        checksums[_wrong(pool, there, checksums)] = 0
