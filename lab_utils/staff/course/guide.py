"""What `build` notes of a lab for the kit: see `lab_utils.checks.guides`."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from lab_utils.staff.course.marks import regions, split_solution
from lab_utils.staff.course.settings import Course

STAFF = Path(__file__).resolve().parents[1]
FOLDER = Path("data", "labs")

_SECTION = re.compile(r"## +(.+?) *")
_QUESTION = re.compile(r"\*\*([A-Z][0-9]?)\.\*\*")


def is_homework(name: str, course: Course) -> bool:
    """Whether a notebook is graded: then nothing of its solution is noted, also where course.toml has no dates yet."""
    return name in course.homeworks or name.startswith("homework") or (STAFF / name / "questions.toml").exists()


def guide(notebook: NotebookNode, course: Course) -> dict[str, Any]:
    """Return the sections of a solved lab with what there is to do in them; solutions if the course shows them."""
    sections: list[dict[str, Any]] = []
    solutions: dict[str, str] = {}
    answers: dict[str, str] = {}
    asked = ""  # the written question whose answer is still to come
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if heading := _SECTION.fullmatch(line):
                    sections.append({"title": heading[1], "exercises": [], "questions": [], "written": []})
                elif question := _QUESTION.match(line):
                    asked = question[1]
            if asked and sections and regions(cell.source):
                sections[-1]["written"].append(asked)
                answers[asked] = "\n".join(split_solution(cell.source)[0])
                asked = ""
        elif cell.cell_type == "code" and sections:
            _note_code(cell.source, sections[-1])
            solutions.update(_solved(cell.source))
    shown = course.solutions
    return {
        "sections": [section for section in sections if any(section[kind] for kind in section if kind != "title")],
        "solutions": solutions if shown else None,
        "answers": answers if shown else None,
    }


def _note_code(source: str, section: dict[str, Any]) -> None:
    """Add the checks and the questions of a code cell to its section."""
    for node in ast.walk(_parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        name = called.rpartition(".")[2]
        if name.startswith("check_") and node.args:
            section["exercises"].append(name.removeprefix("check_"))
        elif name == "multiple_choice" and node.args and isinstance(node.args[0], ast.Attribute):
            section["questions"].append(ast.unparse(node.args[0]))


def _solved(source: str) -> Iterator[tuple[str, str]]:
    """Yield name and text of every function with a solution in it, without docstring and marks."""
    marked = regions(source)
    lines = source.splitlines()
    for node in _parse(source).body if marked else []:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        stop = node.end_lineno or node.lineno
        # The mark at the end is a comment, and so behind the last line of the function.
        if not any(node.lineno <= region.start + 1 <= stop for region in marked):
            continue
        first = node.body[0]
        docstring = range(first.lineno, (first.end_lineno or 0) + 1) if ast.get_docstring(node) is not None else ()
        kept = (lines[number - 1] for number in range(node.lineno, stop + 1) if number not in docstring)
        yield node.name, "\n".join(line for line in kept if not line.strip().startswith("### ")).strip()


def _parse(source: str) -> ast.Module:
    text = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])  # the notebook's own tests will say so
