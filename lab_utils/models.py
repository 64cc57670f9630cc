"""Build any network of the kit by name: our own and all of torchvision's classifiers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import cbr
from lab_utils.conv1 import adapt_conv1, adapt_input, first_conv, set_conv1, with_channels
from lab_utils.preprocessing import DEFAULT_PREPROCESSING, Preprocessing
from lab_utils.resnet10 import resnet10
from lab_utils.stages import Stage, head, head_path, stages, unknown_name, unwrap
from lab_utils.weights import Weights, load_weights

__all__ = ["Stage", "adapt_conv1", "build_model", "head", "list_models", "preprocess", "stages"]

_OURS: dict[str, Callable[..., nn.Module]] = {
    "cbr_large_t": cbr.cbr_large_t,
    "cbr_large_w": cbr.cbr_large_w,
    "cbr_small": cbr.cbr_small,
    "cbr_tiny": cbr.cbr_tiny,
    "resnet10_w32": partial(resnet10, width=32),
    "resnet10_w16": partial(resnet10, width=16),
}

# Built without their auxiliary classifiers and without their own change of normalisation.
_INCEPTIONS = ("googlenet", "inception_v3")
# torchvision's files still say norm.1 where its networks have long said norm1
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.")
_IMAGENET_MEAN = (0.485, 0.456, 0.406)


def list_models() -> list[str]:
    """Every name that `build_model` knows: ours first, then torchvision's."""
    from torchvision import models as tv  # takes longer to import than PyTorch itself, and our networks do without it

    return [*_OURS, *tv.list_models(module=tv)]


def build_model(
    name: str,
    *,
    weights: str | Path | None = None,
    num_classes: int,
    in_channels: int = 1,
    seed: int | None = None,
) -> nn.Module:
    """Build a classifier: a backbone, pretrained or not, under a new head.

    The head is always new and random (or zero, where the network's authors start it so),
    also when the weights come from a network with as many classes. Set `num_classes` to
    the number of logits: 2 for a binary task.

    The model carries two plain attributes: `name`, and `preprocessing`, which belongs to
    its weights and is applied by `preprocess`. Networks that take no image below a certain
    side, or of one side only, have that in `preprocessing`.

    Args:
        name: one of `list_models()`.
        weights: ``"procedural"``, ``"imagenet"``, the path of a file, or None for random.
        num_classes: number of logits.
        in_channels: channels of the input. Where the weights have another number of them,
            the first convolution is changed as `adapt_conv1` says, and the difference
            between the channels' means and standard deviations is moved into the network.
        seed: makes all random numbers used here depend on nothing else, and leaves the
            global random state as it was. None draws from the global state.

    Returns:
        The model, in train mode, on the CPU (or the current default device), in float32.

    Raises:
        ValueError: if the name is unknown, or the weights are those of another model.
        FileNotFoundError: if there are no such weights; nothing falls back to random.
    """
    if name not in _OURS and name not in list_models():
        raise unknown_name("model", name, list_models())
    for argument, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"expected {argument} to be a whole number of at least 1, got {value!r}")
    loaded = None if weights is None else load_weights(name, weights)
    with _seeded(seed):
        model = _construct(name, num_classes, in_channels, loaded)
        if loaded is None:
            if first_conv(model).in_channels != in_channels:
                set_conv1(model, adapt_conv1(first_conv(model).weight.detach(), in_channels))
            preprocessing = with_channels(DEFAULT_PREPROCESSING[1], in_channels)
        else:
            _load_backbone(model, loaded, name)
            preprocessing = adapt_input(model, _preprocessing(name, loaded), in_channels)
    vars(model).update(name=name, preprocessing=_with_size(name, model, preprocessing))
    return model


def preprocess(model: nn.Module, images: Tensor) -> Tensor:
    """Turn images into what `model` expects, by the preprocessing that came with its weights.

    Args:
        model: one with a `preprocessing`, as `build_model` makes them.
        images: uint8, or float in [0, 1], of shape (B, C, H, W).

    Returns:
        float32 (B, channels, H, W), normalised, on the device of `images`.

    Raises:
        ValueError: if the model has no preprocessing, or the images do not fit.
    """
    preprocessing = vars(unwrap(model)).get("preprocessing")
    if preprocessing is None:
        raise ValueError(
            f"expected a model with a `preprocessing` attribute, got {type(model).__name__} without; build it "
            "with build_model, or set model.preprocessing = Preprocessing(mean, std, channels) to what it "
            "was trained with"
        )
    if images.is_floating_point() and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"expected uint8 images or floats in [0, 1], got floats from {images.min():.3g} to "
            f"{images.max():.3g}; pass the images before normalisation, it is applied here"
        )
    if not images.is_floating_point() and images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 images or floats in [0, 1], got {images.dtype}; convert them with .to()")
    return preprocessing(images)


