"""What the first cell of a notebook does once it has found the kit: is all there that a lab needs? Then `start`.

Standard library only, and readable for Python 3.8: this runs where nothing is known yet, and says what is missing.
PyTorch is never installed from here: that would be 2.7 GB into a kernel that was perhaps chosen by mistake.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import re
import site
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import lab_utils
from lab_utils.missing_packages import DISTRIBUTION, missing, pip_install, requirements, version_of
from lab_utils.versions import AGAIN, compare, kit_root, numbers

OLDEST_PYTHON = (3, 10)
OWN_MODULES = {"scikit-learn": "sklearn"}  # packages whose module has another name

_ADVICE = (  # a part of what pip says, and what to do about it; the first that fits
    ("externally-managed", "This Python belongs to the operating system: choose the kernel of the course (.venv)."),
    ("No module named pip", "This kernel has no pip: install it with the tool that made the kernel (uv, conda)."),
    ("No space left|Disk quota", "Make room on the disk."),
    ("Permission denied|Read-only", "You may not write there: choose the kernel of the course (.venv)."),
    (
        "onnection|timed out|resolution|No matching distribution",
        "Is this machine online? (On Kaggle, switch Internet on in the settings of the notebook.)",
    ),
)


class Stop(Exception):
    """Why a notebook cannot start and what to do: Jupyter shows this paragraph alone, and runs no further cell."""

    def _render_traceback_(self) -> list[str]:
        return textwrap.wrap(str(self), 90, break_long_words=False, break_on_hyphens=False)


def start(lab: str, notebook: str, root: Path) -> None:
    """Install the small packages that are missing, then print what the lab runs on.

    Args:
        lab: the name of the notebook.
        notebook: the version of the kit that the notebook was built with.
        root: the folder in which the first cell found the kit.

    Raises:
        Stop: if the lab cannot run here; it says what to do.
    """
    if sys.version_info < OLDEST_PYTHON:
        raise Stop(
            f"The labs need Python 3.10 or newer. This kernel runs {platform.python_version()} ({sys.executable}): "
            f"choose another one. {AGAIN}"
        )
    _check_kit(notebook, root)
    _name_others()
    _check_torch()
    install(missing(requirements(kit_root())))
    _tell_child_processes()
    from lab_utils import doctor  # not before: it imports what was just looked for

    try:
        doctor.start(lab)
    except (ValueError, OSError) as error:  # a variable of the environment with nonsense, or a file that is not there
        raise Stop(f"{error} {AGAIN}") from None


def install(wanted: Sequence[str]) -> None:
    """Let pip install what is missing; it is not even started where nothing is.

    Raises:
        Stop: if it could not, or replaced a package that this kernel has loaded.
    """
    wanted = [line for line in wanted if not re.match(r"(torch|torchvision)(?![\w-])", line)]  # doctor names an old one
    if not wanted:
        return
    names = [re.split(r"[^\w.-]", line)[0] for line in wanted]
    loaded = [name for name in names if OWN_MODULES.get(name, name.replace("-", "_")) in sys.modules]
    print(f"Installing {', '.join(wanted)}")
    said = pip_install(wanted)
    if site.ENABLE_USER_SITE and Path(site.getusersitepackages()).is_dir():
        site.addsitedir(site.getusersitepackages())  # pip makes it where it may not write elsewhere
    importlib.invalidate_caches()
    if still := missing(wanted):
        advice = next((text for words, text in _ADVICE if re.search(words, said)), "")
        raise Stop(
            f"The lab needs {', '.join(still)}, which this kernel ({sys.executable}) does not have, and pip could not "
            f"install it: {said or 'it did not say why'}. {advice} {AGAIN}"
        )
    if loaded:
        raise Stop(f"This kernel still has the old {', '.join(loaded)}, which had to be renewed: restart it. {AGAIN}")


def _check_kit(notebook: str, root: Path) -> None:
    """Hold the kit to the notebook, and what this kernel has loaded of the kit to what lies there now."""
    if not os.path.samefile(kit_root(), root):
        raise Stop(
            f"This kernel has loaded {lab_utils.__file__}, but the course is in {root}. Restart the kernel. {AGAIN}"
        )
    if (kit_root() / ".git").exists() and not (kit_root() / "requirements.txt").exists():  # git writes that one last
        raise Stop(
            f"The course in {kit_root()} was not copied whole: requirements.txt is missing. Rename or delete "
            f"that folder, fetch it anew, and restart the kernel. {AGAIN}"
        )
    text = Path(str(lab_utils.__file__)).read_text("utf-8", "replace")
    on_disk = text.partition('__version__ = "')[2].partition('"')[0]
    if on_disk != lab_utils.__version__:
        raise Stop(
            f"The kit in {kit_root()} is now of version {on_disk}, but this kernel has loaded version "
            f"{lab_utils.__version__}. Restart the kernel. {AGAIN}"
        )
    said = compare(notebook, on_disk)
    if said and numbers(on_disk) < numbers(notebook):
        raise Stop(said)
    if said:
        print(f"NOTE: {said}")


def _name_others() -> None:
    """Say where another package named lab_utils lies: a program that is started elsewhere may find that one."""
    files = [Path(folder, name).resolve() for folder in sys.path for name in ("lab_utils/__init__.py", "lab_utils.py")]
    for file in dict.fromkeys(files):
        try:
            text = file.read_text("utf-8", "replace")
        except OSError:
            continue
        if lab_utils.MARK not in text:
            advice = "rename it" if Path.cwd() in file.parents else "pip uninstall lab-utils"
            print(
                f"NOTE: {file} is another package of the name lab_utils. The notebook uses that of the course, in "
                f"{kit_root()}. If you do not need the other one: {advice}"
            )


def _check_torch() -> None:
    """Stop where PyTorch is missing or broken."""
    absent = [name for name in ("torch", "torchvision") if importlib.util.find_spec(name) is None]
    if absent:
        python = kit_root() / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        own = f"Make an environment for the course, as README.md in {kit_root()} says, and choose it as the kernel."
        if python.exists():
            own = (
                f"Choose the kernel of the course, {python}: in VS Code with Select Kernel at the top right, in "
                "JupyterLab by starting it with that Python."
            )
        raise Stop(
            f"This kernel ({sys.executable}) has no {' and no '.join(absent)}. Nothing was installed: it would be "
            f"up to 2.7 GB. {own} Or, if you want it in this kernel, run %pip install torch torchvision in a new cell. "
            f"{AGAIN}"
        )
    try:
        importlib.import_module("torch")
    except Exception as error:  # whatever a broken installation raises: a missing library, another NumPy
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise Stop(
            f"PyTorch is installed in this kernel ({sys.executable}), but it cannot be loaded: {first}. Install torch "
            f"and torchvision anew, both from one index, and restart the kernel. {AGAIN}"
        ) from None


def _tell_child_processes() -> None:
    """Let programs that the notebook starts find the kit, where it is not installed but only lies in a folder."""
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    root = str(kit_root())
    if version_of(DISTRIBUTION) is None and root not in known and os.pathsep not in root:
        os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, known)])
