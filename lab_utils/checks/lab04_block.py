"""Check of `cbr_block` in lab 4: its layers are looked at, then its output is compared with other ways to build it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import cbr

Build = Callable[[int, int, int, bool], nn.Module]
Mistake = Callable[[nn.Conv2d, nn.BatchNorm2d, Tensor], Tensor]

ASKED = (2, 6, 5, True)  # in, out, kernel, pool


def cbr_block(in_channels: int, out_channels: int, kernel: int, pool: bool) -> nn.Module:
    """The kit's version."""
    return cbr.Block(in_channels, out_channels, kernel, pool=pool)


def _is_module(student: Build) -> None:
    block = student(*ASKED)
    if isinstance(block, type):
        raise Wrong("You returned a class, not an object. Call it, so that its layers are made.")
    if not isinstance(block, nn.Module):
        raise Wrong(f"Expected a module, such as nn.Sequential(...), got a {type(block).__name__}.")


def _layers(student: Build) -> None:
    for channels_in, channels_out, kernel, pool in (ASKED, (3, 4, 7, False)):
        block, call = _build(student, channels_in, channels_out, kernel, pool)
        convs = _of_kind(block, nn.Conv2d)
        if len(convs) != 1 or len(_of_kind(block, nn.BatchNorm2d)) != 1:
            found = f"{len(convs)} convolutions and {len(_of_kind(block, nn.BatchNorm2d))} batch norms"
            raise Wrong(f"{call} has {found} (nn.Conv2d, nn.BatchNorm2d). A block has one of each.")
        conv = convs[0]
        if conv.bias is not None:
            raise Wrong(
                f"The convolution of {call} has a bias. The batch norm behind it subtracts the mean, and any bias with "
                "it. So the convolutions of this family have none."
            )
        if (conv.in_channels, conv.out_channels) != (channels_in, channels_out):
            raise Wrong(f"The convolution of {call} maps {conv.in_channels} to {conv.out_channels} channels.")
        if conv.kernel_size != (kernel, kernel):
            raise Wrong(f"The kernel of {call} is {conv.kernel_size}. Do you use the argument `kernel`?")
        if conv.stride != (1, 1):
            raise Wrong(
                f"The convolution of {call} has stride {conv.stride[0]}. It is the pooling that halves the side."
            )


def _shape_without_pool(student: Build) -> None:
    for kernel in (5, 7):
        block, call = _build(student, 2, 6, kernel, False)
        got, wanted = tuple(block(_images(2, 12)).shape), (3, 6, 12, 12)
        if got == (3, 6, 6, 6):
            raise Wrong(f"{call} halves the side. Without pooling the side stays the same: do you look at `pool`?")
        if got != wanted:
            raise Wrong(
                f"{call} turns 12 x 12 pixels into {got[2]} x {got[3]}. With 'same' padding the side stays the same: "
                "how many pixels of border does a kernel of this size need?"
            )


def _shape_with_pool(student: Build) -> None:
    for side, half in ((12, 6), (9, 5)):
        block, call = _build(student, *ASKED)
        got = tuple(block(_images(2, side)).shape)
        if got == (3, 6, side, side):
            raise Wrong(
                f"{call} does not halve the side: {side} x {side} pixels stay as they are. Where is the pooling?"
            )
        if got != (3, 6, half, half):
            raise Wrong(
                f"{call} turns {side} x {side} pixels into {got[2]} x {got[3]}, not {half} x {half}. Look at kernel, "
                "stride and padding of the pooling."
            )


