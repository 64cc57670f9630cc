"""Pictures that are rows of an HDF5 file: the path ``x.h5/000123`` is row 123 of its data set "x".

A file that is packed, ``x.h5.gz``, is unpacked into the cache once.
"""

import gzip
import io
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lab_utils import text_files
from lab_utils.atomic import write_whole
from lab_utils.data.disk import ADVICE, Unwritable, check_room, say_bytes
from lab_utils.profile import cache_root

ENDINGS = (".h5", ".h5.gz")
PIP = "pip install h5py"
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
        Unwritable: if it is packed, and the disk has no room for what is in it.
    """
    require(file)
    plain = unpacked(file)
    with _named(file, key):
        return _opened(plain, key, file.stat().st_mtime_ns)


def values(file: Path, key: str) -> NDArray[np.generic]:
    """All of a small data set; a packed file is unpacked in memory.

    Raises:
        ImportError, ValueError: as `dataset`.
    """
    require(file)
    if not file.name.endswith(".gz"):
        return np.asarray(dataset(file, key)[...])
    import h5py

    content = text_files.unpacked(file)
    with _named(file, key), h5py.File(io.BytesIO(content), "r") as plain:
        return np.asarray(plain[key][...])


@contextmanager
def _named(file: Path, key: str) -> Iterator[None]:
    """Words for what h5py says of a file that is not what it should be."""
    try:
        yield
    except (OSError, KeyError) as error:
        raise ValueError(
            f"{file}: an HDF5 file with a data set {key!r} was expected ({error}). The file is another one, damaged or "
            "cut short: copy it again."
        ) from error


def still_packed(paths: Iterable[Path]) -> list[Path]:
    """The packed files that have to be unpacked before rows of them can be read."""
    files = sorted({path.parent for path in paths})
    return [file for file in files if file.name.endswith(ENDINGS[1]) and file.is_file() and not _target(file).is_file()]


def packed_bytes(file: Path) -> int:
    """How much a packed file holds: exact up to 4 GB, above that for what hardly gets smaller, as pictures do."""
    with file.open("rb") as packed:
        packed.seek(max(0, file.stat().st_size - 4))
        rest = int.from_bytes(packed.read(4), "little")  # of a division by 2**32
    return rest + max(0, -(-(file.stat().st_size * 99 // 100 - rest) // 2**32)) * 2**32


def unpacked(file: Path) -> Path:
    """The file itself, or where what is packed in it lies.

    Raises:
        ValueError: if it is cut short or damaged.
        Unwritable: if the disk has no room for it; nothing half-unpacked remains.
    """
    if not file.name.endswith(".gz"):
        return file
    if (target := _target(file)).is_file():
        return target
    needed = packed_bytes(file)
    check_room(needed, target.parent, f"What is packed in {file} needs")
    print(f"Unpacking {file} into {target}: {say_bytes(needed)}.")
    try:
        write_whole(target, lambda unfinished: _unpack(file, unfinished))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{file}: a whole packed file was expected; it is cut short or damaged ({error}). Copy it again."
        ) from error
    except OSError as error:
        raise Unwritable(
            error.errno,
            f"{file} cannot be unpacked into {target} ({error.strerror or error}). Free some space and make the same "
            f"call again, or {ADVICE}.",
        ) from error
    return target


def _target(file: Path) -> Path:
    """Where what is packed in a file is kept."""
    status = file.stat()
    name = blake2b(f"{file.absolute()} {status.st_size} {status.st_mtime_ns}".encode(), digest_size=8).hexdigest()
    return cache_root() / "unpacked" / f"{name}-{file.name.removesuffix('.gz')}"


def _unpack(file: Path, target: Path) -> None:
    with gzip.open(file) as packed, target.open("wb") as plain:
        shutil.copyfileobj(packed, plain, 2**24)


def require(file: Path) -> None:
    """Refuse to begin with a file that cannot be read here.

    Raises:
        ImportError: if h5py is not there, with the line that installs it.
    """
    try:
        import h5py  # noqa: F401
    except ImportError as error:
        raise ImportError(f"expected the package h5py for {file}, got: {error}. Run: {PIP}") from error


@lru_cache(maxsize=8)
def _opened(file: Path, key: str, date: int) -> Any:
    import h5py

    return h5py.File(file, "r", rdcc_nbytes=CACHED, locking=False)[key]  # locks fail on some shared disks
