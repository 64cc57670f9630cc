"""What the grader itself does with the texts of a submission, outside of any sandbox."""

import math

import numpy as np

from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.cases import Case
from lab_utils.staff.grading.key import Key
from lab_utils.staff.grading.notebooks import Found
from lab_utils.staff.grading.predictions_file import find_predictions, read_predictions
from lab_utils.staff.grading.remote import TimedOut, Undecided
from lab_utils.staff.grading.result import PASSED, TIMED_OUT, UNDECIDED, WRONG
from lab_utils.staff.grading.submission import PATIENCE, _grade_function
from lab_utils.staff.homework4.predictions import PREDICTIONS


def test_predictions_lie_beside_the_notebook_and_a_huge_file_is_not_read(tmp_path):
    nobody = np.zeros(2, np.int64)
    key = Key(Assignment("h", "H", ()), {}, PREDICTIONS, nobody, nobody, b"")
    for folder, value in (("a", 0.25), ("labs", 0.75)):
        (tmp_path / folder).mkdir()
        text = f"image,model_1_fixed\n0,{value}\n1,{value}\n"
        (tmp_path / folder / PREDICTIONS.file).write_text(text)
    name = PREDICTIONS.file
    assert find_predictions(tmp_path, "labs/h.ipynb", key) == (f"labs/{name}", "")
    assert find_predictions(tmp_path, "", key) == (f"a/{name}", "")
    assert read_predictions(tmp_path / "labs" / name, key)[0]["model_1_fixed"].tolist() == [0.75] * 2
    with (tmp_path / "labs" / name).open("wb") as file:
        file.truncate(5 * 2**20)
    assert read_predictions(tmp_path / "labs" / name, key) == ({}, WRONG, f"{name} is larger than 4 MiB.")


def test_of_several_files_of_nearly_the_name_none_is_guessed(tmp_path):
    key = Key(Assignment("h", "H", ()), {}, PREDICTIONS, np.zeros(2, np.int64), np.zeros(2, np.int64), b"")
    assert find_predictions(tmp_path, "", key) == ("", f"There is no file {PREDICTIONS.file} in the repository.")
    for number in (1, 2):
        (tmp_path / f"homework4_predictions ({number}).csv").write_text("x")
        found, why = find_predictions(tmp_path, "", key)
        assert found == ("homework4_predictions (1).csv" if number == 1 else "")
    assert "homework4_predictions (1).csv, homework4_predictions (2).csv. Keep one" in why


class Fake:
    """A sandbox that notes what it is asked and gives it back, or is slow."""

    def __init__(self, slow=None):
        self.slow, self.asked = slow, []

    def open(self, *args, **settings): ...

    def call(self, name, args, script, *, seconds):
        self.asked.append(args[0])
        if self.slow:
            raise self.slow("too slow")
        return args[0]


CONTENT = {"names": ["f"], "functions": ["f"], "stubs": [], "broken": {}, "sources": [], "split": []}
CASES = tuple(Case(f"case {i}", 1, lambda student, rng: student(int(rng.integers(2**60)))) for i in range(5))


def graded(sandbox, who=("ann", "1"), secret=b"s", end=math.inf):
    nobody = np.zeros(0, np.int64)
    key = Key(None, {"f": CASES}, None, nobody, nobody, secret)
    question = Question("A1", "t", 5, "function", function="f")
    return _grade_function(question, Found("labs/a.ipynb", CONTENT), who, key, sandbox, end)


def test_a_function_that_is_slow_in_two_cases_is_not_tried_in_the_others():
    sandbox = Fake(slow=TimedOut)
    result = graded(sandbox)
    assert len(sandbox.asked) == PATIENCE == 2
    assert [case.status for case in result.cases] == [TIMED_OUT] * 5
    assert ["Not tried" in case.hint for case in result.cases] == [False, False, True, True, True]


def test_a_function_that_the_machine_was_too_busy_for_is_not_decided():
    sandbox = Fake(slow=Undecided)
    result = graded(sandbox)
    assert (len(sandbox.asked), result.status) == (1, UNDECIDED)
    assert [case.status for case in result.cases] == [UNDECIDED] * 5


def test_a_submission_that_took_too_long_as_a_whole_is_asked_no_more():
    sandbox = Fake()
    result = graded(sandbox, end=-math.inf)
    assert (sandbox.asked, result.status) == ([], UNDECIDED)
    assert "took too long" in result.hint


def test_a_commit_always_gets_the_same_inputs_and_no_other_gets_them():
    def inputs(**changes):
        sandbox = Fake()
        assert {case.status for case in graded(sandbox, **changes).cases} == {PASSED}
        return sandbox.asked

    first = inputs()
    assert len(set(first)) == 5
    assert inputs() == first
    for other in ({"who": ("ben", "1")}, {"who": ("ann", "2")}, {"secret": b"t"}):
        assert not set(inputs(**other)) & set(first)
