"""Every exercise of every lab and homework: its kit version, its stub, its solution, and all of its wrong answers."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from lab_utils.checks.exercise import Exercise, difference, same
from tests.checks.notebook_functions import ROOT, load_function

NOTEBOOKS = {
    "lab00": "00_start_here.ipynb",
    "lab01": "01_feature_extraction.ipynb",
    "lab02": "02_freezing.ipynb",
    "lab03": "03_fine_tuning.ipynb",
    "lab04": "04_cbr_vs_resnet.ipynb",
    "lab05": "05_cca.ipynb",
    "lab06": "06_weight_transfusion.ipynb",
    "lab07": "07_what_makes_transfer_work.ipynb",
    "homework4": "homework4.ipynb",
}
TABLE = [
    (module, exercise)
    for module in NOTEBOOKS
    for exercise in importlib.import_module(f"lab_utils.checks.{module}").EXERCISES
]
ALL = pytest.mark.parametrize(("module", "exercise"), TABLE, ids=[f"{m}-{e.name}" for m, e in TABLE])
WRONG = [(exercise, number) for _, exercise in TABLE for number in range(len(exercise.wrong))]


@ALL
def test_the_solution_is_correct_and_the_stub_is_not_attempted(module, exercise):
    right = exercise.examine(load_function(Path("solutions") / NOTEBOOKS[module], exercise.name))
    assert right.status == "correct", right.hint
    assert exercise.examine(load_function(Path("labs") / NOTEBOOKS[module], exercise.name)).status == "not attempted"


@ALL
def test_the_kits_own_version_passes_every_case(module, exercise):
    if exercise.kit is not None:
        found = exercise.examine(lambda *args, **settings: exercise.kit(*args, **settings))
        assert found.status == "correct", found.hint


@pytest.mark.parametrize(("exercise", "number"), WRONG, ids=[f"{e.name}-{n}" for e, n in WRONG])
def test_a_wrong_answer_is_rejected_with_its_hint(exercise, number):
    wrong, hint = exercise.wrong[number]
    found = exercise.examine(lambda *args, **settings: wrong(*args, **settings))
    assert found.status == "incorrect"
    assert hint in found.hint


# ---- the form itself

MEAN = Exercise(
    "mean",
    np.mean,
    {"Three numbers": lambda f: f(np.array([1.0, 2, 6])), "None at all": lambda f: f(np.zeros(0)) if f else 0},
    wrong=((np.median, "The one in the middle."), (np.sum, "A sum.")),
)


def test_every_notebook_with_a_table_of_exercises_is_in_these_tests():
    modules = (ROOT / "lab_utils" / "checks").rglob("*.py")
    names = {
        path.parent.name if path.stem == "__init__" else path.stem
        for path in modules
        if "\nEXERCISES = " in path.read_text()
    }
    assert names == set(NOTEBOOKS)


def test_a_mistake_that_is_not_listed_is_told_in_numbers():
    found = MEAN.examine(lambda values: float(np.max(values)))
    assert found.hint == "Three numbers: expected 3, got 6."


def test_of_two_wrong_answers_that_agree_at_the_first_difference_the_one_that_agrees_everywhere_has_the_hint():
    exercise = Exercise(
        "double",
        lambda x: 2 * x,
        {"Two": lambda f: f(2.0) - 1, "Three": lambda f: f(3.0)},
        wrong=((lambda x: x + 1, "One was added."), (lambda x: 3.0, "Always three.")),
    )
    assert exercise.examine(lambda x: 1 + x).hint == "Two: expected 3, got 2. One was added."
    assert exercise.examine(lambda x: 3.0 + 0 * x).hint == "Two: expected 3, got 2. Always three."


def test_of_two_mistakes_in_one_report_the_first_one_is_told():
    report = {"Three": lambda f: {"value": f(3), "kind": type(f(3)).__name__}}
    exercise = Exercise("double", lambda x: 2 * x, report, wrong=((lambda x: x + 1, "One was added."),))
    assert exercise.examine(lambda x: 1.0 + x).hint == "Three: value: expected 6, got 4. One was added."


def test_an_error_gets_the_hint_of_the_wrong_answer_with_the_same_error_and_else_the_students_line():
    exercise = Exercise(
        "inverse",
        lambda x: 1 / x if x else 0.0,
        {"Four": lambda f: f(4.0), "Zero": lambda f: f(0.0)},
        wrong=((lambda x: 1 / x, "There is no inverse of 0."),),
    )
    assert exercise.examine(lambda x: 1 / x).hint == (
        "Zero: it stopped with ZeroDivisionError. There is no inverse of 0."
    )

    def student(x):
        return {4.0: 0.25}[x]

    found = exercise.examine(student)
    assert "KeyError" in found.hint
    assert "{4.0: 0.25}[x]" in found.line


def test_an_endless_function_a_stub_and_a_forgotten_return_are_known():
    assert MEAN.examine(lambda values: None).hint.startswith("`mean` returned None")

    def stub(values):
        raise NotImplementedError

    assert MEAN.examine(stub).status == "not attempted"


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        (1.0, 1.00001, True),
        (1.0, 1.1, False),
        (True, 1, False),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.ones(3), np.ones((3, 1)), False),
        ([1.0, "a"], (1, "a"), True),
        ({"a": 1}, {"b": 1}, False),
        (None, None, True),
        (None, 0, False),
        ("x", "y", False),
    ],
)
def test_reports_are_compared_by_value(a, b, equal):
    assert same(a, b) is equal


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        ({"mean": 1.0}, {"mean": 2.0}, "mean: expected 2, got 1."),
        (np.ones(3), np.ones(2), "expected the shape (2,), got (3,)."),
        (np.array([1.0, 5.0]), np.array([1.0, 2.0]), "entry [1]: expected 2, got 5."),
        ([1, "a"], [1, "b"], "value 2: expected b, got a."),
        (None, 3.5, "expected 3.5, got None."),
    ],
)
def test_a_difference_is_told_in_one_sentence(got, expected, words):
    assert difference(got, expected) == words


def test_a_difference_is_found_at_the_closeness_of_the_exercise():
    exercise = Exercise("pair", lambda: [1.0, 2.0], {"Two": lambda f: f()}, close=1e-7)
    assert exercise.examine(lambda: [1.0, 2.00001]).hint == "Two: value 2: expected 2.0, got 2.00001."
