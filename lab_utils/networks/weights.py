"""Where weights come from: shipped with the kit, torchvision's, or a file."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from lab_utils.atomic import write_whole
from lab_utils.names import did_you_mean
from lab_utils.networks import timm_weights
from lab_utils.networks.architectures import check_name, is_ours, is_timms
from lab_utils.networks.known_weights import SINGLE_SOURCES, Weights, imagenet, shipped
from lab_utils.networks.own_weights import from_path
from lab_utils.networks.preprocessing import Preprocessing

# What people write for the kinds of weights, and what it is here.
_KINDS = {
    "procedural": "'procedural'",
    "imagenet": "'imagenet'",
    "imagenet1k": "'imagenet'",
    "pretrained": "'imagenet'",
    "default": "'imagenet'",
    "none": "None (without quotes)",
    "random": "None (without quotes)",
    "scratch": "None (without quotes)",
}


def load_weights(
    model_name: str,
    weights: str | Path,
    *,
    entry: str | None = None,
    preprocessing: Preprocessing | None = None,
) -> Weights:
    """Load weights, or say why not and how to get them. Nothing is ever random.

    A file may be .safetensors, or what `torch.save` writes: a mapping from names to tensors, alone or somewhere in a
    checkpoint (of PyTorch Lightning, timm, torchvision's scripts, `fit`, ...), or a whole network. Objects of other
    classes in it are passed over unread. Names may have one prefix that all of them share (``module.``, ``model.``,
    ``_orig_mod.``, ...).

    Args:
        model_name: A name `build_model` knows.
        weights: "procedural": trained on fractals and photo patches, shipped with the kit. "photos",
            "colour_photos" (the same patches in colour), "fractals", "same_hospital", "other_hospital" (phantoms, other
            findings than atelectasis and consolidation), "noise" (random categories): shipped too, each of this source
            alone, to compare sources. "imagenet": torchvision's own, kept in torch.hub's folder (TORCH_HOME); timm's,
            in the hub's (HF_HOME); those of "efficientnet_lite0" are installed with the kit. Else the path of a file.
        entry: Which part of the file, where more than one could be meant, for example ``"teacher"``,
            ``"state_dict.model"`` (the names in ``state_dict`` that begin with ``model.``).
        preprocessing: What the images of the training went through, for a file that does not record it.
            Without it such a file gets what torchvision or timm says of the network if that takes RGB, else
            `DEFAULT_PREPROCESSING`, and a warning says so.

    Raises:
        FileNotFoundError: If the file is nowhere and cannot be downloaded.
        ValueError: If there are no such weights, or the file is damaged or not what it should be.
    """
    loaded = read_weights(model_name, weights, entry=entry, preprocessing=preprocessing)
    if loaded.assumed:
        warnings.warn(assumption(loaded), UserWarning, stacklevel=2)
    if not is_ours(model_name):  # those of libraries have other names for their head, and keep it
        return loaded
    kept = {key: value for key, value in loaded.state_dict.items() if not key.startswith("head.")}
    return replace(loaded, state_dict=kept)


def read_weights(
    model_name: str,
    weights: str | Path,
    *,
    entry: str | None = None,
    preprocessing: Preprocessing | None = None,
    size: int | None = None,
) -> Weights:
    """`load_weights`, with the head that the file has, for images of another size, and without the warning."""
    check_name(model_name)
    if isinstance(weights, str) and weights in ("procedural", *SINGLE_SOURCES):
        loaded = shipped(model_name, weights)
    elif weights == "imagenet":
        loaded = timm_weights.imagenet(model_name, size) if is_timms(model_name) else imagenet(model_name)
    else:
        loaded = from_path(model_name, _path(weights), entry, preprocessing, size)
    if preprocessing is not None and preprocessing != loaded.preprocessing:
        raise ValueError(
            f"Expected preprocessing= only for weights that do not record theirs; those from {loaded.source} were "
            f"trained with {loaded.preprocessing}, got {preprocessing}. Leave it out; to try another one, set "
            "model.preprocessing after build_model."
        )
    return loaded


def assumption(loaded: Weights) -> str:
    """The warning that the preprocessing is assumed."""
    mean, std = loaded.preprocessing.mean, loaded.preprocessing.std
    return (
        f"{loaded.source} does not record how its training images were prepared; assumed: mean={mean}, std={std} of "
        "images in [0, 1]. If that is wrong, the network sees other images than it was trained on. Pass "
        "preprocessing=Preprocessing(mean, std, channels) of the training, or keep networks with save_model, which "
        "records it."
    )


def save_weights(
    path: Path, state_dict: Mapping[str, Tensor], preprocessing: Preprocessing, *, model_name: str
) -> None:
    """Write a .safetensors file that `load_weights` reads, preprocessing included; whole or not at all.

    For a network that is trained, `save_model` also keeps its head, and `load_model` gives it back.

    Raises:
        OSError: If the file cannot be written, for example because the disk is full.
    """
    metadata = {"model": model_name, "preprocessing": json.dumps(asdict(preprocessing))}
    write_tensors(path, state_dict, metadata)


def write_tensors(path: Path, state_dict: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a .safetensors file, whole or not at all."""
    tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
    write_whole(path, lambda unfinished: unfinished.write_bytes(save(tensors, metadata=metadata)))


# ------------------------------------------------------------------------------------ files


def _path(weights: Any) -> Path:
    """The path in `weights`, or an error that says what is meant by what was written."""
    expected = "Expected weights to be 'procedural', 'imagenet', the path of a .safetensors or .pt file, or None"
    if not isinstance(weights, str | os.PathLike) or isinstance(os.fspath(weights), bytes):
        raise ValueError(f"{expected}; got {_said(weights)}")
    text = os.fspath(weights)
    if "://" in text:
        raise ValueError(f"{expected}; got the address {text!r}. Download the file and give its path.")
    kind = re.sub(r"[\W_]*(v\d)?$", "", text.strip().lower())
    meant = _KINDS.get(kind)
    if not text.strip() or "\0" in text:
        raise ValueError(f"{expected}; got {text!r}. For random weights, pass None or leave weights= out.")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~name of a user who is not there
        raise ValueError(f"{expected}; got {text!r}, whose folder cannot be found ({error}). Write it out.") from error
    if not path.exists() and not path.suffix:
        hint = f" Did you mean {meant}?" if meant else did_you_mean(text, ("procedural", "imagenet", *SINGLE_SOURCES))
        raise ValueError(f"{expected}; got {text!r}, and no such file exists.{hint}")
    return path


def _said(weights: Any) -> str:
    kind = type(weights).__name__
    if isinstance(weights, bool):
        return f"{weights}. " + (
            "Say which: 'procedural' or 'imagenet'." if weights else "For random weights pass None."
        )
    if isinstance(weights, nn.Module):
        return (
            f"a network ({kind}). Save it with save_model(model, path) and pass the path, or copy parts with transfuse."
        )
    if isinstance(weights, Mapping):
        return f"a mapping ({kind}). Write it with save_weights and pass the path, or call model.load_state_dict."
    if kind.endswith("_Weights"):
        return f"torchvision's {weights}. Pass 'imagenet', which is torchvision's default weights of the network."
    return f"{weights!r} ({kind})."
