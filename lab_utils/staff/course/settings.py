"""What an instructor sets for a course: course.toml.

The file has one table ``[course]`` and one for each homework, named after its notebook. ``python -m lab_utils build``
stamps what students should see into the notebooks; ``collect`` holds hand-ins to it.
"""

import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any

from lab_utils.names import MISSPELT, nearest
from lab_utils.staff.course.safe_words import (
    branch_problem,
    folder_problem,
    homework_problem,
    repository_problem,
    text_problem,
)
from lab_utils.text_files import decoded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ABOUT = ("repository", "folder", "name", "term", "branch")  # texts
SOLUTIONS = "solutions"
LATE_RULES = ("none", "zero", "percent")
PERIODS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
RIGHT_FORM = '"2026-11-06T23:59:00+08:00"'

_IN_UTC = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?(?:Z|\+00:00)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(?:\.\d+)? ?(Z|[+-]\d\d:?\d\d)")


@dataclass(frozen=True)
class Late:
    """What lateness costs.

    Attributes:
        rule: "none": late work counts in full; "zero": it counts nothing; "percent": every started period costs.
        percent: of the points, per started period, 0 to 100.
        per: the period, "hour" or "day" (24 hours).
        grace: lateness up to and with this costs nothing under any rule.
    """

    rule: str = "none"
    percent: float = 0.0
    per: str = "day"
    grace: timedelta = timedelta(0)


@dataclass(frozen=True)
class Homework:
    """When a homework is given out, when it is due, and what lateness costs. Both times know their offset."""

    name: str
    release: datetime
    deadline: datetime
    late: Late = Late()


@dataclass(frozen=True)
class Course:
    """Settings of a course.

    Attributes:
        repository: what the first cell of every lab clones where the kit is missing.
        folder: the folder it is cloned into.
        branch: of that repository; the Colab badges point to it.
        solutions: whether students can open solutions and sample answers of the labs, after attempts of their own. A
            homework never shows any.
        homeworks: by name, which is that of the notebook.
    """

    repository: str
    folder: str
    name: str = ""
    term: str = ""
    branch: str = "main"
    solutions: bool = True
    homeworks: dict[str, Homework] = field(default_factory=dict)


def read_course(path: Path) -> Course:
    """Read course.toml.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a setting is missing or wrong; the message names it and shows the right form.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the course settings in {path}, found no file. Restore it from the repository."
        )
    try:
        table = tomllib.loads(_decode(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"Expected TOML in {path}, but it cannot be read: {error}. Correct the line.") from error
    about = table.pop("course", {})
    homeworks = {name: _homework(name, entry, path) for name, entry in table.items()}
    return Course(**_about(about, path), homeworks=homeworks)


def homework_of(course: Course, name: str | None = None) -> Homework:
    """Return a homework of the course; None: its only one.

    Raises:
        ValueError: if course.toml has no dates for it, or several homeworks and no name is given.
    """
    known = ", ".join(course.homeworks) or "no homework"
    if name is None and len(course.homeworks) > 1:
        raise ValueError(f"Expected the name of a homework, got several in course.toml: {known}. Add --homework NAME.")
    name = name or next(iter(course.homeworks), "NAME")
    if name not in course.homeworks:
        raise ValueError(
            f"Expected course.toml to hold a table [{name}] with release and deadline, got tables for {known}. Add it."
        )
    return course.homeworks[name]


def read_time(value: object, what: str) -> datetime:
    """Return a moment that knows its offset from UTC, to the second.

    Args:
        value: a text such as 2026-11-06T23:59:00+08:00 (or Z for UTC), or a TOML date-time with an offset.
        what: where it was read, for the message.

    Raises:
        ValueError: if it is no date, or has no offset: 23:59 is another moment in every time zone.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.replace(microsecond=0)
    match = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        day, minute, second, offset = match.groups()
        offset = "+00:00" if offset == "Z" else f"{offset[:3]}:{offset[-2:]}"
        try:
            return datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{offset}")
        except ValueError:
            pass  # a 31st of February
    raise ValueError(
        f"Expected {what} as a date and time with its offset from UTC, such as {RIGHT_FORM}, got {str(value)!r}. "
        "Without an offset 23:59 is another moment in every time zone: write it behind the time, Z for UTC."
    )


def written_out(moment: datetime) -> str:
    """Return a moment for people, with its offset from UTC: 2026-11-06 23:59:00 (UTC+08:00)."""
    zone = moment.strftime("%z")
    known = "UTC" if not moment.utcoffset() else f"(UTC{zone[:3]}:{zone[3:5]})"
    return f"{moment:%Y-%m-%d %H:%M:%S} {known}"


