"""Tensors kept in a safetensors file: used where they lie in it, and only if it is whole.

The metadata hold a SHA-256: of the key that the tensors were made for, and of the file with zeros in its own place. A
file for another key, cut short, damaged, or written by something else is made again. `write_whole` gives a file its
name only when it is complete, so readers and writers of several processes never see half of one.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from lab_utils.atomic import write_whole

UNSIGNED = "0" * 64  # stands where the SHA-256 will
PIECE = 2**20  # bytes that are hashed at a time
_told: set[Path] = set()  # folders of which this process has said that they cannot be written


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
    whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
    unsigned = save(whole, metadata={"sha256": UNSIGNED})
    digest = hashlib.sha256(key.encode() + unsigned).hexdigest()
    signed = unsigned.replace(UNSIGNED.encode(), digest.encode(), 1)
    write_whole(path, lambda unfinished: unfinished.write_bytes(signed))


def read_tensors(path: Path, *, key: str = "") -> dict[str, Tensor]:
    """Return the tensors in the file, mapped into memory; what is written to them does not reach the file.

    Raises:
        Unreadable: if the file is missing, cut short, damaged, or was made for another key.
    """
    if not path.is_file():  # a pipe of that name would never end
        raise Unreadable(f"{path} is no file.")
    try:
        _check(path, key)
        return load_file(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:  # written by something else
        raise Unreadable(f"{path} is not a tensor file: {error}") from error


def _check(path: Path, key: str) -> None:
    """Refuse a file whose bytes, or whose key, are not those that were written."""
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(min(int.from_bytes(length, "little"), path.stat().st_size))
        digest = json.loads(header)["__metadata__"]["sha256"]
        found = hashlib.sha256(key.encode() + length + header.replace(digest.encode(), UNSIGNED.encode(), 1))
        while piece := file.read(PIECE):
            found.update(piece)
    if found.hexdigest() != digest:
        raise Unreadable(f"{path} is damaged, or was made for another key than {key!r}.")
