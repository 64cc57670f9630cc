"""What one statement at the top level of a notebook binds, uses and changes, found without running it."""

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass

STAR, RUN = "*", "%run"  # stand for names that nobody knows: of a star import or sys.path, and of a file that is run

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)
_Definition = (*_Function, ast.ClassDef, ast.Import, ast.ImportFrom)


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement at the top level of a cell.

    Attributes:
        cell: number of the cell, from 1.
        node: the statement.
        binds: names that it binds.
        uses: names that it looks up, also when functions in it run.
        changes: names whose value it changes in place.
        calls: names that it calls while it runs.
        effects: of a function: global names that it binds or changes whenever it is called.
        flags: of the compiler: what the notebook imports from ``__future__``.
    """

    cell: int
    node: ast.stmt
    binds: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    changes: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    effects: frozenset[str] = frozenset()
    flags: int = 0

    @property
    def defines(self) -> bool:
        """Say whether this is a definition or an import, and not a value that was computed."""
        return isinstance(self.node, _Definition)


def statement(cell: int, node: ast.stmt, flags: int = 0) -> Statement:
    """Find out what a statement does with names.

    Raises:
        SyntaxError, ValueError, RecursionError: if it can be parsed, but makes no sense.
    """
    if isinstance(node, ast.ImportFrom) and any(alias.name == STAR for alias in node.names):
        return Statement(cell, node, frozenset([STAR]))
    if _is_check(node):
        return Statement(cell, node)
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()} | _unseen(node)
    uses = {s.get_name() for s in symbols if s.is_referenced()} | _globals_of(table)
    inner = [part for part in ast.walk(node) if part is not node] if isinstance(node, _Function) else []
    effects = (_changed(inner) & _globals_of(table)) | {n for p in inner if isinstance(p, ast.Global) for n in p.names}
    own = list(_run_now(node))
    return Statement(
        cell,
        node,
        frozenset(binds),
        frozenset(uses),
        frozenset(_changed(own)),
        frozenset(_called(own)),
        frozenset(effects),
        flags,
    )


def _unseen(node: ast.stmt) -> set[str]:
    """Return STAR or RUN for ``sys.path.append(...)`` and ``%run helper.py``."""
    call = node.value if isinstance(node, ast.Expr) else None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return set()
    if ast.unparse(call.func.value) == "sys.path":
        return {STAR}
    return {RUN} if ast.unparse(call).startswith("get_ipython().run_line_magic('run', ") else set()


def _is_check(node: ast.stmt) -> bool:
    """Say whether this is ``check_x(x)`` or ``x = check_x(...)``: a check must not stand in for the function."""
    value = node.value if isinstance(node, (ast.Assign, ast.Expr)) else None
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    places = [*value.args, *(node.targets if isinstance(node, ast.Assign) else [])]
    return any(isinstance(place, ast.Name) and name == f"check_{place.id}" for place in places)


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that the scopes inside a statement look up when they run."""
    found = set()
    for child in table.get_children():
        found |= {s.get_name() for s in child.get_symbols() if s.is_global()} | _globals_of(child)
    return found


def _run_now(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of a statement that run with it: not the bodies of functions."""
    yield node
    if isinstance(node, (*_Function, ast.ClassDef)):
        children: list[ast.AST] = [*node.decorator_list]
    else:
        children = [] if isinstance(node, ast.Lambda) else list(ast.iter_child_nodes(node))
    for child in children:
        yield from _run_now(child)


def _changed(nodes: list[ast.AST]) -> set[str]:
    """Return the names whose value is changed in place: ``x[0] = 1``, ``x.append(1)``."""
    found = set()
    for inner in nodes:
        if isinstance(inner, (ast.Subscript, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
            found.add(_root(inner))
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            found.add(_root(inner.value.func) if isinstance(inner.value.func, ast.Attribute) else "")
    return found - {""}


def _called(nodes: list[ast.AST]) -> set[str]:
    """Return the names that are called, decorators among them."""
    found = {inner.func.id for inner in nodes if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)}
    top = nodes[0]
    decorators = top.decorator_list if isinstance(top, (*_Function, ast.ClassDef)) else []
    return found | {decorator.id for decorator in decorators if isinstance(decorator, ast.Name)}


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
