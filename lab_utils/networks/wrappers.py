"""A network inside what people put around it: `DataParallel`, `torch.compile`, a running mean of its weights."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from lab_utils.networks.preprocessing import Preprocessing


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, without `DataParallel`, `DistributedDataParallel`, `torch.compile` and `AveragedModel`.

    It is the same object, with the same parameters, that the wrapper runs; any other network is returned as it is,
    also one of your own with a child called ``module``.
    """
    while (inner := _inside(model)) is not None:
        model = inner
    return model


def preprocessing_of(model: nn.Module) -> Preprocessing:
    """What images must go through for `model`; one set on a wrapper goes before that of the network inside.

    Raises:
        ValueError: if there is none.
    """
    part: nn.Module | None = model
    while part is not None:
        own: Any = vars(part).get("preprocessing")
        found = own if own is not None else getattr(type(part), "preprocessing", None)
        if isinstance(found, Preprocessing):
            return found
        if callable(own):  # a function of your own, set on the network, will do
            return own
        if found is not None:
            break
        part = _inside(part)
    network = unwrapped(model)
    raise ValueError(
        f"expected a model with a `preprocessing` attribute, got {type(network).__name__} "
        f"{'without' if part is None else f'where it is a {type(found).__name__}'}; build it with build_model, or set "
        "model.preprocessing = Preprocessing(mean, std, channels) to what it was trained with"
    )


def _inside(model: nn.Module) -> nn.Module | None:
    """The network below the outermost wrapper, if `model` is a wrapper."""
    inner: object = None
    if isinstance(model, DataParallel | DistributedDataParallel | AveragedModel):
        inner = model.module
    elif type(model).__name__ == "OptimizedModule":  # by name: its module takes seconds to import
        inner = vars(model)["_modules"].get("_orig_mod")
    return inner if isinstance(inner, nn.Module) else None


def preprocess(model: nn.Module, images: Tensor) -> Tensor:
    """Turn images into what `model` expects, by the preprocessing that came with its weights.

    Args:
        model: one with a `preprocessing`, as `build_model` makes them; also inside `DataParallel` or `torch.compile`.
        images: uint8, or float in [0, 1], of shape (B, C, H, W).

    Returns:
        float32 (B, channels, H, W), normalised, on the device of `images`.

    Raises:
        ValueError: if the model has no preprocessing, or the images do not fit.
    """
    preprocessing = preprocessing_of(model)
    if images.is_floating_point() and images.numel() and not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(
            f"expected uint8 images or floats in [0, 1], got floats from {images.min():.3g} to "
            f"{images.max():.3g}; pass the images before normalisation, it is applied here"
        )
    if not images.is_floating_point() and images.dtype != torch.uint8:
        raise ValueError(f"expected uint8 images or floats in [0, 1], got {images.dtype}; convert them with .to()")
    return preprocessing(images)
