"""Help comes after an attempt, one step at a time, and never gives the answer away."""

import importlib
import json
import linecache

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.checks import helping, hint, progress, sample_answer, solution
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.guides import read_guide
from lab_utils.checks.lab00_questions import SCALE
from lab_utils.checks.outcome import Wrong
from lab_utils.progress_file import Progress, begin_progress, progress_now
from lab_utils.staff.course.build import SHORTEST_LEAK, squeeze
from tests.checks.test_exercises import NOTEBOOKS

LABS = {module: name.removesuffix(".ipynb") for module, name in NOTEBOOKS.items() if module.startswith("lab")}
TABLE = [
    (module, exercise)
    for module in LABS
    for exercise in importlib.import_module(f"lab_utils.checks.{module}").EXERCISES
]


def is_double(student):
    if student(3) != 6:
        raise Wrong("Twice 3 is 6.")


DOUBLE = Exercise("double", lambda x: 2 * x, cases=(is_double,), steps=("First.", "Second."))
FIRST, SECOND = (lambda x: x + 1), (lambda x: x + 2)
GUIDE = {
    "sections": [
        {"title": "1 Twice", "exercises": ["double"], "questions": ["lab00_questions.SCALE"], "written": []},
        {"title": "2 Words", "exercises": [], "questions": [], "written": ["A", "B"]},
    ],
    "solutions": {"double": "def double(x):\n    return x + x"},
    "answers": {"A": "Because it is twice.", "B": "Because it is so."},
}


@pytest.fixture(autouse=True)
def lab(tmp_path, monkeypatch):
    """A lab of one exercise, in its own folder, as its first cell leaves it."""
    monkeypatch.setattr("lab_utils.progress_file._current", Progress())
    monkeypatch.setattr(helping, "_checked", {})
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "labs").mkdir(parents=True)
    (tmp_path / "data" / "labs" / "09_twice.json").write_text(json.dumps(GUIDE))
    begin_progress("09_twice")
    return tmp_path


@pytest.fixture
def said(capsys):
    def run(function, *arguments):
        function(*arguments)
        return " ".join(capsys.readouterr().out.split())

    return run


def test_before_a_check_there_is_no_help(said):
    assert "Run the check of an exercise" in said(hint)
    assert "Run the check of `double`" in said(solution, "double")


def test_a_stub_is_no_attempt(said):
    def stub(x):
        raise NotImplementedError

    assert "hint()" not in said(DOUBLE.check, stub)
    assert "Try first" in said(hint)
    assert "2 more attempts first" in said(solution)


def test_after_a_wrong_answer_the_steps_come_one_by_one(said):
    assert "`hint()`" in said(DOUBLE.check, FIRST)
    shown = said(hint)
    assert "step 1 of 2 1. First." in shown
    assert "Second." not in shown
    assert "step 2 of 2 1. First. 2. Second." in said(hint)
    assert "step 2 of 2" in said(hint, "double")


def test_the_solution_comes_after_two_attempts_that_differ(said):
    said(DOUBLE.check, FIRST)
    said(DOUBLE.check, FIRST)
    assert "1 more attempt first" in said(solution)
    assert "`solution()`" in said(DOUBLE.check, SECOND)
    assert "return x + x" in said(solution)


def written(text):
    """The function that a cell with this text defines; its source can be looked up, as in a notebook."""
    name = f"<cell {text}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    space = {}
    exec(compile(text, name, "exec"), space)
    return space["f"]


def test_other_comments_and_layout_do_not_make_another_attempt(said):
    for text in ("def f(x):\n    return x + 1\n", 'def f(x):\n    """Words."""\n    # more\n    return (x +  1)\n'):
        said(DOUBLE.check, written(text))
    assert "1 more attempt first" in said(solution)
    said(DOUBLE.check, written("def f(x):\n    return x + 5\n"))
    assert "return x + x" in said(solution)


def test_who_passed_may_compare_and_needs_no_step(said):
    assert "hint()" not in said(DOUBLE.check, lambda x: x + x)
    assert "passed its check" in said(hint)
    assert "return x + x" in said(solution)


