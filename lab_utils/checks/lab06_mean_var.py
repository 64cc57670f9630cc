"""Check of `mean_var_init` in lab 6."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab06_networks import Pair, cbr_pair, changed, resnet_pair, state
from lab_utils.checks.outcome import Wrong

Init = Callable[[nn.Module, nn.Module, int], Any]

STATISTICS = ("running_mean", "running_var")


def mean_var_init(model: nn.Module, source: nn.Module, seed: int) -> None:
    """The kit's version."""
    transfer.mean_var_init(model, source, seed=seed)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Weights of the convolutions, as float64 vectors."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    return {name: layer.weight.detach().flatten().double() for name, layer in layers.items()}


def _call(student: Init, pair: Pair, seed: int = 0) -> nn.Module:
    model, source = pair
    result = student(model, source, seed)
    if isinstance(result, nn.Module) and result is not model:
        raise Wrong("You returned another network. Change the one that the function gets: the caller goes on with it.")
    return model


def _source_and_head(student: Init) -> None:
    model, source = resnet_pair()
    before, pretrained = state(model), state(source)
    _call(student, (model, source))
    if moved := changed(pretrained, source):
        raise Wrong(f"The *source* has changed ({moved[0]}). Only `model` gets new weights.")
    now = changed(before, model)
    if not now:
        raise Wrong("Nothing in `model` has changed. Which method of a tensor copies values into it?")
    if touched := [name for name in now if name.startswith("head")]:
        raise Wrong(
            f"The head has changed ({touched[0]}). It stays as it is: only convolutions and batch norms change."
        )
    left = [f"{name}.weight" for name in _weights(model) if f"{name}.weight" not in now]
    if left:
        raise Wrong(f"{left[0]} is as it was before. Every convolution gets new weights, also those of the shortcuts.")


def _batch_norm(student: Init) -> None:
    model, source = resnet_pair()
    before, pretrained = state(model), state(source)
    _call(student, (model, source))
    new = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for name, norm in norms.items():
        for part, value in new.items():
            tensor = getattr(norm, part).detach()
            if bool((tensor == value).all()):
                continue
            full = f"{name}.{part}"
            if part == "running_var" and float(tensor.min()) < 0:
                raise Wrong(
                    f"{full} has values below 0: you drew it at random. A variance can not be negative; reset it."
                )
            if torch.equal(tensor, before[full]):
                raise Wrong(f"{full} is as it was before. Batch norm starts as new: a method of the layer does it.")
            if torch.equal(tensor, pretrained[full]):
                raise Wrong(
                    f"{full} is that of the source. It belongs to the features that are to be destroyed: batch norm "
                    "starts as new."
                )
            what = (
                "These are statistics, which are measured, never drawn"
                if part in STATISTICS
                else "Only convolutions are drawn"
            )
            raise Wrong(f"{full} should be {value:g} everywhere, but begins with {float(tensor[0]):.2f}. {what}.")


def _all_different(student: Init) -> None:
    for name, weight in _weights(_call(student, resnet_pair())).items():
        if len(weight.unique()) < weight.numel() // 2:
            raise Wrong(f"{name}.weight holds the same numbers again and again. Draw one for each entry of the tensor.")


def _scale(student: Init) -> None:
    model, source = resnet_pair()
    own, theirs = _weights(model), _weights(source)
    drawn = _weights(_call(student, (model, source)))
    everything = torch.cat(list(theirs.values()))
    for name, weight in drawn.items():
        mean, sd, n = float(theirs[name].mean()), float(theirs[name].std()), weight.numel()
        got_mean, got_sd = float(weight.mean()), float(weight.std())
        if abs(got_mean - mean) < 6 * sd / math.sqrt(n) and abs(got_sd / sd - 1) < 6 / math.sqrt(2 * n):
            continue
        where = f"{name}.weight: the source has mean {mean:.4f} and sd {sd:.4f}, yours {got_mean:.4f} and {got_sd:.4f}."
        raise Wrong(f"{where} {_scale_mistake(got_mean, got_sd, mean, sd, own[name], everything)}")


def _scale_mistake(got_mean: float, got_sd: float, mean: float, sd: float, own: Tensor, everything: Tensor) -> str:
    def near(value: float, other: float) -> bool:
        return abs(value - other) < 0.1 * abs(other)

    if near(got_sd, float(everything.std())) and abs(got_mean / float(everything.mean()) - 1) < 0.25:
        return "You use one scale for the whole network. Take mean and variance of each tensor by itself."
    if near(got_sd, sd**2):
        return (
            "Your sd is the variance of the source. With which of the two does a standard normal number get multiplied?"
        )
    if near(got_sd, math.sqrt(sd)):
        return "Your sd is the root of the sd. torch.std already gives the sd; torch.var gives the variance."
    if near(got_sd, float(own.std())):
        return "This is the scale of `model` itself. It should be that of the same layer in `source`."
    if near(got_sd, sd) and abs(got_mean) < 0.2 * abs(mean):
        return "The sd is right, but the mean is 0. Add the mean of the pretrained tensor."
    if near(got_sd, 1.0):
        return "This is a standard normal number. Multiply by the sd, then add the mean."
    return "Look at the formula: mean and variance over all entries of the same tensor in `source`."


def _no_features(student: Init) -> None:
    model, source = resnet_pair()
    theirs = _weights(source)
    for name, weight in _weights(_call(student, (model, source))).items():
        if torch.equal(weight, theirs[name]):
            raise Wrong(f"{name}.weight is that of the source: all features are still there. Draw new numbers.")
        if abs(_correlation(weight, theirs[name])) > 8 / math.sqrt(weight.numel()):
            raise Wrong(
                f"{name}.weight is still like that of the source. Draw new numbers: nothing of the filters stays."
            )
        if torch.equal(weight.sort().values, theirs[name].sort().values):
            raise Wrong(f"{name}.weight has the same numbers as the source, shuffled. That is the control; here, draw.")


def _independent(student: Init) -> None:
    model, source = cbr_pair()
    drawn = list(_weights(_call(student, (model, source))).items())
    for (name, first), (other, second) in itertools.pairwise(drawn):
        n = min(len(first), len(second))
        if abs(_correlation(first[:n], second[:n])) > 8 / math.sqrt(n):
            raise Wrong(
                f"{name} and {other} begin with the same random numbers: the layers are copies of each other, but for "
                "their scale. Where do you make the generator, before the loop or inside?"
            )


def _seeds(student: Init) -> None:
    def draw(seed: int, disturb: int) -> dict[str, Tensor]:
        torch.manual_seed(disturb)
        return _weights(_call(student, cbr_pair(), seed))

    one, again, other = draw(0, 11), draw(0, 12), draw(1, 11)
    name = next(iter(one))
    if not torch.equal(one[name], again[name]):
        raise Wrong(
            "Two calls with seed 0 gave different weights. Hand your generator to torch.randn, so that nothing "
            "else can change what is drawn."
        )
    if torch.equal(one[name], other[name]):
        raise Wrong("Seeds 0 and 1 give the same weights. Every run needs a fresh draw: what do you do with `seed`?")


def _correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


MEAN_VAR_INIT = Exercise(
    "mean_var_init",
    mean_var_init,
    cases=(_source_and_head, _batch_norm, _all_different, _scale, _no_features, _independent, _seeds),
)
