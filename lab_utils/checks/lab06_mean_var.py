"""`mean_var_init` in lab 6."""

import copy
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.checks.lab06_networks import changed, first, pair_of, state

Init = Callable[[nn.Module, nn.Module, int], Any]
Make = Callable[[Tensor, Tensor, torch.Generator], Tensor]

NEW = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


def mean_var_init(model: nn.Module, source: nn.Module, seed: int) -> None:
    """The kit's version."""
    transfer.mean_var_init(model, source, seed=seed)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """Weights of the convolutions, as float64 vectors."""
    layers = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    return {f"{name}.weight": layer.weight.detach().flatten().double() for name, layer in layers.items()}


def _resnet(student: Init) -> dict[str, str]:
    """In words and with room for chance, because other right draws are other numbers."""
    model, source = pair_of("resnet")
    before, pretrained = state(model), state(source)
    result = student(model, source, 0)
    new, drawn, theirs = changed(before, model), _weights(model), _weights(source)
    return {
        "what you return": "another network" if isinstance(result, nn.Module) and result is not model else "nothing",
        "changed in `source`": first(changed(pretrained, source)),
        "changed in the head": first(name for name in new if name.startswith("head")),
        "convolution that is as before": first(name for name in drawn if name not in new),
        "batch norm that is not new": first(_old_norms(model, before, pretrained)),
        "the same numbers again and again": first(n for n, w in drawn.items() if (w == w.min()).sum() > 1),
        "like the source": first(_like(drawn, theirs)),
    }


def _old_norms(model: nn.Module, before: dict[str, Tensor], pretrained: dict[str, Tensor]) -> Iterator[str]:
    norms = [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]
    for name, (part, value) in itertools.product(norms, NEW.items()):
        tensor = model.state_dict()[full := f"{name}.{part}"]
        if torch.equal(tensor, before[full]):
            yield f"{full}, as before"
        elif torch.equal(tensor, pretrained[full]):
            yield f"{full}, that of the source"
        elif bool((tensor != value).any()):
            below = part == "running_var" and float(tensor.min()) < 0
            yield f"{full}, with values below 0" if below else f"{full}, which should be {value:g} everywhere"


def _like(drawn: dict[str, Tensor], theirs: dict[str, Tensor]) -> Iterator[str]:
    for name, weight in drawn.items():
        if torch.equal(weight, theirs[name]):
            yield f"{name} is that of the source"
        elif torch.equal(torch.stack(weight.aminmax()), torch.stack(theirs[name].aminmax())):
            yield f"{name} has the same numbers, shuffled"
        elif _correlated(weight, theirs[name]):
            yield f"{name} still resembles that of the source"


def _scale(student: Init) -> list[Any]:
    """Of the first layer that is six standard errors off: sd and mean, in units of the source's sd."""
    model, source = pair_of("resnet")
    student(model, source, 0)
    drawn = _weights(model)
    for name, weight in _weights(source).items():
        mean, sd, n = float(weight.mean()), float(weight.std()), len(weight)
        width, shift = float(drawn[name].std()) / sd, (float(drawn[name].mean()) - mean) / sd
        if abs(shift) > 6 / math.sqrt(n) or abs(width - 1) > 6 / math.sqrt(2 * n):
            return [f"{name} of the source has mean {mean:.4f} and sd {sd:.4f}", width, shift]
    return []


def _correlated(a: Tensor, b: Tensor) -> bool:
    n = min(len(a), len(b))
    return abs(float(torch.corrcoef(torch.stack([a[:n], b[:n]]))[0, 1])) > 8 / math.sqrt(n)


def _independent(student: Init) -> str:
    model, source = pair_of("resnet")
    student(model, source, 0)
    pairs = itertools.pairwise(_weights(model).items())
    return first(f"{name} and {other}" for (name, a), (other, b) in pairs if _correlated(a, b))


def _draws(disturb: int, seed: int) -> Probe:
    """Whether this seed gives the same as seed 0, also when somebody else has drawn numbers before."""

    def probe(student: Init) -> str:
        models = []
        for noise, number in ((11, 0), (disturb, seed)):
            torch.manual_seed(noise)
            model, source = pair_of("resnet")
            student(model, source, number)
            models.append(next(iter(_weights(model).values())))
        return "the same weights" if torch.equal(*models) else "different weights"

    return probe


PROBES: dict[str, Probe] = {
    "A ResNet": _resnet,
    "Scale": _scale,
    "Layers that begin with the same random numbers": _independent,
    "Twice seed 0, with other random numbers drawn between": _draws(12, 0),
    "Seeds 0 and 1": _draws(11, 1),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, list):
        return "{}. Your sd is {:.3f} times that, and your mean is {:.2f} sd away.".format(*got)
    return difference(got, expected)


# ---- wrong answers


def _layers(model: nn.Module, kind: type[Any]) -> dict[str, Any]:
    return {name: module for name, module in model.named_modules() if isinstance(module, kind)}


def _draw(weight: Tensor, mine: Tensor, g: torch.Generator) -> Tensor:
    return weight.mean() + weight.std() * _noise(weight, g)


