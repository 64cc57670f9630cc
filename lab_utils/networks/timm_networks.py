"""The classifiers of timm: their names, their construction, what they expect of images, and their ImageNet weights.

timm is imported only where one of its networks is asked for.
"""

from __future__ import annotations

import importlib.util
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor, nn

from lab_utils.networks.families import timm_inputs
from lab_utils.networks.preprocessing import Preprocessing

LITE0 = "efficientnet_lite0"  # with TensorFlow's padding, in which it was trained; pip brings its weights
# By class, what timm does not record: the least side in px, and which can only halve their maps evenly.
_LEAST = {"InceptionV3": 75, "InceptionV4": 75, "InceptionResnetV2": 75}
_ONE_SIDE = ("DLA", "HighResolutionNet", "Qwen3VitClassifier")
PREFIX = "timm/"  # of a network of timm under a name that torchvision or the kit has given to another


def library() -> Any:
    """The package timm.

    Raises:
        ImportError: If it is not there; with the line that installs it.
    """
    try:
        import timm
    except ImportError as error:
        raise ImportError(f"expected the package timm for its networks, got: {error}. Run: pip install timm") from error
    return timm


@cache
def names() -> dict[str, str]:
    """Name in the kit -> name in timm; empty where timm is not installed."""
    if importlib.util.find_spec("timm") is None:
        return {}
    from torchvision import models as tv

    taken = {LITE0, *tv.list_models(module=tv)}
    found = {(PREFIX if name in taken else "") + name: name for name in library().list_models()}
    return {LITE0: "tf_efficientnet_lite0", **found}


def config(name: str) -> Any:
    """What timm says of a network by default: its input, its first convolution, its classifier."""
    timm = library()
    return timm.get_pretrained_cfg(names()[name])


def create(name: str, *, num_classes: int, in_channels: int, size: int | None = None, **source: Any) -> nn.Module:
    """A network of timm, with random numbers unless `source` names others.

    Args:
        name: As in the kit.
        num_classes: Number of logits.
        in_channels: Channels of the images.
        size: Side of the images in px; None for timm's. Networks for images of any size are built alike for all.
        source: Where timm is to take weights from.

    Raises:
        ValueError: If it is not built as the kit needs it, or not for this size.
    """
    known = config(name)
    height, width = known.input_size[-2:]
    if height != width:
        raise ValueError(f"expected a network that takes square images, but {name} takes {height} x {width} px")
    other = {} if size in (None, width) or not known.fixed_input_size else {"img_size": size}
    try:
        model = library().create_model(names()[name], num_classes=num_classes, in_chans=in_channels, **other, **source)
    except (TypeError, AssertionError, ValueError) as error:
        if not other:
            raise
        raise ValueError(
            f"expected image_size={width} or another that {name} can have, got {size} ({error})"
        ) from error
    heads = model.get_classifier()
    if not isinstance(known.classifier, str) or not isinstance(heads, nn.Module) or isinstance(heads, nn.ModuleList):
        raise ValueError(f"expected a network with one head, but {name} of timm has several; choose another one")
    return model


def with_size(name: str, model: nn.Module, preprocessing: Preprocessing) -> Preprocessing:
    """Add the side in px that the network insists on, or below which it has no last map."""
    known, info = config(name), getattr(model, "feature_info", None) or []
    kind = type(model).__name__
    if known.fixed_input_size or kind in _ONE_SIDE:
        return replace(preprocessing, size=preprocessing.size or known.input_size[-1])
    least = known.min_input_size[-1] if known.min_input_size else max([32, *(part["reduction"] for part in info)])
    least = _LEAST.get(kind, least)
    return replace(preprocessing, min_size=max(least, preprocessing.min_size or 0))


def of_config(known: Any) -> Preprocessing:
    """What timm says of the images of its weights."""
    return Preprocessing(tuple(known.mean), tuple(known.std), known.input_size[0])


def imagenet_config(name: str) -> Any:
    """Of the weights with ImageNet's 1,000 classes: those timm takes by default, else the first; None if none."""
    timm = library()
    listed = map(timm.get_pretrained_cfg, timm.list_pretrained(f"{names()[name]}.*"))
    return next((one for one in (config(name), *listed) if one.has_weights and one.num_classes == 1000), None)


def of_hub(name: str, known: Any, size: int | None) -> dict[str, Tensor]:
    """The tensors of an entry of timm from the hub's cache or the hub, with position embeddings for `size`."""
    import huggingface_hub as hub

    cached = hub.try_to_load_from_cache(known.hf_hub_id, "model.safetensors") if known.hf_hub_id else None
    source = {"pretrained_cfg": known}
    if isinstance(cached, str):  # then nothing is asked of the network
        source["pretrained_cfg_overlay"] = {"file": cached}
    elif not getproxies():  # without a network the client would try for a minute
        socket.getaddrinfo(urlsplit(hub.constants.ENDPOINT).hostname, 443)
    return _tensors(name, 1000, known.input_size[0], size, **source)


def renamed(name: str, tensors: Mapping[str, Tensor], size: int | None) -> dict[str, Tensor]:
    """A file's tensors under timm's present names, with position embeddings for `size`; as they are if timm cannot."""
    known = config(name)
    top, low = tensors.get(f"{known.classifier}.weight"), tensors.get(f"{timm_inputs(vars(known))[0]}.weight")
    classes = known.num_classes if top is None else len(top)
    channels = known.input_size[0] if low is None else low.shape[1]
    overlay = {"state_dict": dict(tensors), "num_classes": classes, "input_size": (channels, *known.input_size[1:])}
    try:
        return _tensors(name, classes, channels, size, pretrained_cfg_overlay=overlay)
    except Exception:  # whatever the conversion of one library makes of the names of another
        return dict(tensors)


def _tensors(name: str, classes: int, channels: int, size: int | None, **source: Any) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        model = create(name, num_classes=classes, in_channels=channels, size=size, pretrained=True, **source)
    return {key: value.detach() for key, value in model.state_dict().items()}
