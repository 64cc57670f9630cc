"""Read arrays of an .npz file a few rows at a time.

NumPy unpacks a whole array at once; the largest public files hold 13 GB of training images in one.
"""

import tokenize
import zipfile
import zlib
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.data.images import CHUNK

Array = NDArray[np.generic]


@contextmanager
def open_npz(path: Path, keys: Sequence[str]) -> Iterator[zipfile.ZipFile]:
    """Open an npz file that must hold the arrays `keys`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is cut short or damaged, now or while it is read, or a key is missing.
    """
    if not path.is_file():
        there = "what is there is no file" if path.exists() else "there is none"
        raise FileNotFoundError(
            f"an .npz file was expected at {path.absolute()}; {there}. Check the path and the working folder, "
            "or load a MedMNIST set by its name to download it."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path, keys)
            yield archive
    except (zipfile.BadZipFile, EOFError, zlib.error, OSError, NotImplementedError) as error:
        raise ValueError(
            f"{path} should be a whole .npz file; it is cut short, damaged or something else ({error}; "
            f"{path.stat().st_size:,} bytes). Delete it and copy or download it again."
        ) from error


def _check_members(archive: zipfile.ZipFile, path: Path, keys: Sequence[str]) -> None:
    """Refuse an archive that misses an array, has one twice, or keeps one under a password."""
    found = Counter(member.filename.removesuffix(".npy") for member in archive.infolist())
    if missing := [key for key in keys if key not in found]:
        inner = any(name.endswith(f"/{key}") for key in missing for name in found)
        raise ValueError(
            f"{path} must hold the arrays {', '.join(keys)}; {', '.join(missing)} is missing, it holds "
            f"{', '.join(list(found)[:20]) or 'nothing'}{', ...' * (len(found) > 20)}{' in a folder' * inner}. "
            "Save it with numpy.savez_compressed under these names."
        )
    if twice := [key for key in keys if found[key] > 1]:
        raise ValueError(
            f"{path} must hold every array once; {', '.join(twice)} is there several times, and nobody knows which is "
            "meant. Save it again with numpy.savez_compressed."
        )
    if locked := [key for key in keys if archive.getinfo(_member(archive, key)).flag_bits & 1]:
        raise ValueError(
            f"{path} must be open to read; {', '.join(locked)} is encrypted with a password. Unpack it with its "
            "password, and save the arrays with numpy.savez_compressed."
        )


def _member(archive: zipfile.ZipFile, key: str) -> str:
    """Name of the file that holds an array: NumPy adds .npy, and reads it without, too."""
    return f"{key}.npy" if f"{key}.npy" in archive.NameToInfo else key


def rows(archive: zipfile.ZipFile, key: str) -> Generator[Array, None, None]:
    """Yield consecutive pieces of an array, at most `CHUNK` rows each.

    Close it (``contextlib.closing``) where it may not run to its end: the file stays open until then.

    Raises:
        ValueError: if the array holds Python objects or is laid out in Fortran order.
        EOFError: if it ends too early.
    """
    name = _member(archive, key)
    with archive.open(name) as member:
        shape, fortran, dtype = _header(member)
        if dtype.hasobject or fortran or not shape:
            raise ValueError(
                f"{key} must be a plain array of numbers in C order; got type {dtype}, shape "
                f"{shape}{', Fortran order' * fortran}. Save numpy.ascontiguousarray(array) of a numeric type; files "
                "with pickled objects are never loaded, they can run any code."
            )
        row_bytes = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))
        held = archive.getinfo(name).file_size - member.tell()
        if held != shape[0] * row_bytes:  # the checksum looks at the end, which a shape too small never reaches
            raise EOFError(f"{key} of shape {shape} needs {shape[0] * row_bytes:,} bytes and has {held:,}")
        for start in range(0, shape[0], CHUNK):
            count = min(CHUNK, shape[0] - start)
            content = bytearray(member.read(count * row_bytes))
            if len(content) < count * row_bytes:
                raise EOFError(f"{key} ends in row {start + len(content) // row_bytes} of {shape[0]}")
            yield np.frombuffer(content, dtype).reshape(count, *shape[1:])


def length_of(archive: zipfile.ZipFile, key: str) -> int:
    """Number of rows of an array, without reading it."""
    with archive.open(_member(archive, key)) as member:
        shape = _header(member)[0]
    return shape[0] if shape else 0


def whole(archive: zipfile.ZipFile, key: str) -> Array:
    """The complete array: for labels, which are small."""
    pieces = list(rows(archive, key))
    if not pieces:
        raise ValueError(f"{key} must have at least one row; it is empty. Leave out the empty part, or fill it.")
    return np.concatenate(pieces)


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(member)
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(member)
        return np.lib.format.read_array_header_2_0(member)
    except (ValueError, tokenize.TokenError) as error:  # what NumPy says when the bytes are no array
        raise EOFError(str(error)) from error
