import pytest

from lab_utils.staff.grading.assignment import read_assignment

QUESTION = '[[question]]\nname = "A1"\ntitle = "One"\npoints = 3\nkind = "function"\nfunction = "one"\n'
HEAD = 'name = "h"\ntitle = "H"\n'


def test_questions_come_in_the_order_of_the_file(tmp_path):
    (tmp_path / "questions.toml").write_text(HEAD + QUESTION + QUESTION.replace("A1", "A0"))
    assert [question.name for question in read_assignment(tmp_path).questions] == ["A1", "A0"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "each name once"),
        (HEAD + QUESTION + QUESTION, "each name once"),
        (HEAD + QUESTION.replace("points = 3\n", ""), r"questions\.toml.*`points` - at `\$\.question\[0\]`.*Correct"),
        (HEAD + QUESTION.replace("points = 3", "points = 'three'"), r"got `str` - at `\$\.question\[0\]\.points`"),
        (QUESTION, "required field `name`"),
        (HEAD + "title = 'again'", "Cannot overwrite"),
        (HEAD + QUESTION.replace("points = 3", "points = 0"), "points above 0"),
        (HEAD + QUESTION.replace('kind = "function"', 'kind = "essay"'), "function with function"),
        (HEAD + QUESTION.replace('function = "one"\n', ""), "function with function"),
        (HEAD + QUESTION.replace('kind = "function"', 'kind = "written"'), "written with rubric"),
    ],
)
def test_an_incomplete_question_is_named_before_anybody_is_graded(tmp_path, text, message):
    (tmp_path / "questions.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_assignment(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"questions\.toml"):
        read_assignment(tmp_path)
