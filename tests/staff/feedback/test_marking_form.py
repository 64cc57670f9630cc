"""The form saves each mark at once, refuses what is no mark, and keeps what others wrote meanwhile."""

import json
import threading

import pytest

from lab_utils.staff.feedback.marking_form import marking_form
from lab_utils.staff.grading.lock import one_writer
from lab_utils.staff.grading.result import GRADED, Result
from lab_utils.staff.grading.written import CHANGED, NAME, Mark, read_written, update_written, write_written
from tests.staff.feedback.made_up import make_assignment

STUDENTS = ["s1", "s2"]
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def course(tmp_path):
    assignment = make_assignment(tmp_path)
    folder = tmp_path / "grading/homework4"
    folder.mkdir(parents=True)
    table = {"homework": "homework4", "students": [{"student": student} for student in STUDENTS]}
    (folder / "collected.json").write_text(json.dumps(table), "utf-8")
    answers = {"s1": {"A2": HOSTILE, "E2": "because"}, "s2": {"A2": "two"}}
    found = {s: Result(s, "sha", "n.ipynb", GRADED, (), answers=given) for s, given in answers.items()}
    update_written(folder, assignment, STUDENTS, found)
    return folder, assignment


def points_in(course):
    return {(m.student, m.question): m.points for m in read_written(course[0] / NAME, course[1], STUDENTS)}


def test_it_shows_answer_and_rubric_and_saves_at_once(course):
    form = marking_form(course[0])
    assert "A2 Why these two" in form.head.value
    assert "answer 1 of 3, by s1; 0 marked" in form.head.value
    assert "5: a reason from the data" in form.rubric.value
    assert "&lt;img src=x onerror=alert(1)&gt;" in form.answer.value
    assert "<img" not in form.answer.value
    form.points.value = "12,5"
    assert points_in(course) == {("s1", "A2"): 12.5, ("s2", "A2"): None, ("s1", "E2"): None}
    assert "Saved: 12.5 of 15." in form.status.value
    form.comment.value = "good"
    assert read_written(course[0] / NAME, course[1], STUDENTS)[0] == Mark("s1", "A2", HOSTILE, 12.5, "good")
    form.points.value = ""
    assert points_in(course)["s1", "A2"] is None


@pytest.fixture
def class_of_twelve(tmp_path):
    """Twelve answers to A2, each with what tells whose it is."""
    assignment = make_assignment(tmp_path)
    folder = tmp_path / "grading/homework4"
    folder.mkdir(parents=True)
    people = [{"student": f"s{i:02}", "name": f"Ada{i} Silva", "email": f"ada{i}@example.org"} for i in range(12)]
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": people}), "utf-8")
    text = "I, {name} ({student}, {email}), Silva of all, adapted it; s0 and silvan stay."
    found = {
        p["student"]: Result(p["student"], "a", "n.ipynb", GRADED, (), answers={"A2": text.format(**p)}) for p in people
    }
    update_written(folder, assignment, [p["student"] for p in people], found)
    return folder, assignment, people


def test_an_anonymous_form_shows_nobody_and_marks_the_right_one(class_of_twelve):
    folder, assignment, people = class_of_twelve
    form = marking_form(folder, anonymous=True)
    order = []
    for number in range(12):
        shown = form.head.value + form.answer.value + form.pictures.value + form.status.value
        assert "I, [name] ([name], [name]), [name] of all, adapted it; s0 and silvan stay." in shown
        assert not [word for p in people for word in (p["student"], p["name"], p["email"], "by s") if word in shown]
        order.append(form.rows[form.place].student)
        form.points.value = str(number)
        form.next.click()
    marks = {m.student: m.points for m in read_written(folder / NAME, assignment, [p["student"] for p in people])}
    assert marks == {student: number for number, student in enumerate(order)}
    assert sorted(order) != order  # the order of the roster would tell
    assert marking_form(folder, anonymous=True).rows == form.rows  # and is the same the next day
    assert "by s00" in marking_form(folder).head.value


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Will Müller",
            "WILL MÜLLER",
            "will_müller",
            "WillMüller",
            "will.müller",
            "Will  M\u0075\u0308ller",
            "Müller",
        ),
        *("MÜLLER", "S7", "Will@Example.org", "willm", "github.com/WillM/hw"),
    ],
)
def test_a_name_is_taken_out_in_any_spelling(course, text):
    folder, _ = course
    person = {"student": "s7", "name": "Will Müller", "email": "will@example.org", "url": "https://github.com/willm/hw"}
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": [person]}), "utf-8")
    note = f"This stands in another notebook, {text}.ipynb."
    write_written(folder / NAME, course[1], [Mark("s7", "A2", f"I am {text}! It will do.", note=note)])
    shown = marking_form(folder, anonymous=True)
    assert "I am [name]! It will do." in shown.answer.value.replace("github.com/[name]/hw", "[name]")
    assert text not in shown.head.value
    assert text in marking_form(folder).head.value


@pytest.mark.parametrize("text", ["16", "-1", "good", "nan"])
def test_what_is_no_mark_is_not_saved(course, text):
    form = marking_form(course[0])
    form.points.value = "3"
    form.points.value = text
    assert "Not saved: points should be" in form.status.value
    assert points_in(course)["s1", "A2"] == 3


