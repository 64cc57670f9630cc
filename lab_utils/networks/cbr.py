"""The CBR family: small convolution, batch-norm, ReLU networks for medical images.

References:
    Raghu, Zhang, Kleinberg, Bengio: Transfusion: Understanding Transfer Learning for Medical
    Imaging. NeurIPS 2019, arXiv:1902.07208.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Block(nn.Module):
    """Convolution, batch norm, ReLU, and where asked a max-pool that halves the side."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, pool: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)
        # Not in place: a hook on `bn` must see what `bn` computed, not what ReLU made of it.
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1) if pool else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H/2, W/2), or (B, out, H, W) without pooling."""
        return self.pool(self.relu(self.bn(self.conv(x))))


class CBR(nn.Module):
    """Blocks `block1` ... `blockN`, global average pooling, linear `head`.

    Args:
        kernel: Side of every convolution in px.
        channels: Output channels, one entry per block.
        pooled: How many of the blocks, counted from the image, end in a max-pool.
        num_classes: Number of logits.
        in_channels: 1 for grey images, 3 for RGB.
    """

    def __init__(
        self, *, kernel: int, channels: Sequence[int], pooled: int, num_classes: int, in_channels: int
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        self.block_names = tuple(f"block{k}" for k in range(1, len(channels) + 1))
        for k, name in enumerate(self.block_names):
            self.add_module(name, Block(widths[k], widths[k + 1], kernel, pool=k < pooled))
        self.head = nn.Linear(widths[-1], num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        for name in self.block_names:
            x = self.get_submodule(name)(x)
        return self.head(x.mean(dim=(2, 3)))  # (B, C, h, w) -> (B, C) -> (B, num_classes)


def cbr_large_t(*, num_classes: int, in_channels: int = 1) -> CBR:
    """CBR-LargeT: 7x7, 32 to 512 channels, no max-pool after the fifth block."""
    return CBR(
        kernel=7,
        channels=(32, 64, 128, 256, 512),
        pooled=4,
        num_classes=num_classes,
        in_channels=in_channels,
    )


def cbr_large_w(*, num_classes: int, in_channels: int = 1) -> CBR:
    """CBR-LargeW: 7x7, four wide blocks of 64 to 512 channels."""
    return CBR(
        kernel=7,
        channels=(64, 128, 256, 512),
        pooled=4,
        num_classes=num_classes,
        in_channels=in_channels,
    )


def cbr_small(*, num_classes: int, in_channels: int = 1) -> CBR:
    """CBR-Small: 7x7, four blocks of 32 to 256 channels."""
    return CBR(
        kernel=7,
        channels=(32, 64, 128, 256),
        pooled=4,
        num_classes=num_classes,
        in_channels=in_channels,
    )


def cbr_tiny(*, num_classes: int, in_channels: int = 1) -> CBR:
    """CBR-Tiny: 5x5, four blocks of 32 to 256 channels."""
    return CBR(
        kernel=5,
        channels=(32, 64, 128, 256),
        pooled=4,
        num_classes=num_classes,
        in_channels=in_channels,
    )
