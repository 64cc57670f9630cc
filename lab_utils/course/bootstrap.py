"""The first cell of every lab, and the course settings stamped into it."""

import sys
from pathlib import Path
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIRST_LINE = "# Run this cell first. On a fresh machine (Colab, Kaggle) it fetches the course and what it needs."

_CELL = """\
{first_line}
import importlib.util
import site
import subprocess
import sys
from pathlib import Path

repository = "{repository}"
folder = "{folder}"
if importlib.util.find_spec("lab_utils") is None:
    folders = [Path.cwd(), *Path.cwd().parents]
    root = next((f for f in folders if (f / "lab_utils/doctor.py").is_file()), Path.cwd() / folder)
    if not (root / "lab_utils/doctor.py").is_file():
        subprocess.run(["git", "clone", "--depth=1", repository, str(root)], check=True)
    # These are ranges that the torch and NumPy of this machine satisfy: neither is installed again.
    what = ["--requirement", str(root / "requirements.txt"), "--editable", str(root)]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *what], check=True)
    site.addsitedir(str(root))  # so that this kernel, already running, finds the package too

from lab_utils.doctor import start

start("{lab}")"""


class Course(NamedTuple):
    """Settings from course.toml."""

    repository: str
    folder: str


def read_course(path: Path) -> Course:
    """Read course.toml.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a setting is missing, no text, or would break out of its quotes in the cell.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the course settings in {path}, found no file. Restore it from the repository."
        )
    with path.open("rb") as file:
        table = tomllib.load(file).get("course", {})
    for name in Course._fields:
        value = table.get(name)
        if not isinstance(value, str) or not value or any(character in value for character in '"\\\n'):
            raise ValueError(
                f"Expected {path} to hold [course] {name} as a text without quotes, backslashes and line breaks, "
                f"got {value!r}. Correct the line."
            )
    return Course(table["repository"], table["folder"])


def bootstrap_cell(lab: str, course: Course) -> str:
    """Return the source of the first cell of `lab`; it touches no network where lab_utils is installed."""
    return _CELL.format(first_line=FIRST_LINE, lab=lab, repository=course.repository, folder=course.folder)
