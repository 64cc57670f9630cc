"""Where weights come from: shipped with the kit, torchvision's, or a file."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from lab_utils.atomic import write_whole
from lab_utils.preprocessing import DEFAULT_PREPROCESSING, Preprocessing
from lab_utils.profile import data_root

__all__ = ["DEFAULT_PREPROCESSING", "Preprocessing", "Weights", "load_weights", "save_weights"]

_OURS = ("cbr_", "resnet10_")


@dataclass(frozen=True)
class Weights:
    """Loaded weights.

    Attributes:
        state_dict: Names as in the model they belong to; float tensors are float32. Our own networks come
            without their head, which belongs to the source task.
        preprocessing: What images must go through.
        source: "procedural", torchvision's name such as "IMAGENET1K_V1", or the path.
        info: What is known of their training.
    """

    state_dict: dict[str, Tensor]
    preprocessing: Preprocessing
    source: str
    info: dict[str, Any]


def load_weights(model_name: str, weights: str | Path) -> Weights:
    """Load weights, or say why not and how to get them. Nothing is ever random.

    Args:
        model_name: A name `build_model` knows.
        weights: "procedural": trained on fractals and photo patches, shipped with the kit. "imagenet":
            torchvision's own, kept in torch.hub's folder (TORCH_HOME). Else the path of a .safetensors or .pt/.pth
            file. One that does not record its preprocessing gets torchvision's if the network is torchvision's and
            takes RGB, else `DEFAULT_PREPROCESSING`.

    Raises:
        FileNotFoundError: If the file is nowhere and cannot be downloaded.
        ValueError: If there are no such weights, or the file is damaged or not what it should be.
    """
    if weights == "procedural":
        return _procedural(model_name)
    if weights == "imagenet":
        return _imagenet(model_name)
    path = Path(weights).expanduser()
    if not path.exists() and not path.suffix:
        near = difflib.get_close_matches(str(weights), ["procedural", "imagenet"], n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Expected weights to be 'procedural', 'imagenet', the path of a .safetensors or .pt file, or None; got "
            f"{str(weights)!r}, and no such file exists. Did you mean {near!r}?"
        )
    return _from_path(model_name, path)


def save_weights(
    path: Path, state_dict: Mapping[str, Tensor], preprocessing: Preprocessing, *, model_name: str
) -> None:
    """Write a .safetensors file that `load_weights` reads, preprocessing included; whole or not at all.

    Raises:
        OSError: If the file cannot be written, for example because the disk is full.
    """
    metadata = {"model": model_name, "preprocessing": json.dumps(asdict(preprocessing))}
    tensors = {key: value.detach().cpu().contiguous() for key, value in state_dict.items()}
    write_whole(path, lambda unfinished: unfinished.write_bytes(save(tensors, metadata=metadata)))


def _procedural(name: str) -> Weights:
    folder = data_root() / "weights"
    manifest = folder / "manifest.json"
    if not manifest.exists():
        _unavailable(manifest, "the file is not there", name, FileNotFoundError)
    try:
        entries: dict[str, Any] = json.loads(manifest.read_text("utf-8"))
    except ValueError as error:
        _unavailable(manifest, f"it is not valid JSON ({error})", name, ValueError)
    if name not in entries:
        raise ValueError(
            f"Expected one of the networks with procedural weights ({', '.join(entries)}), got {name!r}. Choose one of "
            "these, weights='imagenet' for a network of torchvision, the path of a file, or weights=None for random."
        )
    entry = entries[name]
    path = folder / entry["file"]
    if not path.exists():
        _unavailable(path, "the file is not there", name, FileNotFoundError)
    found = _sha256(path)
    if found != entry["sha256"]:
        why = f"its SHA-256 is {found[:16]}... where the manifest says {entry['sha256'][:16]}..., so it is damaged"
        _unavailable(path, why, name, ValueError)
    state, preprocessing = _read(path, name)
    if preprocessing is None:
        preprocessing = _preprocessing(entry["preprocessing"])
    return Weights(_backbone(state, name), preprocessing, "procedural", entry)


def _imagenet(name: str) -> Weights:
    from torchvision import models  # takes longer to import than PyTorch itself, and our weights do without it

    known = models.list_models(module=models)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"Expected a network of torchvision for weights='imagenet', got {name!r}, which has no ImageNet weights. "
            f"Use weights='procedural' or a path for it, or a network of torchvision such as {near!r}."
        )
    enum = models.get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / enum.url.rsplit("/", 1)[1]
    prefix = _hash_prefix(path)
    if not path.exists():
        _download(enum.url, path, name)
    if not _sha256(path).startswith(prefix):
        why = f"its SHA-256 does not begin with {prefix}, so it is damaged: delete it"
        _unavailable(path, why, name, ValueError)
    state, _ = _read(path, name)
    transforms = enum.transforms()
    preprocessing = Preprocessing(tuple(transforms.mean), tuple(transforms.std), len(transforms.mean))
    info = {"url": enum.url, "accuracy": enum.meta.get("_metrics"), "parameters": enum.meta.get("num_params")}
    return Weights(state, preprocessing, enum.name, info)


def _download(url: str, path: Path, name: str) -> None:
    """Download through torch.hub, which checks the hash and leaves no partial file behind."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=_hash_prefix(path) or None, progress=True)
    except (OSError, RuntimeError) as error:  # URLError and timeouts are OSErrors, a wrong hash is a RuntimeError
        path.unlink(missing_ok=True)
        _unavailable(path, f"it is not there and {url} did not give it ({error})", name, FileNotFoundError)


