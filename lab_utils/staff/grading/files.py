"""Files that are written only where something in them changed."""

from pathlib import Path

from lab_utils.atomic import write_whole


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that holds these bytes already is left alone."""
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, lambda unfinished: unfinished.write_bytes(data))
