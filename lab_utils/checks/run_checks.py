"""Run the public checks of a notebook without its training: ``python -m lab_utils check NOTEBOOK``.

It also names the written answers that are still empty.

Every function is taken out of the notebook by its name, as the grader does, with nothing but what it needs: imports,
other functions, constants. No network is trained, no picture is drawn.
"""

import ast
import contextlib
import importlib.util
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from lab_utils.checks import outcome, slices
from lab_utils.checks.answers import answer_below
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Outcome
from lab_utils.checks.sandbox import OutOfTime, time_limit
from lab_utils.names import nearest
from lab_utils.notebook_file import read_notebook

SECONDS = 60.0  # for what a function needs before it can be called


def main(notebook: Path, *, as_json: bool, summary: Path | None = None) -> int:
    """Check a notebook and print the outcomes; return 1 if one is incorrect, else 0.

    Args:
        notebook: the file.
        as_json: print the outcomes as JSON.
        summary: a file that the outcomes are added to as Markdown, such as the summary of a job on GitHub.

    Raises:
        ValueError: if this is no notebook, or no notebook with checks.
        FileNotFoundError: if there is no such file.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the functions themselves print
            outcomes = run_checks(notebook)
    except (ValueError, OSError) as error:
        _add(summary, f"## {notebook.name} cannot be checked\n\n{_cell(str(error), '')}\n\n")
        raise
    _add(summary, as_markdown(notebook.name, outcomes))
    if as_json:
        rows = [{"name": o.name, "status": o.status, "hint": o.hint, "line": o.line} for o in outcomes]
        print(json.dumps({"notebook": str(notebook), "outcomes": rows}, indent=1))
    else:
        for found in outcomes:
            outcome.show(found)
        counts = [f"{sum(o.status == s for o in outcomes)} {s}" for s in ("correct", "incorrect", "not attempted")]
        print(f"{notebook.name}: {', '.join(counts)}")
    return int(any(found.status == "incorrect" for found in outcomes))


_IN_SUMMARY = {
    "correct": "\u2705 correct",
    "incorrect": "\u274c not right yet",
    "not attempted": "\u2b1c not attempted",
}


def as_markdown(name: str, outcomes: list[Outcome]) -> str:
    """Return the outcomes as a table in Markdown, in words for a student."""
    rows = [f"| `{o.name}` | {_IN_SUMMARY[o.status]} | {_cell(o.hint, o.line)} |" for o in outcomes]
    done = sum(o.status == "correct" for o in outcomes)
    return (
        f"## {name}: {done} of {len(outcomes)} checks are correct\n\n"
        "| | result | what to do |\n|---|---|---|\n" + "\n".join(rows) + "\n\n"
        "These are the public checks, the same as in the notebook. The grader tries other inputs, scores your "
        "predictions, and a person reads the answers in words. So this is not your mark. To get these results at home, "
        f"run `python -m lab_utils check labs/{name}`.\n\n"
    )


def _add(summary: Path | None, text: str) -> None:
    if summary is not None:
        with summary.open("a", encoding="utf-8") as file:
            file.write(text)


def _cell(hint: str, line: str) -> str:
    """Return a hint, and the student's own line, for a cell of a table: nothing in them ends it or becomes HTML."""
    text = " ".join(f"{hint} {line}".split())
    return re.sub(r"([|<>\[\]\\!@#*_~&])", r"\\\1", text.replace("`", "'"))


def run_checks(notebook: Path) -> list[Outcome]:
    """Return the outcome of every public check, of the predictions file where the notebook is to write one, and of
    every written answer that is still empty.

    Raises:
        ValueError, FileNotFoundError: as `main`.
    """
    cells = _cells(notebook)
    program = slices.read_program([source for kind, source in cells if kind == "code"])
    module = _module(program, notebook)
    with _beside(notebook):
        outcomes = [_check(exercise, program, module.EXERCISES) for exercise in module.EXERCISES]
    if hasattr(module, "examine_file"):
        outcomes.append(module.examine_file(notebook.parent))
    texts = [source for kind, source in cells if kind != "code"]
    empty = [_empty_answer(name, answer_below(texts, name)) for name in getattr(module, "WRITTEN", ())]
    return outcomes + [found for found in empty if found is not None]


def _cells(notebook: Path) -> list[tuple[str, str]]:
    """Return (kind, source) of every cell."""
    if not notebook.is_file():
        raise FileNotFoundError(f"Expected a notebook in {notebook}, found no file. Name one, labs/homework4.ipynb.")
    return [(cell.cell_type, cell.source) for cell in read_notebook(notebook).cells]


def _module(program: slices.Program, notebook: Path) -> ModuleType:
    """Return the module with the notebook's checks: the one that it imports, else the one named after it."""
    names = [
        alias.name
        for statement in program.statements
        if isinstance(statement.node, ast.ImportFrom) and statement.node.module == "lab_utils.checks"
        for alias in statement.node.names
    ]
    for name in (*names, notebook.stem, f"lab{notebook.stem[:2]}"):
        if name.isidentifier() and importlib.util.find_spec(f"lab_utils.checks.{name}") is not None:
            module = importlib.import_module(f"lab_utils.checks.{name}")
            if hasattr(module, "EXERCISES"):
                return module
    raise ValueError(f"Expected a notebook with checks, but {notebook} imports none from lab_utils.checks.")


def _check(exercise: Exercise, program: slices.Program, all_of_them: Sequence[Exercise]) -> Outcome:
    name = exercise.name
    if name in program.broken:
        return Outcome(name, "incorrect", f"The cell with `{name}` is no Python: {program.broken[name]}.", note="")
    if name not in {bound for statement in program.statements for bound in statement.binds}:
        asked = {each.name for each in all_of_them}
        near = nearest(name, [found for found in program.functions if found not in asked])
        hint = f" Is `{near[0]}` the one? The grader finds it by its name." if near else ""
        return Outcome(name, "not attempted", f"The notebook has no function `{name}`.{hint}", note="")
    space = slices.new_space()
    try:
        with time_limit(SECONDS):
            failed = slices.run(slices.needed(program, name), space, name)
    except OutOfTime:
        return Outcome(name, "incorrect", f"What `{name}` needs did not finish within {SECONDS:g} s.", note="")
    if name not in space:
        error = failed.get(name)
        hint = f"`{name}` cannot be defined: {type(error).__name__}: {error}"
        return Outcome(name, "incorrect", hint, note="")
    found = exercise.examine(space[name])
    if exercise.kit is None and found.status == "correct":  # no lab goes on with it
        return replace(found, note="The grader tries other inputs.")
    return found


def _empty_answer(name: str, answer: str | None) -> Outcome | None:
    """Return what is missing, or None: whether a text is a good answer, only a person can say."""
    if answer:
        return None
    hint = f"There is no text below the line `**Answer {name}**` yet. A person reads and marks it."
    if answer is None:
        hint = f"No text cell has the line `**Answer {name}**`: write it again, and your answer below it."
    return Outcome(f"answer {name}", "not attempted", hint, note="")


@contextlib.contextmanager
def _beside(notebook: Path) -> Iterator[None]:
    """Work in the notebook's folder, as its kernel does."""
    folder, before = notebook.resolve().parent, Path.cwd()
    os.chdir(folder)
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        os.chdir(before)
