"""Build labs/ from solutions/, and data/labs/, what the kit knows of them: ``python -m lab_utils build``.

Both folders are kept in one canonical form (no outputs, no execution counts, only meaningful metadata, cell
ids made from the content, the first cell stamped), so that a difference is a difference in content.
"""

import base64
import copy
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from lab_utils.atomic import write_text
from lab_utils.names import MISSPELT, nearest
from lab_utils.notebook_file import read_notebook
from lab_utils.profile import data_root
from lab_utils.staff.course.bootstrap import FIRST_WORDS, FOLDED, STAMP, bootstrap_cell, is_folded, stamp_cell
from lab_utils.staff.course.guide import FOLDER, guide, is_homework
from lab_utils.staff.course.marks import split_solution, student_source
from lab_utils.staff.course.settings import Course, read_course
from lab_utils.staff.course.stubs import already_solved
from lab_utils.text_files import decoded

NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags", "nbgrader")  # all else is traces of whoever ran the notebook last
SHORTEST_LEAK = 13  # characters; shorter lines of a solution stand in any code


def build(solutions: Path, labs: Path, course_file: Path) -> list[Path]:
    """Bring both folders up to date; return the files that changed. All notebooks are read before one is written.

    Raises:
        ValueError: if a notebook cannot be built or would show its solution; the message names notebook and cell.
    """
    wanted = _wanted(solutions, labs, course_file)
    if found := _orphans(wanted, labs, course_file) + _leaks_in(solutions, wanted, labs) + _solved_in(wanted, labs):
        raise ValueError("\n".join(found))
    changed = [path for path, text in wanted.items() if not _holds(path, text)]
    for path in changed:
        write_text(path, wanted[path])
    return changed


def check(solutions: Path, labs: Path, course_file: Path) -> list[str]:
    """Return what is wrong with the folders as they stand, in words; write nothing."""
    wanted = _wanted(solutions, labs, course_file)
    on_disk = {path: decoded(path.read_bytes(), errors="replace") if path.is_file() else "" for path in wanted}
    stale = [
        f"{path}: {'differs from what build makes of the solution' if on_disk[path] else 'is missing'}; "
        "run: python -m lab_utils build"
        for path, text in wanted.items()
        if not _holds(path, text)
    ]
    return _orphans(wanted, labs, course_file) + stale + _leaks_in(solutions, on_disk, labs) + _solved_in(on_disk, labs)


def canonical(notebook: NotebookNode, name: str, course: Course) -> NotebookNode:
    """Return the notebook in canonical form: the title, then the stamped text and the bootstrap cell of lab `name`."""
    cells = [copy.deepcopy(cell) for cell in notebook.cells if not cell.source.startswith((*FIRST_WORDS, STAMP))]
    stamped = [nbformat.v4.new_code_cell(bootstrap_cell(name, course))]
    if text := stamp_cell(name, course):
        stamped.insert(0, nbformat.v4.new_markdown_cell(text))
    below = 1 if cells and cells[0].cell_type == "markdown" else 0
    cells[below:below] = stamped
    seen: dict[str, int] = {}
    for cell in cells:
        cell.metadata = NotebookNode({key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata})
        cell.source = "\n".join(line.rstrip() for line in cell.source.strip("\n").splitlines())
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if is_folded(cell.source):
                cell.metadata.update(copy.deepcopy(FOLDED))
        elif cell.cell_type == "markdown":
            _attach(cell, name)
        content = f"{name}\0{cell.cell_type}\0{cell.source}"
        seen[content] = seen.get(content, 0) + 1
        cell.id = hashlib.sha256(f"{content}\0{seen[content]}".encode()).hexdigest()[:12]
    return nbformat.v4.new_notebook(cells=cells, metadata=NotebookNode(copy.deepcopy(NOTEBOOK_METADATA)))


def _attach(cell: NotebookNode, name: str) -> None:
    """Put the pictures into the cell that its text names, ``(attachment:02_freezing.png)``, and no others."""
    cell.pop("attachments", None)
    for picture in sorted(set(re.findall(r"\(attachment:([^()\s]+)\)", cell.source))):
        file = data_root() / "schematics" / picture
        if not file.is_file():
            raise ValueError(f"{name}.ipynb: expected the picture {picture} in {file.parent}, found none there.")
        content = base64.b64encode(file.read_bytes()).decode("ascii")
        cell.setdefault("attachments", {})[picture] = {"image/png": content}


