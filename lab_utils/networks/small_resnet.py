"""A ten-layer residual network, small enough to train in minutes on a processor.

References:
    He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition. CVPR 2016,
    arXiv:1512.03385.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut around them."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        # Not in place: a hook on a batch norm must see what it computed.
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H/stride, W/stride)."""
        out = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(out + self.shortcut(x))


class ResNet10(nn.Module):
    """Children `stem`, `layer1` ... `layer4`, global average pooling, linear `head`.

    The 7x7 stem halves the side once and no max-pool follows, because the images are small:
    64 px enter layer1 at 32 px and leave layer4 at 4 px.
    """

    def __init__(self, *, width: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.layer1 = BasicBlock(width, width, stride=1)
        self.layer2 = BasicBlock(width, 2 * width, stride=2)
        self.layer3 = BasicBlock(2 * width, 4 * width, stride=2)
        self.layer4 = BasicBlock(4 * width, 8 * width, stride=2)
        self.head = nn.Linear(8 * width, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, in_channels, H, W) to logits (B, num_classes)."""
        x = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(x)))))
        return self.head(x.mean(dim=(2, 3)))  # (B, C, h, w) -> (B, C) -> (B, num_classes)


def resnet10(*, width: int = 32, num_classes: int, in_channels: int = 1) -> ResNet10:
    """Build the network with `width` channels in the stem and 8 times as many at the top.

    Args:
        width: Channels of the stem: 32 (1.23 million parameters), 16 (0.31 million), or any other number.
        num_classes: Number of logits.
        in_channels: 1 for grey images, 3 for RGB.
    """
    return ResNet10(width=width, num_classes=num_classes, in_channels=in_channels)
