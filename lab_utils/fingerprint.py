"""What a value holds, as text that is the same in every process: for a checkpoint to tell two runs apart.

Two values with the same fingerprint compute the same. So it holds the bytes of tensors, the settings of modules, what
functions do and what they read (see `fingerprint_code`), and nothing that another process would have differently: no
address, no hash(), no order of a set. What cannot be looked into is listed, never passed over.
"""

import copyreg
import enum
import hashlib
import io
import json
import logging
import sys
import threading
import types
import weakref
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lab_utils import fingerprint_code as code
from lab_utils.fingerprint_code import Children, Look

Parts = dict[str, str]  # where -> what is there, "" for the whole

SHOWN = 40  # a value of more parts than these is kept as one digest
MOST = 200_000  # parts; beyond them it is no setting of a run
_VALUES = 6  # so many numbers of a tensor are kept in words, too
_LETTERS = 80
# Locks, and what removes a hook: it has a number of its own in every network, and the hook is read with its module.
_HARMLESS = (type(threading.Lock()), type(threading.RLock()), logging.Logger, RemovableHandle)
_PRIVATE = frozenset(vars(nn.Module())) | {"_compiled_call_impl"}  # what PyTorch itself keeps in every module
_HOOKS = sorted(key for key in _PRIVATE if key.endswith("_hooks"))


def fingerprint(value: object, unreadable: Parts, name: str) -> Parts:
    """What `value` holds, part by part.

    Args:
        value: anything: a function, a module, an object, a number.
        unreadable: gets an entry (where -> why) for each part that cannot be looked into.
        name: of the value, for these entries.
    """
    walk = _Walk()
    try:
        walk.visit(value, "")
    except RecursionError:
        walk.parts, walk.unreadable = {"": "too deep"}, {"": "it is nested too deeply"}
    unreadable |= {name + where: why for where, why in walk.unreadable.items()}
    return walk.parts


def tensors(model: nn.Module) -> Parts:
    """Name -> type, shape and digest of the values of every parameter and buffer."""
    named = [*model.named_parameters(), *model.named_buffers()]
    return {name: tensor_text(tensor) for name, tensor in named}


def tensor_text(tensor: Tensor) -> str:
    """Type, shape and a digest of the values, wherever and in whatever order they lie in memory.

    Raises:
        TypeError: if it has no values.
    """
    if tensor.device.type == "meta" or nn.parameter.is_lazy(tensor):
        raise TypeError("a tensor without values")
    plain = tensor.detach().resolve_conj().resolve_neg()
    kind = "" if plain.layout == torch.strided else f" {plain.layout}"
    if plain.is_quantized:
        plain = plain.dequantize()
    elif kind:
        plain = plain.to_dense()
    plain = plain.cpu().contiguous()
    head = f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}{kind}"
    digest = hashlib.sha256(head.encode())
    digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    shown = f" {plain.tolist()}" if plain.numel() <= _VALUES else ""
    return f"{head}{shown} {digest.hexdigest()[:32]}"


def digest_of(content: object) -> str:
    """Digest of what JSON can hold."""
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]


def network_parts(model: nn.Module, unreadable: Parts) -> Parts:
    """Everything of a network that computes, but for its parameters and buffers: see `tensors`."""
    walk = _Walk()
    for where, child in _module(model, values=False)[1]:
        walk.visit(child, where)
    unreadable |= {f"network{where}": why for where, why in walk.unreadable.items()}
    return walk.parts


class _Walk:
    """Goes through a value, once through each part of it."""

    def __init__(self) -> None:
        self.parts: Parts = {}
        self.unreadable: Parts = {}
        self.seen: dict[int, tuple[str, object]] = {}  # with the object, so that its id stays its own

    def visit(self, value: object, path: str) -> None:
        if (text := _plain(value)) is not None:
            self.parts[path] = text
            return
        if id(value) in self.seen:
            self.parts[path] = f"as{self.seen[id(value)][0] or ' the whole'}"
            return
        self.seen[id(value)] = path, value
        try:
            if len(self.seen) > MOST:
                raise TypeError(f"there are more than {MOST:,} parts in it")
            title, children = _look(value)
        except RecursionError:
            raise
        except Exception as error:  # a foreign object may raise anything when it is looked at
            self.unreadable[path] = f"{_class_name(value)}: {str(error).partition(chr(10))[0]}"
            self.parts[path] = f"{_class_name(value)} that cannot be read"
            return
        outer, self.parts = self.parts, {}
        for suffix, child in children:
            self.visit(child, path + suffix)
        inner, self.parts = self.parts, outer
        if len(inner) > SHOWN and path:
            self.parts[path] = f"{title} {digest_of(inner)}"
        else:
            self.parts |= {path: title, **inner}