def _hash_prefix(path: Path) -> str:
    """Torchvision's file names end in the first hex digits of their SHA-256: resnet18-f37072fd.pth."""
    match = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    return match[1] if match else ""


def _from_path(name: str, path: Path) -> Weights:
    if not path.is_file():
        _unavailable(path, "the file is not there", name, FileNotFoundError)
    state, preprocessing = _read(path, name)
    if preprocessing is None:
        preprocessing = _assumed_preprocessing(name, state)
    return Weights(_backbone(state, name), preprocessing, str(path), {"sha256": _sha256(path)})


def _read(path: Path, name: str) -> tuple[dict[str, Tensor], Preprocessing | None]:
    """Read a file into float32 tensors, and its preprocessing if it records one."""
    metadata: dict[str, str] = {}
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises half a dozen kinds on bytes that are not its own
        reason = str(error).split("\n")[0]
        why = f"it cannot be read as a weight file ({reason}): it is cut short or of another kind"
        _unavailable(path, why, name, ValueError)
    for key in ("state_dict", "model"):  # checkpoints keep the weights beside other things
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        _unavailable(path, "it holds no mapping from names to tensors", name, ValueError)
    for key, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            _unavailable(path, f"{key} holds NaN or infinite values", name, ValueError)
    recorded = metadata.get("preprocessing")
    tensors = {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in state.items()}
    return tensors, _preprocessing(json.loads(recorded)) if recorded else None


def _preprocessing(recorded: dict[str, Any]) -> Preprocessing:
    return Preprocessing(**{**recorded, "mean": tuple(recorded["mean"]), "std": tuple(recorded["std"])})


def _assumed_preprocessing(name: str, state: dict[str, Tensor]) -> Preprocessing:
    first = next((v for v in state.values() if v.ndim == 4), None)
    channels = 1 if first is None else first.shape[1]
    if channels == 3 and not name.startswith(_OURS):
        from torchvision import models

        transforms = models.get_model_weights(name).DEFAULT.transforms()
        return Preprocessing(tuple(transforms.mean), tuple(transforms.std), 3)
    return Preprocessing((0.5,) * channels, (0.25,) * channels, channels)


def _backbone(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Leave out the head of our own networks; torchvision's have other names for theirs, and keep it."""
    if not name.startswith(_OURS):
        return state
    return {key: value for key, value in state.items() if not key.startswith("head.")}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _unavailable(path: Path, why: str, name: str, kind: type[Exception]) -> NoReturn:
    """Raise `kind` with the file, its folder and the three ways to get it."""
    if name.startswith(_OURS):
        first = f"train them again with 'python -m lab_utils.pretrain {name}'"
        variable = "LAB_DATA to the folder that holds weights/"
        other = "weights='imagenet' with a network of torchvision"
    else:
        first = f"call build_model({name!r}, weights='imagenet', ...) once where there is a network: it downloads them"
        variable = "TORCH_HOME to the folder that holds hub/checkpoints/"
        other = "weights='procedural' with resnet10_w32"
    raise kind(
        f"Expected the weights of {name} in the file {path.name} in the folder {path.parent}, but {why}. Three ways to "
        f"get weights: (1) {first}; (2) copy {path.name} into that folder, or set {variable}; (3) others: {other}, "
        "the path of a file, or weights=None for a random start."
    )
