"""One command of a kind at a time in the instructor's folder, and one writer at a time of a file."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE = 10.0  # seconds to wait for another writer, which takes far less than one
_PAUSE = 0.02  # seconds between two tries


class Busy(ValueError):
    """Another program is at work there."""


@contextlib.contextmanager
def only_one(folder: Path, command: str) -> Iterator[None]:
    """Hold the folder's lock of a command; the system lets go of it when the process ends, however it ends.

    Raises:
        Busy: if another process holds it.
    """
    words = f"Another {command} is at work in {folder}. Wait until it is done, or name another folder with --folder."
    with _held(folder / f"{command}.lock", 0.0, words):
        yield


@contextlib.contextmanager
def one_writer(path: Path, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a file, from before it is read until its new content is written.

    Args:
        path: the file; its lock lies beside it.
        patience: seconds to wait for another writer.

    Raises:
        Busy: if another one holds it for longer.
    """
    words = (
        f"Waited {patience:g} s to write {path}, but another program (grade, feedback, a marking form) is writing it. "
        "Do the same again in a moment."
    )
    with _held(path.with_suffix(".lock"), patience, words):
        yield


@contextlib.contextmanager
def _held(path: Path, patience: float, words: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + patience
    with path.open("a+b") as file:
        while True:
            try:
                _lock(file.fileno())
                break
            except OSError as error:
                if time.monotonic() >= end:
                    raise Busy(words) from error
                time.sleep(_PAUSE)
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
