from pathlib import Path

import pytest

from lab_utils.staff.grading.assignment import read_assignment

ROOT = Path(__file__).resolve().parents[3]
QUESTION = '[[question]]\nname = "A1"\ntitle = "One"\npoints = 3\nkind = "function"\nfunction = "one"\n'
HEAD = 'name = "h"\ntitle = "H"\n'


def test_homework_4_has_the_points_that_the_course_gives():
    assignment = read_assignment(ROOT / "solutions/homework4.toml")
    tasks = {q.task: 0.0 for q in assignment.questions}
    for question in assignment.questions:
        tasks[question.task] += question.points
    assert tasks == {"A": 20, "B": 30, "C": 30, "D": 10, "E": 10}
    assert assignment.points == 100


def test_the_lines_of_every_rubric_add_up_to_its_points():
    for question in read_assignment(ROOT / "solutions/homework4.toml").of_kind("written"):
        assert sum(float(line.split(":")[0]) for line in question.rubric) == question.points


def test_questions_come_in_the_order_of_the_file(tmp_path):
    path = tmp_path / "h.toml"
    path.write_text(HEAD + QUESTION + QUESTION.replace("A1", "A0"))
    assert [question.name for question in read_assignment(path).questions] == ["A1", "A0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "each name once"),
        (HEAD + QUESTION + QUESTION, "each name once"),
        (HEAD + QUESTION.replace("points = 3\n", ""), "'points'"),
        (HEAD + QUESTION.replace("points = 3", "points = 0"), "points above 0"),
        (HEAD + QUESTION.replace('kind = "function"', 'kind = "essay"'), "function with function"),
        (HEAD + QUESTION.replace('function = "one"\n', ""), "function with function"),
        (HEAD + QUESTION.replace('kind = "function"', 'kind = "written"'), "written with rubric"),
    ],
)
def test_an_incomplete_question_is_named_before_anybody_is_graded(tmp_path, text, message):
    path = tmp_path / "h.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_assignment(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"h\.toml"):
        read_assignment(tmp_path / "h.toml")
