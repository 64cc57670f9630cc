"""Checks of lab 3: a learning rate and the first layer; the other exercises have files of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lab_utils import networks
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab03_fine_tune import FINE_TUNE, fine_tune
from lab_utils.checks.lab03_param_groups import PARAM_GROUPS, param_groups
from lab_utils.checks.lab03_questions import FAIR, INTERVAL, NEW_CONV1, WHICH_DEPTH, WHICH_RATE
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import build_model
from lab_utils.training import smooth

__all__ = [
    "EXERCISES",
    "FAIR",
    "INTERVAL",
    "NEW_CONV1",
    "WHICH_DEPTH",
    "WHICH_RATE",
    "adapt_conv1",
    "check_adapt_conv1",
    "check_fine_tune",
    "check_lr_suggestion",
    "check_param_groups",
    "fine_tune",
    "lr_suggestion",
    "param_groups",
]

Floats = NDArray[np.float64]
Suggest = Callable[[Floats, Floats], float]
Adapt = Callable[[Tensor], Tensor]

NEAR = 2.5  # a suggestion may be off by this factor: other ways to smooth are right too


def lr_suggestion(lrs: Floats, losses: Floats) -> float:
    """The kit's version; unlike `lr_range.lr_suggestion` it also answers where the loss never falls: the first rate."""
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(finite.argmin())
    smoothed = smooth(losses[:stop])
    slope = np.gradient(smoothed, np.log(lrs[:stop]))
    return float(lrs[slope[: smoothed.argmin() + 1].argmin()])


def adapt_conv1(weight: Tensor) -> Tensor:
    """The kit's version, for one channel."""
    return networks.adapt_conv1(weight, 1)


# ---- exercise 1


def _curve(fall: float, turn: float, *, noise: float = 0.0, width: float = 1.2) -> tuple[Floats, Floats]:
    """A range test from 1e-6 to 1 that falls fastest at `fall` and turns up at `turn`."""
    lrs = np.geomspace(1e-6, 1.0, 101, dtype=np.float64)
    u = np.log(lrs)
    losses = 0.7 - 0.4 / (1 + np.exp(-(u - np.log(fall)) / width)) + 0.03 * np.maximum(0, u - np.log(turn)) ** 2
    return lrs, losses + noise * np.random.default_rng(5).normal(size=len(lrs))


def _clean_curve(student: Suggest) -> None:
    lrs, losses = _curve(3e-4, 3e-2)
    _compare(student, lrs, losses, "A smooth curve that falls fastest at 3.0e-04")


def _other_range(student: Suggest) -> None:
    lrs, losses = _curve(1e-2, 2e-1)
    _compare(student, lrs, losses, "A smooth curve that falls fastest at 1.0e-02")


def _noisy_curve(student: Suggest) -> None:
    lrs, losses = _curve(3e-3, 1e-1, noise=0.03)
    hint = "Two neighbouring batches can differ by more than the whole fall. What did you do against the noise?"
    _compare(student, lrs, losses, "The losses jump from batch to batch", hint)


def _comes_back(student: Suggest) -> None:
    lrs, losses = _curve(1e-4, 3e-3)
    losses[-25:] = np.concatenate([np.linspace(1.6, 4.0, 10), np.linspace(3.9, 1.2, 15)])
    hint = "This is after the loss had turned up. Which part of the curve still shows a network that learns?"
    _compare(student, lrs, losses, "The loss explodes to 4 and comes back to 1.2", hint)


def _not_finite(student: Suggest) -> None:
    hint = "One nan or inf spoils every sum it enters. When do you leave these losses out: before or after smoothing?"
    for bad in (np.nan, np.inf):
        lrs, losses = _curve(3e-4, 3e-2)
        losses[-12:] = bad
        _compare(student, lrs, losses, f"The last 12 losses are {bad}", hint)
    losses[-6:] = 0.1
    _compare(student, lrs, losses, "Six losses are inf, and the six after them are small again", hint)


def _compare(student: Suggest, lrs: Floats, losses: Floats, what: str, hint: str = "") -> None:
    value: Any = student(lrs, losses)
    if np.ndim(value) != 0 or isinstance(value, str | bool):
        raise Wrong(f"Expected one number, got a {type(value).__name__}. Which of the learning rates is it?")
    value = float(value)
    expected = lr_suggestion(lrs, losses)
    if np.isfinite(value) and value > 0 and max(value / expected, expected / value) <= NEAR:
        if np.isclose(lrs, value).any():
            return
        raise Wrong(
            f"{what}: {value:.3g} is near, but it is none of the {len(lrs)} learning rates. Return one of them."
        )
    reason = hint or _mistake(lrs, losses, value) or "Look at the curve: where does it fall fastest?"
    raise Wrong(f"{what}: expected about {expected:.1e}, got {value:.3g}. {reason}")


