"""Notebook and kit carry a version: which is older, in words. Standard library only: see `lab_utils.first_cell`."""

from __future__ import annotations

import re
from pathlib import Path

import lab_utils
from lab_utils.missing_packages import DISTRIBUTION, OLD_DISTRIBUTION, version_of

AGAIN = "Then run this cell again."


def compare(notebook: str, kit: str) -> str:
    """Say in words which of two versions is older, and what to do; "" if both are the same."""
    if numbers(kit) < numbers(notebook):
        return (
            f"The kit is older than this notebook: the notebook is of version {notebook}, the kit in {kit_root()} of "
            f"version {kit}. {_renewal()}, then restart the kernel. {AGAIN}"
        )
    if numbers(kit) > numbers(notebook):
        return (
            f"This notebook is older than the kit: the notebook is of version {notebook}, the kit in {kit_root()} of "
            f"version {kit}. Your work goes on. If an exercise no longer fits its check, take the new notebook from "
            "labs/ of that folder and copy your functions over."
        )
    return ""


def _renewal() -> str:
    """Say how the kit is brought up to date where it lies."""
    if (kit_root() / ".git").exists():
        return "In that folder run git pull"
    if (kit_root() / "requirements.txt").exists():
        return "Download the course anew"
    name = DISTRIBUTION if version_of(DISTRIBUTION) else OLD_DISTRIBUTION
    return f"Open the notebook in the folder of the course, or run pip uninstall {name}"


def kit_root() -> Path:
    """The folder of the course that this kit lies in."""
    return Path(str(lab_utils.__file__)).resolve().parent.parent


def numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, to compare."""
    return tuple(int(number) for number in re.findall(r"\d+", version))
