"""Training states on disk: written whole or not at all, and only continued by the same run.

A file is what `torch.save` writes, with a seal at its end: the SHA-256 of all bytes before it, in the place that a zip
file keeps for a comment. So it still opens with `torch.load`, and no changed bit goes unnoticed.
"""

import hashlib
import json
import os
import pickle
import stat
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from lab_utils.atomic import write_whole
from lab_utils.data import Split
from lab_utils.training.fingerprint import digest_of, tensor_text
from lab_utils.training.fingerprint_words import differences

FORMAT = 2
_SEAL = b"lab_utils checkpoint, SHA-256 "
_HEX = 64  # letters of a SHA-256
_ZIP = b"PK\x03\x04"
_AGAIN = "Delete it to start afresh, or name another file as checkpoint=."


def save_checkpoint(path: Path, state: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write `state` to `path` so that a kill at any moment leaves the old file or the new one.

    Args:
        path: the file; missing folders are made.
        state: tensors and plain Python values only, so that it can be read with ``weights_only=True``.
        settings: what makes this run, plain values; compared on loading.

    Raises:
        RuntimeError: if the file can not be written.
    """
    content = {"format": FORMAT, "settings": json.dumps(settings), "state": state}

    def write(unfinished: Path) -> None:
        torch.save(content, unfinished)
        _seal(unfinished)

    try:
        write_whole(path, write)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        raise RuntimeError(
            f"the checkpoint {path} can not be written: {error}. Choose a folder that you may write to and that has "
            "space left, or train without checkpoint=."
        ) from error


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read the state that `save_checkpoint` wrote for a run with the same settings.

    Raises:
        ValueError: if the file is no checkpoint, is damaged, or belongs to a run with another network, other weights at
            the start, other data or other settings; it says what differs.
    """
    if path.is_dir():
        raise ValueError(f"checkpoint= should name a file; {path} is a folder. Write for example {path / 'run.pt'}.")
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError(
            f"checkpoint= should name a file; {path} is a device, a pipe or a socket. Name a file, for example run.pt."
        )
    try:
        with path.open("rb") as file:  # one file from check to load, also if another takes its name meanwhile
            content = _read(path, file)
    except OSError as error:
        raise ValueError(f"{path} should be a checkpoint of fit(), but can not be read: {error}. {_AGAIN}") from error
    written, now = json.loads(content["settings"]), json.loads(json.dumps(settings))
    state: dict[str, Any] = content["state"]
    if changes := differences(written, now):
        trained = "weights" in now and _is_trained(now["weights"], state)
        raise ValueError(
            f"{path} is the checkpoint of another run, which can not be continued: {'; '.join(changes)}. "
            f"{_advice(changes, trained)}{_AGAIN}"
        )
    return state


def _seal(path: Path) -> None:
    """Write the checksum of a zip file into the comment at its end."""
    with path.open("rb+") as file:
        file.seek(-2, os.SEEK_END)
        file.write((len(_SEAL) + _HEX).to_bytes(2, "little") + _SEAL)
        file.seek(0)
        file.seek(0, os.SEEK_END)
        file.write(_digest(file, file.tell()).encode())


def _digest(file: BinaryIO, size: int) -> str:
    """SHA-256 of the first `size` bytes; leaves the file behind them."""
    digest, left = hashlib.sha256(), size
    file.seek(0)
    while left and (part := file.read(min(left, 1 << 20))):
        digest.update(part)
        left -= len(part)
    return digest.hexdigest()


def _read(path: Path, file: BinaryIO) -> dict[str, Any]:
    """The content of a whole checkpoint; of anything else, an error that says what it is.

    The end of a file is looked at before the rest, so that a huge file of another kind is no matter.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _HEX - len(_SEAL)))
    end = file.read()
    if not end.startswith(_SEAL):
        raise ValueError(f"{path} should be a checkpoint of fit(), but {_what_it_is(path, file)}. {_AGAIN}")
    if _digest(file, size - _HEX) != end[len(_SEAL) :].decode("ascii", "replace"):
        raise ValueError(
            f"{path} should be a checkpoint of fit(), but is damaged: it can not be read, as its checksum does not fit "
            f"its content. {_AGAIN}"
        )
    file.seek(0)
    try:
        content: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # sealed, so written by save_checkpoint, but not of plain values
        raise ValueError(f"{path} holds more than tensors and plain values, and is not loaded. {_AGAIN}") from error
    if content.get("format") != FORMAT:
        raise ValueError(f"{path} was written by another version of this package. {_AGAIN}")
    return content


def _what_it_is(path: Path, file: BinaryIO) -> str:
    """Words for a file that has no seal."""
    file.seek(0)
    start = file.read(len(_ZIP))
    if start != _ZIP:
        return "it is empty, so it can not be read" if not start else "can not be read as one: it is of another kind"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)  # mmap: without the tensors
    except pickle.UnpicklingError:  # PyTorch's own text would advise to load it all the same
        return "holds other Python objects, such as a whole network, and is refused: to load it may run code"
    except Exception as error:  # half a dozen kinds, on bytes that are not PyTorch's own
        return f"can not be read as one ({type(error).__name__}): it was cut short, or is of another kind"
    if isinstance(content, dict) and isinstance(content.get("format"), int):
        if content["format"] != FORMAT:
            return "was written by another version of this package, which did not keep what makes a run"
        return "its checksum is missing: it was cut short, or written again by another program; it can not be read"
    if isinstance(content, dict) and content and all(isinstance(part, Tensor) for part in content.values()):
        return "holds the weights of a network and no state of a training; load it with build_model(weights=...)"
    return "holds something else that PyTorch has saved"


def _is_trained(weights: dict[str, str], state: dict[str, Any]) -> bool:
    """Whether a network has weights that this very run ended with, or kept as the best."""
    ends = (state.get("model"), (state.get("history") or {}).get("best_state"))
    return any(
        end and all(name not in weights or weights[name] == tensor_text(tensor) for name, tensor in end.items())
        for end in ends
    )


def _advice(changes: list[str], trained: bool) -> str:
    if not any(change.startswith("the starting weights") for change in changes):
        return ""
    already = "This network was trained by that run already. " if trained else ""
    return (
        f"{already}To continue the run, build the network anew, as it was at the start of the run, with the same "
        "weights= and seed=. "
    )


def describe_model(model: nn.Module) -> str:
    """Name and size of a network, and a checksum over the names and shapes of its tensors."""
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    name = getattr(model, "name", type(model).__name__)
    size = sum(parameter.numel() for parameter in model.parameters())
    return f"{name} ({size:,} parameters, {len(trainable)} tensors trainable, {_crc(repr((shapes, trainable)))})"


def describe_split(split: Split | None) -> str:
    """Size of a split, its classes, and checksums of its pixels and labels: about a second for a gigabyte."""
    if split is None:
        return "none"
    pictures = getattr(split.images, "checksums", split.images)  # of images in a file nobody reads all
    pixels, labels = (digest_of(tensor_text(tensor))[:12] for tensor in (pictures, split.labels))
    return (
        f"{len(split)} {split.task} images of {tuple(split.images.shape[1:])} (pixels {pixels}, labels {labels}, "
        f"classes {', '.join(split.class_names)})"
    )


def copy_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU; ``state_dict()`` itself is a view that training goes on changing."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
