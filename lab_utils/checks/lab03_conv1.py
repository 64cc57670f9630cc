"""`adapt_conv1` in lab 3."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lab_utils import networks
from lab_utils.checks.exercise import Exercise, Probe, same
from lab_utils.checks.frozen_networks import probe_tensor
from lab_utils.checks.lab01_normalise import no_tensor
from lab_utils.checks.wrong import named


def adapt_conv1(weight: Tensor) -> Tensor:
    """The kit's version, for one channel."""
    return networks.adapt_conv1(weight, 1)


def _on(weight: Tensor) -> Probe:
    return lambda student: probe_tensor(student, weight)


def _filters(count: int = 6, size: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _nearly_cancelling() -> Tensor:
    weight = _filters(seed=1)
    weight[:, 2] = -weight[:, 0] - weight[:, 1] + 0.1
    weight[0] = 0
    return weight


PROBES = {
    **{
        f"Weights of shape ({count}, 3, {size}, {size})": _on(_filters(count, size))
        for count, size in ((6, 5), (4, 7), (1, 1))
    },
    "Filters whose colours nearly cancel": _on(_nearly_cancelling()),
    "Weights of type float64": _on(_filters().double()),
    # In the lab they are the parameter of a network, not a plain tensor.
    "The weights of an RGB network": _on(_filters(seed=2).requires_grad_()),
}


def explain_filters(got: Mapping[str, Any], expected: Mapping[str, Any]) -> str:
    """Say what is wrong with new filters, without a number.

    Args:
        got: of `probe_tensor`.
        expected: the kit's.
    """
    if missing := no_tensor(got):
        return missing
    results = got["first"], got["second"], expected["first"]
    first, second, right = (np.asarray(each, dtype=np.float64) for each in results)
    if first.shape != right.shape:
        return "the result has the wrong shape. Expected (O, 1, k, k) for (O, C, k, k): only the colours go."
    if not same(got.get("input"), expected["input"]):
        return "the weights that came in have changed. They are still needed: make a new tensor."
    if not np.array_equal(first, second):
        return (
            "called twice with the same weight, your function returns two different results: it draws new random "
            "filters. The first layer then no longer fits the pretrained layers behind it, and no error tells."
        )
    if not first.any():
        return "all new filters are 0."
    factor = (first * right).sum() / max((right**2).sum(), 1e-12)
    if same(first, right, 1e-3):
        dtype = named(got.get("dtype"))
        return f"they are {expected['dtype']}, yours are {dtype}. Keep the type: the layer behind expects it."
    if abs(factor) > 1e-6 and np.allclose(first, factor * right, rtol=1e-3, atol=1e-4):
        return (
            "the filters keep their pattern, but not their strength: for a grey image the layer should answer as it "
            "did before, when the image went into each channel."
        )
    return "the new layer does not answer a grey image as the old one does. Are its filters made from the learned ones?"


def _explain(got: Any, expected: Any) -> str:
    shape = tuple(got["first"].shape) if "first" in got else ()
    other = f" Yours is {shape}." if shape and shape != tuple(expected["first"].shape) else ""
    return explain_filters(got, expected) + other


# ---- wrong answers


def _changes_the_network(weight: Tensor) -> Tensor:
    total = weight.detach().sum(dim=1, keepdim=True)
    weight.data[:, 0] += weight.data[:, 1] + weight.data[:, 2]
    return total


def _adds_in_place(weight: Tensor) -> Tensor:
    weight[:, 0] += weight[:, 1]
    weight[:, 0] += weight[:, 2]
    return weight[:, :1]


def _weighted(*shares: float) -> Callable[[Tensor], Tensor]:
    return lambda weight: (weight * weight.new_tensor(shares).view(1, 3, 1, 1)).sum(1, keepdim=True)


MEAN = (
    "This is the mean over the channels, three times too small. A grey image reaches *each* of the colour filters: "
    "what does the convolution do with their answers?"
)
NOTHING_IN_COMMON = "They have nothing in common with the pretrained ones. Make them from `weight`."
OLD_SIZE = "They were rescaled. The batch norm behind them expects the old size."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda weight: weight.mean(dim=1, keepdim=True), MEAN),
    *(
        (
            lambda weight, number=number: weight[:, number : number + 1],
            f"This is one channel of the filters, the {colour} one. What became of the other two?",
        )
        for number, colour in enumerate(("red", "green", "blue"))
    ),
    (
        _weighted(0.299, 0.587, 0.114),
        "These weights turn a colour *image* grey. Here the image is grey already; look at the formula.",
    ),
    (lambda weight: weight.sum(dim=1, keepdim=True) / 3**0.5, OLD_SIZE),
    (lambda weight: weight.sum(dim=1, keepdim=True) / weight.sum(dim=1).norm(), OLD_SIZE),
    (
        lambda weight: weight.sum(dim=1),
        "Does the sum keep its axis? A convolution needs its axis of channels, also when there is only one.",
    ),
    (lambda weight: weight.sum(dim=0, keepdim=True), "You joined the filters. Which axis holds the three colours?"),
    (lambda weight: weight, "Which axis holds the three colours?"),
    (lambda weight: torch.randn(len(weight), 1, *weight.shape[2:]) / 10, NOTHING_IN_COMMON),
    (lambda weight: nn.Conv2d(1, len(weight), weight.shape[-1]).weight, NOTHING_IN_COMMON),
    (lambda weight: torch.zeros_like(weight[:, :1]), NOTHING_IN_COMMON),
    (lambda weight: weight.sum(dim=1, keepdim=True).float(), "Which line of yours turns them into another type?"),
    (lambda weight: weight.sum(dim=1, keepdim=True).detach().numpy(), "Stay with tensors: a layer takes no arrays."),
    (lambda weight: weight.sum(dim=1).view(6, 1, 5, 5), "Take the number of filters and pixels from `weight.shape`."),
    (lambda weight: nn.Conv2d(1, len(weight), weight.shape[-1]), "Return the weights, not a layer."),
    (_changes_the_network, "Which line of yours writes into `weight`?"),
    (_adds_in_place, "Which line of yours writes into `weight`?"),
)

ADAPT_CONV1 = Exercise(
    "adapt_conv1",
    adapt_conv1,
    PROBES,
    _explain,
    WRONG,
    "Look at the formula: which one filter, made from `weight`, does what the three do together?",
    steps=(
        "Write down what the three filters give for an image whose three channels are equal: the same pixel "
        "times three weights.",
        "So one filter is enough, if it holds what the three weights give together. Is that their mean, or "
        "something else?",
        "The result keeps four axes: look for the argument that keeps an axis of size 1.",
    ),
)
