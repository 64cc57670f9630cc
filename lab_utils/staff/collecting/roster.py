"""The class: a CSV with one line per student, and the host's push records, another."""

import math
import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lab_utils.names import MISSPELT, nearest
from lab_utils.staff.collecting.teams import Student, as_teams
from lab_utils.staff.course.settings import read_time
from lab_utils.text_files import header_of, read_lines

COLUMNS = ("student", "name", "email", "url")
EXCEPTIONS = ("extension", "commit", "penalty", "reason")
OPTIONAL = (*EXCEPTIONS, "team", "lms_id")
PUSH_COLUMNS = ("student", "sha", "pushed_at")

STUDENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|class", re.IGNORECASE)  # Windows; the class page
_INSIDE = re.compile(r"(https://github\.com/[^/]+/[^/]+)/(?:tree|blob|commits?)/.*")
_SSH = re.compile(r"(?:ssh://)?git@([\w.-]+)[:/](\S+)")
_SHA = re.compile(r"[0-9a-f]{7,64}")
_PERCENT = re.compile(r"(\d{1,3}(?:[.,]\d+)?) ?%|0")  # without a sign, 0.1 and 10 could be one and the same


@dataclass(frozen=True)
class Push:
    """One line of the host's push records: when the host received a commit."""

    student: str
    sha: str
    pushed_at: datetime


def read_roster(path: Path, homework: str = "", homeworks: Collection[str] = ()) -> list[Student]:
    """Read the class, in the order of the file; a team stands where the first of its members does.

    The file may be as spreadsheets save it: commas, semicolons or tabs, UTF-8 or UTF-16, any line ends, empty lines and
    empty cells at the end, columns of one's own. A column that looks like a misspelt one of ours is refused.

    A link that cannot be used is no error here: `link_error` tells, for this student alone.

    Args:
        path: the file.
        homework: which is collected. Its own columns, such as homework5_url and homework5_extension, outrank those
            without its name.
        homeworks: all of the course. With more than one, an exception must say for which homework it is.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is wrong; the message names it.
    """
    students: list[Student] = []
    teams: list[str] = []
    lines: dict[str, int] = {}
    for number, row in _rows(path, COLUMNS, OPTIONAL, homework, homeworks):
        where = f"line {number} of {path}"
        name = row["student"]
        for kind in ("student", "team") if row["team"] else ("student",):
            _check_name(row[kind], kind, where)
        key = name.casefold()  # some file systems cannot tell Ann from ann
        if key in lines:
            raise ValueError(f"Expected each student once, got {name!r} in lines {lines[key]} and {number} of {path}.")
        if row["commit"] and not _SHA.fullmatch(row["commit"].lower()):
            raise ValueError(f"Expected commit in {where} as at least 7 hex digits of a SHA, got {row['commit']!r}.")
        lines[key] = number
        extension = read_time(row["extension"], f"extension in {where}") if row["extension"] else None
        url = _INSIDE.sub(r"\1", row["url"])  # a page inside of a repository, copied from the browser
        url = _from_folder(url, path.parent)
        penalty = _penalty(row, where)
        about = (name, row["name"], row["email"], url)
        teams.append(row["team"])
        students.append(Student(*about, extension, row["commit"].lower(), penalty, row["reason"], row["lms_id"]))
    if not students:
        raise ValueError(f"Expected at least one student in {path}, found none below the line of column names.")
    return as_teams(students, teams, path)


def _check_name(name: str, kind: str, where: str) -> None:
    if not STUDENT.fullmatch(name) or _RESERVED.fullmatch(name) or name.endswith("."):
        raise ValueError(
            f"Expected {kind} in {where} to be made of letters A-Z, digits, '.', '_' and '-', not beginning or "
            f"ending with '.', and neither 'class' nor a device of Windows such as 'nul', because files are named "
            f"after it; got {name!r}. Choose another identifier."
        )


def read_pushes(path: Path) -> list[Push]:
    """Read the host's push records; students that are not in the roster do no harm.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if a line is wrong; the message names it.
    """
    pushes = []
    for number, row in _rows(path, PUSH_COLUMNS, ()):
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", row["sha"].lower()):
            raise ValueError(f"Expected sha in line {number} of {path} as 40 hex digits, got {row['sha']!r}.")
        moment = read_time(row["pushed_at"], f"pushed_at in line {number} of {path}")
        pushes.append(Push(row["student"], row["sha"].lower(), moment))
    return pushes