def _plain(value: object) -> str | None:
    """Values without parts, in words."""
    if value is None or type(value) in (bool, int, float, complex):
        return repr(value)
    if isinstance(value, np.generic) and value.dtype != object:
        return f"{value.dtype} {value.item()!r}"
    if type(value) in (str, bytes, bytearray):
        text = repr(value)
        return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}... {digest_of(text)}"
    if isinstance(value, enum.Enum):
        return f"{value.name} of {_class_name(value)}, {_plain(value.value) or ''}"
    if isinstance(value, type) and code.library(value.__module__) is not None:
        return code.title(value)
    if isinstance(value, torch.dtype | torch.device | torch.Size | torch.memory_format | PurePath):
        return str(value)
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, _HARMLESS) or value is ... or _is_output(value):
        return _class_name(value)
    return None


def _is_output(value: object) -> bool:
    return isinstance(value, io.IOBase) and value in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)


def _look(value: Any) -> Look:
    """Title and parts of a value that has parts."""
    if isinstance(value, Tensor):
        return tensor_text(value), []
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, nn.Module):
        return _module(value, values=True)
    if isinstance(value, torch.Generator):
        return "Generator", [(" state", value.get_state())]
    if isinstance(value, weakref.ref):
        return "weak reference", [(" to", value())]
    if isinstance(value, set | frozenset):
        return f"{_class_name(value)} of {len(value)} {digest_of(sorted(map(_alone, value)))}", _attributes(value)
    if type(value) in (list, tuple):
        return f"{_class_name(value)} of {len(value)}", _items(value)
    if type(value) in (dict, types.MappingProxyType):
        return f"dict of {len(value)}", _entries(value)
    return code.look(value) or _object(value)


def _alone(value: object) -> str:
    """Digest of an element of a set, which has no place that could be named."""
    unreadable: Parts = {}
    parts = fingerprint(value, unreadable, "")
    if unreadable:
        raise TypeError(f"an element of it: {next(iter(unreadable.values()))}")
    return digest_of(parts)


def _items(values: Iterable[object]) -> Children:
    return [(f"[{i}]", value) for i, value in enumerate(values)]


def _entries(values: Any) -> Children:
    if all(isinstance(key, str) for key in values):
        return [(f"[{key!r}]", values[key]) for key in sorted(values)]
    return _items(values.items())


def _attributes(value: object, names: Iterable[str] | None = None) -> Children:
    own = getattr(value, "__dict__", {})
    return [(f".{name}", own[name]) for name in sorted(own if names is None else names)]


def _array(array: Any) -> Look:
    head = f"array {array.dtype.str} {array.shape}"
    if array.dtype.hasobject:
        return head, _items(array.ravel().tolist())
    digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:32]
    shown = f" {array.tolist()}" if array.size <= _VALUES else ""
    fields = f" {array.dtype.descr}" if array.dtype.names else ""
    return f"{head}{fields}{shown} {digest}", []


def _module(root: nn.Module, *, values: bool) -> Look:
    """A module with all modules inside: classes, attributes, hooks, and (if `values`) parameters and buffers."""
    found: Children = []
    for name, module in root.named_modules():
        at = f".{name}" if name else ""
        found.append((f"{at} class", type(module)))
        if type(module).__module__.startswith("torch._dynamo"):
            continue  # torch.compile: the network lies inside
        found += [(at + key, part) for key, part in _attributes(module, set(vars(module)) - _PRIVATE)]
        if vars(module).get("_compiled_call_impl") is not None:
            found.append((f"{at} compiled", True))
        hooks = [hook for key in _HOOKS for hook in vars(module)[key].values()]
        found += [(f"{at} hook {i}", hook) for i, hook in enumerate(hooks)]
    if values:
        found += [(f".{name}", tensor) for name, tensor in [*root.named_parameters(), *root.named_buffers()]]
    return type(root).__qualname__, found


def _object(value: Any) -> Look:
    """Any other object: its class, and the state that pickle would keep.

    Raises:
        TypeError: if it has a state that Python cannot see, as objects of extension modules may.
    """
    cls = type(value)
    reduce = copyreg.dispatch_table.get(cls)
    reduced = reduce(value) if reduce else value.__reduce_ex__(2)
    if isinstance(reduced, str):
        return code.named(value, reduced)
    function, arguments, state, items, entries = [*reduced, None, None, None][:5]
    found: Children = [(" class", cls)]
    if function is not copyreg.__newobj__:  # type: ignore[attr-defined]
        found.append((" made by", function))
    found += [(f" argument {i}", part) for i, part in enumerate(arguments) if part is not cls]
    if isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], dict):  # with __slots__
        state = {**(state[0] or {}), **state[1]}
    if isinstance(state, dict):
        found += [(f".{name}", state[name]) for name in sorted(state, key=str)]
    elif state is not None:
        found.append((" state", state))
    found += [] if items is None else _items(items)
    found += [] if entries is None else _entries(dict(entries))
    if _hides_state(cls):
        found += _attributes(value)
    return f"{cls.__qualname__} object", found


def _hides_state(cls: type) -> bool:
    """Whether a class of the user says what pickle keeps, which may be less than it computes with."""
    names = {"__reduce_ex__", "__reduce__", "__getstate__"}
    return any(names & vars(base).keys() for base in cls.__mro__ if code.library(base.__module__) is None)


def _class_name(value: object) -> str:
    return type(value).__qualname__