# ------------------------------------------------------------------------ construction


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Draw from `seed` inside, and leave every global generator as it was."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=[]):
        # torch.manual_seed would also reseed the accelerators
        torch.default_generator.manual_seed(seed)
        yield


def _construct(name: str, num_classes: int, in_channels: int, loaded: Weights | None) -> nn.Module:
    if name in _OURS:
        channels = in_channels if loaded is None else loaded.preprocessing.channels
        model = _OURS[name](num_classes=num_classes, in_channels=channels)
    else:
        options: dict[str, Any] = {}
        if name in _INCEPTIONS:
            # init_weights=True is torchvision's default, said aloud so that it does not warn; it is slow
            options = {"aux_logits": False, "transform_input": False, "init_weights": loaded is None}
        elif name.startswith("vit_"):
            options = _vit_size(name, loaded)
        from torchvision import models as tv

        model = tv.get_model(name, weights=None, num_classes=num_classes, **options)
    if loaded is not None:  # give conv1 the channels of the weights; they are adapted later
        conv = first_conv(model)
        key = next(path for path, module in model.named_modules() if module is conv) + ".weight"
        channels = loaded.state_dict[key].shape[1] if key in loaded.state_dict else conv.in_channels
        if channels != conv.in_channels:
            set_conv1(model, adapt_conv1(conv.weight.detach(), channels))
    return model


def _vit_size(name: str, loaded: Weights | None) -> dict[str, int]:
    """The image side for which a ViT's position embedding was made, where weights tell."""
    embedding = None if loaded is None else loaded.state_dict.get("encoder.pos_embedding")
    if embedding is None:
        return {}
    patch = int(name.rsplit("_", 1)[1])
    return {"image_size": patch * math.isqrt(embedding.shape[1] - 1)}  # less the class token


def _with_size(name: str, model: nn.Module, preprocessing: Preprocessing) -> Preprocessing:
    """Add the side in px that the network insists on, or below which it cannot go."""
    if name in _OURS:
        return preprocessing
    from torchvision import models as tv

    if isinstance(model, tv.VisionTransformer):
        return replace(preprocessing, size=model.image_size)
    if isinstance(model, tv.MaxVit):
        return replace(preprocessing, size=224)
    if isinstance(model, tv.SwinTransformer):  # pads its windows: any side from one patch per stage
        return replace(preprocessing, min_size=32)
    smallest = max(tv.get_model_weights(name).DEFAULT.meta["min_size"])
    return replace(preprocessing, min_size=smallest)


# --------------------------------------------------------------------- loading weights


def _load_backbone(model: nn.Module, loaded: Weights, name: str) -> None:
    """Copy all weights but those of the head and of auxiliary classifiers."""
    skip = (head_path(model) + ".", "aux1.", "aux2.", "AuxLogits.")
    target = {k: v for k, v in model.state_dict().items() if not k.startswith(skip)}
    source = {_OLD_DENSENET.sub(r"\1\2.", k): v for k, v in loaded.state_dict.items()}
    source = {k: v for k, v in source.items() if not k.startswith(skip)}
    # old files lack this counter, which matters to nothing here
    missing = [k for k in target if k not in source and not k.endswith("num_batches_tracked")]
    unexpected = [k for k in source if k not in target]
    reshaped = [k for k in target if k in source and source[k].shape != target[k].shape]
    if missing or unexpected or reshaped:
        raise ValueError(
            f"expected weights of {name}, but those from {loaded.source} are another model's: "
            f"missing {_some(missing)}; unexpected {_some(unexpected)}; of another shape {_some(reshaped)}. "
            "Build the model that they belong to, or pass weights=None for a random start"
        )
    with torch.no_grad():
        for key, tensor in target.items():
            if key in source:
                tensor.copy_(source[key])


def _some(keys: list[str]) -> str:
    return f"{len(keys)} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''})" if keys else "0"


def _preprocessing(name: str, loaded: Weights) -> Preprocessing:
    """That of the weights, but for networks that torchvision builds with an own input layer.

    torchvision's GoogLeNet and Inception v3 turn ImageNet's normalisation into one with mean
    and standard deviation 0.5 inside the network; ours have it outside, as all others do.
    """
    if name in _INCEPTIONS and loaded.preprocessing.mean == _IMAGENET_MEAN:
        return replace(loaded.preprocessing, mean=(0.5,) * 3, std=(0.5,) * 3)
    return loaded.preprocessing
