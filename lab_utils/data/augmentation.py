"""Random changes of training images: one draw per image, one call per batch.

Everything happens on the device of the images. A batch of identical images comes out
as a batch of different ones.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lab_utils.arguments import flag


@dataclass(frozen=True)
class Augment:
    """How far images may change; every amount is drawn anew for each image.

    Attributes:
        degrees: rotation, uniform in [-degrees, degrees].
        translate: shift to the right and down, uniform in [-translate, translate], as
            a fraction of the side.
        scale: zoom factor, uniform in [low, high]; above 1 enlarges.
        brightness: added to every pixel, uniform in [-brightness, brightness], as a
            fraction of the grey range.
        contrast: distances from the image's mean are multiplied by a factor uniform in
            [1 - contrast, 1 + contrast].
        flip: mirror left and right with a chance of one half. Not for chest X-rays: the
            heart is on one side.

    Raises:
        ValueError: if an amount is negative, a fraction above 1, or the zoom not in
            order.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    brightness: float = 0.0
    contrast: float = 0.0
    flip: bool = False

    def __post_init__(self) -> None:
        flag("flip", self.flip)
        for name, most in (
            ("degrees", 180.0),
            ("translate", 1.0),
            ("brightness", 1.0),
            ("contrast", 1.0),
        ):
            amount = getattr(self, name)
            if not 0 <= amount <= most:
                raise ValueError(
                    f"{name} must lie in [0, {most:g}]; got {amount}. It is the largest change in either direction."
                )
        low, high = self.scale
        if not 0 < low <= high < math.inf:
            raise ValueError(
                f"scale must be (low, high) with 0 < low <= high; got {self.scale}. For example (0.9, 1.1)."
            )

    @property
    def moves_pixels(self) -> bool:
        """Whether images are resampled at all."""
        return self.degrees > 0 or self.translate > 0 or self.scale != (1.0, 1.0)


MILD = Augment(degrees=5.0, translate=0.06, scale=(0.95, 1.05), brightness=0.1, contrast=0.1)
"""For chest X-rays: what differs between two exposures of one patient; no mirror."""


def augment(images: Tensor, config: Augment, *, generator: torch.Generator) -> Tensor:
    """Turn, shift, zoom, mirror, brighten each image by amounts of its own.

    Args:
        images: float, shape (B, C, H, W), values in [0, 1], on any device.
        config: how far images may change.
        generator: source of the draws. A CPU generator gives the same draws for images
            on every device.

    Returns:
        A tensor of the same shape, type and device, values in [0, 1]. Where the image
        was moved away, its mirrored edge fills the gap: no black corners.

    Raises:
        ValueError: if the images are not a float batch.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            "augment() expects float images in [0, 1] of shape (B, C, H, W); got "
            f"{images.dtype} of shape {tuple(images.shape)}. For uint8 images pass "
            "images.float() / 255."
        )
    # All seven columns are always drawn: a knob changes nothing but its own effect.
    draws = torch.rand(len(images), 7, generator=generator, device=generator.device)
    draws = (2 * draws - 1).to(images.device, images.dtype)  # (B, 7) in [-1, 1]
    if config.flip:
        mirrored = (draws[:, 6] < 0)[:, None, None, None]
        images = torch.where(mirrored, images.flip(3), images)
    if config.moves_pixels:
        images = _move(images, _affine(draws, config, images.shape[2:]))
    if config.contrast > 0 or config.brightness > 0:
        factor = 1 + config.contrast * draws[:, 4, None, None, None]
        added = config.brightness * draws[:, 5, None, None, None]
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        # (images - mean) * factor + mean + added, in two passes over the pixels
        images = torch.addcmul(mean * (1 - factor) + added, images, factor).clamp_(0, 1)
    return images


def _affine(draws: Tensor, config: Augment, shape: torch.Size) -> Tensor:
    """Matrices (B, 2, 3) from output to input positions, both in [-1, 1].

    In pixels from the centre: input = rotation(-angle) / zoom (output - shift). The
    normalised axes have different units where height and width differ.
    """
    height, width = shape
    low, high = config.scale
    angle = math.radians(config.degrees) * draws[:, 0]
    zoom = low + (high - low) * (draws[:, 1] + 1) / 2
    right, down = config.translate * 2 * draws[:, 2], config.translate * 2 * draws[:, 3]
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    tall = height / width
    top = torch.stack([cos, sin * tall, -cos * right - sin * tall * down], dim=1)
    bottom = torch.stack([-sin / tall, cos, sin / tall * right - cos * down], dim=1)
    return torch.stack([top, bottom], dim=1)


def _move(images: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
