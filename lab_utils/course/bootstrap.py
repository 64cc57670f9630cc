"""What `build` stamps into a notebook from the course settings: the first cell, the Colab badge, the deadline."""

import re
from datetime import datetime

from lab_utils.course.settings import Course, Homework

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

STAMP = "<!-- From course.toml, by build: do not edit here. -->"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def bootstrap_cell(lab: str, course: Course) -> str:
    """Return the source of the first cell of `lab`; it touches no network where lab_utils is installed."""
    return _CELL.format(first_line=FIRST_LINE, lab=lab, repository=course.repository, folder=course.folder)


def stamp_cell(lab: str, course: Course) -> str:
    """Return the text of the stamped cell of `lab`, or "" where there is nothing to tell.

    The badge opens the released notebook in Colab; it needs a repository on github.com.
    """
    lines = []
    if match := _GITHUB.fullmatch(course.repository):
        address = f"https://colab.research.google.com/github/{match[1]}/blob/{course.branch}/labs/{lab}.ipynb"
        lines.append(f"[![Open In Colab]({_BADGE})]({address})")
    if lab in course.homeworks:
        lines.append(deadline_text(course.homeworks[lab]))
    return "\n\n".join([STAMP, *lines]) if lines else ""


def deadline_text(homework: Homework) -> str:
    """Say in Markdown when a homework is due, and what lateness costs."""
    late = homework.late
    minutes = late.grace.total_seconds() / 60
    grace = f"{minutes:g} minute{'' if minutes == 1 else 's'}"
    cost = {
        "none": "Work that comes later counts in full.",
        "zero": "Work that comes later counts nothing.",
        "percent": f"Every started {late.per} after it costs {late.percent:g} % of the points.",
    }[late.rule]
    forgiven = f" A delay of up to {grace} costs nothing." if late.grace and late.rule != "none" else ""
    return f"**Due: {_when(homework.deadline)}.** {cost}{forgiven}"


def _when(moment: datetime) -> str:
    zone = moment.strftime("%z")
    return f"{moment.strftime('%A')} {moment.day} {moment.strftime('%B %Y, %H:%M:%S')} (UTC{zone[:3]}:{zone[3:]})"
