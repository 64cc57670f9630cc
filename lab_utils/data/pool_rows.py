"""What a worker process, or a thread, does for `pool`: it needs no torch, so it starts at once."""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

from lab_utils.data.picture import quietly, read_picture


def write_rows(
    file: Path, rows: Sequence[int], paths: Sequence[Path], size: int, channels: int
) -> tuple[Sequence[int], list[int], list[str]]:
    """Decode pictures and write each to its row of a file of pixels.

    Args:
        file: there already; rows of channels * size * size bytes.
        rows: numbers of rows, one for each of
        paths: the pictures.
        size: side in pixels.
        channels: 1 or 3.

    Returns:
        The rows; the checksum of each, 0 where the picture could not be read; and what was wrong with those.

    Raises:
        OSError: if the disk is full.
    """
    with quietly():
        return decode_rows(file, rows, paths, size, channels)


def decode_rows(
    file: Path, rows: Sequence[int], paths: Sequence[Path], size: int, channels: int
) -> tuple[Sequence[int], list[int], list[str]]:
    """What `write_rows` does, in one of several threads: their caller is quiet for all of them."""
    checksums, faults = [], []
    with file.open("r+b") as pixels:
        for row, path in zip(rows, paths, strict=True):
            try:
                picture = read_picture(path, size, channels).tobytes()
            except ValueError as error:
                checksums.append(0)
                faults.append(str(error))
                continue
            pixels.seek(row * len(picture))
            pixels.write(picture)
            checksums.append(checksum(picture))
    return rows, checksums, faults


def checksum(picture: bytes) -> int:
    """A number of 64 bits that is not 0."""
    return int.from_bytes(blake2b(picture, digest_size=8).digest(), "little", signed=True) or 1
