"""How much work a lab does, and the folders it reads and writes.

One environment variable, ``LAB_PROFILE``, chooses between three sizes of every experiment: ``smoke``
(seconds, one seed, tests the machinery), ``quick`` (two CPU cores, what students run) and ``full``
(a GPU).
"""

import difflib
import os
from pathlib import Path
from typing import TypeVar

PROFILES = ("smoke", "quick", "full")

T = TypeVar("T")


def profile() -> str:
    """Return the profile in use: the value of ``LAB_PROFILE``, or "quick".

    Raises:
        ValueError: if ``LAB_PROFILE`` holds anything but one of `PROFILES`.
    """
    name = os.environ.get("LAB_PROFILE", "") or "quick"
    if name not in PROFILES:
        nearest = difflib.get_close_matches(name.lower(), PROFILES, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"The environment variable LAB_PROFILE should be one of {', '.join(PROFILES)}, but it "
            f"is {name!r}. Did you mean {nearest!r}? Set it before the kernel starts, or unset it "
            f"to get 'quick'."
        )
    return name


def by_profile(*, smoke: T, quick: T, full: T) -> T:
    """Return the value that belongs to the profile in use."""
    return {"smoke": smoke, "quick": quick, "full": full}[profile()]


def data_root() -> Path:
    """Return the folder of shipped files: ``LAB_DATA``, or ``data`` beside the package."""
    return _folder("LAB_DATA", Path(__file__).resolve().parent.parent / "data")


def cache_root() -> Path:
    """Return the folder of rebuilt and downloaded files: ``LAB_CACHE``, or ``data/cache``.

    The folder may not exist yet: whoever writes there creates it.
    """
    return _folder("LAB_CACHE", Path(__file__).resolve().parent.parent / "data" / "cache")


def _folder(variable: str, default: Path) -> Path:
    value = os.environ.get(variable, "")
    return Path(value).expanduser().resolve() if value else default
