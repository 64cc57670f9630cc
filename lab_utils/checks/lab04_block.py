"""`cbr_block` in lab 4."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.networks import cbr

Build = Callable[[int, int, int, bool], Any]


def cbr_block(in_channels: int, out_channels: int, kernel: int, pool: bool) -> nn.Module:
    """The kit's version."""
    return cbr.Block(in_channels, out_channels, kernel, pool=pool)


def _of_kind(block: nn.Module, kind: type[Any]) -> list[Any]:
    return [module for module in block.modules() if isinstance(module, kind)]


def _kind(student: Build) -> str:
    block = student(2, 6, 5, True)
    return "a module" if isinstance(block, nn.Module) else f"a {type(block).__name__}"


def _layers(*arguments: Any) -> Probe:
    def probe(student: Build) -> dict[str, Any]:
        block = student(*arguments)
        convs, norms = _of_kind(block, nn.Conv2d), _of_kind(block, nn.BatchNorm2d)
        return {
            "nn.Conv2d, nn.BatchNorm2d": f"{len(convs)} and {len(norms)}",
            "bias of the convolution": any(conv.bias is not None for conv in convs),
            "channels": ", ".join(f"{conv.in_channels} to {conv.out_channels}" for conv in convs),
            "kernel": str([conv.kernel_size for conv in convs])[1:-1],
            "stride of the convolution": str([conv.stride for conv in convs])[1:-1],
        }

    return probe


def _side(side: int, *arguments: Any) -> Probe:
    return lambda student: str(tuple(student(*arguments)(torch.zeros(3, 2, side, side)).shape))


def _values(pool: bool, training: bool) -> Probe:
    """The output, with the same numbers in the layers of every version."""

    def probe(student: Build) -> Tensor:
        block = student(2, 6, 5, pool).train(training)
        (conv,), (norm,) = _of_kind(block, nn.Conv2d), _of_kind(block, nn.BatchNorm2d)
        torch.manual_seed(2)
        for tensor in (conv.weight, norm.weight, norm.bias, norm.running_mean):
            nn.init.normal_(tensor)
        with torch.no_grad():
            return block(torch.randn(3, 2, 12, 12))

    return probe


def _shared(student: Build) -> str:
    first, second = ({id(p) for p in student(2, 6, 5, True).parameters()} for _ in range(2))
    return "shared" if first & second else "their own"


PROBES: dict[str, Probe] = {
    "What cbr_block returns": _kind,
    "cbr_block(2, 6, 5, True)": _layers(2, 6, 5, True),
    "cbr_block(3, 4, 7, False)": _layers(3, 4, 7, False),
    "kernel 5, pool=False, where the side stays the same": _side(12, 2, 6, 5, False),
    "kernel 7, pool=False, where the side stays the same": _side(12, 2, 6, 7, False),
    "kernel 5, pool=True, 12 x 12 pixels": _side(12, 2, 6, 5, True),
    "kernel 5, pool=True, 9 x 9 pixels": _side(9, 2, 6, 5, True),
    "The weights of two blocks": _shared,
    "pool=False, train mode": _values(False, True),
    "pool=False, eval mode": _values(False, False),
    "pool=True, train mode": _values(True, True),
    "pool=True, eval mode": _values(True, False),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, Tensor):
        return "it has the right layers, but computes something else."
    return difference(got, expected)


# ---- wrong answers


