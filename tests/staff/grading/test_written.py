"""Marks are never lost, and what cannot be a mark is refused with its line."""

from dataclasses import replace

import pytest

from lab_utils.staff.grading.result import GRADED, Result
from lab_utils.staff.grading.written import (
    CHANGED,
    GONE,
    LEFT,
    NAME,
    Mark,
    marks_of,
    read_points,
    read_written,
    update_written,
    write_written,
)
from tests.staff.feedback.made_up import make_assignment

STUDENTS = ["s1", "s2", "007"]


@pytest.fixture
def assignment(tmp_path):
    return make_assignment(tmp_path / "course")


def results(**answers):
    return {s: Result(s, "sha", "n.ipynb", GRADED, (), answers=given) for s, given in answers.items()}


def mark(path, assignment, student, question, **fields):
    rows = read_written(path / NAME, assignment, STUDENTS)
    assert any((row.student, row.question) == (student, question) for row in rows)
    rows = [replace(row, **fields) if (row.student, row.question) == (student, question) else row for row in rows]
    write_written(path / NAME, assignment, rows)


def test_answers_become_rows_in_the_order_of_questions_then_roster(tmp_path, assignment):
    found = results(s2={"A2": "two", "E2": "why"}, s1={"A2": "=one", "D2": "  "})
    rows = update_written(tmp_path, assignment, STUDENTS, found)
    assert rows == (Mark("s1", "A2", "=one"), Mark("s2", "A2", "two"), Mark("s2", "E2", "why"))
    assert read_written(tmp_path / NAME, assignment, STUDENTS) == rows
    assert b'"\'=one"' in (tmp_path / NAME).read_bytes()


def test_marks_and_comments_stay_when_grading_runs_again(tmp_path, assignment):
    found = results(s1={"A2": "one"}, s2={"A2": "two"})
    update_written(tmp_path, assignment, STUDENTS, found)
    mark(tmp_path, assignment, "s1", "A2", points=12.5, comment="good, but short")
    before = (tmp_path / NAME).read_bytes()
    update_written(tmp_path, assignment, STUDENTS, found)
    assert (tmp_path / NAME).read_bytes() == before
    rows = update_written(tmp_path, assignment, STUDENTS, found | results(**{"007": {"D2": "new"}}))
    assert rows == (Mark("s1", "A2", "one", 12.5, "good, but short"), Mark("s2", "A2", "two"), Mark("007", "D2", "new"))


def test_an_answer_that_changed_after_marking_keeps_its_marks_and_says_so(tmp_path, assignment):
    update_written(tmp_path, assignment, STUDENTS, results(s1={"A2": "one"}, s2={"A2": "two"}))
    mark(tmp_path, assignment, "s1", "A2", points=3)
    found = results(s1={"A2": "one, and more"}, s2={"A2": "two, too"})
    expected = (Mark("s1", "A2", "one, and more", 3.0, note=CHANGED), Mark("s2", "A2", "two, too"))
    assert update_written(tmp_path, assignment, STUDENTS, found) == expected
    assert update_written(tmp_path, assignment, STUDENTS, found) == expected


def test_answers_that_go_away_keep_their_marks_and_empty_rows_go(tmp_path, assignment):
    update_written(tmp_path, assignment, STUDENTS, results(s1={"A2": "one"}, s2={"A2": "two"}, **{"007": {"A2": "3"}}))
    mark(tmp_path, assignment, "s1", "A2", points=3)
    mark(tmp_path, assignment, "007", "A2", comment="ask her")
    rows = update_written(tmp_path, assignment, STUDENTS, results(s1={}, s2={}, **{"007": {}}))
    assert rows == (Mark("s1", "A2", "one", 3.0, note=GONE), Mark("007", "A2", "3", comment="ask her", note=GONE))


def test_rows_of_students_without_a_result_stay(tmp_path, assignment):
    update_written(tmp_path, assignment, STUDENTS, results(s1={"A2": "one"}))
    assert update_written(tmp_path, assignment, STUDENTS, {}) == (Mark("s1", "A2", "one"),)


