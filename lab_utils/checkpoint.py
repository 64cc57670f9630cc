"""Training states on disk: written whole or not at all, and only continued by the same run."""

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.atomic import write_whole
from lab_utils.data.splits import Split

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any], settings: dict[str, Any]) -> None:
    """Write `state` to `path` so that a kill at any moment leaves the old file or the new one.

    Args:
        path: the file; missing folders are made.
        state: tensors and plain Python values only, so that it can be read with ``weights_only=True``.
        settings: what the run was called with, plain values; compared on loading.

    Raises:
        RuntimeError: if the file can not be written.
    """
    content = {"format": FORMAT, "settings": json.dumps(settings), "state": state}
    try:
        write_whole(path, lambda unfinished: torch.save(content, unfinished))
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        raise RuntimeError(
            f"the checkpoint {path} can not be written: {error}. Choose a folder that you may write to and that has "
            "space left, or train without checkpoint=."
        ) from error


def load_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read the state that `save_checkpoint` wrote for a run with the same settings.

    Raises:
        ValueError: if the file is no checkpoint, or belongs to a run with another network, other data or other
            settings; it names them.
    """
    if path.is_dir():
        raise ValueError(f"checkpoint= should name a file; {path} is a folder. Write for example {path / 'run.pt'}.")
    again = "Delete it to start afresh, or name another file as checkpoint=."
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        written = json.loads(content["settings"])
        state: dict[str, Any] = content["state"]
        known = content["format"] == FORMAT
    except Exception as error:  # torch.load raises half a dozen kinds on bytes that are not its own
        raise ValueError(
            f"{path} should be a checkpoint of fit(), but can not be read as one ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else 'no message'}). {again}"
        ) from error
    if not known:
        raise ValueError(f"{path} was written by another version of this package. {again}")
    now = json.loads(json.dumps(settings))
    differ = [name for name in {**now, **written} if now.get(name) != written.get(name)]
    if differ:
        changes = "; ".join(f"{name} was {written.get(name)}, is now {now.get(name)}" for name in sorted(differ))
        raise ValueError(f"{path} is the checkpoint of another run, which can not be continued: {changes}. {again}")
    return state


def describe_model(model: nn.Module) -> str:
    """Name and size of a network, and a checksum over the names and shapes of its tensors."""
    shapes = [(name, tuple(tensor.shape)) for name, tensor in model.state_dict().items()]
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    name = getattr(model, "name", type(model).__name__)
    size = sum(parameter.numel() for parameter in model.parameters())
    return f"{name} ({size:,} parameters, {len(trainable)} tensors trainable, {_crc(repr((shapes, trainable)))})"


def describe_split(split: Split | None) -> str:
    """Size of a split, and a checksum over its pixels and labels."""
    if split is None:
        return "none"
    content = f"{_tensor_crc(split.images)}{_tensor_crc(split.labels)}"
    return f"{len(split)} {split.task} images of {tuple(split.images.shape[1:])} ({_crc(content)})"


def copy_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy on the CPU; ``state_dict()`` itself is a view that training goes on changing."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}


def _crc(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _tensor_crc(tensor: Tensor) -> int:
    return zlib.crc32(tensor.cpu().contiguous().numpy().data)
