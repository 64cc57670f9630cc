"""Tensors kept in a file: read only if whole, written in one step.

Layout: magic, SHA-256 of the rest, length of the rest, then a JSON header (what the tensors are, and the key they were
made for) and their bytes. A file that a kill cut short has the wrong length, a damaged one the wrong checksum: both are
rebuilt. `write_whole` gives a file its name only when it is complete, so readers and writers of several processes never
see half of one.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lab_utils.atomic import write_whole

MAGIC = b"LABTENSORS1\n"
_told: set[Path] = set()  # folders of which this process has said that they cannot be written
ALIGNMENT = 64  # bytes; tensors are used where they lie in the file


class Unreadable(Exception):
    """The file is not there, not whole, or holds something else."""


def cached_tensors(
    path: Path, build: Callable[[], dict[str, Tensor]], *, key: str = "", required: bool = False
) -> dict[str, Tensor]:
    """Return the tensors in the file, or build them and keep them there.

    Args:
        path: the file.
        build: makes the tensors (on the CPU) if the file cannot be used.
        key: says what the tensors are; a file with another key is rebuilt.
        required: the user named this file. If it cannot be written that is an error; otherwise the tensors are
            returned all the same, after a printed note, one for each folder.

    Raises:
        OSError: if `required` and the file cannot be written.
    """
    try:
        return read_tensors(path, key=key)
    except Unreadable:
        tensors = build()
    try:
        write_tensors(path, tensors, key=key)
    except OSError as error:
        problem = (
            f"The cache file {path} should be written but could not be ({error}). Free some space, or give a folder "
            "that you may write to: the environment variable LAB_CACHE names it."
        )
        if required:
            raise OSError(error.errno, problem) from error
        if path.parent not in _told:  # once for a folder: a lab has many such files
            _told.add(path.parent)
            print(f"Note: {problem} Going on without it; the next call will take as long again.")
    return tensors


def write_tensors(path: Path, tensors: dict[str, Tensor], *, key: str = "") -> None:
    """Write the tensors to a temporary file in the same folder, then give it its name.

    Raises:
        OSError: if the folder cannot be made or written, or the disk is full; nothing half-written remains.
    """
    arrays = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}
    blocks, table, offset = [], [], 0
    for name, array in arrays.items():
        table.append({"name": name, "dtype": array.dtype.str, "shape": array.shape, "offset": offset})
        padding = -array.nbytes % ALIGNMENT
        blocks += [array.tobytes(), bytes(padding)]
        offset += array.nbytes + padding
    header = json.dumps({"key": key, "tensors": table}).encode()
    front = len(MAGIC) + 32 + 8 + 8
    header += b" " * (-(front + len(header)) % ALIGNMENT)
    rest = [len(header).to_bytes(8, "little"), header, *blocks]
    digest = hashlib.sha256()
    for block in rest:
        digest.update(block)
    length = sum(map(len, rest)).to_bytes(8, "little")
    write_whole(path, lambda unfinished: _write(unfinished, [MAGIC, digest.digest(), length, *rest]))


def _write(path: Path, blocks: list[bytes]) -> None:
    with path.open("wb") as file:
        file.writelines(blocks)


def read_tensors(path: Path, *, key: str = "") -> dict[str, Tensor]:
    """Return the tensors in the file.

    Raises:
        Unreadable: if the file is missing, cut short, damaged, or was made for another key.
    """
    if not path.is_file():  # a pipe of that name would never end
        raise Unreadable(f"{path} is no file.")
    try:
        content = bytearray(path.read_bytes())
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error
    digest_at, length_at, rest_at = len(MAGIC), len(MAGIC) + 32, len(MAGIC) + 40
    rest = memoryview(content)[rest_at:]
    if content[:digest_at] != MAGIC or int.from_bytes(content[length_at:rest_at], "little") != len(rest):
        raise Unreadable(f"{path} is not a tensor file, or not all of it.")
    if hashlib.sha256(rest).digest() != content[digest_at:length_at]:
        raise Unreadable(f"{path} is damaged: its checksum does not fit.")
    try:
        return _tensors_in(content, rest_at, path, key)
    except (ValueError, KeyError, TypeError) as error:  # whole, but written by something else
        raise Unreadable(f"{path} is not a tensor file: {error}") from error


def _tensors_in(content: bytearray, rest_at: int, path: Path, key: str) -> dict[str, Tensor]:
    blocks_at = rest_at + 8 + int.from_bytes(content[rest_at : rest_at + 8], "little")
    header = json.loads(bytes(content[rest_at + 8 : blocks_at]))
    if header["key"] != key:
        raise Unreadable(f"{path} holds {header['key']!r}, not {key!r}.")
    tensors = {}
    for entry in header["tensors"]:
        shape, dtype = tuple(entry["shape"]), np.dtype(entry["dtype"])
        start = blocks_at + entry["offset"]
        array = np.frombuffer(content, dtype, count=int(np.prod(shape)), offset=start).reshape(shape)
        tensors[entry["name"]] = torch.from_numpy(array)
    return tensors
