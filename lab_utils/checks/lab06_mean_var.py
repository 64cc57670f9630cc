"""`mean_var_init` in lab 6."""

import copy
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.drawn_weights import (
    Vectors,
    correlated,
    draws_of,
    in_words,
    like_the_source,
    off_scale,
    old_norms,
    repeated,
    vectors,
)
from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.checks.lab06_networks import changed, first, pair_of, state

Init = Callable[[nn.Module, nn.Module, int], Any]
Make = Callable[[Tensor, Tensor, torch.Generator], Tensor]


def mean_var_init(model: nn.Module, source: nn.Module, seed: int) -> None:
    """The kit's version."""
    transfer.mean_var_init(model, source, seed=seed)


def _weights(model: nn.Module) -> Vectors:
    """Weights of the convolutions."""
    return vectors(model, (nn.Conv2d,))


def _resnet(student: Init) -> dict[str, str]:
    model, source = pair_of("resnet")
    before, pretrained = state(model), state(source)
    result = student(model, source, 0)
    new, drawn = changed(before, model), _weights(model)
    return {
        "what you return": "another network" if isinstance(result, nn.Module) and result is not model else "nothing",
        "changed in `source`": first(changed(pretrained, source)),
        "changed in the head": first(name for name in new if name.startswith("head")),
        "convolution that is as before": first(name for name in drawn if name not in new),
        "batch norm that is not new": first(old_norms(model, before, pretrained)),
        "the same numbers again and again": first(repeated(drawn)),
        "like the source": first(like_the_source(drawn, _weights(source))),
    }


def _scale(student: Init) -> list[Any]:
    model, source = pair_of("resnet")
    student(model, source, 0)
    return off_scale(_weights(model), _weights(source))


def _independent(student: Init) -> str:
    model, source = pair_of("resnet")
    student(model, source, 0)
    pairs = itertools.pairwise(_weights(model).items())
    return first(f"{name} and {other}" for (name, a), (other, b) in pairs if correlated(a, b))


def _one_draw(student: Init, seed: int) -> Tensor:
    model, source = pair_of("resnet")
    student(model, source, seed)
    return next(iter(_weights(model).values()))


PROBES: dict[str, Probe] = {
    "A ResNet": _resnet,
    "Scale": _scale,
    "Layers that begin with the same random numbers": _independent,
    "Twice seed 0, with other random numbers drawn between": draws_of(_one_draw, 12, 0),
    "Seeds 0 and 1": draws_of(_one_draw, 11, 1),
}


def _explain(got: Any, expected: Any) -> str:
    return in_words(got) if isinstance(expected, list) else difference(got, expected)


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
    (_init(norm=_drawn_statistics), "A variance cannot be negative. Statistics are measured, never drawn."),
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
