"""Where each student stands: what was collected, what grading found and what was marked by hand, put together."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lab_utils.grading.assignment import Assignment, Question
from lab_utils.grading.result import (
    GRADED,
    INVALID,
    MISSING,
    WAITING,
    QuestionResult,
    Result,
    read_result,
)
from lab_utils.grading.written import Mark

UNGRADED = "not graded yet"  # collected, but `grade` has not been there
UNSAFE = set('/\\:*?"<>|\0')


@dataclass(frozen=True)
class Collected:
    """One student of collected.json, in the roster's order.

    Attributes:
        status: "collected", "no commit" or "unreachable".
        evidence: "seen", "pushed", "claimed" or "".
        submitted: ISO 8601 in UTC, or "".
        penalty: fraction in [0, 1] of the points reached that is taken off.
        flags: sentences for the instructor.
        folder: of the exported files, below the working folder, or "".
        open: whether the student's deadline was still to come.
    """

    student: str
    name: str = ""
    email: str = ""
    url: str = ""
    sha: str = ""
    status: str = "collected"
    evidence: str = ""
    submitted: str = ""
    late_seconds: float = 0.0
    penalty: float = 0.0
    flags: tuple[str, ...] = ()
    folder: str = ""
    open: bool = False


@dataclass(frozen=True)
class Answered:
    """One question of one student; points is None as long as nobody knows them."""

    question: Question
    points: float | None
    status: str
    found: QuestionResult | None = None
    comment: str = ""
    note: str = ""

    @property
    def share(self) -> float | None:
        """Points reached of the points to reach, in [0, 1]."""
        return None if self.points is None else self.points / self.question.points


@dataclass(frozen=True)
class Standing:
    """One student.

    Attributes:
        status: GRADED, INVALID, MISSING or UNGRADED.
        message: why the submission as a whole was not graded, or "".
        stale: whether another commit was graded than the one collected.
    """

    collected: Collected
    result: Result | None
    status: str
    message: str
    answered: tuple[Answered, ...]
    stale: bool = False

    @property
    def student(self) -> str:
        """The roster's identifier."""
        return self.collected.student

    @property
    def complete(self) -> bool:
        """Whether the deadline is over, and all points of the commit that was collected are known."""
        return not self.stale and not self.collected.open and all(answer.points is not None for answer in self.answered)

    @property
    def known(self) -> bool:
        """Whether any points are known: else a total of 0 would say something that nobody knows."""
        return any(answer.points is not None for answer in self.answered)

    @property
    def raw(self) -> float:
        """Points so far, before the penalty."""
        return round(math.fsum(answer.points or 0.0 for answer in self.answered), 2)

    @property
    def lost(self) -> float:
        """Points that the late penalty takes off."""
        return round(self.raw * self.collected.penalty, 2)

    @property
    def total(self) -> float:
        """Points so far, after the penalty."""
        return round(self.raw - self.lost, 2)


def homework_name(path: Path) -> str:
    """Return which homework collected.json is about.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not what `collect` writes.
    """
    return str(_read(path)[0])


def _read(path: Path) -> tuple[Any, list[dict[str, Any]]]:
    if not path.is_file():
        raise FileNotFoundError(f"Expected {path}, found no file. Run `python -m lab_utils collect ROSTER.csv` first.")
    try:
        table = json.loads(path.read_text("utf-8"))
        return table["homework"], list(table["students"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"Expected {path} as `collect` writes it, got {error!r}. Collect again.") from error


def read_collected(path: Path) -> tuple[Collected, ...]:
    """Read collected.json.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not what `collect` writes, or a student's identifier cannot be the name of a file.
    """
    known = {field.name for field in fields(Collected)}
    _, entries = _read(path)
    try:
        students = tuple(
            Collected(**{**{key: entry[key] for key in entry if key in known}, "flags": tuple(entry.get("flags", ()))})
            for entry in entries
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"Expected {path} as `collect` writes it, got {error!r}. Collect again.") from error
    seen: set[str] = set()
    for entry in students:
        name = entry.student.casefold()
        if not name or name in seen or name == "class" or name[0] == "." or set(name) & UNSAFE or len(name) > 100:
            raise ValueError(
                f"Expected in {path} identifiers of students that can be names of files, each once and none of them "
                f"'class', got {entry.student!r}. Change it in the roster and collect again."
            )
        if not 0 <= entry.penalty <= 1:
            raise ValueError(f"Expected penalties from 0 to 1 in {path}, got {entry.penalty} for {entry.student!r}.")
        seen.add(name)
    return students


def read_results(folder: Path, students: tuple[Collected, ...]) -> dict[str, Result]:
    """Read results/<student>.json of every student who has one.

    Raises:
        ValueError: if one of them is not a result.
    """
    paths = {entry.student: folder / "results" / f"{entry.student}.json" for entry in students}
    return {student: read_result(path) for student, path in paths.items() if path.is_file()}


def stand(collected: Collected, result: Result | None, marks: Mapping[str, Mark], assignment: Assignment) -> Standing:
    """Put together what is known of one student.

    Args:
        collected: from collected.json.
        result: from grading, or None.
        marks: question -> what a person gave; it outranks what grading found.
        assignment: the questions.
    """
    status, message = _status(collected, result)
    found = {entry.name: entry for entry in result.questions} if result is not None else {}
    answered = tuple(
        _answered(question, found.get(question.name), marks.get(question.name), status)
        for question in assignment.questions
    )
    stale = result is not None and bool(collected.sha) and result.sha != collected.sha
    return Standing(collected, result, status, message, answered, stale)


def _status(collected: Collected, result: Result | None) -> tuple[str, str]:
    if result is not None:
        return result.status, result.message
    if collected.status == "collected":
        return UNGRADED, "The submission was collected, but it has not been graded yet."
    reasons = {
        "no commit": "There is no commit that counts: nothing was pushed to the repository in time.",
        "unreachable": "The repository could not be fetched. Is the link right, and is it open to the course?",
    }
    return MISSING, reasons.get(collected.status, f"Nothing was collected: {collected.status}.")


def _answered(question: Question, found: QuestionResult | None, mark: Mark | None, status: str) -> Answered:
    comment, note = (mark.comment, mark.note) if mark is not None else ("", "")
    if mark is not None and mark.points is not None:
        return Answered(question, mark.points, GRADED, found, comment, note)
    if found is not None:
        waits = found.status == WAITING or (question.kind == "written" and found.status == GRADED)
        points = None if waits else found.points
        return Answered(question, points, WAITING if waits else found.status, found, comment, note)
    if status in (MISSING, INVALID):
        return Answered(question, 0.0, status, comment=comment, note=note)
    return Answered(question, None, UNGRADED, comment=comment, note=note)
