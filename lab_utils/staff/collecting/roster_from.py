"""Make roster.csv from what others have: files of GitHub Classroom, or a list of addresses: ``roster SOURCE``.

Read are GitHub Classroom's roster (columns identifier, github_username, github_id, name), the grades of one of its
assignments, which also hold the repositories (roster_identifier, github_username, student_repository_url, and for teams
group_name), and a text with a line for each student: an address of mail, "Ada Lovelace <ada@example.org>", an address
of a repository, or both.

References:
    GitHub, REST API endpoints for GitHub Classroom (the fields of its grades), docs.github.com/en/rest/classroom;
    abc-classroom, Managing the classroom roster (the columns of its roster), abc-classroom.readthedocs.io.
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from lab_utils.atomic import write_text
from lab_utils.staff.collecting.roster import STUDENT
from lab_utils.text_files import decoded, header_of, read_lines

HEADER = ("student", "name", "email", "url", "team")
_MAIL = re.compile(r"[\w.+%-]+@[\w-]+(\.[\w-]+)+")
_LINK = re.compile(r"(https?|file)://[^\s,;<>]+")
_FIELD = re.compile(r"\{(\w+)\}")


def make_roster(source: Path, target: Path, *, url: str = "") -> int:
    """Write a roster and return how many students are in it.

    Args:
        source: the file to make it of.
        target: a file that is not there yet.
        url: of the repositories, with {student} or {github} in the place of the name, where `source` has none.

    Raises:
        FileNotFoundError: if there is no `source`.
        ValueError: if it is none of these files, a student has no identifier of one's own, or `target` is there.
    """
    if not source.is_file():
        raise FileNotFoundError(f"Expected a file of GitHub Classroom or a list of addresses in {source}, found none.")
    if target.exists():
        raise ValueError(f"Expected no file in {target}, which would be lost. Move it, or name another with --output.")
    lines = read_lines(source)
    header = header_of(lines, source) if lines and len(lines[0][1]) > 1 else []
    if "github_username" in header:
        tables = [dict(zip(header, (cell.strip() for cell in cells), strict=False)) for _, cells in lines[1:]]
        rows = [_of_classroom(table) for table in tables]
    else:
        texts = decoded(source.read_bytes(), errors="replace").splitlines()
        rows = [_of_address(text) for text in texts if text.strip() and not text.lstrip().startswith("#")]
    rows = [row | {"url": row["url"] or _filled(url, row)} for row in rows]
    _check(rows, source)
    columns = HEADER if any(row["team"] for row in rows) else HEADER[:-1]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *([row[name] for name in columns] for row in rows)])
    write_text(target, text.getvalue())
    return len(rows)


def _of_classroom(table: Mapping[str, str]) -> dict[str, str]:
    known = table.get("identifier") or table.get("roster_identifier", "")
    github = table.get("github_username", "")
    mail = known if _MAIL.fullmatch(known) else ""
    names = (known, mail.partition("@")[0], github)
    student = next((name for name in names if STUDENT.fullmatch(name)), "")
    url = table.get("student_repository_url", "")
    name = table.get("name", "") or (known if " " in known else "")
    return {"student": student, "github": github, "name": name, "email": mail, "url": url, "team": _team(table)}


def _team(table: Mapping[str, str]) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", table.get("group_name", "")).strip("-")


def _of_address(text: str) -> dict[str, str]:
    link, mail = _LINK.search(text), _MAIL.search(_LINK.sub("", text))
    url = link[0] if link else ""
    name = text.partition("<")[0].strip(' ",;\t') if mail and "<" in text else ""
    student = mail[0].partition("@")[0] if mail else url.rstrip("/").rpartition("/")[2].removesuffix(".git")
    github = found[1] if (found := re.match(r"https://github\.com/([\w-]+)/", url)) else ""
    return {
        "student": student,
        "github": github,
        "name": name,
        "email": mail[0] if mail else "",
        "url": url,
        "team": "",
    }


def _filled(url: str, row: Mapping[str, str]) -> str:
    """Return the address of a repository from its pattern."""
    if unknown := [name for name in _FIELD.findall(url) if name not in ("student", "github")]:
        raise ValueError(f"Expected {{student}} or {{github}} in --url, got {{{unknown[0]}}}. Correct the word.")
    if missing := [name for name in _FIELD.findall(url) if not row[name]]:
        raise ValueError(
            f"Expected a {missing[0]} for {row['name'] or row['student']!r} to make the link of, got none."
        )
    return _FIELD.sub(lambda match: row[match[1]], url)


def _check(rows: list[dict[str, str]], source: Path) -> None:
    if not rows:
        raise ValueError(f"Expected students in {source}, found none.")
    seen: dict[str, str] = {}
    for row in rows:
        words = ", ".join(value for value in row.values() if value) or "an empty line"
        if not STUDENT.fullmatch(row["student"]):
            raise ValueError(
                f"Expected in {source} an identifier, an address of mail or a repository for each student, whose name "
                f"can be that of a file, got {words}. Correct the line."
            )
        if (first := seen.setdefault(row["student"].casefold(), words)) is not words:
            raise ValueError(f"Expected each student of {source} once, got {row['student']!r} in {first} and {words}.")