def test_a_round_trip_through_a_european_excel_changes_nothing(tmp_path, assignment):
    found = results(s1={"A2": "=one\n\n- a list; more"}, **{"007": {"D2": "seven"}})
    update_written(tmp_path, assignment, STUDENTS, found)
    text = (tmp_path / NAME).read_bytes().decode("utf-8-sig")
    assert '"007","D2","5","seven","",' in text
    text = text.replace('"007","D2","5","seven","",', '"7","D2","5","seven","2,5",').replace('","', '";"')
    (tmp_path / NAME).write_bytes(text.encode("utf-8"))
    rows = update_written(tmp_path, assignment, STUDENTS, found)
    assert rows == (Mark("s1", "A2", "=one\n\n- a list; more"), Mark("007", "D2", "seven", 2.5))
    assert b'"007","D2","5","seven","2.5"' in (tmp_path / NAME).read_bytes()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("s1,A2,15,x,16,", "line 2: points should be from 0 to 15, got 16"),
        ("s1,A2,15,x,-1,", "line 2: points should be from 0 to 15, got -1"),
        ("s1,A2,15,x,nan,", "line 2: points should be a number"),
        ("s1,A2,15,x,good,", "line 2: points should be a number, or empty if not marked yet, got 'good'"),
        ("s1,A3,15,x,3,", "line 2: there is no question 'A3', only A1, A2, B1"),
        ("s1,B1,6,,7,", "line 2: points should be from 0 to 6"),
        ("s9,A2,15,x,3,", "line 2: there is no student 's9' in collected.json"),
        ("s9,A2,15,x,,see me", "line 2: there is no student 's9' in collected.json"),
        ("s1,A2,15,x,3,\ns2,A2,15,x,3,\ns1,A2,15,x,4,", "line 4: s1 A2 stands in line 2 already"),
        ('s1,A2,15,"x\ny",3,\ns2,A2,15,x,99,', "line 4: points should be from 0 to 15, got 99"),
    ],
)
def test_errors_name_the_line(tmp_path, assignment, row, words):
    path = tmp_path / NAME
    path.write_text("student,question,out_of,answer,points,comment\n" + row + "\n", "utf-8")
    with pytest.raises(ValueError, match="Expected marks in") as error:
        read_written(path, assignment, STUDENTS)
    assert words in str(error.value)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Expected marks in"):
        update_written(tmp_path, assignment, STUDENTS, {})
    assert path.read_bytes() == before  # nothing is lost by it


def test_all_wrong_lines_are_named_at_once(tmp_path, assignment):
    lines = [f"s1,A2,15,x,{99 + i}," for i in range(12)]
    (tmp_path / NAME).write_text("\n".join(["student,question,out_of,answer,points,comment", *lines]), "utf-8")
    with pytest.raises(ValueError, match=r"line 2: (.|\n)*line 11: (.|\n)*and 2 more"):
        read_written(tmp_path / NAME, assignment, STUDENTS)


def test_a_row_of_somebody_who_left_goes_only_if_it_is_empty(tmp_path, assignment):
    (tmp_path / NAME).write_text("student,question,answer,points\ngone,A2,x,\ns1,a2,x,'3\n", "utf-8")
    assert read_written(tmp_path / NAME, assignment, STUDENTS) == (Mark("s1", "A2", "x", 3.0),)


def test_marks_of_somebody_who_left_the_class_stay_and_count_again_if_the_student_is_back(tmp_path, assignment):
    (tmp_path / "mirrors" / "s2.git").mkdir(parents=True)  # s2 was collected once
    lines = "student,question,answer,points,comment\ns1,A2,one,3,\ns2,A2,two,4,good\ns2,B1,,5,\ns2,E2,why,,\n"
    (tmp_path / NAME).write_text(lines, "utf-8")
    first = Mark("s1", "A2", "one", 3.0)
    rows = update_written(tmp_path, assignment, ["s1"], {})
    assert rows == (first, Mark("s2", "A2", "two", 4.0, "good", LEFT), Mark("s2", "B1", "", 5.0, note=LEFT))
    assert update_written(tmp_path, assignment, ["s1"], {}) == rows
    back = update_written(tmp_path, assignment, ["s1", "s2"], {})
    assert back == (first, Mark("s2", "A2", "two", 4.0, "good"), Mark("s2", "B1", "", 5.0))