def test_the_form_does_not_go_on_from_what_it_could_not_save(course):
    form = marking_form(course[0])
    form.points.value = "17"
    for button in (form.next, form.previous, form.next_open):
        button.click()
        assert (form.place, form.points.value) == (0, "17")
    form.points.value = ""
    form.next.click()
    assert form.place == 1


def test_moving_shows_the_fields_of_each_answer_and_saves_nothing(course):
    form = marking_form(course[0])
    form.points.value = "3"
    before = (course[0] / NAME).read_bytes()
    form.next.click()
    assert (form.points.value, form.place) == ("", 1)
    form.previous.click()
    form.previous.click()
    assert "E2" in form.head.value  # round the corner
    form.next.click()
    assert form.points.value == "3"
    assert (course[0] / NAME).read_bytes() == before


def test_it_goes_on_where_marking_stopped(course):
    form = marking_form(course[0])
    form.points.value = "3"
    assert marking_form(course[0]).place == 1
    form.next_open.click()
    assert form.place == 1


def test_marks_made_elsewhere_meanwhile_are_kept(course):
    form = marking_form(course[0])
    rows = read_written(course[0] / NAME, course[1], STUDENTS)
    write_written(course[0] / NAME, course[1], [Mark("s2", "A2", "two", 9.0), rows[0]])  # another order, too
    form.points.value = "3"
    assert points_in(course) == {("s2", "A2"): 9.0, ("s1", "A2"): 3.0}


def test_two_markers_of_one_answer_keep_what_the_other_one_wrote(course):
    first, second = marking_form(course[0]), marking_form(course[0])
    first.points.value = "3"
    second.comment.value = "see me"
    assert read_written(course[0] / NAME, course[1], STUDENTS)[0] == Mark("s1", "A2", HOSTILE, 3.0, "see me")
    assert (second.points.value, second.status.value.count("Saved: 3 of 15.")) == ("3", 1)


def test_while_another_program_writes_the_form_does_not_freeze_and_saves_later(course, monkeypatch):
    monkeypatch.setattr("lab_utils.staff.feedback.marking_form.PATIENCE", 0.05)
    form = marking_form(course[0])
    before = (course[0] / NAME).read_bytes()
    with one_writer(course[0] / NAME):
        form.points.value = "3"
        form.next.click()
        assert (form.place, form.points.value) == (0, "3")  # it does not go on from what is not saved
        assert "Not saved yet: grade or feedback is writing" in form.status.value
        assert (course[0] / NAME).read_bytes() == before
    form.next_open.click()
    assert points_in(course)["s1", "A2"] == 3
    assert form.place == 1


def test_a_mark_made_while_grade_or_feedback_writes_is_not_lost(course, monkeypatch):
    folder, assignment = course
    form = marking_form(folder)
    marker = threading.Thread(target=lambda: form.points.set_trait("value", "3"))

    def write(*arguments):
        marker.start()  # the rows are read, not yet written: the form has to wait now
        marker.join(0.3)
        write_written(*arguments)

    monkeypatch.setattr("lab_utils.staff.grading.written.write_written", write)
    found = {"s2": Result("s2", "sha", "n.ipynb", GRADED, (), answers={"A2": "two", "D2": "new"})}
    update_written(folder, assignment, STUDENTS, found)
    marker.join()
    assert points_in(course) == {("s1", "A2"): 3.0, ("s2", "A2"): None, ("s2", "D2"): None, ("s1", "E2"): None}


def test_new_points_settle_a_changed_answer(course):
    rows = [Mark("s1", "A2", "new", 3.0, note=CHANGED)]
    write_written(course[0] / NAME, course[1], rows)
    form = marking_form(course[0])
    assert CHANGED in form.head.value
    form.comment.value = "read again"
    assert read_written(course[0] / NAME, course[1], STUDENTS)[0].note == CHANGED
    form.points.value = "4"
    assert read_written(course[0] / NAME, course[1], STUDENTS)[0].note == ""


def test_a_file_that_was_broken_meanwhile_is_left_alone(course):
    form = marking_form(course[0])
    (course[0] / NAME).write_text("student,question,points\ns1,A2,99\n", "utf-8")
    form.points.value = "3"
    assert "Not saved" in form.status.value
    assert "99" in (course[0] / NAME).read_text("utf-8")


def test_without_answers_it_says_so(course):
    write_written(course[0] / NAME, course[1], [])
    assert marking_form(course[0]).head.value == "There are no written answers to mark."


def test_marks_of_somebody_who_left_the_class_are_kept(course):
    (course[0] / "mirrors" / "s0.git").mkdir(parents=True)
    rows = [Mark("s1", "A2", "one"), Mark("s0", "A2", "none", 4.0)]
    write_written(course[0] / NAME, course[1], rows)
    marking_form(course[0]).points.value = "3"
    assert [m.points for m in read_written(course[0] / NAME, course[1], ["s0", "s1"])] == [3.0, 4.0]


def test_before_grading_it_says_what_to_do(course):
    (course[0] / NAME).unlink()
    with pytest.raises(FileNotFoundError, match="lab_utils grade"):
        marking_form(course[0])
