"""The gradebook: one row per student, for spreadsheets and learning platforms, and the same in nbgrader's columns."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from lab_utils.staff.feedback.standing import Standing
from lab_utils.staff.grading.assignment import Assignment
from lab_utils.staff.grading.result import GRADED
from lab_utils.staff.grading.safe_text import Cell, write_table

# As nbgrader's own export writes them (nbgrader 0.9, nbgrader/plugins/export.py).
NBGRADER = ["assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"]
NBGRADER += ["raw_score", "late_submission_penalty", "score", "max_score"]


def write_gradebook(path: Path, assignment: Assignment, standings: Sequence[Standing]) -> None:
    """Write one row per student, in the roster's order.

    A question whose points nobody knows yet is empty, never 0, and then the column `complete` says no. Where points
    are missing for another reason than a wrong answer, the column `question_status` says which.
    """
    header = ["student", "name", "email", *(question.name for question in assignment.questions)]
    header += ["raw_total", "penalty", "total", "out_of", "complete", "status", "question_status"]
    header += ["evidence", "submitted", "late_seconds", "reason", "flags", "url", "sha"]
    rows: list[list[Cell]] = []
    for standing in standings:
        collected = standing.collected
        rows.append(
            [
                standing.student,
                collected.name,
                collected.email,
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
    for standing in standings:
        last, first = _names(standing.collected.name)
        final = standing.complete and standing.result is not None and standing.status == GRADED
        scores: list[Cell] = [standing.raw, standing.lost, standing.total] if final else [None, None, None]
        when = _utc(standing.collected.submitted)
        row: list[Cell] = [assignment.name, _utc(duedate), when, standing.student, last, first]
        rows.append([*row, standing.collected.email, *scores, assignment.points])
    write_table(path, NBGRADER, rows)


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
