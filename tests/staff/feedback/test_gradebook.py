"""What a spreadsheet gets: the roster's order, no bare zeros, no formulas, nbgrader's columns."""

import csv
from dataclasses import replace

import pytest

from lab_utils.staff.feedback.gradebook import write_canvas, write_gradebook, write_moodle, write_nbgrader
from lab_utils.staff.feedback.standing import stand
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Collected, Person
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


def canvas_accepts(header):
    """The rule of `header?` and `update_column_count` in Canvas's lib/gradebook_importer.rb, for whole names."""
    columns = 3
    if header[2] == "SIS Login ID":
        columns += 1
    elif header[2:4] == ["SIS User ID", "SIS Login ID"]:
        columns += 2 + (header[4] == "Integration ID")
    return "Student" in header[0] and "ID" in header[1] and "Section" in header[columns - 1]


def test_canvas_gets_its_columns_and_only_what_is_final(tmp_path):
    ada = make("s1", penalty=0.2, name="Ada Lovelace", email="ada@example.org", lms_id="1041")
    write_canvas(tmp_path / "g.csv", HOMEWORK, [ada, make("s2", mark=None)])
    text = (tmp_path / "g.csv").read_bytes()
    assert text.startswith(b'"Student"')  # a BOM before it, and Ruby's csv refuses the file
    header, *rows = list(csv.reader(text.decode().splitlines()))
    assert canvas_accepts(header)
    assert not canvas_accepts([name for name in header if name != "Section"])
    assert header[-1] == "H"
    assert rows == [
        ["    Points Possible", "", "", "", "", "10"],
        ["Lovelace, Ada", "1041", "s1", "ada@example.org", "", "6"],
        ["", "", "s2", "", "", ""],
    ]


def test_moodle_gets_the_columns_it_asks_for_and_only_what_is_final(tmp_path):
    one, two = make("s1", name="Ada", email="a@b", lms_id="7"), make("s2", mark=None, lms_id="Participant 8")
    write_moodle(tmp_path / "g.csv", HOMEWORK, [one, two])
    first, second = read(tmp_path / "g.csv")
    assert {"Identifier", "Grade", "Last modified (grade)", "Feedback comments"} <= set(first)  # importgradeslib.php
    assert list(first.values()) == ["Participant 7", "Ada", "s1", "a@b", "7.5", "10", "", ""]
    assert [second["Identifier"], second["Grade"]] == ["Participant 8", ""]


def test_comments_for_moodle_are_html_that_says_what_was_written(tmp_path):
    standing = make("s1")
    said = replace(standing.answered[1], comment="n < 5 & so on:\ntwo <b>lines</b>")
    write_moodle(tmp_path / "g.csv", HOMEWORK, [replace(standing, answered=(standing.answered[0], said))])
    (row,) = read(tmp_path / "g.csv")
    assert row["Feedback comments"] == "A2: n &lt; 5 &amp; so on:<br>two &lt;b&gt;lines&lt;/b&gt;"


@pytest.mark.parametrize("write", [write_gradebook, write_canvas, write_moodle, write_nbgrader])
def test_all_members_of_a_team_get_its_points(tmp_path, write):
    team = make("owls", members=(Person("s1", "Ada", "a@b"), Person("s2", "Ben", "b@b")))
    write(tmp_path / "g.csv", HOMEWORK, [team])
    rows = [row for row in csv.reader((tmp_path / "g.csv").read_text("utf-8-sig").splitlines())][1:]
    rows = [row for row in rows if "Points Possible" not in row[0]]
    assert [{"s1", "s2"} & set(row) for row in rows] == [{"s1"}, {"s2"}]
    assert all("7.5" in row for row in rows)
    assert all(("owls" in row) == (write is write_gradebook) for row in rows)


def test_extra_credit_counts_and_is_not_needed_for_full_points(tmp_path):
    extra = Question("X1", "more", 5, "function", function="g", extra=True)
    homework = Assignment("homework4", "H", (*HOMEWORK.questions, extra))
    assert (homework.points, homework.extra) == (10, 5)
    questions = (QuestionResult("A1", 4, 4, GRADED), QuestionResult("X1", 5, 5, GRADED))
    marks = {"A2": Mark("s1", "A2", "t", 6)}
    standing = stand(Collected("s1", sha="x", penalty=0.1), Result("s1", "x", "n", GRADED, questions), marks, homework)
    write_gradebook(tmp_path / "g.csv", homework, [standing])
    (row,) = read(tmp_path / "g.csv")
    assert [row[name] for name in ("raw_total", "total", "out_of", "X1")] == ["15", "13.5", "10", "5"]