def _noise(weight: Tensor, g: torch.Generator) -> Tensor:
    return torch.randn(weight.shape, generator=g)


def _init(
    make: Make = _draw, norm: Callable[[nn.BatchNorm2d], Any] = nn.BatchNorm2d.reset_parameters, skip: str = "none"
) -> Init:
    """New weights are make(weight of the source, own weight, generator)."""

    def student(model: nn.Module, source: nn.Module, seed: int) -> None:
        g, theirs = torch.Generator().manual_seed(seed), _layers(source, nn.Conv2d)
        with torch.no_grad():
            for name, layer in _layers(model, nn.Conv2d).items():
                if skip not in name:
                    layer.weight.copy_(make(theirs[name].weight, layer.weight, g))
            for layer in _layers(model, nn.BatchNorm2d).values():
                norm(layer)

    return student


def _all_tensors(model: nn.Module, source: nn.Module, seed: int) -> None:
    g, theirs = torch.Generator().manual_seed(seed), source.state_dict()
    for name, tensor in model.state_dict().items():
        if not name.startswith("head") and tensor.is_floating_point():
            tensor.copy_(theirs[name].mean() + theirs[name].std() * _noise(tensor, g))


def _drawn_statistics(norm: nn.BatchNorm2d) -> None:
    norm.reset_parameters()
    norm.get_buffer("running_var").normal_(1.0)


def _one_scale(model: nn.Module, source: nn.Module, seed: int) -> None:
    everything = torch.cat(list(_weights(source).values())).float()
    _init(lambda w, mine, g: everything.mean() + everything.std() * _noise(w, g))(model, source, seed)


WRONG: tuple[tuple[Init, str], ...] = (
    (
        lambda m, s, seed: (own := copy.deepcopy(m), _init()(own, s, seed))[0],
        "Change the network that the function gets: the caller goes on with it.",
    ),
    (_init(lambda w, m, g: w.copy_(_draw(w, m, g))), "Only `model` gets new weights."),
    (lambda m, s, seed: None, "Which method of a tensor copies values into it?"),
    (
        lambda m, s, seed: (_init()(m, s, seed), nn.init.normal_(m.get_parameter("head.weight"))),
        "The head stays as it is: only convolutions and batch norms change.",
    ),
    (_init(skip="shortcut"), "Every convolution gets new weights, also those of the shortcuts."),
    (_init(norm=lambda norm: None), "Batch norm starts as new: a method of the layer does it."),
    (_init(norm=lambda norm: norm.reset_running_stats()), "Batch norm starts as new: a method of the layer does it."),
    (_all_tensors, "Only convolutions are drawn."),
    (_init(norm=_drawn_statistics), "A variance can not be negative. Statistics are measured, never drawn."),
    (
        _init(lambda w, m, g: (w.mean() + w.std() * _noise(w[:1], g)).expand_as(w)),
        "Draw one number for each entry of the tensor.",
    ),
    (_one_scale, "You use one scale for the whole network. Take mean and variance of each tensor by itself."),
    (
        _init(lambda w, m, g: w.mean() + w.var() * _noise(w, g)),
        "Your sd is the variance of the source. By which of the two is a standard normal number multiplied?",
    ),
    (
        _init(lambda w, m, g: w.mean() + w.std().sqrt() * _noise(w, g)),
        "Your sd is the root of the sd. torch.std already gives the sd; torch.var gives the variance.",
    ),
    (_init(lambda w, m, g: m.mean() + m.std() * _noise(w, g)), "This is the scale of `model`. Take that of `source`."),
    (_init(lambda w, m, g: w.std() * _noise(w, g)), "The mean is 0. Add the mean of the pretrained tensor."),
    (_init(lambda w, m, g: _noise(w, g)), "This is a standard normal number. Multiply by the sd, then add the mean."),
    (_init(lambda w, m, g: w.clone()), "All features are still there. Draw new numbers."),
    (_init(lambda w, m, g: w + 0.01 * w.std() * _noise(w, g)), "Draw new numbers: nothing of the filters stays."),
    (
        _init(lambda w, m, g: w.flatten()[torch.randperm(w.numel(), generator=g)].view_as(w)),
        "Shuffled numbers are the control; here, draw.",
    ),
    (
        _init(lambda w, m, g: _draw(w, m, g.manual_seed(g.initial_seed()))),
        "Where do you make the generator, before the loop or inside?",
    ),
    (_init(lambda w, m, g: w.mean() + w.std() * torch.randn(w.shape)), "Hand your generator to torch.randn."),
    (lambda m, s, seed: mean_var_init(m, s, 42), "Every run needs a fresh draw: where do you use `seed`?"),
)

MEAN_VAR_INIT = Exercise(
    "mean_var_init",
    mean_var_init,
    PROBES,
    _explain,
    WRONG,
    "Mean and variance are taken over all entries of the same tensor in `source`.",
    close=0.1,
    steps=(
        "Make one generator before the loop, then go through the modules of `model` with their names.",
        "For a convolution, look up the weight of the same name in `source`. A standard normal number times a"
        " sd, plus a mean: whose sd, and whose mean?",
        "Copy the result in place, without gradients. A batch norm has a method that sets it back to its beginning.",
    ),
)
