"""Define a notebook's functions without running the notebook.

A function is found by its name. What runs is what it needs: imports, definitions, and those statements at top level
that bind or change a name that it uses, directly or through others. Training cells, plots, magics, installations and
checks are left out, so that an hour of training, a `!pip`, or an endless loop elsewhere costs nothing.
"""

import ast
import linecache
import re
import symtable
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

PYTHON_MAGICS = ("%%time", "%%timeit", "%%capture", "%%prun")  # of a cell whose body is Python all the same


@dataclass(frozen=True, eq=False)
class Statement:
    """One statement at the top level of a cell, with the names it binds, uses, and changes in place."""

    cell: int
    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]
    changes: frozenset[str]


@dataclass
class Program:
    """The statements of a notebook; `broken` maps a name to the error of the cell that should define it."""

    statements: list[Statement] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """All names that are bound at the top level, in order, each once."""
        return tuple(dict.fromkeys(name for s in self.statements for name in sorted(s.binds)))

    @property
    def functions(self) -> tuple[str, ...]:
        """The names of all functions, in order, each once."""
        found = [s.node.name for s in self.statements if isinstance(s.node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        return tuple(dict.fromkeys(found))


def read_program(sources: Sequence[str]) -> Program:
    """Parse the code cells of a notebook; a cell that is no Python loses its own functions only."""
    program = Program()
    for number, source in enumerate(sources, start=1):
        text = clean(source)
        filename = _filename(number)
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        try:
            statements = [_statement(number, node) for node in ast.parse(text, filename).body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
            where = f" in line {error.lineno} of cell {number}" if isinstance(error, SyntaxError) else ""
            for name in re.findall(r"^\s*def\s+(\w+)", text, re.MULTILINE):
                program.broken[name] = message + where
        else:
            program.statements += statements
    return program


def clean(source: str) -> str:
    """Return a cell without its magics and shell lines, with as many lines as before."""
    first, _, rest = source.lstrip("\n").partition("\n")
    if first.startswith("%%"):
        if not first.startswith(PYTHON_MAGICS):
            return ""  # another language
        source = "\n" * (len(source) - len(source.lstrip("\n")) + 1) + rest
    if not re.search(r"^\s*[%!?]|\?\s*$|=\s*[%!]", source, re.MULTILINE):
        return source
    from IPython.core.inputtransformer2 import TransformerManager  # only where a cell has one

    try:
        return str(TransformerManager().transform_cell(source))
    except SyntaxError:
        return source


def needed(program: Program, name: str) -> list[Statement]:
    """Return what must run, in order, so that `name` is defined."""
    imported = {
        bound for s in program.statements if isinstance(s.node, (ast.Import, ast.ImportFrom)) for bound in s.binds
    }
    wanted = {name}
    chosen: set[Statement] = set()
    grown = True
    while grown:
        grown = False
        for statement in program.statements:
            if statement in chosen:
                continue
            if "*" in statement.binds or statement.binds & wanted or (statement.changes - imported) & wanted:
                chosen.add(statement)
                wanted |= statement.uses
                grown = True
    return [statement for statement in program.statements if statement in chosen]


def modules(program: Program, names: Iterable[str]) -> list[str]:
    """Return the modules that the functions `names` import, each once."""
    found = []
    for statement in dict.fromkeys(s for name in names for s in needed(program, name)):
        for node in ast.walk(statement.node):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append(node.module)
                found += [f"{node.module}.{alias.name}" for alias in node.names]
    return list(dict.fromkeys(found))


def is_stub(program: Program, name: str) -> bool:
    """Say whether what binds `name` last is the function that was handed out: it raises NotImplementedError."""
    last = next((s.node for s in reversed(program.statements) if name in s.binds), None)
    if not isinstance(last, ast.FunctionDef):
        return False
    body = [s for s in last.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(isinstance(s, ast.Pass) or (isinstance(s, ast.Raise) and "NotImplemented" in ast.dump(s)) for s in body)


def run(statements: Iterable[Statement], space: dict[str, Any]) -> dict[str, BaseException]:
    """Run statements in `space`; return the names that could not be bound, with the error.

    One that stops for want of a name is tried again after the others: notebooks get reordered.
    """
    failed: dict[str, BaseException] = {}
    waiting = list(statements)
    while waiting:
        again = []
        for statement in waiting:
            try:
                code = compile(ast.Module([statement.node], []), _filename(statement.cell), "exec")
                exec(code, space)
            except NameError as error:
                again.append(statement)
                failed |= dict.fromkeys(statement.binds, error)
            except (Exception, SystemExit) as error:
                failed |= dict.fromkeys(statement.binds, error)
            else:
                for name in statement.binds:
                    failed.pop(name, None)
        if len(again) == len(waiting):
            break
        waiting = again
    return failed


def new_space() -> dict[str, Any]:
    """Return the names a notebook starts with, in a module of its own, as a kernel has it."""
    module = types.ModuleType("__main__")
    quiet = {"display": lambda *args, **kwargs: None, "get_ipython": lambda: None}
    module.__dict__.update(quiet)
    return module.__dict__


def _filename(cell: int) -> str:
    return f"<cell {cell}>"


def _statement(cell: int, node: ast.stmt) -> Statement:
    if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
        return Statement(cell, node, frozenset("*"), frozenset(), frozenset())
    if _is_check(node):
        return Statement(cell, node, frozenset(), frozenset(), frozenset())
    table = symtable.symtable(ast.unparse(node), "cell", "exec")
    symbols = table.get_symbols()
    binds = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}
    uses = {s.get_name() for s in symbols if s.is_referenced()} | _globals_of(table)
    return Statement(cell, node, frozenset(binds), frozenset(uses), frozenset(_changed(node)))


def _is_check(node: ast.stmt) -> bool:
    """Say whether this is ``check_x(x)`` or ``x = check_x(x)``: a check must not stand in for the function."""
    value = node.value if isinstance(node, (ast.Assign, ast.Expr)) else None
    if not isinstance(value, ast.Call):
        return False
    name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
    return name.startswith("check_")


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    """Return the global names that the scopes inside a statement look up when they run."""
    found = set()
    for child in table.get_children():
        found |= {s.get_name() for s in child.get_symbols() if s.is_global()} | _globals_of(child)
    return found


def _changed(node: ast.stmt) -> set[str]:
    """Return the names whose value a statement changes in place: ``x[0] = 1``, ``x.append(1)``."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return set()
    found = set()
    for inner in ast.walk(node):
        if isinstance(inner, (ast.Subscript, ast.Attribute)) and isinstance(inner.ctx, ast.Store):
            found.add(_root(inner))
        elif isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Call):
            found.add(_root(inner.value.func) if isinstance(inner.value.func, ast.Attribute) else "")
    return found - {""}


def _root(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""
