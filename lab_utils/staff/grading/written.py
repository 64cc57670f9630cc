"""Marks for written answers: grading/written.csv, one row per answer, filled in by hand or with the marking form.

A row of any other question, added by hand, outranks what grading found there: for a regrade that a person decides.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.lock import one_writer
from lab_utils.staff.grading.result import Result
from lab_utils.staff.grading.safe_text import LONGEST, Cell, neutral, read_table, restored, write_table

NAME = "written.csv"
COLUMNS = ("homework", "student", "question", "out_of", "answer", "points", "comment", "note")
CHANGED = "The answer changed after it was marked: look at it again."
LEFT = "This student is not in the class any more."
GONE = "The answer was there when it was marked, and is not in the graded notebook now."


@dataclass(frozen=True)
class Mark:
    """One written answer and what it got.

    Attributes:
        student: the roster's identifier.
        question: such as "A2".
        answer: the student's text.
        points: None as long as it is not marked.
        comment: from the marker, for the student.
        note: from us, for the marker: what happened since it was marked.
    """

    student: str
    question: str
    answer: str = ""
    points: float | None = None
    comment: str = ""
    note: str = ""


def update_written(
    folder: Path, assignment: Assignment, students: Collection[str], results: Mapping[str, Result]
) -> tuple[Mark, ...]:
    """Bring written.csv up to date with what grading found, and return its rows.

    New answers are added. Marks and comments stay, whatever happens; where the answer is another one than when it was
    marked, the row says so in its column `note`. Rows stand in the order of the questions, then of the roster; below
    them those that a person added for other questions, and the marks of students who left the class.

    Raises:
        ValueError: as `read_written`, or if another program goes on writing the file; then nothing is written.
    """
    path = folder / NAME
    with one_writer(path):
        rows = _brought_up(path, assignment, students, results)
        write_written(path, assignment, rows)
    return tuple(rows)


def _brought_up(
    path: Path, assignment: Assignment, students: Collection[str], results: Mapping[str, Result]
) -> list[Mark]:
    """Return the rows as `update_written` writes them."""
    left = left_class(path.parent, students)
    found = read_written(path, assignment, {*students, *left})
    back = [replace(mark, note="") if mark.note == LEFT else mark for mark in found]
    before = {(mark.student, mark.question): mark for mark in back}
    rows = []
    for question in assignment.of_kind("written"):
        for student in students:
            old = before.get((student, question.name))
            result = results.get(student)
            text = result.answers.get(question.name, "") if result is not None else None
            row = _updated(old, Mark(student, question.name, text or ""), known=text is not None)
            if row is not None:
                rows.append(row)
    written = {question.name for question in assignment.of_kind("written")}
    rows += [mark for key, mark in before.items() if key[1] not in written and mark.student not in left]
    rows += [replace(mark, note=LEFT) for mark in before.values() if mark.student in left and _touched(mark)]
    return rows


def left_class(folder: Path, students: Collection[str]) -> set[str]:
    """Return who was collected once and is not in the class any more: no misspelt names."""
    return {path.stem for path in (folder / "mirrors").glob("*.git")} - set(students)


def _updated(old: Mark | None, new: Mark, *, known: bool) -> Mark | None:
    """Return the row of an answer, or None if there is nothing to mark and nothing to keep."""
    if old is None:
        return new if new.answer.strip() else None
    if not known or _same(old.answer, new.answer):
        return old
    if not new.answer.strip():
        return replace(old, note=GONE) if _touched(old) else None
    return replace(old, answer=new.answer, note=CHANGED if old.points is not None else old.note)


def _touched(mark: Mark) -> bool:
    """Whether a person has been there."""
    return mark.points is not None or bool(mark.comment)


def _same(first: str, second: str) -> bool:
    """Whether two answers are one, for all that a spreadsheet and our own table do to a text."""
    if first == second:
        return True
    plain = [" ".join(restored(neutral(text))[: LONGEST - 100].split()) for text in (first, second)]
    return plain[0] == plain[1]


def write_written(path: Path, assignment: Assignment, marks: Collection[Mark]) -> None:
    """Write the rows, whole or not at all. Who has read them before holds `one_writer`, or marks could be lost."""
    out_of = {question.name: question.points for question in assignment.questions}
    rows: list[list[Cell]] = [
        [
            assignment.name,
            mark.student,
            mark.question,
            out_of[mark.question],
            mark.answer,
            mark.points,
            mark.comment,
            mark.note,
        ]
        for mark in marks
    ]
    write_table(path, COLUMNS, rows)


def read_written(path: Path, assignment: Assignment, students: Collection[str]) -> tuple[Mark, ...]:
    """Read the rows, also after Excel saved them (semicolons, decimal commas, lost leading zeros).

    Args:
        path: written.csv; no file means no rows.
        assignment: the questions.
        students: the roster's identifiers. A row of somebody else is left out if it is empty.

    Raises:
        ValueError: if columns are missing, or rows cannot be used; it names the lines.
    """
    if not path.is_file():
        return ()
    table = read_table(path)
    missing = [name for name in ("student", "question", "points") if table and name not in table[0][1]]
    if missing:
        raise ValueError(f"Expected the columns {', '.join(COLUMNS)} in {path}, {', '.join(missing)} missing.")
    questions = {question.name: question for question in assignment.questions}
    marks: dict[tuple[str, str], tuple[int, Mark]] = {}
    problems: list[str] = []
    for line, row in table:
        try:
            if (other := row.get("homework", "").strip()) not in ("", assignment.name):
                raise ValueError(f"this is a mark of {other}, not of {assignment.name}; take it into that one's folder")
            mark = _read_row(row, questions, students)
            if mark is None:
                continue
            first, _ = marks.setdefault((mark.student, mark.question), (line, mark))
            if first != line:
                raise ValueError(f"{mark.student} {mark.question} stands in line {first} already; delete one of them")
        except ValueError as error:
            problems.append(f"line {line}: {error}")
    if problems:
        more = f"\n... and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise ValueError(f"Expected marks in {path}, got\n" + "\n".join(problems[:10]) + more)
    return tuple(mark for _, mark in marks.values())


def _read_row(row: Mapping[str, str], questions: Mapping[str, Question], students: Collection[str]) -> Mark | None:
    name = row["question"].strip().upper()
    given, comment = row["points"].strip(), row.get("comment", "").strip()
    student = _known(row["student"].strip(), students)
    if student is None and not given and not comment:
        return None
    if name not in questions:
        raise ValueError(f"there is no question {name!r}, only {', '.join(questions)}")
    if student is None:
        raise ValueError(
            f"there is no student {row['student'].strip()!r} in collected.json; correct the name, or delete the row "
            "if the student left the course"
        )
    if questions[name].kind != "written" and not given and not comment:
        return None
    points = read_points(given, questions[name].points)
    return Mark(student, name, row.get("answer", ""), points, comment, row.get("note", "").strip())


def read_points(text: str, out_of: float) -> float | None:
    """Read points as people write them, "3", "2.5", "2,5", to a hundredth; empty means not marked.

    Raises:
        ValueError: if it is no number from 0 to `out_of`.
    """
    text = text.strip().lstrip("'").strip()
    if not text:
        return None
    try:
        points = float(text.replace(",", "."))
    except ValueError:
        points = math.nan
    if math.isnan(points):
        raise ValueError(f"points should be a number, or empty if not marked yet, got {text!r}")
    if not 0 <= points <= out_of:
        raise ValueError(f"points should be from 0 to {out_of:g}, got {text}")
    return round(points, 2)  # as all others, so that what pages show adds up


def _known(student: str, students: Collection[str]) -> str | None:
    """Find a student, also where a spreadsheet has taken the identifier for a number: 007 comes back as 7."""
    if student in students:
        return student
    same = [known for known in students if known.isdecimal() and known.lstrip("0") == student.lstrip("0")]
    return same[0] if len(same) == 1 and student.isdecimal() else None
