"""A file that should hold weights, whatever its name says: what it is, and what is in it."""

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from lab_utils.networks.torch_files import Inert, Refused, is_torch_file, modules_tensors, read_torch

# How files begin that people take for weights, what they are, and what to do.
_BEGINNINGS: list[tuple[bytes | tuple[bytes, ...], str]] = [
    (b"", "it is empty (0 bytes). Copy or download it again"),
    (
        b"version https://git-lfs",
        "it is a Git LFS pointer: three lines of text that stand for the file. Run 'git lfs pull' in the folder it "
        "came from, or download the file itself",
    ),
    (
        b"\x89HDF",
        "it is an HDF5 file, as Keras and TensorFlow write them, which PyTorch cannot use. Take PyTorch's weights",
    ),
    (b"\x93NUMPY", "it is one NumPy array. Write a mapping from the names of the network to tensors with torch.save"),
    (b"GGUF", "it is a GGUF file, a language model for another program. Take the weights of an image network"),
    (
        (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!"),
        "it is compressed with gzip, bzip2, xz, 7z or RAR. Unpack it and give the file inside",
    ),
    (b"%PDF", "it is a PDF document. Give the file of weights"),
    ((b"\x89PNG", b"\xff\xd8\xff"), "it is a picture. Give the file of weights"),
    (b"\x80", ""),  # pickles are looked at in torch_files
]
_ONNX = "it is an ONNX file, made for another program. Take the weights that PyTorch saved"
_SUFFIXES = {".onnx": _ONNX, ".pb": "it is a TensorFlow graph. Take weights made with PyTorch"}
WEIGHT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt", ".tar")


class Content(NamedTuple):
    """What a file holds.

    Attributes:
        sets: Mappings from names to tensors, by the dotted entry of the file they lie under ("" for the file itself).
        metadata: Text beside the tensors of a .safetensors file.
        keys: Top-level keys.
        foreign: Classes of other objects in it, which were not read.
        preprocessing: What a whole network that the kit built, or a checkpoint of `fit`, says of the input, or None.
    """

    sets: dict[str, dict[str, Tensor]]
    metadata: dict[str, str] = {}  # noqa: RUF012 - never changed
    keys: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] | None = None


def read_file(path: Path) -> Content:
    """Read a file of PyTorch or safetensors; the content decides which it is, not the name.

    Understood are .safetensors files, what `torch.save` writes (also before PyTorch 1.6, also with objects of unknown
    classes beside the tensors, which are passed over unread), whole networks saved as objects, and the checkpoints of
    `fit`, in which the weights are those that `fit` leaves in the network: its best ones, or else its last.

    Raises:
        Refused: If it is something else, or damaged; says what it is and what to do.
        OSError: If the system does not let it be read.
    """
    start = _beginning(path)
    if not is_torch_file(start) and (_header_size(start) is not None):
        return _safetensors(path)
    known = next((what for begin, what in _BEGINNINGS if (start.startswith(begin) if begin else not start)), None)
    if known:
        raise Refused(known)
    if path.suffix.lower() in _SUFFIXES:
        raise Refused(_SUFFIXES[path.suffix.lower()])
    if known is None and not is_torch_file(start):
        raise Refused(_not_known(start))
    content, foreign = read_torch(path)
    top = content if isinstance(content, dict) else {}
    own = _fits_own(top)
    sets = {"": own} if own else _sets(content)
    recorded = _recorded(content) if isinstance(content, Inert) else _of_run(top) if own else None
    keys = tuple(str(key) if isinstance(key, str | int) else f"a {type(key).__name__}" for key in top)
    if not isinstance(content, dict | Inert):
        keys = (f"one {type(content).__name__}",)
    return Content(sets, {}, keys, tuple(foreign), recorded)


def _beginning(path: Path) -> bytes:
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        inside = sorted(entry.name for entry in path.iterdir() if entry.suffix.lower() in WEIGHT_SUFFIXES)
        hint = f"Give one of the files in it: {', '.join(inside[:5])}" if inside else "Give the path of the file"
        raise Refused(f"it is a folder. {hint}")
    if not stat.S_ISREG(kind):  # opening a pipe would wait for ever
        raise Refused("it is a pipe, a socket or a device and no ordinary file. Give the path of a file")
    with path.open("rb") as file:
        return file.read(512)


def _header_size(start: bytes) -> int | None:
    """The length of the header of a .safetensors file, or None if it is none."""
    size = int.from_bytes(start[:8], "little")
    return size if start[8:9] == b"{" and 2 <= size < 2**32 else None


def _safetensors(path: Path) -> Content:
    with path.open("rb") as file:
        size = _header_size(file.read(9))
        file.seek(8)
        header = file.read(size)
    whole = os.path.getsize(path)
    try:
        entries = json.loads(header)
        end = max((entry["data_offsets"][1] for key, entry in entries.items() if key != "__metadata__"), default=0)
    except (ValueError, KeyError, TypeError, AttributeError):
        end = 0 if len(header) == size else whole
    if size is not None and 8 + size + end > whole:
        raise Refused(
            f"it is cut short: its header promises {8 + size + end:,} bytes, and it has {whole:,}. Copy or download it "
            "again"
        )
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (not a dict)
    except Exception as error:  # its own kind, and what PyTorch says of types that it does not know
        raise Refused(f"it is damaged or no .safetensors file ({error}). Copy or download it again") from None
    return Content({"": tensors} if tensors else {}, metadata, ())