def local_times(text: str, zone: tzinfo | None = None) -> str:
    """Return a text in which each ISO 8601 time in UTC is written out for people of a zone, everything else as it is.

    Args:
        text: with times such as 2026-11-06T15:59:00Z.
        zone: such as that of the course's deadline; None means UTC.
    """

    def local(match: re.Match[str]) -> str:
        try:
            moment = datetime.fromisoformat(f"{match[1]}+00:00")
            return written_out(moment.astimezone(zone or timezone.utc))
        except (ValueError, OverflowError):  # a 31st of February, or a zone beyond year 1
            return match[0]

    return _IN_UTC.sub(local, text)


def _decode(path: Path) -> str:
    """Return the text of the file, whatever program saved it, with the line ends of TOML."""
    content = path.read_bytes()
    try:
        text = decoded(content).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"Expected {path} to be text in UTF-8, but line {line} is in another encoding. Save it with the encoding "
            "UTF-8."
        ) from error
    if "\0" in text:
        raise ValueError(f"Expected {path} to be text in UTF-8, got zero bytes. Save it with the encoding UTF-8.")
    return text


def _about(table: object, path: Path) -> dict[str, Any]:
    """Return the checked settings of the table [course]; those that the kit does not know are left out."""
    if not isinstance(table, dict):
        raise ValueError(f"Expected course in {path} to be a table [course], got {table!r}. Correct the line.")
    known = (*ABOUT, SOLUTIONS)
    for name in set(table) - set(known):
        if near := nearest(name, known, MISSPELT):
            raise ValueError(f"Expected [course] in {path} to hold {near[0]!r}, got {name!r}. Correct the word.")
    about: dict[str, Any] = {name: table[name] for name in ABOUT if name in table}
    shown = table.get(SOLUTIONS, True)
    if not isinstance(shown, bool):
        raise ValueError(f"Expected {path} to hold [course] solutions as true or false, got {shown!r}. Correct it.")
    checks = {"repository": repository_problem, "folder": folder_problem, "branch": branch_problem}
    for name in dict.fromkeys(("repository", "folder", *about)):
        value: Any = about.get(name)
        expected = text_problem(value) or (checks[name](value) if name in checks else "")
        if expected:
            raise ValueError(f"Expected {path} to hold [course] {name} {expected}, got {value!r}. Correct the line.")
    return about | {SOLUTIONS: shown}


def _homework(name: str, entry: Any, path: Path) -> Homework:
    if expected := homework_problem(name):
        raise ValueError(f"Expected a table of {path} {expected}, got [{name!r}]. Correct the line.")
    if not isinstance(entry, dict):
        raise ValueError(f"Expected {name} in {path} to be a table [{name}], got {entry!r}. Correct the line.")
    times = {key: read_time(entry.get(key), f"[{name}] {key} in {path}") for key in ("release", "deadline")}
    if times["deadline"] <= times["release"]:
        raise ValueError(f"Expected the deadline of [{name}] in {path} after its release. Correct one of them.")
    known = ("release", "deadline", "late", "percent", "per", "grace_minutes")
    if unknown := sorted(set(entry) - set(known)):
        raise ValueError(f"Expected [{name}] in {path} to hold only {', '.join(known)}, got {', '.join(unknown)}.")
    return Homework(name, times["release"], times["deadline"], _late(name, entry, path))


def _late(name: str, entry: dict[str, Any], path: Path) -> Late:
    rule, per = entry.get("late", "none"), entry.get("per", "day")
    percent, grace = entry.get("percent", 0), entry.get("grace_minutes", 0)
    wrong = ""
    if rule not in LATE_RULES:
        wrong = f"late as one of {', '.join(LATE_RULES)}, got {rule!r}"
    elif not isinstance(per, str) or per not in PERIODS:
        wrong = f"per as one of {', '.join(PERIODS)}, got {per!r}"
    elif not _is_number(percent) or not 0 <= percent <= 100 or (rule == "percent") != (percent > 0):
        wrong = f'percent above 0 and up to 100, only with late = "percent", got late = {rule!r}, percent = {percent!r}'
    elif not _is_number(grace) or not 0 <= grace <= 10_000:
        wrong = f"grace_minutes as a number from 0 to 10000, got {grace!r}"
    if wrong:
        raise ValueError(f"Expected [{name}] in {path} to hold {wrong}. Correct the line.")
    return Late(rule, float(percent), per, timedelta(minutes=grace))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
