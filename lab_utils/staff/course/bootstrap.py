"""What `build` stamps into a notebook from the course settings: the first cell, the Colab badge, the deadline.

The first cell stands alone: on a fresh machine there is nothing else. It only finds or fetches the kit; all that comes
after is the kit's own, in `lab_utils.first_cell`.
"""

import re
from datetime import datetime
from urllib.parse import quote

import lab_utils
from lab_utils.staff.course.settings import Course, Homework

TITLE = "# @title "  # of a cell that is folded away; what it does follows
FIRST_WORDS = (f"{TITLE}Run this cell first", "# Run this cell first")  # of now, and of version 0.1.0
FIRST_LINE = f"{FIRST_WORDS[0]} (Shift+Enter): it finds or fetches the course and looks at this machine"
# Folded away: Colab shows the title alone, JupyterLab and Notebook 7 the first line. (VS Code may show all of it.)
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}

_CELL = """\
<first_line>
import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

repository, branch = "<repository>", "<branch>"
folder, version = "<folder>", "<version>"


class Stop(Exception):
    def _render_traceback_(self):  # the words alone are shown, and no cell below runs on
        return textwrap.wrap(str(self), 90, break_long_words=False, break_on_hyphens=False)


def has_kit(place):  # other packages are named lab_utils, too
    file = Path(place, "lab_utils", "__init__.py")
    return os.path.isfile(file) and "<mark>" in file.read_text("utf-8", "replace")


def fetch(root):
    lost = f"The course is not in {here}"
    if "//example.org/" in repository:
        raise Stop(f"{lost}, its address is unknown. Open this notebook in the course's folder, or ask your teacher.")
    if root.is_dir() and not os.listdir(root):
        root.rmdir()
    if os.path.lexists(root):
        raise Stop(f"{lost}. {root} is something else, or was cut short: rename or delete it and run this cell again.")
    if not shutil.which("git"):
        raise Stop(f"{lost}, and there is no git to fetch it: install git (https://git-scm.com), run this cell again.")
    print(f"Fetching the course from {repository} into {root}")
    root.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=root.parent) as place:  # what is cut short is in nobody's way
        new = os.path.join(place, "new")
        git = ["git", "clone", "--quiet", "--depth=1", f"--branch={branch}", "--", repository, new]
        never_ask = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
        options = {"env": {**os.environ, **never_ask}, "stdin": subprocess.DEVNULL, "capture_output": True}
        done = subprocess.run(git, timeout=600, **options)
        if done.returncode or not has_kit(new):
            raise OSError(done.stderr.decode("utf-8", "replace") if done.returncode else "It holds no kit of a course")
        if not has_kit(root):  # or another notebook was faster
            os.rename(new, root)
    return root


try:
    here, spec = Path.cwd(), find_spec("lab_utils")
    installed = [Path(spec.origin).parent.parent] if spec and spec.origin else []
    near = [here, *here.parents, here / folder, here.parent / folder]
    root = next(filter(has_kit, (*near, *installed, *map(Path, sys.path))), None) or fetch(here / folder)
except (OSError, subprocess.SubprocessError) as error:
    raise Stop(
        f"The course cannot be fetched from {repository}, branch {branch}. {' '.join(str(error).split())[:500]}. Is "
        "this machine online (Kaggle: Internet, in the settings)? Is the address right, and may everybody read it? Is "
        "this folder still there, may you write in it, and is there room on the disk? Then run this cell again."
    ) from None
if root not in installed:
    sys.path.insert(0, str(root))
try:
    from lab_utils.first_cell import start
except ImportError:
    loaded = sys.modules["lab_utils"]
    raise Stop(
        f"This notebook needs the kit of version {version}. This kernel has {loaded.__file__} of version "
        f"{getattr(loaded, '__version__', '?')}: an older one, half a copy, or another package. Restart the kernel and "
        "run this cell again. If that is not enough: git pull in its folder, a new copy, or pip uninstall lab-utils."
    ) from None

start("<lab>", version, root)"""

STAMP = "<!-- From course.toml, by build: do not edit here. -->"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


def is_folded(source: str) -> bool:
    """Whether a code cell with this source is folded away, whatever a program made of its metadata."""
    return source.startswith(TITLE)


def bootstrap_cell(lab: str, course: Course) -> str:
    """Return the source of the first cell of `lab`; it touches no network where lab_utils is installed."""
    values = {
        "first_line": FIRST_LINE,
        "repository": course.repository,
        "branch": course.branch,
        "folder": course.folder,
        "version": lab_utils.__version__,
        "mark": lab_utils.MARK,
        "lab": lab,
    }
    return re.sub(r"<(\w+)>", lambda found: values[found[1]], _CELL)


def stamp_cell(lab: str, course: Course) -> str:
    """Return the text of the stamped cell of `lab`, or "" where there is nothing to tell.

    The badge opens the released notebook in Colab; it needs a repository on github.com.
    """
    lines = []
    if match := _GITHUB.fullmatch(course.repository):
        address = (
            f"https://colab.research.google.com/github/{match[1]}/blob/{quote(course.branch)}/labs/{quote(lab)}.ipynb"
        )
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