def _mistake(lrs: Floats, losses: Floats, value: float) -> str:
    """A hint for the mistake that gives `value`, or ''."""
    finite = np.isfinite(losses)
    stop = len(losses) if finite.all() else int(finite.argmin())
    x, y = lrs[:stop], losses[:stop]
    smoothed = smooth(y)
    lowest = (int(y.argmin()), int(smoothed.argmin()))

    def among(*places: int) -> bool:
        return any(np.isclose(value, x[place]) for place in places)

    if value <= 0 or np.isnan(value):
        return "A learning rate is a positive number. Is this a position, a logarithm or a slope?"
    if value == int(value) and value > 1 and not np.isclose(x, value).any():
        return "This looks like a position in the array. Return the learning rate at that position."
    if among(*lowest):
        return (
            "There the loss is lowest: the rate is already so large that it stops falling. Where does it fall fastest?"
        )
    if among(0, len(x) - 1) or np.isclose(value, lrs[-1]):
        return "This is an end of the range. Look for the most negative slope."
    per_lr = [int(np.gradient(part, x).argmin()) for part in (y, smoothed)]
    if among(*per_lr) or among(int((np.diff(smoothed) / np.diff(x)).argmin())):
        return "You measure the fall per learning rate, where small rates always win. The axis of the plot is log(lr)."
    rise = np.gradient(smoothed, np.log(x))
    if among(int(rise.argmax()), int(np.diff(smoothed).argmax())):
        return "There the loss rises fastest. Which sign has the slope of a fall?"
    return ""


# ---- exercise 2


def _filters(count: int = 6, size: int = 5, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def _filter_shape(student: Adapt) -> None:
    for count, size in ((6, 5), (4, 7), (1, 1)):
        weight = _filters(count, size)
        result: Any = student(weight)
        if not isinstance(result, Tensor):
            raise Wrong(f"Expected a tensor, got a {type(result).__name__}. Return the weights, not a layer.")
        shape, expected = tuple(result.shape), (count, 1, size, size)
        if shape == expected:
            continue
        given = f"Weights of shape {tuple(weight.shape)}: expected {expected}, got {shape}."
        if shape == (count, size, size):
            raise Wrong(f"{given} A convolution needs its axis of channels, also when there is only one.")
        if shape == (1, 3, size, size):
            raise Wrong(f"{given} You joined the filters. Which axis holds the three colours?")
        raise Wrong(f"{given} Keep all {count} filters and their {size} x {size} pixels; only the colours go.")


def _same_output(student: Adapt) -> None:
    weight = _filters()
    _same_convolution(student(weight), weight, "Random RGB filters and a grey image")


def _any_filters(student: Adapt) -> None:
    weight = _filters(seed=1)
    weight[:, 2] = -weight[:, 0] - weight[:, 1] + 0.1
    weight[0] = 0
    _same_convolution(student(weight), weight, "Filters whose colours nearly cancel")


def _same_type(student: Adapt) -> None:
    for dtype in (torch.float64, torch.float16):
        weight = _filters().to(dtype)
        result = student(weight)
        if result.dtype != dtype:
            raise Wrong(
                f"The weights are {dtype}, yours are {result.dtype}. Keep the type: the layer behind expects it."
            )


def _real_network(student: Adapt) -> None:
    """In the lab the weights are the parameter of a network, not a plain tensor."""
    layer = networks.first_conv(build_model("resnet10_w16", num_classes=2, in_channels=3, seed=0))
    before = layer.weight.detach().clone()
    result = student(layer.weight)
    if not torch.equal(layer.weight.detach(), before):
        raise Wrong("The weights of the RGB network have changed. Make a new tensor.")
    _same_convolution(result.detach(), before, "The conv1 of an RGB network and a grey image")


def _same_convolution(result: Tensor, weight: Tensor, what: str) -> None:
    grey = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(2))
    expected = F.conv2d(grey.expand(-1, 3, -1, -1), weight)
    got = F.conv2d(grey, result)
    if torch.allclose(got, expected, atol=1e-4):
        return
    far = float((got - expected).norm() / expected.norm())
    raise Wrong(f"{what}: the output is off by {far:.0%} of its size. {_filter_mistake(result, weight)}")


def _filter_mistake(result: Tensor, weight: Tensor) -> str:
    total = weight.sum(dim=1, keepdim=True)
    if torch.allclose(result, total / 3, atol=1e-6):
        return "It is three times too small. A grey image reaches all three colour filters: do their outputs average?"
    for number, colour in enumerate(("red", "green", "blue")):
        if torch.allclose(result, weight[:, number : number + 1], atol=1e-6):
            return f"You kept the {colour} filters only. What became of the other two?"
    luma = (weight * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    if torch.allclose(result, luma, atol=1e-3):
        return "These weights turn a colour *image* grey. Here the image is grey already; look at the formula."
    if torch.allclose(result, total / 3**0.5, atol=1e-4) or torch.allclose(result, total / total.norm(), atol=1e-4):
        return "The filters point the right way but were rescaled. The batch norm behind them expects the old size."
    alike = float(F.cosine_similarity(result.flatten(), total.flatten(), dim=0))
    if abs(alike) < 0.5:
        return "Your filters have nothing in common with the pretrained ones. Make them from `weight`."
    return "Look at the formula above: which one filter does what the three do together?"


LR_SUGGESTION = Exercise(
    "lr_suggestion", lr_suggestion, cases=(_clean_curve, _other_range, _noisy_curve, _comes_back, _not_finite)
)
ADAPT_CONV1 = Exercise(
    "adapt_conv1", adapt_conv1, cases=(_filter_shape, _same_output, _any_filters, _same_type, _real_network)
)

EXERCISES = (LR_SUGGESTION, ADAPT_CONV1, PARAM_GROUPS, FINE_TUNE)
check_lr_suggestion = LR_SUGGESTION.check
check_adapt_conv1 = ADAPT_CONV1.check
check_param_groups = PARAM_GROUPS.check
check_fine_tune = FINE_TUNE.check
