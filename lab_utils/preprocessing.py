"""What a network expects of its input; it travels with the weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# ITU-R 601: how bright red, green and blue look to the eye.
_LUMA = (0.299, 0.587, 0.114)


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
        if not all(value > 0 for value in self.std):
            raise ValueError(
                f"Expected every std to be above 0, got std={self.std}. Pass the std of the training images."
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images into network input.

        Grey images are repeated over the channels of an RGB network; RGB images become their brightness for a
        grey one. Only uint8 images are divided by 255.

        Args:
            images: uint8 (B, C, H, W), or float (B, C, H, W) in [0, 1].

        Returns:
            float32 (B, channels, H, W), with H and W of `size`, or at least `min_size`, where the network needs it.

        Raises:
            ValueError: If the shape or the number of channels is another.
        """
        channels = images.shape[1] if images.ndim == 4 else None
        if channels is None or (channels not in (1, self.channels) and (channels, self.channels) != (3, 1)):
            raise ValueError(
                f"Expected images of shape (B, C, H, W) that can become {self.channels} channels, got "
                f"{tuple(images.shape)}. Add a missing axis with images[:, None], or build the model with "
                "in_channels= the channels of your images."
            )
        x = images.to(torch.float32)
        if images.dtype == torch.uint8:
            x = x / 255
        if channels == 1:
            x = x.expand(-1, self.channels, -1, -1)
        elif self.channels == 1:
            x = (x * x.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
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


# What networks without weights get; procedural weights were trained with the grey one.
DEFAULT_PREPROCESSING = {c: Preprocessing((0.5,) * c, (0.25,) * c, c) for c in (1, 3)}
