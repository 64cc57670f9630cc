"""What the pages have in common: templates that escape everything, a policy that runs nothing, words for numbers."""

import base64
import hashlib
import math
import re
from datetime import tzinfo
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lab_utils.staff.course.settings import local_times
from lab_utils.staff.feedback.standing import UNCOLLECTED, UNGRADED, Answered
from lab_utils.staff.grading import result
from lab_utils.staff.grading.safe_text import shorten

TEMPLATES = Path(__file__).parent / "templates"

# status -> sign, words, class in style.css. A sign and words, so that nothing is said by colour alone.
_SHOWN = {
    result.PASSED: ("✓", "passed", "good"),
    result.WRONG: ("✗", "not right yet", "bad"),
    result.NOT_ATTEMPTED: ("\u2013", "not attempted", "none"),
    result.CRASHED: ("!", "stopped with an error", "bad"),
    result.TIMED_OUT: ("!", "ran out of time", "bad"),
    result.INVALID: ("!", "the notebook cannot be read", "bad"),
    result.MISSING: ("\u2013", "missing", "none"),
    result.UNDECIDED: ("…", "not decided yet", "wait"),
    result.WAITING: ("…", "not marked yet", "wait"),
    UNGRADED: ("…", "not graded yet", "wait"),
    UNCOLLECTED: ("…", "not collected yet", "wait"),
}
EVIDENCE = {
    "seen": "We fetched this commit ourselves, and that is the time that counts.",
    "pushed": "The time is from the host's own record of the push.",
    "bounded": "The commit names an earlier time, but we fetched the repository then and it was not there: the time of "
    "that fetch counts.",
    "claimed": "The time is only the one written in the commit itself. Nothing else confirms it.",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        text=text, points=points, prose=prose, code=code, duration=duration, moment=moment, signed=signed
    )
    return environment


def render(template: str, **values: Any) -> bytes:
    """Return a page. Its policy allows no script, no address outside the page, and no style but its own."""
    style = (TEMPLATES / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    page = _environment().get_template(template).render(style=Markup(style), style_digest=digest, **values)
    return page.encode("utf-8")


def shown(status: str) -> tuple[str, str, str]:
    """Return sign, words and class of a status."""
    return _SHOWN.get(status, ("?", status, "wait"))


def shown_question(answer: Answered) -> tuple[str, str, str]:
    """Return sign, words and class of a question, by its points where it was graded."""
    if answer.status != result.GRADED or answer.points is None:
        return shown(answer.status)
    if answer.points >= answer.question.points - 1e-9:
        return "✓", "full points", "good"
    if answer.question.kind == "written":
        return ("◐", "marked", "part") if answer.points > 0 else ("✗", "marked", "bad")
    return ("◐", "partly right", "part") if answer.points > 0 else ("✗", "not right yet", "bad")


def text(value: str, length: int = 2000) -> str:
    """Return a text of anybody's: cut, and with nothing in it that hides or turns."""
    return shorten(value, length)


def prose(value: str) -> Markup:
    """Return a hint with its `code` set as code and its *emphasis* as such; all else is escaped."""
    parts = re.split(r"`([^`\n]+)`", shorten(value, 2000))
    plain = [re.sub(r"(?<![\w*])\*(\w[\w ]*)\*(?![\w*])", r"<em>\1</em>", str(escape(part))) for part in parts]
    return Markup("".join(f"<code>{escape(part)}</code>" if i % 2 else plain[i] for i, part in enumerate(parts)))


def code(value: str) -> str:
    """Return lines of a student's code, cut to a size that a page can show."""
    lines = shorten(value, 1500).split("\n")
    return "\n".join([*lines[:12], "..."] if len(lines) > 12 else lines)


def points(value: float | None) -> str:
    """Return points with at most two decimals; a dash where nobody knows them."""
    return "\u2013" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")


def signed(value: float) -> str:
    """Return a correlation with two decimals and a true minus sign."""
    return f"{round(value, 2) + 0:.2f}".replace("-", "\u2212")  # + 0: never -0.00


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: "1 day 2 h", "5 min 3 s"."""
    if not math.isfinite(seconds):
        return "an unknown time"
    rest = round(seconds)
    parts = []
    for size, name in ((86400, "day"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
    return " ".join(parts[:2]) or "0 s"


def moment(value: str, zone: tzinfo | None = None, length: int = 100) -> str:
    """Return a text with its ISO 8601 times in UTC for people of a zone: "2026-11-06 23:20:01 (UTC+08:00)"."""
    return text(local_times(value, zone), length)
