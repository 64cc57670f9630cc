"""What a network expects of its input; it travels with the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# ITU-R 601: how bright red, green and blue look to the eye.
_LUMA = (0.299, 0.587, 0.114)
# Distance of the channels in [0, 1] above which a picture has colour, on average and anywhere. JPEG rounds each channel
# by itself.
COLOUR = (2 / 255, 16 / 255)
CHUNK = 256  # images looked at together


def to_grey(images: Tensor) -> Tensor:
    """Turn colour images into their brightness, on purpose: red and green of one brightness become one grey.

    Args:
        images: uint8, or float in [0, 1], (N, 3, H, W).

    Returns:
        (N, 1, H, W) of the same type.

    Raises:
        ValueError: if these are no colour images.

    Example:
        >>> to_grey(torch.ones(2, 3, 8, 8)).shape
        torch.Size([2, 1, 8, 8])
    """
    if images.ndim != 4 or images.shape[1] != 3 or not (images.dtype == torch.uint8 or images.is_floating_point()):
        raise ValueError(
            f"Expected colour images (N, 3, H, W), uint8 or float in [0, 1], got {images.dtype} of shape "
            f"{tuple(images.shape)}. Grey images (N, 1, H, W) can stay as they are."
        )
    grey = _luma(images.to(torch.float32))
    return (grey.round() if images.dtype == torch.uint8 else grey).to(images.dtype)


def _luma(images: Tensor) -> Tensor:
    return (images * images.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of its input, fixed by the images its weights were trained on.

    Attributes:
        mean: One value per channel, of images in [0, 1].
        std: One value per channel, likewise.
        channels: Channels of the network's input, 1 for grey and 3 for RGB.
        size: Side in px that the network insists on, or None where any will do.
        min_size: Side in px below which the network cannot go, or None; smaller images are enlarged.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int
    size: int | None = None
    min_size: int | None = None

    def __post_init__(self) -> None:
        if self.channels < 1 or len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"Expected one mean and one std for each of {self.channels} channels, got mean={self.mean} and "
                f"std={self.std}. Pass tuples with one number per channel."
            )
        if not all(0 < value < math.inf for value in self.std) or not all(map(math.isfinite, self.mean)):
            raise ValueError(
                f"Expected every std to be above 0 and every mean a number, got mean={self.mean} and std={self.std}. "
                "Pass those of the training images."
            )
        if max(self.mean) > 1:
            raise ValueError(
                f"Expected the mean of images in [0, 1], got mean={self.mean}. Divide mean and std by 255."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images into network input.

        Grey images are repeated over the channels of an RGB network. RGB images whose channels are equal (but for
        rounding) become grey for a grey network; those with colour are refused, since their colour would be lost.
        Only uint8 images are divided by 255.

        Args:
            images: uint8 (B, C, H, W), or float (B, C, H, W) in [0, 1].

        Returns:
            float32 (B, channels, H, W), with H and W of `size`, or at least `min_size`, where the network needs it.

        Raises:
            ValueError: If the shape, the type or the number of channels is another, if images have colour and the
                network is grey, or if floats are NaN or go beyond 1 (up to 255, most likely).
        """
        self.check(images)
        if images.is_floating_point() and images.numel():
            low, high = float(images.min()), float(images.max())
            if math.isnan(low) or (low >= 0 and high > 1):
                raise ValueError(
                    f"Expected float images in [0, 1], got values from {low:.3g} to {high:.3g}. "
                    + ("Correct the pixels that are NaN." if math.isnan(low) else "Divide by 255, or pass uint8.")
                )
        return self.normalise(images)

    def check(self, images: Tensor) -> None:
        """Refuse images of another shape or type, and colour for a grey network; it looks at pixels for that only.

        Raises:
            ValueError: As above.
        """
        shape = tuple(images.shape)
        channels = shape[1] if len(shape) == 4 else None
        if channels is None or (channels not in (1, self.channels) and (channels, self.channels) != (3, 1)):
            if len(shape) == 4 and shape[3] in (1, 3, 4):
                hint = "Put the channels before height and width: images.permute(0, 3, 1, 2)."
            elif channels == 4:
                hint = "Leave the fourth channel out, images[:, :3], if it is transparency."
            elif channels is None:
                hint = "Add a missing axis: images[:, None] for grey images (B, H, W), image[None] for one (C, H, W)."
            else:
                hint = "Build the model with in_channels= the channels of your images."
            raise ValueError(
                f"Expected images of shape (B, C, H, W) that can become {self.channels} channels, got {shape}. {hint}"
            )
        if images.dtype != torch.uint8 and not images.is_floating_point():
            raise ValueError(f"Expected uint8 images or floats in [0, 1], got {images.dtype}. Convert them with .to().")
        if (channels, self.channels) == (3, 1) and (found := _coloured(images)):
            raise ValueError(
                f"Expected grey images for a network with in_channels=1, but {found} of {len(images)} have colour, "
                "which would be lost. Build the network with build_model(..., in_channels=3). Where colour means "
                "nothing, make the images grey on purpose: load_data(folder, channels=1), or replace(split, "
                "images=to_grey(split.images)) with to_grey of lab_utils.networks.preprocessing."
            )

    def normalise(self, images: Tensor) -> Tensor:
        """What a call does, for images that passed `check`: no look at the pixels, which a GPU would wait for."""
        x = images.to(torch.float32)
        if images.dtype == torch.uint8:
            x = x / 255
        if images.shape[1] == 1:
            x = x.expand(-1, self.channels, -1, -1)
        elif self.channels == 1:
            x = _luma(x)
        side = self._side(x.shape[2], x.shape[3])
        if side != tuple(x.shape[2:]):
            x = F.interpolate(x, side, mode="bilinear", antialias=True)
        mean = x.new_tensor(self.mean).view(1, -1, 1, 1)
        return (x - mean) / x.new_tensor(self.std).view(1, -1, 1, 1)

    def _side(self, height: int, width: int) -> tuple[int, int]:
        if self.size is not None:
            return self.size, self.size
        least = self.min_size or 1
        return max(height, least), max(width, least)


def _coloured(images: Tensor) -> int:
    """Number of images (N, 3, H, W) with colour: whose channels differ by more than rounding."""
    count = 0
    for part in images.split(CHUNK):
        x = part.to(torch.float32) / (255 if images.dtype == torch.uint8 else 1)
        apart = (x - x[:, :1]).abs().flatten(1)
        count += int(((apart.mean(dim=1) > COLOUR[0]) | (apart > COLOUR[1]).any(dim=1)).sum())
    return count


# What networks without weights get; procedural weights were trained with the grey one.
DEFAULT_PREPROCESSING = {c: Preprocessing((0.5,) * c, (0.25,) * c, c) for c in (1, 3)}
