"""The weights that the kit knows: its own, shipped with it, and torchvision's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from lab_utils.names import nearest
from lab_utils.networks.architectures import is_ours
from lab_utils.networks.preprocessing import Preprocessing
from lab_utils.networks.torch_files import Refused
from lab_utils.networks.weight_files import float32, read_file
from lab_utils.profile import data_root


@dataclass(frozen=True)
class Weights:
    """Loaded weights.

    Attributes:
        state_dict: Names as in the model they belong to; float tensors are float32. Our own networks come
            without their head, which belongs to the source task.
        preprocessing: What images must go through.
        source: "procedural" or one of `SINGLE_SOURCES`, torchvision's name such as "IMAGENET1K_V1", or the path.
        info: What is known of their training.
        assumed: Whether `preprocessing` is only what such networks mostly have: the file does not say it.
    """

    state_dict: dict[str, Tensor]
    preprocessing: Preprocessing
    source: str
    info: dict[str, Any]
    assumed: bool = False


# Sources of weights that are shipped beside the procedural ones, to compare what was learned where.
SINGLE_SOURCES = ("photos", "colour_photos", "fractals", "same_hospital", "other_hospital", "noise")
_PROCEDURAL_IS = {"small_vit": "photos"}  # its procedural weights are of this source alone


def shipped(name: str, source: str = "procedural") -> Weights:
    """The weights of one source in the folder ``weights`` of the data, as its manifest lists them.

    There a network's name stands for its procedural weights, and "name-source" for others.
    """
    folder = data_root() / "weights"
    entries = _manifest(folder / "manifest.json", name)
    key = name if source in ("procedural", _PROCEDURAL_IS.get(name)) else f"{name}-{source}"
    if key not in entries:
        with_source = [entry.partition("-") for entry in entries]
        others = [n for n, _, s in with_source if (s or "procedural") == source or _PROCEDURAL_IS.get(n) == source]
        raise ValueError(
            f"Expected one of the networks with {source} weights ({', '.join(others)}), got {name!r}. Choose one of "
            "these, weights='imagenet' for one of torchvision or timm, the path of a file, or weights=None for random."
        )
    entry = entries[key]
    lacking = [key for key in ("file", "sha256", "preprocessing") if not isinstance(entry, dict) or key not in entry]
    if lacking:
        why = f"the entry of {name} has no {' and no '.join(lacking)}, so it is not the kit's own"
        _unavailable(folder / "manifest.json", why, name, ValueError)
    path = folder / Path(str(entry["file"])).name
    found = _sha256_or_unavailable(path, name)
    listed = str(entry["sha256"]).lower()
    if found != listed:
        why = f"its SHA-256 is {found[:16]}... where the manifest says {listed[:16]}..., so it is damaged"
        _unavailable(path, why, name, ValueError)
    state, metadata = _read(path, name)
    recorded = metadata.get("preprocessing")
    try:
        preprocessing = preprocessing_from(json.loads(recorded) if recorded else entry["preprocessing"])
    except ValueError as error:
        _unavailable(path, f"what it says of the images cannot be understood: {error}", name, ValueError)
    return Weights(state, preprocessing, source, entry)


def imagenet(name: str) -> Weights:
    """Weights that torchvision publishes, downloaded once into torch.hub's folder."""
    from torchvision import models  # takes longer to import than PyTorch itself, and our weights do without it

    known = models.list_models(module=models)
    if name not in known:
        near = (*nearest(name, known), "resnet18")[0]
        raise ValueError(
            f"Expected a network of torchvision for weights='imagenet', got {name!r}, which has no ImageNet weights. "
            f"Use weights='procedural' or a path for it, or a network of torchvision such as {near!r}."
        )
    enum = models.get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / enum.url.rsplit("/", 1)[1]
    prefix = hash_prefix(path)
    if not path.exists():
        _download(enum.url, path, name)
    if not _sha256_or_unavailable(path, name).startswith(prefix):
        why = f"its SHA-256 does not begin with {prefix}, so it is damaged: delete it"
        _unavailable(path, why, name, ValueError)
    info = {"url": enum.url, "accuracy": enum.meta.get("_metrics"), "parameters": enum.meta.get("num_params")}
    return Weights(_read(path, name)[0], of_transforms(enum), enum.name, info)


def of_transforms(enum: Any) -> Preprocessing:
    """What torchvision says of the images of one of its weights."""
    transforms = enum.transforms()
    return Preprocessing(tuple(transforms.mean), tuple(transforms.std), len(transforms.mean))


def preprocessing_from(recorded: Any) -> Preprocessing:
    """Read what `save_weights` or the manifest recorded.

    Raises:
        ValueError: If it is something else.
    """
    known = {"mean", "std", "channels", "size", "min_size"}
    if not isinstance(recorded, Mapping) or not {"mean", "std", "channels"} <= set(recorded) <= known:
        raise ValueError(f"expected mean, std and channels, got {str(recorded)[:80]}")
    try:
        mean, std = (tuple(map(float, recorded[key])) for key in ("mean", "std"))
        return Preprocessing(**{**recorded, "mean": mean, "std": std})
    except TypeError as error:
        raise ValueError(f"expected numbers for mean, std and channels, got {str(recorded)[:80]}") from error


def hash_prefix(path: Path) -> str:
    """Torchvision's file names end in the first hex digits of their SHA-256: resnet18-f37072fd.pth."""
    match = re.search(r"-([0-9a-f]{8,})\.pth$", path.name)
    return match[1] if match else ""


def sha256(path: Path) -> str:
    """The checksum of a file, in lower case."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _manifest(path: Path, name: str) -> dict[str, Any]:
    try:
        if not path.exists():
            _unavailable(path, "the file is not there", name, FileNotFoundError)
        entries = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise
    except ValueError as error:
        _unavailable(path, f"it is not valid JSON ({error})", name, ValueError)
    except OSError as error:
        _unavailable(path, f"it cannot be read ({error.strerror})", name, OSError)
    if not isinstance(entries, dict):
        what = f"it holds a {type(entries).__name__} where a mapping from networks to files should be"
        _unavailable(path, what, name, ValueError)
    return entries


def _read(path: Path, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        content = read_file(path)
        return float32(content.sets.get("", {})), content.metadata
    except Refused as refused:
        _unavailable(path, str(refused), name, ValueError)


def _sha256_or_unavailable(path: Path, name: str) -> str:
    try:
        if not path.exists():
            _unavailable(path, "the file is not there", name, FileNotFoundError)
        if not path.is_file():
            _unavailable(path, "it is no file", name, ValueError)
        return sha256(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        _unavailable(path, f"it cannot be read ({error.strerror})", name, OSError)


def _download(url: str, path: Path, name: str) -> None:
    """Download through torch.hub, which checks the hash and leaves no partial file behind."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=hash_prefix(path) or None, progress=True)
    except (OSError, RuntimeError) as error:  # URLError and timeouts are OSErrors, a wrong hash is a RuntimeError
        path.unlink(missing_ok=True)
        _unavailable(path, f"it is not there and {url} did not give it ({error})", name, FileNotFoundError)


def _unavailable(path: Path, why: str, name: str, kind: type[Exception]) -> NoReturn:
    """Raise `kind` with the file, its folder and the three ways to get it."""
    if is_ours(name):
        first = f"train them again with 'python -m lab_utils.studies.pretrain {name}'"
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
