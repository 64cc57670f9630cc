"""Which functions of a lab a student has to write, and whether the lab leaves them to be written."""

import ast
from collections.abc import Iterator

from nbformat import NotebookNode

from lab_utils.staff.course.marks import STUB

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def already_solved(lab: NotebookNode) -> list[tuple[int, str]]:
    """Return (number of the cell, name) of everything that the lab checks and defines without a stub.

    A check is ``labNN.check_x(x)``, or ``x = labNN.check_x(x)``, for any module and any x.
    """
    cells = [
        (number, _lines(cell.source)) for number, cell in enumerate(lab.cells, start=1) if cell.cell_type == "code"
    ]
    trees = [(number, source, _parse(source)) for number, source in cells]
    checked = {name for _, _, tree in trees for name in _checked(tree)}
    return [
        (number, name)
        for number, source, tree in trees
        for name, text in _definitions(tree, source)
        if name in checked and STUB[0] not in text
    ]


def _checked(tree: ast.Module) -> Iterator[str]:
    """Yield the names that are passed to a check."""
    for node in ast.walk(tree):
        if _is_check(node):
            assert isinstance(node, ast.Call)
            yield from (argument.id for argument in node.args[:1] if isinstance(argument, ast.Name))


def _definitions(tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    """Yield (name, source) of every function and class at the top, and of every other value that a name gets."""
    for node in tree.body:
        text = ast.get_source_segment(source, node) or ""
        if isinstance(node, Definition):
            yield node.name, text
        elif isinstance(node, ast.Assign) and not _is_check(node.value):
            yield from ((target.id, text) for target in node.targets if isinstance(target, ast.Name))


def _is_check(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return name.startswith("check_")


def _lines(source: str) -> str:
    """Return a cell without magics, with as many lines as before."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())


def _parse(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])  # the notebook's own tests will say so
