"""Help after an attempt: `hint` gives the next step, `solution` shows one way, `sample_answer` one way to say it.

Each of them asks for an attempt first. What was tried is kept with the student's progress.
"""

import ast
import hashlib
import inspect
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab_utils.checks.answers import written_below
from lab_utils.checks.guides import read_guide
from lab_utils.checks.notes import Note
from lab_utils.checks.outcome import Outcome
from lab_utils.notebook_file import read_notebook
from lab_utils.progress_file import progress_now

if TYPE_CHECKING:
    from lab_utils.checks.exercise import Exercise

ATTEMPTS = 2  # that did not pass and differ, before a solution is shown
LEAST_WORDS = 5  # of a written answer, before another one is shown
SWITCHED_OFF = "Your teacher keeps the solutions of this course for the lesson: ask there."

_checked: "dict[str, Exercise]" = {}  # by name, the last one checked at the end


def note_attempt(exercise: "Exercise", found: Outcome, student: Any) -> str:
    """Remember what a check found; return what the student can do next, in words."""
    _checked.pop(exercise.name, None)
    _checked[exercise.name] = exercise
    if found.status == "not attempted":
        return ""
    tried = progress_now().of(exercise.name)
    attempt = _fingerprint(student)
    if found.status == "correct":
        tried.passed = True
    elif attempt not in tried.tries:
        tried.tries.append(attempt)
    progress_now().save()
    if found.status == "correct" or not exercise.steps:
        return ""
    more = " Or `solution()`, to see one way to write it." if len(tried.tries) >= ATTEMPTS else ""
    return f"Stuck? Run `hint()` in a new cell for a next step.{more}"


def hint(name: str | None = None) -> None:
    """Show the next step towards an exercise whose check did not pass, never the answer.

    Args:
        name: of the exercise; None means the one that was checked last.
    """
    exercise = _asked(name)
    if exercise is None:
        return
    tried = progress_now().of(exercise.name)
    if exercise.kit is None or not exercise.steps:
        Note("No steps here", f"For `{exercise.name}` there is only the hint of its check.").show()
        return
    if tried.passed:
        Note(f"{exercise.name} is done", "Your function passed its check.").show()
        return
    if not tried.tries:
        Note("Try first", f"Write `{exercise.name}`, run its cell and its check. After that `hint()` helps.").show()
        return
    tried.steps = min(tried.steps + 1, len(exercise.steps))
    progress_now().save()
    given = [f"{number}. {step}" for number, step in enumerate(exercise.steps[: tried.steps], start=1)]
    if tried.steps < len(exercise.steps):
        last = "Change your function, then run its cell and its check again."
    elif len(tried.tries) >= ATTEMPTS:
        last = "This was the last step. `solution()` shows one way to write it."
    else:
        last = "This was the last step. After one more attempt `solution()` shows one way to write it."
    Note(f"{exercise.name}: step {tried.steps} of {len(exercise.steps)}", *given, last).show()


def solution(name: str | None = None) -> None:
    """Show one way to write an exercise, after two different attempts that did not pass, or one that did.

    Args:
        name: of the exercise; None means the one that was checked last.
    """
    exercise = _asked(name)
    if exercise is None:
        return
    tried = progress_now().of(exercise.name)
    missing = ATTEMPTS - len(tried.tries)
    if exercise.kit is None:
        Note("No solution here", "This is a homework: it is your work.").show()
    elif missing > 0 and not tried.passed:
        Note(
            f"{exercise.name}: {missing} more attempt{'s' if missing > 1 else ''} first",
            f"After {ATTEMPTS} different attempts that did not pass, `solution()` shows one way to write it. "
            "To run the same code again does not count. `hint()` gives a next step.",
        ).show()
    else:
        _show_solution(exercise.name)


def _show_solution(name: str) -> None:
    lab = progress_now().lab
    if not lab:
        Note("Run the first cell", "It says which lab this is. Then run the check and `solution()` again.").show()
        return
    found = read_guide(lab).solutions
    if found is None:
        Note("No solutions here", SWITCHED_OFF).show()
    elif name in found:
        words = "This is one way. Compare it with yours, line by line: where do they differ, and does it matter?"
        Note(f"{name}: one solution", words, code=found[name]).show()
    else:
        Note("No solution here", f"Nothing is stored for `{name}`. Ask your teacher.").show()


def sample_answer(name: str, yours: str = "") -> None:
    """Show a sample answer to a written question, once you have written your own.

    Your answer is read from the saved notebook. Where that cannot be found (on Colab and Kaggle), give it here.

    Args:
        name: of the question, "A".
        yours: your answer, where the notebook cannot be read.
    """
    lab = progress_now().lab
    if not lab:
        Note("Run the first cell", "It says which lab this is. Then run this cell again.").show()
        return
    guide = read_guide(lab)
    if name not in guide.written:
        names = ", ".join(guide.written) or "none"
        Note(f"No question {name}", f"The written questions of this lab are: {names}.").show()
    elif guide.answers is None:
        Note("No sample answers here", SWITCHED_OFF).show()
    elif words := _what_is_missing(name, yours, Path(f"{lab}.ipynb")):
        Note(f"Question {name}: your answer first", words).show()
    else:
        if name not in progress_now().answers:
            progress_now().answers.append(name)
            progress_now().save()
        Note(f"Question {name}: a sample answer", guide.answers[name], "What does yours say that this does not?").show()


def _what_is_missing(name: str, yours: str, notebook: Path) -> str:
    """Say what has to be done before the answer is shown, or ""."""
    if len(yours.split()) >= LEAST_WORDS:
        return ""
    in_words = f'Or write it here: `sample_answer("{name}", "your answer")`, at least {LEAST_WORDS} words.'
    try:
        cells = read_notebook(notebook).cells if notebook.is_file() else []
    except (ValueError, OSError):
        cells = []
    if not cells:
        return f"This notebook cannot be read from here. {in_words.removeprefix('Or ').capitalize()}"
    answer = written_below([(cell.cell_type, cell.source) for cell in cells], name)
    if len(answer.split()) >= LEAST_WORDS:
        return ""
    return (
        f"Write your answer into the cell below question {name}, save the notebook (Ctrl+S), and run this cell again. "
        f"{in_words}"
    )


def _asked(name: str | None) -> "Exercise | None":
    """Return the exercise, or None after saying what to do."""
    if name is None and _checked:
        return next(reversed(_checked.values()))
    if name in _checked:
        return _checked[name]
    which = "an exercise" if name is None else f"`{name}`"
    known = f" Checked so far: {', '.join(_checked)}." if _checked else ""
    Note("Run a check first", f"Run the check of {which}: then this knows where you are.{known}").show()
    return None


def _fingerprint(student: Any) -> str:
    """Return a short hash of a function's code: comments, docstrings and layout do not make it another attempt."""
    code = getattr(student, "__code__", None)
    text = repr(student) if code is None else repr((code.co_code, code.co_consts, code.co_names))
    try:
        (function,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(student)))).body
        if isinstance(function, ast.FunctionDef):  # in the line of a lambda others may stand
            for node in ast.walk(function):
                if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
                    node.body = node.body[1:]
            text = ast.dump(function)
    except (TypeError, ValueError, OSError, SyntaxError):
        pass  # no source to look at
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
