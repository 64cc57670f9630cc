"""Define a notebook's functions without running the notebook.

A function is found by its name. What runs is what it needs: imports, definitions, and those statements at top level
that bind or change a name that it uses, directly or through others. Training cells, plots, magics, installations and
checks are left out, so that an hour of training, a `!pip`, or an endless loop elsewhere costs nothing.
"""

import __future__

import ast
import asyncio
import builtins
import inspect
import linecache
import re
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_utils.checks.statements import RUN, STAR, Statement, statement

# Of a cell whose body is Python all the same; a module that a cell writes is what other cells import from it.
PYTHON_MAGICS = re.compile(r"%%(time|timeit|capture|prun|writefile.*\.py['\"]?\s*$)")


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
    texts = [clean(source) for source in sources]
    flags = _future(texts)
    for number, text in enumerate(texts, start=1):
        filename = _filename(number)
        linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
        try:
            body = [part for node in ast.parse(text, filename).body for part in _one_by_one(node)]
            statements = [statement(number, node, flags) for node in body]
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            message = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
            where = f" in line {error.lineno} of cell {number}" if isinstance(error, SyntaxError) else ""
            for name in re.findall(r"^[ \t]*def[ \t]+(\w+)", text, re.MULTILINE):
                program.broken[name] = message + where
        else:
            program.statements += statements
    defined = [
        s for s in program.statements if isinstance(s.node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    stubs = {s for s in defined if is_stub_node(s.node)}
    written = {name for s in defined if s not in stubs for name in s.binds}
    idle = {s for s in stubs if s.binds <= written}  # whoever wrote the function into a cell of its own left the stub
    program.statements = [s for s in program.statements if s not in idle]
    return program


def _one_by_one(node: ast.stmt) -> list[ast.stmt]:
    """Return an import of several names as one of each: a package that is not here takes no other one with it."""
    if isinstance(node, ast.Import):
        return [ast.copy_location(ast.Import([alias]), node) for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node) for alias in node.names]
    return [node]


def clean(source: str) -> str:
    """Return a cell without its magics and shell lines, with as many lines as before."""
    first, _, rest = source.lstrip("\n").partition("\n")
    if first.startswith("%%"):
        if not PYTHON_MAGICS.match(first):
            return ""  # another language
        source = "\n" * (len(source) - len(source.lstrip("\n")) + 1) + rest
    if not re.search(r"^[ \t]*[%!?]|\?[ \t]*$|=[ \t]*[%!]", source, re.MULTILINE):
        return source
    from IPython.core.inputtransformer2 import TransformerManager  # only where a cell has one

    try:
        return str(TransformerManager().transform_cell(source))
    except SyntaxError:
        return source


def needed(program: Program, name: str) -> list[Statement]:
    """Return what must run, in order, so that `name` is defined.

    What stands in a later cell than the function that uses it is not needed where the name has a value before: when
    the cells ran one after the other, the function met that value. Definitions are an exception: the last one counts.
    """
    binders, changers = _index(program)
    last = len(program.statements) + 1
    wanted = {name: last}  # to the number of the last cell that uses it
    chosen: set[Statement] = set()
    open_names = [name]

    def add(found: Statement) -> None:
        chosen.add(found)
        for used in found.uses:
            if wanted.get(used, 0) < found.cell:
                wanted[used] = found.cell
                open_names.append(used)

    for found in binders.get(STAR, ()):
        add(found)
    while open_names:
        open_name = open_names.pop()
        cell = wanted[open_name]
        known = binders.get(open_name, ())
        bound_before = any(found.cell <= cell for found in known)
        for found in (*known, *changers.get(open_name, ())):
            if found not in chosen and (found.cell <= cell or found.defines or not bound_before):
                add(found)
        if not open_names and not wanted.get(RUN) and any(n not in binders and not _built_in(n) for n in wanted):
            wanted[RUN] = last
            open_names.append(RUN)  # a name may come from a file that was run, but only if it comes from nowhere else
    return [found for found in program.statements if found in chosen]


def modules(program: Program, names: Iterable[str]) -> list[str]:
    """Return the modules that the functions `names` import, each once."""
    found = []
    for needs in dict.fromkeys(s for name in names for s in needed(program, name)):
        for node in ast.walk(needs.node):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.append(node.module)
                found += [f"{node.module}.{alias.name}" for alias in node.names]
    return list(dict.fromkeys(found))


def is_stub(program: Program, name: str) -> bool:
    """Say whether what binds `name` last is the function that was handed out: it raises NotImplementedError."""
    last = next((s.node for s in reversed(program.statements) if name in s.binds), None)
    return last is not None and is_stub_node(last)


def is_stub_node(node: ast.stmt) -> bool:
    """Say whether a statement defines a function that only raises NotImplementedError, or does nothing."""
    if not isinstance(node, ast.FunctionDef):
        return False
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(isinstance(s, ast.Pass) or (isinstance(s, ast.Raise) and "NotImplemented" in ast.dump(s)) for s in body)


def run(statements: Iterable[Statement], space: dict[str, Any], function: str = "") -> dict[str, BaseException]:
    """Run statements in `space`; return the names that could not be bound, with the error.

    One that stops for want of a name is tried again after the others: notebooks get reordered. The `function` that all
    this is for stays one: ``auroc = auroc(labels, scores)`` takes its name for a value.
    """
    failed: dict[str, BaseException] = {}
    waiting = list(statements)
    while waiting:
        again = []
        for found in waiting:
            before = space.get(function)
            try:
                flags = found.flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
                code = compile(ast.Module([found.node], []), _filename(found.cell), "exec", flags, dont_inherit=True)
                result = eval(code, space)
                if inspect.iscoroutine(result):
                    asyncio.run(result)
            except NameError as error:
                again.append(found)
                failed |= dict.fromkeys(found.binds, error)
            except (Exception, SystemExit) as error:
                failed |= dict.fromkeys(found.binds, error)
            else:
                for name in found.binds:
                    failed.pop(name, None)
                if callable(before) and not callable(space.get(function)):
                    space[function] = before
        if len(again) == len(waiting):
            break
        waiting = again
    return failed


def new_space(space: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the names a notebook starts with, in a module of its own, as a kernel has it, or in `space`."""
    space = types.ModuleType("__main__").__dict__ if space is None else space
    shell = _Shell(space)
    space.update({"display": lambda *args, **kwargs: None, "get_ipython": lambda: shell})
    return space


class _Shell:
    """What is left of IPython: it runs a file of Python, and says yes to everything else."""

    def __init__(self, space: dict[str, Any]) -> None:
        self._space = space

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None

    def run_line_magic(self, name: str, line: str) -> None:
        file = Path(line.split()[-1].strip("'\"")) if name == "run" and line.split() else None
        if file is not None:
            exec(compile(file.read_text("utf-8"), str(file), "exec", dont_inherit=True), self._space)


def _index(program: Program) -> tuple[dict[str, list[Statement]], dict[str, list[Statement]]]:
    """Map each name to the statements that bind it, and to those that change its value in place."""
    binders: dict[str, list[Statement]] = {}
    changers: dict[str, list[Statement]] = {}
    effects: dict[str, frozenset[str]] = {}
    for found in program.statements:
        for name in found.binds:
            binders.setdefault(name, []).append(found)
            effects[name] = effects.get(name, frozenset()) | found.effects
    imported = {
        bound for s in program.statements if isinstance(s.node, (ast.Import, ast.ImportFrom)) for bound in s.binds
    }
    for found in program.statements:
        by_calls = frozenset().union(*(effects.get(name, frozenset()) for name in found.calls))
        for name in (found.changes | by_calls) - imported:
            changers.setdefault(name, []).append(found)
    return binders, changers


def _built_in(name: str) -> bool:
    return hasattr(builtins, name) or name in ("display", "get_ipython", "__name__", "__file__", "__doc__", "_")


def _future(texts: Iterable[str]) -> int:
    """Return the compiler's flags for all that the cells import from ``__future__``."""
    lines = [line for text in texts for line in re.findall(r"^from __future__ import (.+)", text, re.MULTILINE)]
    names = set(re.findall(r"\w+", " ".join(lines)))
    return sum(getattr(__future__, name).compiler_flag for name in names & set(__future__.all_feature_names))


def _filename(cell: int) -> str:
    return f"<cell {cell}>"
