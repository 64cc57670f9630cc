"""What `build` stamps into a notebook from the course settings: the first cell, the Colab badge, the deadline.

The first cell stands alone: on a fresh machine there is nothing else. It only finds or fetches the kit; all that comes
after is the kit's own, in `lab_utils.first_cell`.
"""

import re
from datetime import datetime
from urllib.parse import quote

import lab_utils
from lab_utils.course.settings import Course, Homework

FIRST_LINE = "# Run this cell first. On a fresh machine (Colab, Kaggle) it fetches the course and what it needs."

_CELL = """\
<first_line>
import os
import shutil
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

repository = "<repository>"
branch, folder, version = "<branch>", "<folder>", "<version>"


class Stop(Exception):
    def _render_traceback_(self):  # the words alone are shown, and no cell below runs on
        return textwrap.wrap(str(self), 110, break_long_words=False, break_on_hyphens=False)


def kit_in(place):  # its version, or ""; other packages have this name, too
    try:
        text = (place / "lab_utils" / "__init__.py").read_text("utf-8", "replace")
    except OSError:
        return ""
    return text.partition('__version__ = "')[2].partition('"')[0] if "<mark>" in text else ""


def fetch(root):  # returns what stands in the way, or ""
    if "//example.org/" in repository:
        return "This notebook has no address of a course yet: open it in the folder of the course, or ask your teacher."
    if os.path.lexists(root):
        try:
            root.rmdir()  # an empty one
        except OSError:
            return f"{root} is something else, or a copy of the course that was cut short: rename or delete it."
    if not shutil.which("git"):
        return "There is no git on this machine: install it (https://git-scm.com), or download the course by hand."
    print(f"Fetching the course from {repository} into {root}")
    new = root.with_name(f".{root.name}-{os.urandom(4).hex()}")  # until it is whole: what is cut short can be run again
    git = ["git", "-c", "http.lowSpeedLimit=1", "-c", "http.lowSpeedTime=60", "clone", "--quiet", "--depth=1"]
    never_ask = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS": "", "GCM_INTERACTIVE": "never"}
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [*git, f"--branch={branch}", "--", repository, str(new)],
            env={**os.environ, **never_ask, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
        )
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-500:]
        if done.returncode == 0:
            said = "There is no kit of this course in it."
            if kit_in(new):
                new.rename(root)
    except OSError as error:
        said = str(error)
    except subprocess.TimeoutExpired:
        said = "It timed out after ten minutes."
    finally:
        shutil.rmtree(new, ignore_errors=True)
    if kit_in(root):  # also where another notebook was faster
        return ""
    advice = "Is the address right, and may everybody read it? (What is private you clone by hand.)"
    if any(word in said for word in ("resolve", "onnect", "timed out", "unreachable", "EOF", "hung up")):
        advice = "Is this machine online? (On Kaggle, switch Internet on in the settings of the notebook.)"
    elif any(word in said for word in ("could not create", "write", "space", "quota", "Errno", "WinError")):
        advice = "Is there room on the disk, and may you write in this folder?"
    return f"{repository}, branch {branch}: {said} {advice}"


try:
    here, loaded = Path.cwd(), sys.modules.get("lab_utils")
except OSError:
    raise Stop("The folder of this notebook is gone. Open it where it is now and restart the kernel.") from None
spec = loaded.__spec__ if loaded else find_spec("lab_utils")
installed = Path(spec.origin).parent.parent if spec and spec.origin else here
root = next((place for place in (here, *here.parents, here / folder, installed) if kit_in(place)), here / folder)
problem = "" if kit_in(root) else fetch(root)
if problem:
    other = f" ({spec.origin or 'The folder lab_utils'} is another package.)" if spec else ""
    raise Stop(f"The course is not in {here} and cannot be fetched.{other} {problem} Then run this cell again.")
if loaded and Path(loaded.__file__ or "/").resolve().parent.parent != root.resolve():
    raise Stop(f"This kernel has loaded {loaded.__file__}, but the course is in {root}. Restart it and run this cell.")
sys.path[:] = [str(root), *(place for place in sys.path if place != str(root))]
try:
    from lab_utils.first_cell import start
except ImportError:
    raise Stop(
        f"This notebook needs the kit of version {version}. That in {root} is of version {kit_in(root)}: it is older "
        "or was not copied whole. In that folder run git pull (or download it anew), then restart the kernel."
    ) from None

start("<lab>", notebook=version)"""

STAMP = "<!-- From course.toml, by build: do not edit here. -->"
_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"
_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")


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
