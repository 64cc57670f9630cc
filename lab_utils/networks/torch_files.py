"""What `torch.save` wrote, read without running anything of it.

A checkpoint often holds more than tensors: the options of a command line, a configuration, a whole network. PyTorch
refuses to build such objects, and rightly: building one can run code. Here each of them becomes an `Inert`, which only
keeps what it was given, so that the tensors beside it can be read; PyTorch's own restricted reader does the rest. No
name in a file is ever imported: the reader has its own short list and these stand-ins, and refuses everything else.
"""

import _compat_pickle
import io
import pickle
import pickletools
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

# Objects of these have no place in a file of weights. (PyTorch itself blocks sys, os, posix and nt.)
_RUNS_CODE = re.compile(
    r"(sys|os|posix|nt|subprocess|_posixsubprocess|runpy|importlib|imp|pty|ctypes|_ctypes|socket|shutil|codeop|"
    r"code\.[iI]nteract\w*|webbrowser|marshal|multiprocessing|pickle|_pickle|builtins\.(eval|exec|compile|__import__|open|input|"
    r"breakpoint|globals|locals|vars))(\.|$)"
)
_MANY = 100_000  # tensors of one network
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number with which files before PyTorch 1.6 begin


class Refused(Exception):
    """The file cannot be read as what `torch.save` writes; says why, and what to do, in two sentences."""


class Inert:
    """Stands for an object of a class that the file names; nothing of that class is imported or run."""

    state: Any = None

    def __init__(self, *args: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        self.state = state


def is_torch_file(start: bytes) -> bool:
    """Whether a file begins as those of `torch.save` do (each zip archive does)."""
    return start.startswith((b"PK\x03\x04", _LEGACY[:4]))


def read_torch(path: Path) -> tuple[Any, list[str]]:
    """The content of a file of `torch.save`, and the classes that were read as `Inert`, sorted.

    Raises:
        Refused: If it is damaged, of another kind, or holds something that could run code.
    """
    with path.open("rb") as file:
        zipped = file.read(4) == b"PK\x03\x04"
    foreign = _foreign_in_zip(path) if zipped else _foreign_in_legacy(path)
    hostile = next((name for name in foreign if _RUNS_CODE.match(name)), None)
    if hostile is not None:
        raise Refused(
            f"it is refused: it names {hostile}, which is no weight, and reading it could run code on this machine. Do "
            "not load it in another way; ask whoever made it for the tensors alone, as a .safetensors file"
        )
    kinds: dict[str, type] = dict.fromkeys(foreign, Inert)  # some turn out to be classes of dictionaries or lists
    while True:
        try:
            stands_in: list[Any] = [_stand_in(name, kind) for name, kind in kinds.items()]
            with torch.serialization.safe_globals(stands_in), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # on the protocol of the pickle, and on storages of old files
                with path.open("rb") as file:  # opened here, because torch.load would go by the suffix
                    return torch.load(file, map_location="cpu", weights_only=True), foreign
        except Exception as error:  # torch.load raises half a dozen kinds on bytes that are not its own
            filled = _filled(error, kinds)
            if not filled:
                raise Refused(_reason(error, foreign)) from None
            kinds |= filled


def _filled(error: Exception, kinds: Mapping[str, type]) -> dict[str, type]:
    """The classes of dictionaries or lists over which the reader stumbled, since it fills plain ones only."""
    found = re.search(r"only (\w+) .*but got <class '([^']+)'>|'(\w+)' object does not support item", str(error))
    if found is None:
        return {}
    kind = list if found[1] in ("append", "extend") else OrderedDict  # this one may be given attributes, too
    names = [name for name in kinds if name == found[2] or (found[3] and name.endswith(f".{found[3]}"))]
    return {name: kind for name in names if kinds[name] is Inert}


def modules_tensors(
    module: Inert, depth: int = 0, known: dict[int, dict[str, Tensor]] | None = None
) -> dict[str, Tensor] | None:
    """``state_dict()`` of a whole network that was saved as an object; None if the object is no network.

    Raises:
        Refused: If there is no end to it: a hostile file can hold a network inside itself.
    """
    known = {} if known is None else known
    if id(module) in known:
        return known[id(module)]
    state = module.state
    parts = ("_parameters", "_buffers", "_modules")
    if not isinstance(state, dict) or depth > 50 or not all(isinstance(state.get(part), dict) for part in parts):
        return None
    known[id(module)] = {}  # for a network inside itself
    passing = state.get("_non_persistent_buffers_set") or set()
    found = {key: value for key, value in state["_parameters"].items() if isinstance(value, Tensor)}
    buffers = state["_buffers"].items()
    found |= {key: value for key, value in buffers if isinstance(value, Tensor) and key not in passing}
    for name, child in state["_modules"].items():
        inside = modules_tensors(child, depth + 1, known) if isinstance(child, Inert) else None
        found |= {f"{name}.{key}": value for key, value in (inside or {}).items()}
        if len(found) > _MANY:
            raise Refused(f"it holds a network with more than {_MANY:,} tensors, which none of the kit has")
    known[id(module)] = {
        key: value.detach() if isinstance(value, nn.Parameter) else value for key, value in found.items()
    }
    return known[id(module)]


def _foreign_in_zip(path: Path) -> list[str]:
    """The classes that the archive names and PyTorch would not build; refuses archives that are no checkpoint."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickled = next((name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")), None)
            if pickled is None or any("/code/" in name for name in names):
                raise Refused(_other_archive(names))
            unpacked = sum(part.file_size for part in archive.infolist())
            if unpacked > 20 * path.stat().st_size + 2**28:  # torch.save does not compress
                raise Refused(f"it would unpack to {unpacked / 2**30:.1f} GB, as no file of torch.save does")
            _check_sums(archive)
            return _foreign(_globals(io.BytesIO(archive.read(pickled))))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, pickle.UnpicklingError, NotImplementedError) as error:
        raise Refused(_damage(path, error)) from None


def _foreign_in_legacy(path: Path) -> list[str]:
    found: set[str] = set()
    with path.open("rb") as file:
        if file.read(len(_LEGACY)) != _LEGACY:
            raise Refused(
                "it is a pickle, but not one that torch.save wrote. A pickle can run code when it is read, so it is "
                "not opened; load it in the project that made it, and save its tensors there with "
                "torch.save(model.state_dict(), 'weights.pth')"
            )
        try:
            for _ in range(3):  # protocol, system, content; the numbers of the tensors follow
                found |= _globals(file)
        except (ValueError, EOFError, IndexError, UnicodeError):
            raise Refused(_CUT_SHORT) from None
    return _foreign(found)


def _globals(file: IO[bytes]) -> set[str]:
    """Every class and function that one pickle names, as ``module.name``; reads on to its end and no further."""
    found = set()
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("GLOBAL", "INST"):
            module, _, name = str(argument).partition(" ")
            # protocol 2 has the names of Python 2, which PyTorch translates too
            module, name = _compat_pickle.NAME_MAPPING.get((module, name), (module, name))
            found.add(f"{_compat_pickle.IMPORT_MAPPING.get(module, module)}.{name}")
    return found


def _foreign(names: set[str]) -> list[str]:
    """Those that PyTorch's reader neither knows nor should be left to refuse by itself."""
    known = re.compile(
        r"torch\.(cuda\.|storage\.|serialization\.|_utils\._rebuild|_tensor\._rebuild)?\w+$|torch\.nn\.parameter\.Parameter$|"
        r"collections\.(OrderedDict|Counter)$|_codecs\.encode$|builtins\.(set|bytearray|complex)$"
    )
    return sorted(name for name in names if not known.match(name))


def _stand_in(name: str, kind: type) -> type:
    """A class that the reader takes for `name`, which is dotted; calling it gives an object of `kind`."""
    module, _, own = name.rpartition(".")
    made = {} if kind is Inert else {"__new__": lambda *_: kind()}
    return type(own, (Inert,), {"__module__": module, "__qualname__": own, **made})


def _check_sums(archive: zipfile.ZipFile) -> None:
    """Read everything once: each part has a checksum, which torch.load does not look at."""
    parts = archive.infolist()
    if not any(part.CRC for part in parts):  # written without, see torch.serialization.set_crc32_options
        for part in parts:
            del part.CRC  # zipfile then does not compare
        return
    damaged = archive.testzip()
    if damaged is not None:
        raise Refused(
            f"its part {damaged} does not have the checksum that was written with it, so it is damaged. Copy or "
            "download it again"
        )


_CUT_SHORT = "it is cut short: the rest of the file is missing. Copy or download it again"


def _damage(path: Path, error: Exception) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 66_000))
        _, mark, after = file.read().rpartition(b"PK\x05\x06")  # the list of parts, at the end of the archive
    if not mark or len(after) < 18:
        return _CUT_SHORT
    return f"it is damaged ({type(error).__name__}: {error}). Copy or download it again"