def make_lab(solution: NotebookNode, name: str) -> NotebookNode:
    """Return the student's version of a solved notebook.

    Raises:
        ValueError: naming the notebook and the cell whose marks are wrong.
    """
    lab = copy.deepcopy(solution)
    for number, cell in enumerate(lab.cells, start=1):
        try:
            cell.source = student_source(cell.source, code=cell.cell_type == "code")
        except ValueError as error:
            first = next(iter(cell.source.splitlines()), "")
            raise ValueError(f"{name}.ipynb, cell {number} ({first[:50]!r}): {error}.") from error
    lab.cells = [cell for cell in lab.cells if cell.source.strip()]
    return lab


def leaks(solution: NotebookNode, lab: NotebookNode) -> list[str]:
    """Return the lines of the solution that can be read anywhere in the lab: source, outputs, metadata."""
    inside: list[str] = []
    outside: list[str] = []
    for cell in solution.cells:
        hidden, shown = split_solution(cell.source)
        inside += hidden
        outside += shown
    public = squeeze("\n".join(outside))
    secrets = {line for line in map(squeeze, inside) if len(line) >= SHORTEST_LEAK and line not in public}
    readable = [squeeze(text) for text in texts_of(lab)]
    return sorted(secret for secret in secrets if any(secret in text for text in readable))


def _wanted(solutions: Path, labs: Path, course_file: Path) -> dict[Path, str]:
    """Map every file that should exist to the text it should have."""
    course, guides = read_course(course_file), course_file.parent / FOLDER
    wanted: dict[Path, str] = {}
    without_dates = [path.stem for path in solutions.glob("*.ipynb") if path.stem not in course.homeworks]
    for (
        name
    ) in course.homeworks:  # of a notebook that is still to come; but not a misspelt one, whose dates nobody sees
        if not (solutions / f"{name}.ipynb").exists() and (near := nearest(name, without_dates, MISSPELT)):
            raise ValueError(f"Expected course.toml to hold a table [{near[0]}], got [{name}]. Correct the word.")
    for path in sorted(solutions.glob("*.ipynb")):
        notebook = canonical(_read(path), path.stem, course)
        wanted[path] = nbformat.writes(notebook) + "\n"
        wanted[labs / path.name] = nbformat.writes(make_lab(notebook, path.stem)) + "\n"
        if not is_homework(path.stem, course):
            wanted[guides / f"{path.stem}.json"] = json.dumps(guide(notebook, course), indent=1) + "\n"
    return wanted


def _holds(path: Path, text: str) -> bool:
    """Say whether a file is this text in UTF-8, without a mark, with the ends of lines of any system."""
    return path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == text.encode("utf-8")


def _leaks_in(solutions: Path, texts: dict[Path, str], labs: Path) -> list[str]:
    found = []
    for path in sorted(solutions.glob("*.ipynb")):
        if text := texts.get(labs / path.name):
            shown = leaks(_read(path), nbformat.reads(text, as_version=4))
            found += [f"{labs / path.name}: shows this line of the solution: {line!r}" for line in shown]
    return found


def _solved_in(texts: dict[Path, str], labs: Path) -> list[str]:
    """Say which labs pass a check before a student has written anything."""
    return [
        f"{path}, cell {cell}: {name} is checked, but its definition has no stub, so the lab passes as it is; put its "
        "body between ### BEGIN SOLUTION and ### END SOLUTION"
        for path, text in texts.items()
        if path.parent == labs and text
        for cell, name in already_solved(nbformat.reads(text, as_version=4))
    ]


def _orphans(wanted: dict[Path, str], labs: Path, course_file: Path) -> list[str]:
    """Name what lies in the folders that are made, and is not made any more."""
    made = [*labs.glob("*.ipynb"), *(course_file.parent / FOLDER).glob("*.json")]
    return [f"{path}: has no source in solutions/; delete it" for path in sorted(made) if path not in wanted]


def _read(path: Path) -> NotebookNode:
    notebook = read_notebook(path)
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"Expected a Jupyter notebook in {path}, but it cannot be read: {reason}.") from error
    return notebook


def texts_of(node: Any) -> Iterator[str]:
    """Yield every text anywhere in a notebook."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from texts_of(key)
            yield from texts_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from texts_of(value)


def squeeze(text: str) -> str:
    """Return the text with every run of white space as one blank, so that layout hides nothing."""
    return re.sub(r"\s+", " ", text).strip()
