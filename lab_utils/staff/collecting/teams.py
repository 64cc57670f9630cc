"""One student of the class, and teams: several students who hand in one piece of work and get one mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lab_utils.staff.grading.collected import Person


@dataclass(frozen=True)
class Student:
    """One line of the roster.

    Attributes:
        student: the identifier; also a file name.
        name: the full name.
        email: the address.
        url: of the repository: https://, file://, or the absolute path of a folder.
        extension: a personal deadline, or None.
        commit: the commit to grade whatever the deadline says, as (the beginning of) a SHA, or "".
        penalty: fraction in [0, 1] of the points that is taken off, whatever the late policy says; None: as it says.
        reason: for the exception, in words; the student reads it.
        lms_id: the number that a learning platform has for the student, or "".
        members: of a team, which hands in one piece of work; `student` is then the name of the team.
    """

    student: str
    name: str
    email: str
    url: str
    extension: datetime | None = None
    commit: str = ""
    penalty: float | None = None
    reason: str = ""
    lms_id: str = ""
    members: tuple[Person, ...] = ()


def as_teams(students: Sequence[Student], teams: Sequence[str], path: Path) -> list[Student]:
    """Return the students without a team as they are, and each team as one, with all of its members.

    What a team has as one (link, extension, commit, penalty) may stand at one member or at several.
    """
    named = dict(zip((student.student for student in students), teams, strict=True))
    found: dict[str, Student] = {}
    for student in students:
        team = named[student.student]
        if not team:
            found[student.student] = student
            continue
        if team in named:
            raise ValueError(f"Expected a name for the team {team!r} of {path} that no student has. Choose another.")
        mine = [other for other in students if named[other.student] == team]
        people = tuple(Person(other.student, other.name, other.email, other.lms_id) for other in mine)
        one = {field: _one_of(field, mine, team, path) for field in ("url", "extension", "commit", "penalty", "reason")}
        found.setdefault(team, Student(team, ", ".join(p.name or p.student for p in people), "", **one, members=people))
    if len({name.casefold() for name in found}) < len(found):
        raise ValueError(
            f"Expected the teams of {path} to differ in more than capital letters, got {', '.join(found)}."
        )
    return list(found.values())


def _one_of(field: str, members: Sequence[Student], team: str, path: Path) -> Any:
    """Return what the members of a team have in a column, each or some of them."""
    values = {getattr(member, field) for member in members if getattr(member, field) not in ("", None)}
    if len(values) > 1:
        raise ValueError(
            f"Expected one {field} for the team {team!r} of {path}, because it hands in one piece of work, got "
            f"{len(values)}: {', '.join(sorted(map(str, values)))}. Keep one."
        )
    return next(iter(values), getattr(Student("", "", "", ""), field))
