"""What a lab needs and this environment lacks, and pip for it. Standard library only: see `lab_utils.first_cell`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "transfer-learning-labs"  # the name in pyproject.toml
OLD_DISTRIBUTION = "lab-utils"  # in version 0.1.0; in the registry that is somebody else's
PATIENCE = 900  # seconds for pip

# In requirements.txt, but for the command line: where a kernel runs already, a lab needs none of them.
TOOLS = frozenset(("ipykernel", "jupyterlab", "nbformat", "nbclient", "nbconvert", "jinja2", "nbval", "tomli"))
TOOLS |= {"filelock", "msgspec"}
KEPT = ("torch", "torchvision", "numpy")  # of the machine: pip replaces none of them for the sake of another package


def requirements(root: Path) -> list[str]:
    """Return the lines of requirements.txt in the folder of the course, or what the installed package asks for."""
    try:
        lines = (root / "requirements.txt").read_text("utf-8-sig").splitlines()
    except OSError:
        try:
            lines = [line for line in metadata.requires(DISTRIBUTION) or [] if "extra ==" not in line]
        except metadata.PackageNotFoundError:
            lines = []
    found = (line.partition("#")[0].strip() for line in lines)
    return [line for line in found if line and not line.startswith("-")]  # "-": an option for pip


def missing(wanted: Iterable[str]) -> list[str]:
    """Return those of the requirements that a lab needs and this environment does not satisfy, as name>=version."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # pip carries a copy
        from pip._vendor.packaging.requirements import Requirement  # type: ignore[assignment]
    found = []
    for line in wanted:
        requirement = Requirement(line)
        if requirement.name.lower() in TOOLS or (requirement.marker and not requirement.marker.evaluate()):
            continue
        have = version_of(requirement.name)
        if have is None or not requirement.specifier.contains(have, prereleases=True):
            found.append(f"{requirement.name}{requirement.specifier}")
    return found


def pip_install(wanted: Sequence[str]) -> str:
    """Let pip install the requirements; return what it said if it failed, "" if it did not. It asks nothing."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "kept.txt")
        versions = {name: version_of(name) for name in KEPT if not any(line.startswith(name) for line in wanted)}
        kept.write_text("".join(f"{name}=={have}\n" for name, have in versions.items() if have), "utf-8")
        options = ["--quiet", "--no-color", "--retries=1", "--timeout=15", "--constraint", str(kept)]
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pip", "install", *options, *wanted],
                env={**os.environ, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"it timed out after {PATIENCE // 60} minutes"
        except OSError as error:
            return str(error)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")] or lines[-1:]
    return " ".join(errors)[:600].rstrip(".") or f"it ended with {done.returncode}"


def version_of(distribution: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
