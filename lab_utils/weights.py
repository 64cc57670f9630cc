"""Where weights come from, and the preprocessing that travels with them."""

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
        channels: 1 (grey) or 3 (RGB).
        size: Side in px that the network insists on, or None where any will do.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int
    size: int | None = None

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"Expected 1 (grey) or 3 (RGB) channels, got {self.channels}.")
        if len(self.mean) != self.channels or len(self.std) != self.channels:
            raise ValueError(
                f"Expected one mean and one std for each of {self.channels} channels, got "
                f"mean={self.mean} and std={self.std}. Pass tuples of {self.channels} numbers."
            )
        if not all(value > 0 for value in self.std):
            raise ValueError(f"Expected every std to be above 0, got {self.std}.")

    def __call__(self, images: Tensor) -> Tensor:
        """Turn images into network input.

        Args:
            images: uint8 (B, C, H, W), or float (B, C, H, W) in [0, 1]; C is 1 or 3.

        Returns:
            float32 (B, channels, H, W), or (B, channels, size, size) where the network insists.

        Raises:
            ValueError: If the shape or the number of channels is another.
        """
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                f"Expected images of shape (B, C, H, W) with 1 or 3 channels, got "
                f"{tuple(images.shape)}. Add the missing axis, for example images[:, None]."
            )
        x = images.to(torch.float32)
        if images.dtype == torch.uint8:
            x = x / 255
        if x.shape[1] == 1 and self.channels == 3:
            x = x.expand(-1, 3, -1, -1)
        elif x.shape[1] == 3 and self.channels == 1:
            x = (x * x.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        if self.size is not None and tuple(x.shape[2:]) != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bilinear", antialias=True)
        mean = x.new_tensor(self.mean).view(1, -1, 1, 1)
        return (x - mean) / x.new_tensor(self.std).view(1, -1, 1, 1)


GREY_PREPROCESSING = Preprocessing(mean=(0.5,), std=(0.25,), channels=1)
