"""The gradebook: one row per student, for spreadsheets, and the same as learning platforms and nbgrader read it."""

import html
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from lab_utils.staff.feedback.standing import Standing
from lab_utils.staff.grading.assignment import Assignment
from lab_utils.staff.grading.collected import Person
from lab_utils.staff.grading.result import GRADED
from lab_utils.staff.grading.safe_text import Cell, write_table

# As nbgrader's own export writes them (nbgrader 0.9, nbgrader/plugins/export.py).
NBGRADER = ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"]
NBGRADER += ["raw_score", "late_submission_penalty", "score", "max_score"]


def write_gradebook(path: Path, assignment: Assignment, standings: Sequence[Standing]) -> None:
    """Write one row per student, in the roster's order; the members of a team have the same points.

    A question whose points nobody knows yet is empty, never 0, and then the column `complete` says no. Where points
    are missing for another reason than a wrong answer, the column `question_status` says which.
    """
    header = ["student", "name", "email", "team", *(question.name for question in assignment.questions)]
    header += ["raw_total", "penalty", "total", "out_of", "complete", "status", "question_status"]
    header += ["evidence", "submitted", "late_seconds", "reason", "flags", "url", "sha"]
    rows: list[list[Cell]] = []
    for standing, person in _people(standings):
        collected = standing.collected
        rows.append(
            [
                person.student,
                person.name,
                person.email,
                standing.student if collected.members else None,
                *(answer.points for answer in standing.answered),
                standing.raw if standing.known else None,
                collected.penalty,
                standing.total if standing.known else None,
                assignment.points,
                "yes" if standing.complete else "no",
                standing.status,
                question_status(standing),
                collected.evidence,
                collected.submitted,
                collected.late_seconds,
                collected.reason,
                " ".join([*collected.flags, *([STALE] if standing.stale else [])]),
                collected.url,
                collected.sha,
            ]
        )
    write_table(path, header, rows)


STALE = "Another commit was graded than the one that counts: grade again."


def question_status(standing: Standing) -> str:
    """Return the status of every question that was not simply graded, in words: "B1 crashed; A2 to be marked"."""
    notes = [f"{answer.question.name} {answer.status}" for answer in standing.answered if answer.status != GRADED]
    return "; ".join(notes)


def write_nbgrader(path: Path, assignment: Assignment, standings: Sequence[Standing], duedate: str = "") -> None:
    """Write one row per student in the columns of nbgrader's export.

    Times are in UTC and without offset, as there. Scores stay empty where nothing was handed in or points are not
    known yet: nbgrader would write 0.
    """
    rows: list[list[Cell]] = []
    for standing, person in _people(standings):
        last, first = _names(person.name)
        final = standing.complete and standing.result is not None and standing.status == GRADED
        scores: list[Cell] = [standing.raw, standing.lost, standing.total] if final else [None, None, None]
        when = _utc(standing.collected.submitted)
        row: list[Cell] = [assignment.name, _utc(duedate), when, person.student, last, first]
        rows.append([*row, person.email, *scores, assignment.points])
    write_table(path, NBGRADER, rows)


def write_canvas(path: Path, assignment: Assignment, standings: Sequence[Standing], duedate: str = "") -> None:
    """Write what the gradebook of Canvas imports: one row per student, one column for the homework.

    Canvas wants the columns in this order, the last before the homework's being Section. It finds a student by `ID`,
    its own number, which is lms_id of the roster; else by SIS User ID, which is the roster's identifier; else by SIS
    Login ID, which is the address; else by the name. It finds the homework by its title, which must be that of the
    assignment in Canvas, and offers to make a new one otherwise. What is not complete stays empty, and Canvas would
    empty it, too: its preview shows that before anything is changed.

    References:
        Canvas's own reader, https://github.com/instructure/canvas-lms, lib/gradebook_importer.rb. Ruby's csv, which it
        reads with, takes a BOM before a quote for an error: this file has none.
    """
    header = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment.title]
    rows: list[list[Cell]] = [["    Points Possible", None, None, None, None, assignment.points]]
    for standing, person in _people(standings):
        last, first = _names(person.name)
        name = f"{last}, {first}" if first else last
        rows.append([name, person.lms_id, person.student, person.email, None, _final(standing)])
    write_table(path, header, rows, encoding="utf-8")


def write_moodle(path: Path, assignment: Assignment, standings: Sequence[Standing], duedate: str = "") -> None:
    """Write what Moodle imports, as the grading worksheet of an assignment, or with Grades > Import > CSV file.

    The worksheet finds a student by `Identifier`, "Participant" and the number that the worksheet downloaded from
    Moodle has there, which is lms_id of the roster; the import of grades by the column that you choose there: Email
    address, or ID number, which is the roster's identifier. What is not complete stays empty, and Moodle passes over
    it, as it does, without a word, over points above the maximum. Comments are HTML, as Moodle's are.

    "Last modified (grade)" has to be there, and says here that nothing was: where Moodle has a grade already, tick
    "Allow updating records that have been modified more recently in Moodle". Moodle looks for the names of the columns
    in the language that whoever uploads has chosen: choose English.

    References:
        Moodle's own reader and its test files, https://github.com/moodle/moodle, mod/assign/feedback/offline.
    """
    header = ["Identifier", "Full name", "ID number", "Email address", "Grade", "Maximum grade"]
    header += ["Last modified (grade)", "Feedback comments"]
    rows: list[list[Cell]] = []
    for standing, person in _people(standings):
        comments = [f"{a.question.name}: {a.comment}" for a in standing.answered if a.comment]
        number = f"Participant {person.lms_id}" if person.lms_id.isdecimal() else person.lms_id
        row: list[Cell] = [number, person.name, person.student, person.email]
        rows.append([*row, _final(standing), assignment.points, None, _as_html(comments)])
    write_table(path, header, rows)


def _as_html(texts: Sequence[str]) -> str:
    return "<br>".join(html.escape(text, quote=False) for text in texts).replace("\n", "<br>")


GRADEBOOKS = {"canvas": write_canvas, "moodle": write_moodle, "nbgrader": write_nbgrader}


def _people(standings: Sequence[Standing]) -> list[tuple[Standing, Person]]:
    return [(standing, person) for standing in standings for person in standing.collected.people]


def _final(standing: Standing) -> float | None:
    return standing.total if standing.complete else None


def _names(name: str) -> tuple[str, str]:
    """Split into last and first name: "Curie, Marie", else the last word is the last name."""
    if "," in name:
        last, first = name.split(",", 1)
    else:
        first, _, last = name.strip().rpartition(" ")
    return last.strip(), first.strip()


def _utc(when: str) -> str:
    """Return an ISO 8601 time as nbgrader writes it, or "" if it is none."""
    try:
        moment = datetime.fromisoformat(when.replace("Z", "+00:00"))
    except ValueError:
        return ""
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S")