def _same_function(student: Build) -> None:
    """The same layers in the same order, in train mode and, with other statistics, in eval mode."""
    x = _images(2, 12)
    for pool in (False, True):
        block, call = _build(student, 2, 6, 5, pool)
        conv, bn = _of_kind(block, nn.Conv2d)[0], _of_kind(block, nn.BatchNorm2d)[0]
        with torch.no_grad():
            bn.weight.copy_(torch.linspace(-1.0, 1.5, 6))
            bn.bias.copy_(torch.linspace(0.5, -0.5, 6))
            for training in (True, False):
                block.train(training)
                got = block(x)
                expected = _RIGHT[pool](conv, bn, x)
                if torch.allclose(got, expected, atol=1e-5):
                    continue
                for hint, other in _MISTAKES:
                    value = other(conv, bn, x) if not pool else _POOL(other(conv, bn, x))
                    if value.shape == got.shape and torch.allclose(got, value, atol=1e-5):
                        raise Wrong(f"{call}: {hint}")
                for hint, pooling in _POOLINGS if pool else ():
                    value = pooling(_plain(conv, bn, x))
                    if value.shape == got.shape and torch.allclose(got, value, atol=1e-5):
                        raise Wrong(f"{call}: {hint}")
                raise Wrong(
                    f"{call} has the right layers, but computes something else. Which layers run, and in which order?"
                )


def _new_layers(student: Build) -> None:
    first, second = _build(student, *ASKED)[0], _build(student, *ASKED)[0]
    if {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}:
        raise Wrong("Two blocks share their weights. Make new layers inside the function, at every call.")


# ---- ways to build a block


def _plain(conv: nn.Conv2d, bn: nn.BatchNorm2d, x: Tensor) -> Tensor:
    return bn(conv(x)).relu()


_POOL = nn.MaxPool2d(3, stride=2, padding=1)
_RIGHT: dict[bool, Mistake] = {
    False: _plain,
    True: lambda conv, bn, x: _POOL(_plain(conv, bn, x)),
}
_MISTAKES: tuple[tuple[str, Mistake], ...] = (
    ("Something is missing after the batch norm. What is the R in CBR?", lambda conv, bn, x: bn(conv(x))),
    (
        "ReLU comes before the batch norm. The name of the family is the order of its layers.",
        lambda conv, bn, x: bn(conv(x).relu()),
    ),
    ("There is a batch norm, but it does not run.", lambda conv, bn, x: conv(x).relu()),
    (
        "This is not ReLU, which gives 0 for everything below 0. Which activation did you take?",
        lambda conv, bn, x: nn.functional.leaky_relu(bn(conv(x)), 0.01),
    ),
    ("This is GELU. The R in CBR is for ReLU.", lambda conv, bn, x: nn.functional.gelu(bn(conv(x)))),
)
_POOLINGS: tuple[tuple[str, Callable[[Tensor], Tensor]], ...] = (
    ("The pooling takes the mean of each window. The family takes the maximum.", nn.AvgPool2d(3, 2, padding=1)),
    (
        "The pooling takes the mean of each window. The family takes the maximum.",
        nn.AvgPool2d(3, 2, padding=1, count_include_pad=False),
    ),
    ("The pooling takes the mean of each window. The family takes the maximum.", nn.AvgPool2d(2, ceil_mode=True)),
    (
        "The windows of the pooling are 2 x 2. In this family they are 3 x 3 and overlap.",
        nn.MaxPool2d(2, ceil_mode=True),
    ),
    ("The pooling keeps every second place and does not look at the others.", lambda x: x[:, :, ::2, ::2]),
    ("The windows of the pooling are larger than 3 x 3.", nn.MaxPool2d(5, 2, padding=2)),
)


def _build(student: Build, *arguments: Any) -> tuple[nn.Module, str]:
    return student(*arguments), f"cbr_block{arguments}"


def _of_kind(block: nn.Module, kind: type[Any]) -> list[Any]:
    return [module for module in block.modules() if isinstance(module, kind)]


def _images(channels: int, side: int) -> Tensor:
    return torch.randn(3, channels, side, side, generator=torch.Generator().manual_seed(2))


CBR_BLOCK = Exercise(
    "cbr_block",
    cbr_block,
    cases=(_is_module, _layers, _shape_without_pool, _shape_with_pool, _same_function, _new_layers),
)
