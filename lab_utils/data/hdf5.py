"""Pictures that are rows of an HDF5 file: the path ``x.h5/000123`` is row 123 of its data set "x".

A file that is packed, ``x.h5.gz``, is unpacked into the cache once.
"""

import gzip
import shutil
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lab_utils.atomic import write_whole
from lab_utils.profile import cache_root

ENDINGS = (".h5", ".h5.gz")
CACHED = 2**26  # bytes: rows lie in blocks, and a block is not unpacked anew for each of its rows


def is_row(path: Path) -> bool:
    """Whether a path is a row of a file."""
    return path.parent.name.endswith(ENDINGS) and path.parent.is_file()


def read_row(path: Path) -> Image.Image:
    """The picture in a row."""
    return Image.fromarray(dataset(path.parent, "x")[int(path.name)])


def dataset(file: Path, key: str) -> Any:
    """A data set of a file, which is read as it is indexed.

    Raises:
        ImportError: if h5py is not there, with the line that installs it.
        ValueError: if the file is damaged, or has no such data set.
    """
    try:
        return _opened(unpacked(file), key, file.stat().st_mtime_ns)
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{file}: an HDF5 file with a data set {key!r} was expected ({error}). The file is another one, damaged or "
            "cut short: copy it again."
        ) from error


def values(file: Path, key: str) -> NDArray[np.generic]:
    """All of a data set."""
    return np.asarray(dataset(file, key)[...])


def unpacked(file: Path) -> Path:
    """The file itself, or where what is packed in it lies."""
    if not file.name.endswith(".gz"):
        return file
    status = file.stat()
    name = blake2b(f"{file.absolute()} {status.st_size} {status.st_mtime_ns}".encode(), digest_size=8).hexdigest()
    target = cache_root() / "unpacked" / f"{name}-{file.name.removesuffix('.gz')}"
    if not target.is_file():
        print(f"Unpacking {file} into {target}.")
        try:
            write_whole(target, lambda unfinished: _unpack(file, unfinished))
        except EOFError as error:
            raise ValueError(f"{file}: a whole packed file was expected; it is cut short. Copy it again.") from error
    return target


def _unpack(file: Path, target: Path) -> None:
    with gzip.open(file) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 2**24)


@lru_cache(maxsize=8)
def _opened(file: Path, key: str, date: int) -> Any:
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"expected the package h5py for {file}, got: {error}. Run: pip install h5py") from error
    return h5py.File(file, "r", rdcc_nbytes=CACHED, locking=False)[key]  # locks fail on some shared disks