def _other_archive(names: list[str]) -> str:
    if any("/code/" in name for name in names):
        return (
            "it is a TorchScript archive (torch.jit.save), a program and not a file of weights. Where you trust it, "
            "write its tensors with torch.save(torch.jit.load(path, map_location='cpu').state_dict(), 'weights.pth') "
            "and give that file"
        )
    if all(name.endswith(".npy") for name in names) and names:
        return (
            f"it is an archive of NumPy arrays ({_shown(names)}). Turn them into tensors under the names of the "
            "network and write them with torch.save"
        )
    if any(name.endswith(".h5") for name in names):
        return "it holds the weights of a Keras network, which PyTorch cannot use. Take weights made with PyTorch"
    return f"it is a zip archive with {_shown(names)}, not a file of torch.save. Unpack it and give the file inside"


def _reason(error: Exception, foreign: list[str]) -> str:
    """Why a file was refused, without PyTorch's advice to load it with weights_only=False."""
    text = str(error)
    refused = re.search(r"(?:Unsupported global: GLOBAL|unsupported GLOBAL) ([\w.]+)", text)
    if "Unsupported operand" in text or "Detected pickle protocol" in text:
        return (
            "it was written with another pickle protocol than torch.save's own, and PyTorch's reader that runs no code "
            "does not know it. Where it loads, write it again without pickle_protocol=: "
            "torch.save(model.state_dict(), 'weights.pth')"
        )
    if refused or foreign:
        what = f"objects that are no tensors ({_shown(foreign or [refused[1] if refused else ''])})"
        return (
            f"it holds {what}, and what PyTorch can read without running code does not go past them. In the project "
            "that made it, where it loads, write the tensors alone: torch.save(model.state_dict(), 'weights.pth')"
        )
    ends = ("unexpected EOF", "Ran out of input", "PytorchStreamReader")
    if isinstance(error, EOFError) or any(mark in text for mark in ends):
        return _CUT_SHORT
    first = text.split("\n")[0].split(". ")[0] or "no message"
    return f"PyTorch cannot read it ({type(error).__name__}: {first}). Copy or download it again, or write it anew"


def _shown(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
