"""A vision transformer of eight blocks, small enough to train in an hour on a processor.

References:
    Dosovitskiy et al.: An Image is Worth 16x16 Words. ICLR 2021, arXiv:2010.11929.
"""

from __future__ import annotations

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 8  # px
GRID = 8  # patches along a side of the images that the positions are made for: 64 px


class PatchEmbedding(nn.Module):
    """A convolution that turns each patch into a token, and adds what is learned for its position."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, dim, PATCH, stride=PATCH)
        self.positions = nn.Parameter(0.02 * torch.randn(1, dim, GRID, GRID))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to tokens (B, H/8 * W/8, dim), row by row."""
        check_sides(x)
        x = self.patches(x)  # (B, dim, H/8, W/8)
        # For 64 px these are the positions as they are.
        positions = F.interpolate(self.positions, size=x.shape[2:], mode="bilinear", align_corners=False)
        return (x + positions).flatten(2).transpose(1, 2)


def check_sides(images: Tensor) -> None:
    """Refuse images that are not whole patches.

    Raises:
        ValueError: If a side is no multiple of 8 px.
    """
    height, width = images.shape[-2:]
    if height % PATCH or width % PATCH:
        raise ValueError(
            f"Expected images whose sides are multiples of {PATCH} px, the side of a patch, got {height} x {width}. "
            "Load them in such a size, for example with size=64."
        )


torch.fx.wrap("check_sides")  # looks at numbers, which whoever traces the network (`cut`) has none of


class Attention(nn.Module):
    """Every token looks at every other one, in `heads` ways at once."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, T, dim) to (B, T, dim).

        Written out, as PyTorch's fused attention is ten times slower backwards in bfloat16 on a processor.
        """
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)  # (B, heads, T, T)
        return self.proj((weights.to(v.dtype) @ v).transpose(1, 2).reshape(batch, tokens, dim))


class TransformerBlock(nn.Module):
    """Attention, then two linear layers for each token; a shortcut around both."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens (B, T, dim) to (B, T, dim)."""
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SmallViT(nn.Module):
    """Children `embed`, `blocks1` ... `blocks4` of two blocks each, the mean of all tokens, linear `head`.

    The last norm is the end of `blocks4`, so that all stages give tokens (B, T, width). There is no class token.

    Attributes:
        channel_axis: Axis of the channels in what the stages give; `stages` reads it.
    """

    channel_axis = -1

    def __init__(self, *, width: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.embed = PatchEmbedding(in_channels, width)
        pairs = [[TransformerBlock(width, heads=4, hidden=2 * width) for _ in range(2)] for _ in range(4)]
        self.blocks1 = nn.Sequential(*pairs[0])
        self.blocks2 = nn.Sequential(*pairs[1])
        self.blocks3 = nn.Sequential(*pairs[2])
        self.blocks4 = nn.Sequential(*pairs[3], nn.LayerNorm(width))
        self.head = nn.Linear(width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.kaiming_normal_(self.embed.patches.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.embed.patches.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W), sides multiples of 8 px, to logits (B, num_classes)."""
        x = self.blocks4(self.blocks3(self.blocks2(self.blocks1(self.embed(x)))))
        return self.head(x.mean(dim=1))  # (B, T, width) -> (B, width) -> (B, num_classes)


def small_vit(*, width: int = 128, num_classes: int, in_channels: int = 1) -> SmallViT:
    """Build the transformer with tokens of `width` numbers.

    Args:
        width: 128 (1.08 million parameters), or another multiple of 4.
        num_classes: Number of logits.
        in_channels: 1 for grey images, 3 for RGB.
    """
    return SmallViT(width=width, num_classes=num_classes, in_channels=in_channels)
