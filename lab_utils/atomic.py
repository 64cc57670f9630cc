"""Files that are whole or not there."""

import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lab_utils.text_files import held

STALE_AFTER = 3600.0  # seconds until an unfinished file is cleared away, whoever may have begun it


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that a kill at any moment leaves the old one or the new one, and readers never see half of it.

    Args:
        path: the file; missing folders are made.
        write: writes the file that it is given: another name in the same folder. It gets its own name only when
            `write` has returned and the disk holds the bytes.

    Raises:
        OSError: if the file cannot be written; nothing of it remains. So it is with any error of `write`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_stale(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        write(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())  # or a power cut could leave the name without the bytes
        try:
            os.replace(unfinished, path)
        except PermissionError as error:
            raise held(path, "replace", error) from error
    finally:
        remove_quietly(unfinished)


def write_text(path: Path, text: str) -> None:
    """Write text as `write_whole` does: UTF-8, with the same ends of lines on every machine."""
    write_whole(path, lambda unfinished: unfinished.write_text(text, "utf-8", newline="\n"))


def remove_whole(path: Path) -> None:
    """Remove a file that `write_whole` wrote, and what killed processes left of it."""
    path.unlink(missing_ok=True)
    _clear_stale(path)


def remove_quietly(path: Path) -> None:
    """Remove a file if it is there and that is possible."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _clear_stale(path: Path) -> None:
    """Remove what killed processes left."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with suppress(OSError):  # another process was quicker, or owns it
            if time.time() - leftover.stat().st_mtime > STALE_AFTER or not _is_at_work(leftover):
                leftover.unlink()


def _is_at_work(unfinished: Path) -> bool:
    import psutil  # only needed where something was left

    pid = unfinished.name.split(".")[-3]
    return not pid.isdecimal() or psutil.pid_exists(int(pid))
