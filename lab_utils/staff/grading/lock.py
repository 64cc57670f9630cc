"""One command of a kind at a time in the instructor's folder, and one writer at a time of a file.

The system lets go of a lock when its process ends, however it ends.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

PATIENCE = 10.0  # seconds to wait for another writer, which takes far less than one


class Busy(ValueError):
    """Another program is at work there."""


def only_one(folder: Path, command: str) -> contextlib.AbstractContextManager[None]:
    """Hold the folder's lock of a command; who enters while another process holds it gets a `Busy`."""
    words = f"Another {command} is at work in {folder}. Wait until it is done, or name another folder with --folder."
    return _held(folder / f"{command}.lock", 0.0, words)


def one_writer(path: Path, *, patience: float = PATIENCE) -> contextlib.AbstractContextManager[None]:
    """Hold the lock of a file, from before it is read until its new content is written.

    Args:
        path: the file; its lock lies beside it.
        patience: seconds to wait for another writer; whoever has waited longer gets a `Busy`.
    """
    words = (
        f"Waited {patience:g} s to write {path}, but another program (grade, feedback, a marking form) is writing it. "
        "Do the same again in a moment."
    )
    return _held(path.with_suffix(".lock"), patience, words)


@contextlib.contextmanager
def _held(path: Path, patience: float, words: str) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=patience):
            yield
    except Timeout as error:
        raise Busy(words) from error
