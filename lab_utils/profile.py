"""How much work a lab does, and the other settings that come from environment variables.

One of them, ``LAB_PROFILE``, chooses between three sizes of every experiment: ``smoke`` (seconds, one seed, tests the
machinery), ``quick`` (two CPU cores, what students run) and ``full`` (a GPU).
"""

import os
import re
from pathlib import Path
from typing import TypeVar

from lab_utils.names import MISSPELT, did_you_mean, nearest

PROFILES = ("smoke", "quick", "full")

# Every variable that the kit reads; README has the same list.
VARIABLES = {
    "LAB_PROFILE": "how much work a lab does: smoke, quick or full",
    "LAB_DEVICE": "where to compute: cpu, cuda, cuda:1 or mps",
    "LAB_WORKERS": "how many processes train side by side",
    "LAB_CACHE": "folder for phantoms and downloads",
    "LAB_DATA": "folder of the shipped weights, bands and stored results",
    "LAB_RESULTS": "folder that the results of a lab are also written to",
    "LAB_STRICT": "1: a result outside its published band is an error",
}
WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
_OF_THE_TESTS = ("LAB_SHARED_DATA", "LAB_REAL_NPZ")

T = TypeVar("T")


def setting(variable: str) -> str:
    """Return the value of an environment variable, "" where it is not set.

    Blanks around it are left out, and quotes: Windows keeps both in ``set LAB_PROFILE="quick" && ...``.
    """
    value = os.environ.get(variable, "").strip()
    return value[1:-1].strip() if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def profile() -> str:
    """Return the profile in use: the value of ``LAB_PROFILE``, in small or capital letters, or "quick".

    Raises:
        ValueError: if ``LAB_PROFILE`` holds anything but one of `PROFILES`.
    """
    value = setting("LAB_PROFILE")
    name = value.lower() or "quick"
    if name not in PROFILES:
        hint = did_you_mean(name, PROFILES)
        raise ValueError(
            f"The environment variable LAB_PROFILE should be one of {', '.join(PROFILES)}, but it "
            f"is {value!r}.{hint} Set it before the kernel starts, or unset it to get 'quick'."
        )
    return name


def by_profile(*, smoke: T, quick: T, full: T) -> T:
    """Return the value that belongs to the profile in use."""
    return {"smoke": smoke, "quick": quick, "full": full}[profile()]


def data_root() -> Path:
    """Return the folder of shipped files: ``LAB_DATA``, or ``data`` beside the package."""
    return _folder("LAB_DATA") or Path(__file__).resolve().parent.parent / "data"


def cache_root() -> Path:
    """Return the folder of rebuilt and downloaded files: ``LAB_CACHE``, or ``data/cache``.

    The folder may not exist yet: whoever writes there creates it.
    """
    return _folder("LAB_CACHE") or Path(__file__).resolve().parent.parent / "data" / "cache"


def results_folder() -> Path | None:
    """Return the folder that results are also written to, ``LAB_RESULTS``, or None.

    Raises:
        ValueError: if that is no folder.
    """
    folder = _folder("LAB_RESULTS")
    if folder is not None and (file := file_in_the_way(folder)) is not None:
        raise ValueError(f"LAB_RESULTS should name a folder, but {file} is a file. Name another one, or unset it.")
    return folder


def file_in_the_way(folder: Path) -> Path | None:
    """Return what stands where a folder, or one above it, should be."""
    return next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), None)


def strict() -> bool:
    """Return whether a result outside its published band is an error: ``LAB_STRICT``.

    Raises:
        ValueError: if it is neither 1 nor 0, nor a word for one of them.
    """
    value = setting("LAB_STRICT")
    if value and value.lower() not in WORDS:
        raise ValueError(f"LAB_STRICT should be 1 or 0, but is {value!r}. Change the variable, or unset it.")
    return WORDS.get(value.lower(), False)


def restore(what: str) -> str:
    """Return what to do where a shipped file is missing: another sentence where LAB_DATA points elsewhere."""
    if value := setting("LAB_DATA"):
        return f"LAB_DATA is {value!r}: unset it to use the kit's own {what}, or name the folder that has one."
    return f"Restore the kit's own {what} from the repository, or let LAB_DATA name the folder that has one."


def unknown_variables() -> list[str]:
    """Return a sentence for each environment variable that looks like one of the kit's, but that nothing reads."""
    found = []
    for name in sorted(os.environ):
        spelt = name.upper().replace("-", "_")
        if name in VARIABLES or name in _OF_THE_TESTS or not spelt.startswith("LAB"):
            continue
        ours = spelt.startswith("LAB_")  # LABEL_STUDIO_DIR is none of our business, LABPROFILE is
        if near := nearest(spelt, VARIABLES, MISSPELT if ours else 0.9):
            found.append(f"{name} is set, but nothing reads it. Did you mean {near[0]}?")
        elif ours:
            found.append(f"{name} is set, but the kit reads only {', '.join(VARIABLES)}.")
    return found


def _folder(variable: str) -> Path | None:
    """Return the folder that a variable names; a relative one counts from where Python was started.

    A name such as ``$HOME`` in it stands for its value: files of settings, and editors, pass it on as it is written.
    """
    value = os.path.expandvars(setting(variable))
    if re.match(r"\w+://|\$\{?\w|%\w+%", value) or (os.name == "posix" and re.match(r"[A-Za-z]:\\", value)):
        raise ValueError(
            f"{variable} should name a folder of this machine, but is {value!r}. Write the whole path, or unset it."
        )
    try:
        return Path(value).expanduser().resolve() if value else None
    except (RuntimeError, OSError) as error:  # ~name of nobody, a loop of links
        raise ValueError(f"{variable} should name a folder, but {value!r} cannot be found ({error}).") from error
