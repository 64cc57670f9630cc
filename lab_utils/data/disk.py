"""Room on the disk, asked for before anything is written. Without torch: worker processes import it."""

import errno
import shutil
from pathlib import Path

ADVICE = "let the environment variable LAB_CACHE name a folder on another disk"


class Unwritable(OSError):
    """The cache cannot take what it should: its disk is too small, or it may not be written. Nothing was done yet."""


def free_at(folder: Path) -> int:
    """Bytes that are free where a folder is, or will be made."""
    above = next(one for one in (folder, *folder.parents) if one.is_dir())
    return shutil.disk_usage(above).free


def check_room(needed: float, folder: Path, what: str, *, advice: str = "Free some space") -> None:
    """Refuse to begin what the disk has no room for.

    Args:
        needed: bytes.
        folder: where they will lie; need not be there yet.
        what: what needs them, with its verb: "9 pictures of 16 px need".
        advice: how the sentence on what to do begins.

    Raises:
        Unwritable: if less is free.
    """
    if (free := free_at(folder)) < needed:
        raise Unwritable(
            errno.ENOSPC,
            f"{what} {say_bytes(needed)} of disk in {folder}; {say_bytes(free)} are free. {advice}, or {ADVICE}. "
            "Nothing was decoded.",
        )


def say_bytes(number: float) -> str:
    """``1.2 GB`` or ``3.4 MB``."""
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"
