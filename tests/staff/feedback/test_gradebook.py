"""What a spreadsheet gets: the roster's order, no bare zeros, no formulas, nbgrader's columns."""

import csv

import pytest

from lab_utils.staff.feedback.gradebook import write_gradebook, write_nbgrader
from lab_utils.staff.feedback.standing import stand
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Collected
from lab_utils.staff.grading.result import CRASHED, GRADED, MISSING, WAITING, QuestionResult, Result
from lab_utils.staff.grading.written import Mark

HOMEWORK = Assignment(
    "homework4",
    "H",
    (Question("A1", "one", 4, "function", function="f"), Question("A2", "two", 6, "written", rubric=("all",))),
)


def make(student, a1=3.0, a1_status=GRADED, mark=4.5, sha="x", **fields):
    questions = (QuestionResult("A1", a1, 4, a1_status), QuestionResult("A2", 0, 6, WAITING))
    collected = Collected(student, **{"sha": "x", "submitted": "2026-12-14T15:58:59Z"} | fields)
    marks = {"A2": Mark(student, "A2", "t", mark)}
    return stand(collected, Result(student, sha, "n", GRADED, questions), marks, HOMEWORK)


def read(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_points_penalty_and_total(tmp_path):
    late = make("s2", penalty=0.2, late_seconds=90, evidence="pushed", flags=("One.", "Two."), name="Ada", email="a@b")
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [late, make("s1")])
    first, second = read(tmp_path / "g.csv")
    assert [first["student"], second["student"]] == ["s2", "s1"]
    names = ("A1", "A2", "raw_total", "penalty", "total", "out_of", "complete", "status", "question_status")
    assert [first[name] for name in names] == ["3", "4.5", "7.5", "0.2", "6", "10", "yes", "graded", ""]
    assert [first[name] for name in ("evidence", "late_seconds", "flags", "email")] == [
        "pushed",
        "90",
        "One. Two.",
        "a@b",
    ]


def test_a_penalty_by_hand_stands_with_its_reason(tmp_path):
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [make("s1", penalty=0.1, by_hand=True, reason="=A wrong clock.")])
    (row,) = read(tmp_path / "g.csv")
    assert [row[name] for name in ("penalty", "raw_total", "total", "reason")] == [
        "0.1",
        "7.5",
        "6.75",
        "'=A wrong clock.",
    ]


def test_what_is_not_marked_yet_is_empty_and_said(tmp_path):
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [make("s1", mark=None)])
    (row,) = read(tmp_path / "g.csv")
    assert [row["A2"], row["total"], row["complete"], row["question_status"]] == ["", "3", "no", "A2 to be marked"]


@pytest.mark.parametrize("status", [CRASHED, MISSING, "timed out", "not attempted"])
def test_a_zero_of_a_failed_run_is_said(tmp_path, status):
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [make("s1", a1=0.0, a1_status=status)])
    (row,) = read(tmp_path / "g.csv")
    assert [row["A1"], row["question_status"]] == ["0", f"A1 {status}"]


def test_nobody_knows_is_empty_everywhere(tmp_path):
    nobody = stand(Collected("s1", folder="submissions/s1"), None, {}, HOMEWORK)
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [nobody])
    (row,) = read(tmp_path / "g.csv")
    assert [row[name] for name in ("A1", "A2", "raw_total", "total", "complete")] == ["", "", "", "", "no"]
    assert row["status"] == "not graded yet"


def test_points_of_an_old_commit_are_flagged(tmp_path):
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [make("s1", sha="old")])
    (row,) = read(tmp_path / "g.csv")
    assert row["complete"] == "no"
    assert "Another commit was graded" in row["flags"]


def test_texts_of_students_run_nothing(tmp_path):
    evil = make("s1", name="=HYPERLINK(1)", email="@x", url='+cmd|"/C calc"!A0', flags=("-2+3",))
    for write in (write_gradebook, write_nbgrader):
        write(tmp_path / "g.csv", HOMEWORK, [evil])
        cells = [cell for row in read(tmp_path / "g.csv") for cell in row.values()]
        assert not [cell for cell in cells if cell[:1] in tuple("=+@\t\r")]
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [evil])
    (row,) = read(tmp_path / "g.csv")
    assert (row["name"], row["flags"]) == ("'=HYPERLINK(1)", "'-2+3")


def test_names_outside_ascii_are_whole_and_excel_is_told_the_encoding(tmp_path):
    write_gradebook(tmp_path / "g.csv", HOMEWORK, [make("s1", name="\u9673\u5927\u6587 \u00d8")])
    assert (tmp_path / "g.csv").read_bytes()[:3] == b"\xef\xbb\xbf"
    assert read(tmp_path / "g.csv")[0]["name"] == "\u9673\u5927\u6587 \u00d8"


def test_the_long_form_has_nbgraders_columns(tmp_path):
    rows = [
        make("s1", name="Ada de Silva", penalty=0.2),
        make("s2", name="Wang, Li", mark=None),
        stand(Collected("s3", name="Cher", status="no commit"), None, {}, HOMEWORK),
    ]
    write_nbgrader(tmp_path / "n.csv", HOMEWORK, rows, "2026-12-14T23:59:00+08:00")
    header = (tmp_path / "n.csv").read_text("utf-8-sig").splitlines()[0].replace('"', "")
    assert header == (
        "assignment,duedate,timestamp,student_id,last_name,first_name,email,raw_score,late_submission_penalty,score,"
        "max_score"
    )
    ada, li, cher = read(tmp_path / "n.csv")
    assert list(ada.values())[:6] == [
        "homework4",
        "2026-12-14 15:59:00",
        "2026-12-14 15:58:59",
        "s1",
        "Silva",
        "Ada de",
    ]
    assert [ada[name] for name in ("raw_score", "late_submission_penalty", "score", "max_score")] == [
        "7.5",
        "1.5",
        "6",
        "10",
    ]
    assert [li["last_name"], li["first_name"], li["score"]] == ["Wang", "Li", ""]  # not marked to the end
    assert [cher["last_name"], cher["timestamp"], cher["score"]] == ["Cher", "", ""]