def _conv(i: int, o: int, k: int, **settings: Any) -> nn.Module:
    return nn.Conv2d(i, o, k, **{"padding": k // 2, "bias": False, **settings})


def _usual(i: int, o: int, k: int) -> list[nn.Module]:
    return [_conv(i, o, k), nn.BatchNorm2d(o), nn.ReLU()]


def _of(make: Callable[[int, int, int], list[nn.Module]]) -> Build:
    """Other layers before the right pool."""
    return lambda i, o, k, pool: nn.Sequential(*make(i, o, k), *[nn.MaxPool2d(3, 2, padding=1)] * pool)


def _pooled_by(pool_layer: nn.Module) -> Build:
    return lambda i, o, k, pool: nn.Sequential(*_usual(i, o, k), *[pool_layer] * pool)


def _padded_by(pixels: int) -> Build:
    return _of(lambda i, o, k: [_conv(i, o, k, padding=pixels), *_usual(i, o, k)[1:]])


class _Forgetful(cbr.Block):
    """It has a batch norm, but does not use it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.conv(x).relu())


NOT_A_MODULE = "Return a module, such as nn.Sequential(...)."
ONE_OF_EACH = "A block has one of each."
SAME = "With 'same' padding, how many pixels of border does a kernel of this size need?"
NOT_HALVED = "The pooling does not halve the side. Where is it, and what is its stride?"
POOLING = "Look at kernel, stride and padding of the pooling."
MEAN = "The pooling takes the mean of each window. The family takes the maximum."

WRONG: tuple[tuple[Build, str], ...] = (
    (lambda i, o, k, pool: cbr.Block, "This is a class, not an object. Call it, so that its layers are made."),
    (lambda i, o, k, pool: _usual(i, o, k), NOT_A_MODULE),
    (lambda i, o, k, pool: nn.Sequential(*_usual(i, o, k))(torch.zeros(1, i, 8, 8)), NOT_A_MODULE),
    (_of(lambda i, o, k: [_conv(i, o, k), nn.ReLU()]), ONE_OF_EACH),
    (_of(lambda i, o, k: [*_usual(i, o, k), *_usual(o, o, k)]), ONE_OF_EACH),
    (
        _of(lambda i, o, k: [_conv(i, o, k, bias=True), nn.BatchNorm2d(o), nn.ReLU()]),
        "The batch norm behind it subtracts the mean, and any bias with it. So the convolutions here have none.",
    ),
    (_of(lambda i, o, k: _usual(i, i, k)), "Which of the arguments are the channels of the output?"),
    (_of(lambda i, o, k: _usual(i, o, 3)), "Do you use the argument `kernel`?"),
    (
        lambda i, o, k, pool: nn.Sequential(_conv(i, o, k, stride=1 + pool), nn.BatchNorm2d(o), nn.ReLU()),
        "It is the pooling that halves the side.",
    ),
    (lambda i, o, k, pool: _of(_usual)(i, o, k, True), "Without pooling nothing halves it: do you look at `pool`?"),
    *((_padded_by(pixels), SAME) for pixels in (0, 1, 2, 3)),
    (_pooled_by(nn.Identity()), NOT_HALVED),
    (_pooled_by(nn.MaxPool2d(3, 1, padding=1)), NOT_HALVED),
    (_pooled_by(nn.MaxPool2d(3, 2)), POOLING),
    (_pooled_by(nn.MaxPool2d(2)), POOLING),
    (_of(lambda i, o, k: _usual(i, o, k)[:2]), "Something is missing after the batch norm. What is the R in CBR?"),
    (
        _of(lambda i, o, k: [_conv(i, o, k), nn.ReLU(), nn.BatchNorm2d(o)]),
        "ReLU comes before the batch norm. The name of the family is the order of its layers.",
    ),
    (lambda i, o, k, pool: _Forgetful(i, o, k, pool=pool), "There is a batch norm, but it does not run."),
    (
        _of(lambda i, o, k: [*_usual(i, o, k)[:2], nn.LeakyReLU()]),
        "This is not ReLU, which gives 0 for everything below 0. Which activation did you take?",
    ),
    (_of(lambda i, o, k: [*_usual(i, o, k)[:2], nn.GELU()]), "This is GELU. The R in CBR is for ReLU."),
    (_of(lambda i, o, k: [*_usual(i, o, k), nn.Dropout(0.5)]), "Dropout is no part of this family."),
    (_pooled_by(nn.AvgPool2d(3, 2, padding=1)), MEAN),
    (_pooled_by(nn.AvgPool2d(3, 2, padding=1, count_include_pad=False)), MEAN),
    (_pooled_by(nn.AvgPool2d(2, ceil_mode=True)), MEAN),
    (_pooled_by(nn.MaxPool2d(2, ceil_mode=True)), "Its windows are 2 x 2. In this family they are 3 x 3 and overlap."),
    (_pooled_by(nn.MaxPool2d(1, 2)), "The pooling keeps every second place and does not look at the others."),
    (_pooled_by(nn.MaxPool2d(5, 2, padding=2)), "The windows of the pooling are larger than 3 x 3."),
    (cache(_of(_usual)), "Make new layers inside the function, at every call."),
)

CBR_BLOCK = Exercise(
    "cbr_block",
    cbr_block,
    PROBES,
    _explain,
    WRONG,
    "Which layers does it need, in which order, and with which sizes?",
    steps=(
        "The name says the order: convolution, batch norm, ReLU. The pool comes last, if at all.",
        "How much padding does a convolution with an odd kernel need, so that the size stays? Try 3 and 5. "
        "And does it need a bias, if batch norm follows?",
        "The max-pool halves the size with windows that overlap: 3 pixels wide, in steps of 2. Which padding "
        "gives exactly half?",
    ),
)