def test_a_row_for_any_question_stays_as_a_person_added_it(tmp_path, assignment):
    found = results(s1={"A2": "one"})
    lines = "student,question,points,comment\ns2,B1,5,You are right.\ns1,C1,,\ns1,A2,3,\n"
    (tmp_path / NAME).write_text(lines, "utf-8")
    rows = update_written(tmp_path, assignment, STUDENTS, found)
    assert [(row.student, row.question, row.points) for row in rows] == [("s1", "A2", 3.0), ("s2", "B1", 5.0)]
    assert update_written(tmp_path, assignment, STUDENTS, found) == rows
    assert rows[1].comment == "You are right."


def test_missing_columns_are_named(tmp_path, assignment):
    (tmp_path / NAME).write_text("student,frage\ns1,A2\n", "utf-8")
    with pytest.raises(ValueError, match="question, points missing"):
        read_written(tmp_path / NAME, assignment, STUDENTS)


def test_no_file_means_no_marks(tmp_path, assignment):
    assert read_written(tmp_path / NAME, assignment, STUDENTS) == ()


@pytest.mark.parametrize(
    ("text", "points"), [("", None), (" ", None), ("3", 3), ("2,5", 2.5), ("'0", 0), ("15.0", 15), ("2.33333", 2.33)]
)
def test_points_as_people_write_them(text, points):
    assert read_points(text, 15) == points


def test_a_very_long_answer_does_not_count_as_changed_when_it_is_read_back(tmp_path, assignment):
    found = results(s1={"A2": "word " * 20_000})
    update_written(tmp_path, assignment, STUDENTS, found)
    mark(tmp_path, assignment, "s1", "A2", points=3)
    (row,) = update_written(tmp_path, assignment, STUDENTS, found)
    assert (row.points, row.note) == (3.0, "")


def test_two_commits_with_one_text_have_one_row_and_with_two_texts_two(tmp_path, assignment):
    first = Result("s1", "a" * 40, "n.ipynb", GRADED, (), answers={"A2": "one", "D2": "half"})
    later = Result("s1", "b" * 40, "n.ipynb", GRADED, (), answers={"A2": "one", "D2": "whole", "E2": "new"})
    rows = update_written(tmp_path, assignment, ["s1"], {"s1": first}, {"s1": [later]})
    assert [(row.question, row.answer, row.commit) for row in rows] == [
        ("A2", "one", ""),
        ("D2", "half", ""),
        ("D2", "whole", "b" * 12),
        ("E2", "new", "b" * 12),
    ]
    given = [replace(row, points=float(place)) for place, row in enumerate(rows)]
    write_written(tmp_path / NAME, assignment, given)
    rows = update_written(tmp_path, assignment, ["s1"], {"s1": first}, {"s1": [later]})
    assert [row.points for row in rows] == [0, 1, 2, 3]
    assert {q: mark.points for q, mark in marks_of(rows, first, first).items()} == {"A2": 0, "D2": 1}
    assert {q: mark.points for q, mark in marks_of(rows, first, later).items()} == {"A2": 0, "D2": 2, "E2": 3}
    kept = update_written(tmp_path, assignment, ["s1"], {"s1": first})  # the later commit does not count any more
    assert [row.points for row in kept] == [0, 1, 2, 3]


def test_points_that_a_person_gave_for_a_function_hold_for_every_commit(tmp_path, assignment):
    first = Result("s1", "a" * 40, "n.ipynb", GRADED, ())
    later = Result("s1", "b" * 40, "n.ipynb", GRADED, ())
    given = Mark("s1", "B1", points=4.0)
    assert marks_of([given], first, later) == {"B1": given}