def _not_known(start: bytes) -> str:
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return (
            "it is a web page, as a download that went wrong leaves it. Open the address in a browser, take the link "
            "that downloads the file itself, and look at its size"
        )
    if text.startswith((b"{", b"[")):
        more = " (an index of several files: join their tensors into one)" if b"weight_map" in start else ""
        return f"it is JSON text and holds no tensors{more}. Give the file with the tensors"
    if start[:1] == b"\x08" and any(word in start for word in (b"pytorch", b"onnx", b"tf2onnx")):
        return _ONNX
    if start[257:262] == b"ustar":
        return "it is a tar archive. Unpack it and give the file inside"
    if all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start):
        return f"it is text (it begins with {start[:40].decode()!r}). Give the file with the tensors"
    return (
        f"it is no file of PyTorch or safetensors (it begins with the bytes {start[:8].hex(' ')}), or its beginning is "
        "damaged. Copy or download it again"
    )


def _recorded(module: Inert) -> Mapping[str, Any] | None:
    """What `preprocessing` says in a whole network that the kit built, or in what is wrapped around it."""
    for _ in range(5):  # a hostile file can wrap a network into itself
        if not isinstance(module, Inert) or not isinstance(module.state, dict):
            break
        found = module.state.get("preprocessing")
        if isinstance(found, Inert) and isinstance(found.state, dict):
            return found.state
        children = module.state.get("_modules", {})
        inner = next((children[name] for name in ("module", "_orig_mod") if name in children), None)
        if not isinstance(inner, Inert):
            break
        module = inner
    return None


def _fits_own(top: dict[Any, Any]) -> dict[str, Tensor] | None:
    """The weights that `fit` leaves in the network, if this is a checkpoint of it."""
    state = top.get("state")
    if not {"format", "settings", "state"} <= set(top) or not isinstance(state, dict):
        return None
    history = state.get("history")
    best = history.get("best_state") if isinstance(history, dict) else None
    weights = best or state.get("model")
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        return None
    return dict(weights)


def _of_run(top: Mapping[str, Any]) -> dict[str, Any] | None:
    """The preprocessing among the settings by which `fit` knows a run again; None if it is not there."""
    try:
        parts = json.loads(top["settings"])["network parts"]
        start = next(key for key in parts if key.endswith(".preprocessing.channels")).removesuffix("channels")
        channels = int(parts[f"{start}channels"])
        sizes = {key: int(parts[start + key]) for key in ("size", "min_size") if parts[start + key] != "None"}
        values = {key: [float(parts[f"{start}{key}[{k}]"]) for k in range(channels)] for key in ("mean", "std")}
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    return {"channels": channels, **values, **sizes}


_MANY = 1_000_000  # a hostile file can hold the same mapping in itself very often
_NO_WEIGHTS = re.compile(
    r"(optim|optimizers?(_.*)?|(lr_)?schedulers?(_.*)?|(grad_)?scaler|param_groups|amp)$", re.IGNORECASE
)


def _sets(content: Any) -> dict[str, dict[str, Tensor]]:
    """Every mapping from names to tensors in what was read, by where it lies, the outermost first."""
    found: dict[str, dict[str, Tensor]] = {}
    todo, seen = [("", content, 0)], 0
    while todo:
        entry, value, depth = todo.pop()
        named = {k: v for k, v in value.items() if isinstance(k, str)} if isinstance(value, dict) else {}
        seen += len(named)
        if seen > _MANY:
            raise Refused(f"it holds more than {_MANY:,} objects under names, as no checkpoint does")
        whole = modules_tensors(value) if isinstance(value, Inert) else None
        if tensors := whole or {key: inner for key, inner in named.items() if isinstance(inner, Tensor)}:
            found[entry] = tensors
        if depth < 5:  # and not the state of optimizers, which holds tensors too
            inside = [(key, inner) for key, inner in named.items() if not _NO_WEIGHTS.match(key)]
            todo += [(f"{entry}.{key}" if entry else key, inner, depth + 1) for key, inner in reversed(inside)]
    return found


def float32(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors with every float in float32; whole numbers stay what they are where the network counts in them.

    Raises:
        Refused: If a tensor is no plain array of finite numbers, or has whole numbers where weights belong.
    """
    if not tensors:
        raise Refused("it holds no mapping from names to tensors")
    done: dict[str, Tensor] = {}
    for key, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_complex():
            what = "quantised" if tensor.is_quantized else "without numbers" if tensor.is_meta else str(tensor.layout)
            raise Refused(f"{key} is no plain tensor ({tensor.dtype}, {what}). Save the network in float32")
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise Refused(f"{key} has {tensor.numel():,} numbers by its shape, and fewer in the file. Save it again")
        if not tensor.is_floating_point():
            if not key.endswith(_COUNTED):
                raise Refused(f"{key} holds whole numbers ({tensor.dtype}) where weights belong. Save it in float32")
            done[key] = tensor
            continue
        done[key] = tensor.to(torch.float32)
        if not bool(done[key].isfinite().all()):
            raise Refused(f"{key} holds NaN or infinite values. The training has diverged: take weights from before")
    return done


_COUNTED = ("num_batches_tracked", "relative_position_index")  # of batch norm, and of Swin and MaxViT
