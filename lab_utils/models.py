"""Networks by name, what they take, and how they are kept. What labs and other modules use of them is here."""

import torch
from torch import Tensor, nn

from lab_utils.architectures import list_models
from lab_utils.building import build_model
from lab_utils.conv1 import adapt_conv1
from lab_utils.saved_models import load_model, save_model
from lab_utils.stages import Stage, head, stages
from lab_utils.wrappers import preprocessing_of, unwrapped

__all__ = [
    "Stage",
    "adapt_conv1",
    "build_model",
    "head",
    "list_models",
    "load_model",
    "preprocess",
    "preprocessing_of",
    "save_model",
    "stages",
    "unwrapped",
]


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
