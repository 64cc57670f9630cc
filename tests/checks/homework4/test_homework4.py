import inspect
import subprocess
import sys

import numpy as np
import pytest

from lab_utils.checks import homework4
from lab_utils.checks.outcome import examine
from lab_utils.staff.course.run import run_lab
from tests.checks.homework4 import answers
from tests.checks.notebook_functions import ROOT, load_function

NOTEBOOK = "homework4.ipynb"


def check_of(name):
    return getattr(homework4, f"check_{name}")


@pytest.mark.parametrize("name", answers.WRONG)
def test_the_solution_is_correct_and_the_stub_is_not_attempted(name, outcome_of):
    result = outcome_of(check_of(name), load_function(f"solutions/{NOTEBOOK}", name))
    assert (result.status, result.notice) == ("correct", "The grader tries other inputs.")
    result = outcome_of(check_of(name), load_function(f"labs/{NOTEBOOK}", name))
    assert (result.status, result.notice) == ("not attempted", "")


@pytest.mark.parametrize(("name", "wrong", "words", "hidden", "share"), answers.CASES, ids=answers.IDS)
def test_a_wrong_answer_gets_the_hint_that_fits(name, wrong, words, hidden, share, outcome_of):
    result = outcome_of(check_of(name), wrong)
    if words is None:  # only the grader's inputs show this mistake
        assert result.status == "correct"
    else:
        assert result.status == "incorrect"
        assert words in result.hint


@pytest.mark.parametrize("name", answers.WRONG)
@pytest.mark.parametrize(
    "result", [None, "text", 3, [], {}, ["a", "b"], {"gap": "x"}, object(), float("nan"), np.ones(3)]
)
def test_odd_results_get_a_hint_and_no_error_of_the_check(name, result, outcome_of):
    shown = outcome_of(check_of(name), lambda *arguments: result)
    assert shown.status == "incorrect"
    assert shown.hint
    assert "that the check cannot use" not in shown.hint


def test_a_check_returns_nothing_and_holds_no_solution():
    assert homework4.check_prepare(load_function(f"solutions/{NOTEBOOK}", "prepare")) is None
    for name in answers.WRONG:
        assert not hasattr(homework4, name)


def test_a_homework_without_kit_never_passes_something_that_is_none():
    assert examine("f", None, None, ()).status == "not attempted"


def test_attempt_hands_the_result_on():
    assert homework4.attempt(lambda a, b: a + b, 2, b=3) == 5


def test_attempt_names_the_function_without_code(capsys):
    def unwritten():
        raise NotImplementedError("your code goes here")

    def outer():
        return unwritten()

    assert homework4.attempt(outer) is None
    assert capsys.readouterr().out == "Left out here: `unwritten` has no code yet.\n"


def test_attempt_says_in_two_lines_what_failed(capsys):
    def divide():
        return 1 / 0

    assert homework4.attempt(divide) is None
    assert capsys.readouterr().out.splitlines() == [
        "Left out here: divide stopped in `divide` with",
        "  ZeroDivisionError: division by zero",
    ]


def test_attempt_finds_the_function_that_failed_in_a_worker(capsys):
    text = 'failed with seed=0. NotImplementedError: x\n\nTraceback:\n  File "a.py", line 1, in one_run\n'
    text += '  File "b.py", line 2, in fine_tune_and_predict\nNotImplementedError: x'

    def grid():
        raise RuntimeError(text)

    assert homework4.attempt(grid) is None
    assert "`fine_tune_and_predict` has no code yet" in capsys.readouterr().out


def test_the_probes_need_nothing_but_torch():
    from lab_utils.checks import frozen_networks

    code = inspect.getsource(frozen_networks) + "\nimport sys\nassert 'lab_utils' not in sys.modules\n"
    subprocess.run([sys.executable, "-I", "-c", code], check=True, timeout=120)


HALF = {
    "no fine-tuning": ("fine_tune", "explain_gap", "remedy"),
    "no comparison": ("paired_difference", "mcnemar", "choose_threshold"),
}


@pytest.mark.parametrize("missing", HALF.values(), ids=HALF)
def test_a_half_solved_notebook_runs_from_top_to_bottom(missing, tmp_path, monkeypatch):
    import nbformat

    from lab_utils.staff.course.marks import student_source

    monkeypatch.setenv("LAB_PROFILE", "smoke")
    monkeypatch.setenv("LAB_WORKERS", "1")
    notebook = nbformat.read(ROOT / "solutions" / NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if any(f"def {name}(" in cell.source for name in missing):
            cell.source = student_source(cell.source, code=True)
    nbformat.write(notebook, tmp_path / NOTEBOOK)
    result = run_lab(tmp_path / NOTEBOOK, tmp_path / "build", {})
    assert result.error == ""
    page = (tmp_path / "build" / "homework4.html").read_text("utf-8")
    assert "has no code yet" in page


@pytest.mark.parametrize(("name", "right"), [(name, right) for name in answers.RIGHT for right in answers.RIGHT[name]])
def test_other_right_answers_pass(name, right, outcome_of):
    result = outcome_of(check_of(name), right)
    assert result.status == "correct", result.hint


def test_a_classifier_can_lie_inside_of_another_module(outcome_of):
    def by_getattr(model, classifier):
        model.requires_grad_(False)
        getattr(model, classifier).requires_grad_(True)

    result = outcome_of(homework4.check_freeze_backbone, by_getattr)
    assert result.status == "incorrect"
    assert "no attribute 'classifier.1'" in result.hint


def test_a_function_with_other_arguments_is_told_so(outcome_of):
    result = outcome_of(homework4.check_choose_models, lambda number: ("resnet18", "cbr_tiny"))
    assert result.status == "incorrect"
    assert "cannot be called" in result.hint
    assert "missing 1 required positional argument: 'number'" in result.hint
