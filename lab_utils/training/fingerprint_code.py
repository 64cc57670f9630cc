"""What functions and classes do, for `fingerprint`: their code, and every value that it reads.

The code is compared as Python runs it, not as it is written in a file, which may have changed since it was imported.
Functions and classes of installed libraries are their names: what is written there is not a setting of a run.
"""

import dis
import hashlib
import inspect
import sys
import sysconfig
import types
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

Children = list[tuple[str, object]]  # (how its place is called, the part itself)
Look = tuple[str, Children]  # title and parts

SOURCE = "#"  # ends the places that are for the reader only, and are not compared
_CORE = ("torch", "torchvision", "numpy", "lab_utils")  # a new version of these does not make another run
_OF_CLASS = (  # of every class, or put there by Python when it is first used
    *("__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__slots__", "__slotnames__"),
    *("__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "__match_args__"),
    *("__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl", "__orig_bases__"),
    *("__parameters__", "__dataclass_fields__", "__dataclass_params__"),
)
_BUILT_IN = (
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_CACHED = type(cache(len))
_NOTHING = object()
_SOURCE_LETTERS = 70


def look(value: Any) -> Look | None:
    """Title and parts of functions, methods, classes and the like; None for anything else."""
    if isinstance(value, partial):
        named = [(f" argument {key}", value.keywords[key]) for key in sorted(value.keywords)]
        given = [(f" argument {i}", part) for i, part in enumerate(value.args)]
        return f"{_short(value.func)} (partial)", [(" function", value.func), *given, *named, *_own(value)]
    if isinstance(value, types.MethodType):
        return f"method {title(value)}", [(" function", value.__func__), (" object", value.__self__)]
    if isinstance(value, types.FunctionType):
        inside = vars(value).get("_torchdynamo_orig_callable")
        return _function(value) if inside is None else ("compiled function", [(" inside", inside)])
    if isinstance(value, _BUILT_IN):
        return _built_in(value)
    if isinstance(value, type):
        return title(value), _members(value)
    if isinstance(value, types.CodeType):
        return f"code {value.co_name} {code_digest(value)}", []
    if isinstance(value, staticmethod | classmethod):
        return type(value).__name__, [(" function", value.__func__)]
    if isinstance(value, property):
        return "property", [(" get", value.fget), (" set", value.fset)]
    if isinstance(value, _CACHED):  # what it keeps is no setting
        return f"cached {title(value)}", [(" function", value.__wrapped__)]
    return None


def title(value: Any) -> str:
    """Name of a function or class; of a library's with the library, and its version where that may matter."""
    name = _short(value)
    module = getattr(value, "__module__", None)
    found = library(module, getattr(getattr(value, "__code__", None), "co_filename", None))
    return name if found is None or library(module) is None else f"{module}.{name}{found}"


def _short(value: Any) -> str:
    return getattr(value, "__qualname__", None) or type(value).__qualname__


def library(module: str | None, file: str | None = None) -> str | None:
    """Version of the installed library that a module belongs to, "" where that does not matter; None for other code.

    Args:
        module: its dotted name.
        file: where the code really comes from; a decorator may give a function the name of another module.
    """
    top = (module or "").partition(".")[0]
    loaded = sys.modules.get(module or "") or sys.modules.get(top)
    if file is None:
        if top in _CORE or top in sys.builtin_module_names:
            return ""
        # What is defined in a notebook or script is of __main__, whose file may be that of an installed program.
        file = None if top == "__main__" else getattr(loaded, "__file__", None)
    if file is None or not _installed(file):
        return None
    version = getattr(sys.modules.get(top), "__version__", None)
    return "" if top in _CORE or top in sys.stdlib_module_names or version is None else f" ({top} {version})"


@cache
def _installed(file: str) -> bool:
    path = Path(file)
    return any(part in ("site-packages", "dist-packages") for part in path.parts) or any(
        path.is_relative_to(root) for root in _roots()
    )


@cache
def _roots() -> tuple[str, ...]:
    here = [str(Path(module.__file__ or "").parent) for module in (torch, np)]
    return (*(sysconfig.get_paths()[key] for key in ("stdlib", "platstdlib")), str(Path(__file__).parents[1]), *here)


def named(value: object, name: str) -> Look:
    """An object that pickle keeps by its name only: fine where that name leads back to it, in a library.

    Raises:
        TypeError: if it does not.
    """
    module = getattr(value, "__module__", None) or type(value).__module__
    if getattr(sys.modules.get(module), name, _NOTHING) is not value or library(module) is None:
        raise TypeError("it has no state that Python can see")
    return f"{module}.{name}{library(module)}", []


def code_digest(code: types.CodeType) -> str:
    """Digest of what a piece of code does, with the version of Python, whose bytecode it is."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return f"{version}:{hashlib.sha256(_code_text(code).encode()).hexdigest()[:32]}"


def _code_text(code: types.CodeType) -> str:
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    numbers = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return repr((code.co_code, names, numbers, [_constant(constant) for constant in code.co_consts]))


def _constant(value: object) -> str:
    if isinstance(value, types.CodeType):
        return _code_text(value)
    if isinstance(value, frozenset):
        return f"frozenset {sorted(map(_constant, value))}"
    if isinstance(value, tuple):
        return f"tuple {list(map(_constant, value))}"
    return f"{type(value).__name__} {value!r}"


def _function(function: types.FunctionType) -> Look:
    code = function.__code__
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    parts: Children = [(f" variable {name}", _content(cell)) for name, cell in cells]
    wrapped = vars(function).get("__wrapped__")
    if library(function.__module__, code.co_filename) is not None:
        parts += [] if wrapped is None else [(" wrapped", wrapped)]
        return title(function), parts
    count = len(function.__defaults__ or ())
    names = code.co_varnames[code.co_argcount - count : code.co_argcount] if count else ()
    parts += [(f" default {name}", part) for name, part in zip(names, function.__defaults__ or (), strict=True)]
    parts += [(f" default {name}", part) for name, part in sorted((function.__kwdefaults__ or {}).items())]
    parts += [(f" global {name}", part) for name, part in sorted(_reads(function), key=lambda read: read[0])]
    parts += [(" code", code), *_own(function)]
    if function.__name__ == "<lambda>":
        parts.append((f" source{SOURCE}", _source(function)))
    return title(function), parts


def _own(value: object) -> Children:
    return [(f".{name}", part) for name, part in sorted(getattr(value, "__dict__", {}).items())]


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not bound yet
        return "empty"


def _source(function: types.FunctionType) -> str:
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError, SyntaxError):
        return ""
    return " ".join(text.split())[:_SOURCE_LETTERS]


def _reads(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """The global variables that the code of a function reads, and what it reads from modules of the user."""
    instructions = list(_instructions(function.__code__))
    attributes = {i.argval for i in instructions if "ATTR" in i.opname or i.opname in ("LOAD_METHOD", "IMPORT_FROM")}
    for name in sorted({i.argval for i in instructions if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}):
        value = function.__globals__.get(name, _NOTHING)
        if isinstance(value, types.ModuleType):
            yield from _of_module(name, value, attributes, set())
        elif value is not _NOTHING:
            yield name, value
    for name in sorted({i.argval for i in instructions if i.opname == "IMPORT_NAME"}):
        if (module := sys.modules.get(name)) is not None:
            yield from _of_module(name, module, attributes, set())


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def _of_module(name: str, module: types.ModuleType, used: set[str], seen: set[str]) -> Iterator[tuple[str, object]]:
    if library(module.__name__) is not None or module.__name__ in seen:
        return
    seen.add(module.__name__)
    for attribute in sorted(used & vars(module).keys()):
        value = vars(module)[attribute]
        if isinstance(value, types.ModuleType):
            yield from _of_module(f"{name}.{attribute}", value, used, seen)
        else:
            yield f"{name}.{attribute}", value


def _built_in(value: Any) -> Look:
    """A function written in C: its name; if it is bound to an object, that too."""
    name = f"{getattr(value, '__module__', None) or ''}.{value.__qualname__}"
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, types.ModuleType) or type(owner).__name__ == "PyCapsule":
        return name, []
    return name, [(" object", owner)]


def _members(cls: type) -> Children:
    """Base classes, methods and class variables of a class of the user."""
    parts: Children = [(f" base {base.__qualname__}", base) for base in cls.__bases__ if base is not object]
    descriptors = types.GetSetDescriptorType | types.MemberDescriptorType
    for name, member in sorted(vars(cls).items()):
        if name not in _OF_CLASS and not isinstance(member, descriptors):
            parts.append((f".{name}", member))
    return parts
