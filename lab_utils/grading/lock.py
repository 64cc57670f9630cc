"""One command of a kind at a time in the instructor's folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def only_one(folder: Path, command: str) -> Iterator[None]:
    """Hold the folder's lock of a command; the system lets go of it when the process ends, however it ends.

    Raises:
        ValueError: if another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{command}.lock").open("a+b") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise ValueError(
                f"Another {command} is at work in {folder}. Wait until it is done, or name another folder with "
                "--folder."
            ) from error
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