def link_error(url: str, course: Path, folder: Path) -> str:
    """Return why a repository is not fetched from `url`, or "" if it may be tried.

    Args:
        url: from the roster. Git can be made to run commands by the links that it is given (``ext::``, a beginning
            ``-``), so only the three kinds that a course needs pass.
        course: the course with its solutions, which nobody hands in.
        folder: the instructor's working folder, with everybody's work.
    """
    if ssh := _SSH.fullmatch(url):
        return f"This is a link for SSH keys; only others are fetched. Write https://{ssh[1]}/{ssh[2]} in the roster."
    if not url:
        return "There is no link in the roster."
    if url.startswith("-") or re.search(r"[\x00-\x20\x7f]", url) or "::" in url:
        return "This is no link to a repository."
    if Path(url).is_absolute() or url.startswith("file://"):
        place = Path(unquote(url.removeprefix("file://")) if url.startswith("file://") else url).resolve()
        if not url.removeprefix("file://").startswith("/") and os.name != "nt":
            return "A file:// link needs an absolute path: file:///folder/repository."
        private = [
            folder.resolve(),
            *((course / name).resolve() for name in (".git", "solutions", "lab_utils", "grading")),
        ]
        if place == course.resolve() or any(place == p or p in place.parents for p in private):
            return "This folder belongs to the course itself."
        return ""
    try:
        parts = urlsplit(url)
        kind, host = parts.scheme, parts.hostname
    except ValueError:
        return "This is no link to a repository."
    if kind == "https" and host and not parts.username and not parts.password:
        return ""
    if kind == "https" and host:
        return "The link holds a name or a password. Leave it out; git finds it in ~/.netrc."
    return "Only links that begin with https:// or file:// and paths of folders are fetched."


def _penalty(row: dict[str, str], where: str) -> float | None:
    """Return the penalty that a person has set, as a fraction, or None."""
    if not row["penalty"]:
        return None
    match = _PERCENT.fullmatch(row["penalty"])
    percent = float((match[1] or "0").replace(",", ".")) if match else math.nan
    if not 0 <= percent <= 100:
        raise ValueError(
            f"Expected penalty in {where} as 0% to 100% of the points, such as 20%, or empty for what the late policy "
            f"says; got {row['penalty']!r}."
        )
    if not row["reason"]:
        raise ValueError(f"Expected a reason beside the penalty in {where}, which the student will read; got none.")
    return round(percent / 100, 6)


def _from_folder(url: str, folder: Path) -> str:
    """Return a path relative to the roster's folder as an absolute one, everything else as it is."""
    beside = folder / url
    is_path = bool(url) and not url.startswith("-") and ":" not in url and beside.is_dir()
    return str(beside.resolve()) if is_path and not Path(url).is_absolute() else url


def _rows(
    path: Path,
    columns: Sequence[str],
    optional: Sequence[str],
    homework: str = "",
    homeworks: Collection[str] = (),
) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, column -> text) for every line that is not empty."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected a CSV with the columns {', '.join(columns)} in {path}, found no file.")
    lines = read_lines(path)
    header = header_of(lines, path)
    known = (*columns, *optional)
    if missing := [name for name in columns if header.count(name) != 1]:
        raise ValueError(
            f"Expected the first line of {path} to name the columns {', '.join(columns)}, each once; "
            f"{', '.join(missing)} is missing or doubled in {header}."
        )
    if doubled := [name for name in optional if header.count(name) > 1]:
        raise ValueError(f"Expected the column {doubled[0]} once in the first line of {path}, got {header}.")
    own = {f"{name}_{column}".lower(): (name, column) for name in homeworks for column in (*EXCEPTIONS, "url")}
    for name in header:
        near = nearest(name, {*known, *own} - set(header), MISSPELT)
        if name not in known and name not in own and near:
            raise ValueError(
                f"The column {name!r} of {path} is not known and would be left out. Did you mean {near[0]!r}? Write it "
                "like that, or give the column a name that looks less like it."
            )
    rows = [(number, _row(number, cells, header, columns, path)) for number, cells in lines[1:]]
    for number, row in rows:
        given = [name for name in EXCEPTIONS if row.get(name)]
        if given and len(homeworks) > 1:
            raise ValueError(
                f"Expected the {given[0]} in line {number} of {path} to say for which homework it is, because the "
                f"course has several. Name its column {homework}_{given[0]}, or after another homework."
            )
        row |= {column: row[key] for key, (name, column) in own.items() if name == homework and row.get(key)}
    return [(number, {name: row.get(name, "") for name in known}) for number, row in rows]


def _row(number: int, cells: list[str], header: list[str], columns: Sequence[str], path: Path) -> dict[str, str]:
    """Return column -> text. Spreadsheets add empty cells at the end of a line, or leave them out."""
    while len(cells) > len(header) and not cells[-1].strip():
        cells = cells[:-1]
    lacking = header[len(cells) :]
    if len(cells) > len(header) or set(lacking) & set(columns):
        raise ValueError(
            f"Expected {len(header)} values in line {number} of {path}, got {len(cells)}. "
            "Put values that hold a comma between double quotes, without a blank before the first quote."
        )
    return {name: cell.strip() for name, cell in zip(header, [*cells, *[""] * len(lacking)], strict=True)}
