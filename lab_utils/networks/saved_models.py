"""A trained network on disk, with its head, its preprocessing and the names of its classes."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lab_utils.networks.architectures import construct, is_known, is_timms, path_of
from lab_utils.networks.building import build_model
from lab_utils.networks.conv1 import first_conv
from lab_utils.networks.own_weights import WRITTEN_BY, check_sum, checksum
from lab_utils.networks.stage_list import head
from lab_utils.networks.torch_files import Refused
from lab_utils.networks.weight_files import read_file
from lab_utils.networks.weights import write_tensors
from lab_utils.networks.wrappers import preprocessing_of, unwrapped

FORMAT = "lab_utils network 1"


def save_model(model: nn.Module, path: Path | str, *, class_names: Sequence[str] | None = None) -> None:
    """Write a network of `build_model` to a .safetensors file, whole or not at all; `load_model` gives it back.

    The file holds every weight, the head too, the name of the network, its preprocessing, the
    names of the classes, and a checksum over all of it. `build_model` takes it as `weights=`.

    Args:
        model: the network, also inside `DataParallel` or `torch.compile`, on any device.
        path: the file to write; an old one is replaced.
        class_names: one for each logit, in order, for example ``train.class_names``.

    Raises:
        ValueError: if the network is not, or is no longer, what `build_model` makes under its
            name, so that it could not be given back; if a weight is not finite.
        OSError: if the file cannot be written.
    """
    if not isinstance(model, nn.Module):
        raise ValueError(f"expected save_model(model, path), got a {type(model).__name__} in place of the network")
    path, network = Path(path).expanduser(), unwrapped(model)
    if path.suffix != ".safetensors":
        raise ValueError(f"expected a path that ends in .safetensors, got {path}; write {path.stem}.safetensors")
    preprocessing, name = preprocessing_of(model), _name(network)
    state = {key: value.detach().cpu() for key, value in network.state_dict().items()}
    for key, value in state.items():
        if value.is_floating_point() and (value.dtype != torch.float32 or not bool(value.isfinite().all())):
            what = f"{value.dtype}" if value.dtype != torch.float32 else "values that are NaN or infinite"
            raise ValueError(
                f"expected a network in float32 with finite weights, got {what} in {key}; call model.float()"
            )
    logits = _logits(network)
    names = class_names if class_names is not None else vars(network).get("class_names")
    metadata = {
        WRITTEN_BY: FORMAT,
        "model": name,
        "num_classes": str(logits),
        "in_channels": str(_channels(name, network)),
        "preprocessing": json.dumps(asdict(preprocessing)),
    }
    if names is not None:
        metadata["class_names"] = json.dumps(_class_names(names, logits))
    write_tensors(path, state, metadata | {"checksum": checksum(state, metadata)})


def load_model(path: Path | str) -> nn.Module:
    """The network that `save_model` wrote: the same logits for the same images, bit for bit.

    It is on the CPU (or the current default device), in eval mode, and every parameter is
    trainable. Beside `name` and `preprocessing` it has `class_names`, where they were saved.
    For another number of classes use ``build_model(name, weights=path, num_classes=...)``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file of `save_model`, or is damaged.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"expected a network of save_model in {path.absolute()}, but the file is not there")
    try:
        content = read_file(path)
        metadata = content.metadata
        if WRITTEN_BY in metadata and metadata[WRITTEN_BY] != FORMAT:
            raise Refused(f"it is {metadata[WRITTEN_BY]!r} and not {FORMAT!r}. Read it with the kit that wrote it")
        check_sum(content)
    except Refused as refused:
        raise ValueError(f"expected a network of save_model in {path}, but {refused}") from None
    if WRITTEN_BY not in metadata:
        raise ValueError(
            f"expected a network of save_model in {path}, but the file does not say which network it is. Name it: "
            "build_model(name, weights=path, num_classes=..., keep_head=True, preprocessing=...)"
        )
    model = build_model(
        metadata["model"],
        weights=path,
        num_classes=int(metadata["num_classes"]),
        in_channels=int(metadata["in_channels"]),
        seed=0,  # the random numbers are all replaced, and the global ones left alone
        keep_head=True,
    )
    if "class_names" in metadata:
        vars(model)["class_names"] = tuple(json.loads(metadata["class_names"]))
    return model.eval()


def _name(network: nn.Module) -> str:
    """The name of a network that is still what `build_model` makes under it."""
    name = vars(network).get("name")
    if not isinstance(name, str) or not is_known(name):
        raise ValueError(
            f"expected a network that build_model made, got {type(network).__name__} with the name {name!r}; keep it "
            "with torch.save(model.state_dict(), path), and write down its preprocessing"
        )
    state, convolution = network.state_dict(), first_conv(network)
    with torch.random.fork_rng(devices=[]):
        channels, size = _channels(name, network), preprocessing_of(network).size
        renamed = {f"{path_of(network, convolution)}.weight": convolution.weight} | state
        twin = construct(
            name, num_classes=_logits(network), in_channels=channels, state=renamed, channels=channels, size=size
        )
    shapes, wanted = ({key: tuple(value.shape) for key, value in m.state_dict().items()} for m in (network, twin))
    changed = sorted(key for key in {*shapes, *wanted} if shapes.get(key) != wanted.get(key))
    if changed or _layers(network) != _layers(twin):
        where = f" (look at {', '.join(changed[:3])})" if changed else " (look at print(model))"
        raise ValueError(
            f"expected {name} as build_model makes it, but the network was changed since{where}, and load_model could "
            "not give it back; keep it with torch.save(model.state_dict(), path), and write down how you changed it"
        )
    return name


def _channels(name: str, network: nn.Module) -> int:
    """Of the images; a first convolution of timm's may see them rearranged."""
    return preprocessing_of(network).channels if is_timms(name) else first_conv(network).in_channels


def _layers(network: nn.Module) -> str:
    """How the network describes itself, but for what acts in training only."""
    return re.sub(r"(Dropout\w*|StochasticDepth)\([^)]*\)", r"\1", repr(network))


def _logits(network: nn.Module) -> int:
    top: Any = head(network)
    found = getattr(top, "out_features", None) or getattr(top, "out_channels", None)
    if not isinstance(found, int):
        raise ValueError(
            f"expected a head of one layer, as build_model makes it, got {type(top).__name__}; keep the network with "
            "torch.save(model.state_dict(), path)"
        )
    return found


def _class_names(names: Any, logits: int) -> list[str]:
    if isinstance(names, str) or not all(isinstance(name, str) for name in names) or len(names) != logits:
        raise ValueError(f"expected class_names with one name for each of the {logits} logits, got {names!r}")
    return list(names)
