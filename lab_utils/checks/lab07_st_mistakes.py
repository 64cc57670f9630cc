"""Wrong answers to `st_init` in lab 7."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.drawn_weights import NORMS, vectors
from lab_utils.networks import head, stages

Init = Callable[[nn.Module, nn.Module, int], Any]
Draw = Callable[[Tensor, torch.Generator], Tensor]
LAYERS = (nn.Conv2d, nn.Linear)
POSITIONS = "embed.positions"


def _right(model: nn.Module, source: nn.Module, seed: int) -> None:
    transfer.st_init(model, source, seed=seed)


def _draw(values: Tensor, g: torch.Generator) -> Tensor:
    return values.mean() + values.std() * torch.randn(values.shape, generator=g)


def _init(
    draw: Draw = _draw,
    bias: Draw | None = None,
    norm: Callable[[Any], Any] = lambda norm: norm.reset_parameters(),
    begin: Callable[[nn.Module, nn.Module], Any] = lambda model, source: transfer.transfuse(model, source),
    layers: tuple[type[nn.Module], ...] = LAYERS,
) -> Init:
    """Copy the source, then draw layer by layer: the right way with one part exchanged."""

    def student(model: nn.Module, source: nn.Module, seed: int) -> None:
        begin(model, source)
        g = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for module in (module for stage in stages(model).values() for module in stage.modules()):
                if isinstance(module, layers):
                    for name, parameter in module.named_parameters(recurse=False):
                        parameter.copy_((bias if bias and name == "bias" else draw)(parameter, g))
                elif isinstance(module, NORMS):
                    norm(module)

    return student


def _every_parameter(model: nn.Module, source: nn.Module, seed: int) -> None:
    """Also embeddings."""
    _right(model, source, seed)
    g = torch.Generator().manual_seed(seed + 1)
    for name, parameter in model.named_parameters():
        if name == POSITIONS:
            parameter.data = _draw(source.get_parameter(name).data, g)


def _old_embedding(model: nn.Module, source: nn.Module, seed: int) -> None:
    """Only what is drawn is taken from the source."""
    own = {name: p.detach().clone() for name, p in model.named_parameters() if name == POSITIONS}
    _right(model, source, seed)
    for name, values in own.items():
        model.get_parameter(name).data = values


def _own_biases(model: nn.Module, source: nn.Module, seed: int) -> None:
    own = {
        name: p.detach().clone() for name, p in model.named_parameters() if name in vectors(model, LAYERS, ("bias",))
    }
    _right(model, source, seed)
    for name, values in own.items():
        model.get_parameter(name).data = values


def _a_copy(model: nn.Module, source: nn.Module, seed: int) -> nn.Module:
    own = copy.deepcopy(model)
    _right(own, source, seed)
    return own


def _new_head(model: nn.Module, source: nn.Module, seed: int) -> None:
    _right(model, source, seed)
    nn.init.normal_(head(model).get_parameter("weight"))


def _one_scale(model: nn.Module, source: nn.Module, seed: int) -> None:
    everything = torch.cat([*vectors(source, LAYERS).values(), *vectors(source, LAYERS, ("bias",)).values()]).float()
    _init(lambda v, g: everything.mean() + everything.std() * torch.randn(v.shape, generator=g))(model, source, seed)


def _drawn_statistics(norm: Any) -> None:
    norm.reset_parameters()
    if isinstance(norm, nn.BatchNorm2d):
        norm.get_buffer("running_var").normal_(1.0)


def _statistics_stay(norm: Any) -> None:
    with torch.no_grad():
        norm.weight.fill_(1.0)
        norm.bias.zero_()


BIASES = "Each layer has a weight *and* a bias: `module.parameters(recurse=False)` gives both. ST draws both."
EMBEDDING = "The position embedding is no layer: as published, it is *kept*, even when everything else is ST."
NEW_NORMS = "Norm layers start as new, statistics too: a method of the layer does all of it."
EACH = "Take mean and sd of each tensor by itself: layers differ a lot."

WRONG: tuple[tuple[Init, str], ...] = (
    (
        _a_copy,
        "Change the network that the function gets: the caller goes on with it.",
    ),
    (lambda m, s, seed: None, "Nothing was changed. Which method of a tensor copies values into it?"),
    (lambda m, s, seed: _right(s, m, seed), "Only `model` is changed. Its numbers come from `source`."),
    (_new_head, "The head stays as it is: go through the stages, not through the whole network."),
    (_init(layers=(nn.Conv2d,)), "A transformer is mostly made of `nn.Linear`. They are drawn, too."),
    (_own_biases, BIASES),
    (_init(bias=lambda v, g: v), BIASES),
    (_init(bias=lambda v, g: torch.zeros_like(v)), BIASES),
    (_every_parameter, EMBEDDING),
    (_old_embedding, "The position embedding comes from `source`: copy it before you draw."),
    (_init(norm=lambda norm: None), NEW_NORMS),
    (_init(norm=_statistics_stay), NEW_NORMS),
    (_init(norm=_drawn_statistics), "A variance cannot be negative. Statistics are measured, never drawn."),
    (_init(lambda v, g: v.clone()), "All features are still there. Draw new numbers."),
    (
        _init(lambda v, g: v.flatten()[torch.randperm(v.numel(), generator=g)].view_as(v)),
        "Shuffled numbers are another control (Lab 6). Here, draw.",
    ),
    (
        _init(lambda v, g: v + v.std() * torch.randn(v.shape, generator=g)),
        "`mean()` is missing: you add noise to the pretrained weights, and their features stay.",
    ),
    (
        _init(lambda v, g: (v.mean() + v.std() * torch.randn(1, generator=g)).expand_as(v)),
        "Draw one number for each entry of the tensor.",
    ),
    (_one_scale, EACH),
    (_init(begin=lambda model, source: None), "This is the scale of `model`. Take that of `source`."),
    (
        _init(lambda v, g: v.mean() + v.var() * torch.randn(v.shape, generator=g)),
        "Your sd is the variance. By which of the two is a standard normal number multiplied?",
    ),
    (
        _init(lambda v, g: v.mean() + v.std().sqrt() * torch.randn(v.shape, generator=g)),
        "Your sd is the root of the sd. torch.std already gives the sd.",
    ),
    (
        _init(lambda v, g: v.std() * torch.randn(v.shape, generator=g)),
        "The mean is 0. Add the mean of the pretrained tensor.",
    ),
    (
        _init(lambda v, g: torch.randn(v.shape, generator=g)),
        "This is a standard normal number. Multiply by the sd, then add the mean.",
    ),
    (
        _init(lambda v, g: v.mean() + v.std() * torch.rand(v.shape, generator=g)),
        "torch.rand is uniform from 0 to 1. Which function draws normal numbers?",
    ),
    (
        _init(lambda v, g: _draw(v, g.manual_seed(g.initial_seed()))),
        "Where do you make the generator, before the loop or inside?",
    ),
    (_init(lambda v, g: v.mean() + v.std() * torch.randn(v.shape)), "Hand your generator to torch.randn."),
    (lambda m, s, seed: _right(m, s, 42), "Every run needs a fresh draw: where do you use `seed`?"),
)
