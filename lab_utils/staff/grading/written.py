"""Marks for written answers: grading/written.csv, one row per answer, filled in by hand or with the marking form.

A row of any other question, added by hand, outranks what grading found there: for a regrade that a person decides.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.lock import one_writer
from lab_utils.staff.grading.result import Result
from lab_utils.staff.grading.safe_text import LONGEST, Cell, neutral, read_table, restored, write_table

NAME = "written.csv"
COLUMNS = ("student", "question", "out_of", "answer", "points", "comment", "note", "commit")
CHANGED = "The answer changed after it was marked: look at it again."
LEFT = "This student is not in the class any more."
GONE = "The answer was there when it was marked, and is not in the graded notebook now."
LATER = "This is the answer of a later commit, {commit}. It counts if the later work as a whole is better: mark both."


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
        commit: the beginning of the SHA, where a later commit may count instead and has another answer; else "".
    """

    student: str
    question: str
    answer: str = ""
    points: float | None = None
    comment: str = ""
    note: str = ""
    commit: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes a row the only one of its kind."""
        return self.student, self.question, self.commit


def update_written(
    folder: Path,
    assignment: Assignment,
    students: Collection[str],
    results: Mapping[str, Result],
    later: Mapping[str, Sequence[Result]] | None = None,
) -> tuple[Mark, ...]:
    """Bring written.csv up to date with what grading found, and return its rows.

    New answers are added. Marks and comments stay, whatever happens; where the answer is another one than when it was
    marked, the row says so in its column `note`. Where two commits of a student may count, and their answers differ,
    each has a row. Rows stand in the order of the questions, then of the roster; below them those that a person added
    for other questions, and the marks of students who left the class.

    Raises:
        ValueError: as `read_written`, or if another program goes on writing the file; then nothing is written.
    """
    path = folder / NAME
    with one_writer(path):
        rows = _brought_up(path, assignment, students, results, later or {})
        write_written(path, assignment, rows)
    return tuple(rows)


def _brought_up(
    path: Path,
    assignment: Assignment,
    students: Collection[str],
    results: Mapping[str, Result],
    later: Mapping[str, Sequence[Result]],
) -> list[Mark]:
    """Return the rows as `update_written` writes them."""
    left = left_class(path.parent, students)
    found = read_written(path, assignment, {*students, *left})
    back = [replace(mark, note="") if mark.note == LEFT else mark for mark in found]
    before = {mark.key: mark for mark in back}
    rows = []
    for question in assignment.of_kind("written"):
        for student in students:
            first = results.get(student)
            new = _new_row(student, question, first)
            others = [_new_row(student, question, result, "later") for result in later.get(student, ())]
            own = [new, *(other for other in others if other.answer.strip() and not _same(other.answer, new.answer))]
            for row in own:
                updated = _updated(before.get(row.key), row, known=bool(row.commit) or first is not None)
                rows += [updated] if updated is not None else []
            of_others = [mark for key, mark in before.items() if key[:2] == (student, question.name) and key[2]]
            rows += [mark for mark in of_others if mark.key not in {row.key for row in own} and _touched(mark)]
    written = {question.name for question in assignment.of_kind("written")}
    rows += [mark for key, mark in before.items() if key[1] not in written and mark.student not in left]
    rows += [replace(mark, note=LEFT) for mark in before.values() if mark.student in left and _touched(mark)]
    return rows


def _new_row(student: str, question: Question, result: Result | None, later: str = "") -> Mark:
    """Return the row of an answer that nobody has marked yet."""
    if result is None:
        return Mark(student, question.name)
    commit = result.sha[:12] if later else ""
    notes = [LATER.format(commit=commit)] if later else []
    notes += [result.doubtful[question.name]] if question.name in result.doubtful else []
    return Mark(student, question.name, result.answers.get(question.name, ""), note=" ".join(notes), commit=commit)


def marks_of(marks: Collection[Mark], first: Result | None, one: Result | None) -> dict[str, Mark]:
    """Return question to mark for one of the commits of a student that may count.

    Args:
        marks: all of the student.
        first: the result of the commit whose rows name no commit.
        one: the result of the commit that is asked for.
    """
    plain = {mark.question: mark for mark in marks if not mark.commit}
    if one is None or first is None or one.sha == first.sha:
        return plain
    own = {mark.question: mark for mark in marks if mark.commit == one.sha[:12]}
    # An answer that both have was marked once, and so was a question that is answered by no text.
    shared = {q: m for q, m in plain.items() if _same(first.answers.get(q, ""), one.answers.get(q, ""))}
    return shared | own


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
        [m.student, m.question, out_of[m.question], m.answer, m.points, m.comment, m.note, m.commit] for m in marks
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
    marks: dict[tuple[str, str, str], tuple[int, Mark]] = {}
    problems: list[str] = []
    for line, row in table:
        try:
            mark = _read_row(row, questions, students)
            if mark is None:
                continue
            first, _ = marks.setdefault(mark.key, (line, mark))
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
    note, commit = row.get("note", "").strip(), row.get("commit", "").strip()
    return Mark(student, name, row.get("answer", ""), points, comment, note, commit)


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
