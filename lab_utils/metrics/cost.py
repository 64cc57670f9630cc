"""What a network costs and what it sees: floating-point operations, and the receptive field."""

import re

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lab_utils.arguments import whole
from lab_utils.modes import eval_mode

_SLIDING = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
# Parallel to the main path of a block, not behind it.
_SHORTCUT = re.compile(r"(^|\.)(shortcut|downsample)(\.|$)")


def count_flops(model: nn.Module, side: int, *, in_channels: int = 1) -> int:
    """Floating-point operations of one forward pass of one image.

    Counted are convolutions and matrix products, a multiplication and an addition as two operations; batch norm,
    ReLU and pooling are left out. A training step takes about three times as many per image: the backward pass
    computes two gradients of the size of the forward pass, by the weights and by the input.

    Args:
        model: any network; its mode and its statistics stay as they are.
        side: height and width of the image in px.
        in_channels: channels that the network takes.

    Raises:
        ValueError: if `side` or `in_channels` is no whole number above 0, or the network takes other channels.
    """
    side = whole("side", side, 1, example=64)
    in_channels = whole("in_channels", in_channels, 1, example=3)
    first = next((layer for layer in model.modules() if isinstance(layer, nn.Conv2d)), None)
    if first is not None and first.in_channels != in_channels:
        raise ValueError(
            f"expected in_channels={first.in_channels}, the channels that the network takes, got {in_channels}. Pass "
            f"count_flops(model, side, in_channels={first.in_channels})."
        )
    parameter = next(model.parameters())
    image = torch.zeros(1, in_channels, side, side, dtype=parameter.dtype, device=parameter.device)
    with eval_mode(model), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    return int(counter.get_total_flops())


def receptive_field(model: nn.Module) -> int:
    """Side in px of the square of the image that one place of the last feature map can see, borders left aside.

    Layer after layer, r grows by (kernel - 1) * jump, and jump, the distance in px between neighbouring places, is
    multiplied by the stride.

    Args:
        model: a convolutional network whose layers are registered in the order in which they run, as in the CBR
            family, the small ResNets and torchvision's ResNets. Shortcuts are left out: the main path sees more.

    Raises:
        ValueError: if the network has no convolution, or has attention, with which every place sees the whole image.

    References:
        Araujo, Norris, Sim (2019), Computing receptive fields of convolutional neural networks,
        doi:10.23915/distill.00021.
    """
    if any("attention" in type(module).__name__.lower() for module in model.modules()):
        raise ValueError(
            f"expected a convolutional network, got {type(model).__name__} with attention: after the first, "
            "every place sees the whole image"
        )
    field, jump = 1, 1
    layers = [m for name, m in model.named_modules() if isinstance(m, _SLIDING) and not _SHORTCUT.search(name)]
    if not any(isinstance(layer, nn.Conv2d) for layer in layers):
        raise ValueError(f"expected a convolutional network, got {type(model).__name__} without a convolution")
    for layer in layers:
        field += (_side(layer.kernel_size) - 1) * _side(getattr(layer, "dilation", 1)) * jump
        jump *= _side(layer.stride)
    return field


def _side(value: int | tuple[int, ...]) -> int:
    """The larger of height and width."""
    return value if isinstance(value, int) else max(value)
