"""The first convolution, when the input has another number of channels than the weights."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from lab_utils.networks import families
from lab_utils.networks.preprocessing import Preprocessing
from lab_utils.networks.wrappers import unwrapped


def adapt_conv1(weight: Tensor, in_channels: int) -> Tensor:
    """Filters of a first convolution for another number of input channels.

    One channel: the **sum** of the RGB filters. A grey image shown to an RGB network is the
    same image three times, and convolution is linear: w_R*x + w_G*x + w_B*x =
    (w_R + w_G + w_B)*x. So the summed filters give the very same features. The mean would
    make them three times too small, which no longer fits the batch norm that follows. A new
    random convolution would throw away what the first layer has learned.

    More channels than the weights have: the filters are repeated and scaled by
    C / `in_channels`, so that equal channels again give the same features.

    Args:
        weight: (O, C, k, k), from a network with C input channels.
        in_channels: the number of channels to come.

    Returns:
        A new tensor (O, `in_channels`, k, k).
    """
    if weight.ndim != 4 or in_channels < 1:
        raise ValueError(
            f"expected filters of shape (O, C, k, k) and in_channels >= 1, got {tuple(weight.shape)} and {in_channels}"
        )
    channels = weight.shape[1]
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeats = math.ceil(in_channels / channels)
    tiled = weight.repeat(1, repeats, 1, 1)[:, :in_channels]
    return tiled * (channels / in_channels)


def adapt_input(model: nn.Module, preprocessing: Preprocessing, in_channels: int) -> Preprocessing:
    """Give a pretrained network another number of input channels; returns what to feed it.

    The features of a grey image stay what they were for the same image on all channels,
    though each channel c had its own mean m_c and standard deviation s_c. With one mean m and
    one s for all, x = s z + m, and

        sum_c w_c * (x - m_c) / s_c  =  (sum_c w_c s / s_c) * z  +  sum_c w_c * (m - m_c) / s_c.

    The first factor goes into the filters. The second term is one number per filter and goes
    into the bias, or into the running mean of the batch norm that follows. Only pixels at the
    border, where the filter meets zero padding, are not exactly the same: padding with zeros
    is padding with another grey in each channel. With ImageNet's numbers and random filters
    the worst border pixel was off by 0.4 standard deviations of the stem's output; the tests
    hold 0.5. Networks without padding (SqueezeNet) and with patches (ViT) have no such pixels.
    """
    if preprocessing.channels == in_channels:
        return preprocessing
    for conv in input_convs(model):
        weight = conv.weight.detach()
        if weight.shape[1] != preprocessing.channels or "StdConv" in type(conv).__name__:
            raise ValueError(
                f"expected a first convolution that adds up what it sees in each channel, but that of "
                f"{type(model).__name__} rearranges or standardises it, so that it fits images of "
                f"{preprocessing.channels} channels only; build it with in_channels={preprocessing.channels}: grey "
                "images are then shown on all channels"
            )
        means, stds = weight.new_tensor(preprocessing.mean), weight.new_tensor(preprocessing.std)
        mean, std = float(means.mean()), float(stds.mean())
        offset = (weight.sum(dim=(2, 3)) * ((mean - means) / stds)).sum(dim=1)  # (O,)
        _shift(model, conv, offset)
        _set(conv, adapt_conv1(weight * (std / stds).view(1, -1, 1, 1), in_channels))
    return with_channels(replace(preprocessing, mean=(mean,), std=(std,), channels=1), in_channels)


def with_channels(grey: Preprocessing, channels: int) -> Preprocessing:
    """The preprocessing of one channel, for each of `channels`."""
    return replace(grey, mean=grey.mean * channels, std=grey.std * channels, channels=channels)


def _shift(model: nn.Module, conv: nn.Conv2d, offset: Tensor) -> None:
    """Add `offset` (O,) to the output of `conv`, in the network's existing parameters."""
    modules = list(model.modules())
    after = modules[modules.index(conv) + 1]
    with torch.no_grad():
        if conv.bias is not None:
            conv.bias += offset
        elif isinstance(after, nn.BatchNorm2d) and after.running_mean is not None:
            after.running_mean -= offset
        elif offset.abs().max() > 0:
            raise ValueError(
                "expected a bias or a batch norm after the first convolution, to take up the difference between the "
                f"channels' means, but {type(model).__name__} has none; build it with in_channels={conv.in_channels}"
            )


def first_conv(model: nn.Module) -> nn.Conv2d:
    """The convolution that sees the image."""
    return input_convs(model)[0]


def input_convs(model: nn.Module) -> list[nn.Conv2d]:
    """All convolutions that see the image: one, but for networks of timm with parallel branches.

    Raises:
        ValueError: if another layer sees it.
    """
    network = unwrapped(model)
    config = families.timm_config(network)
    if config is None:
        return [next(m for m in network.modules() if isinstance(m, nn.Conv2d))]
    found = [network.get_submodule(name) for name in families.timm_inputs(config)]
    convs = [m for m in found if isinstance(m, nn.Conv2d)]
    if not convs or len(convs) < len(found):
        kinds = ", ".join(type(m).__name__ for m in found) or "no layer that timm names"
        raise ValueError(f"expected a convolution that sees the image, but in {type(network).__name__} it is {kinds}")
    return convs


def set_conv1(model: nn.Module, weight: Tensor) -> None:
    """Put `weight` (O, C, k, k) into the first convolution, which then takes C channels."""
    _set(first_conv(model), weight)


def _set(conv: nn.Conv2d, weight: Tensor) -> None:
    conv.weight = nn.Parameter(weight)
    conv.in_channels = weight.shape[1]
