"""Take one function out of a notebook without running the notebook."""

import ast
import linecache
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from lab_utils.staff.course.bootstrap import FIRST_LINE

ROOT = Path(__file__).resolve().parents[2]


def load_function(path: Path | str, name: str) -> Callable[..., Any]:
    """Return the function `name` of a notebook, as its cell defines it.

    Runs the notebook's imports and the definitions up to that function, nothing else: no call, no plot, no data.
    The source stays readable for `inspect`, which the checks use.

    Args:
        path: the notebook; a relative path counts from the root of the repository.
        name: the function; where several cells define it, the first counts.

    Raises:
        LookupError: if the notebook does not define it.
    """
    path = ROOT / path
    space: dict[str, Any] = {"__name__": path.stem}
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "code" or cell.source.startswith(FIRST_LINE):
            continue
        filename = f"<{path.parent.name}/{path.name}, cell {number}>"
        lines = ["" if line.startswith(("%", "!")) else line for line in cell.source.splitlines()]
        source = "\n".join(lines) + "\n"
        linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
        tree = ast.parse(source, filename)
        wanted = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
        tree.body = [statement for statement in tree.body if isinstance(statement, wanted)]
        exec(compile(tree, filename, "exec"), space)
        if name in {statement.name for statement in tree.body if isinstance(statement, ast.FunctionDef)}:
            return space[name]
    raise LookupError(f"{path} defines no function {name!r}")