def test_attempts_and_steps_survive_a_restart(said, monkeypatch):
    said(DOUBLE.check, FIRST)
    said(hint)
    monkeypatch.setattr(helping, "_checked", {})  # as a new kernel has it
    begin_progress("09_twice")
    said(DOUBLE.check, SECOND)
    assert "step 2 of 2" in said(hint)
    assert "return x + x" in said(solution)


def test_a_homework_shows_no_step_and_no_solution(said):
    homework = Exercise("prepare", None, cases=(is_double,))
    said(homework.check, FIRST)
    assert "Run the check" in said(hint)
    assert "Run the check" in said(solution)


def test_where_the_instructor_keeps_the_solutions_none_is_shown(said, lab):
    (lab / "data" / "labs" / "09_twice.json").write_text(json.dumps(GUIDE | {"solutions": None, "answers": None}))
    said(DOUBLE.check, FIRST)
    said(DOUBLE.check, SECOND)
    assert "Your teacher keeps" in said(solution)
    assert "Your teacher keeps" in said(sample_answer, "A", "I have written a long answer.")


def notebook(lab, answer):
    cells = [
        new_markdown_cell("**A.** Why is it so?"),
        new_markdown_cell("*Your answer, in your own words.*"),
        new_markdown_cell("**B.** And that?"),
        new_markdown_cell(answer),
        new_code_cell("sample_answer('B')"),
        new_markdown_cell("Text of the next section, which is no answer at all."),
    ]
    nbformat.write(new_notebook(cells=cells), lab / "09_twice.ipynb")


def test_a_sample_answer_comes_after_ones_own_in_the_saved_notebook(said, lab):
    notebook(lab, "*Your answer, in your own words.*")
    assert "save the notebook" in said(sample_answer, "B")
    notebook(lab, "Because nothing else can be.")
    assert "Because it is so." in said(sample_answer, "B")
    assert "save the notebook" in said(sample_answer, "A")
    assert "are: A, B" in said(sample_answer, "C")


def test_where_the_notebook_cannot_be_read_the_answer_is_given_with_the_call(said, lab):
    assert "cannot be read" in said(sample_answer, "A")
    assert "cannot be read" in said(sample_answer, "A", "too short")
    assert "Because it is twice." in said(sample_answer, "A", "It is two times as much.")
    (lab / "09_twice.ipynb").write_text("{")
    assert "cannot be read" in said(sample_answer, "B")


def test_progress_is_one_line_for_each_section(said):
    assert "1 Twice: exercises 0 of 1, questions 0 of 1" in said(progress)
    said(DOUBLE.check, lambda x: x + x)
    said(sample_answer, "A", "It is two times as much.")
    progress_now().questions.append(SCALE.text)
    shown = said(progress)
    assert "\N{HEAVY CHECK MARK} 1 Twice: exercises 1 of 1, questions 1 of 1" in shown
    assert "\N{HORIZONTAL ELLIPSIS} 2 Words: written answers 1 of 2" in shown
    assert "09_twice_progress.json" in shown


# ---- the labs as they are


@pytest.mark.parametrize(("module", "exercise"), TABLE, ids=[exercise.name for _, exercise in TABLE])
def test_every_exercise_has_steps_that_hold_no_line_of_its_solution(module, exercise, monkeypatch):
    monkeypatch.delenv("LAB_DATA")
    assert 2 <= len(exercise.steps) <= 3
    lines = map(squeeze, read_guide(LABS[module]).solutions[exercise.name].splitlines()[1:])
    secrets = [line for line in lines if len(line) >= SHORTEST_LEAK]
    assert secrets
    assert [line for line in secrets if any(line in squeeze(step) for step in exercise.steps)] == []


@pytest.mark.parametrize("module", LABS)
def test_every_exercise_and_question_of_a_lab_is_in_its_list(module, monkeypatch):
    monkeypatch.delenv("LAB_DATA")
    guide = read_guide(LABS[module])
    listed = [name for section in guide.sections for name in section["exercises"]]
    assert sorted(listed) == sorted(e.name for e in importlib.import_module(f"lab_utils.checks.{module}").EXERCISES)
    assert set(guide.answers) == set(guide.written)
    for section in guide.sections:
        for name in section["questions"]:
            file, _, question = name.partition(".")
            assert getattr(importlib.import_module(f"lab_utils.checks.{file}"), question).text
