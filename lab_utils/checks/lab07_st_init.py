"""`st_init` in lab 7: the statistics of pretrained weights without their features, as published."""

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
from lab_utils.checks.lab07_st_mistakes import LAYERS, POSITIONS, WRONG

Init = Callable[[nn.Module, nn.Module, int], Any]


def st_init(model: nn.Module, source: nn.Module, seed: int) -> None:
    """The kit's version."""
    transfer.st_init(model, source, seed=seed)


def _weights(model: nn.Module) -> Vectors:
    return vectors(model, LAYERS)


def _biases(model: nn.Module) -> Vectors:
    return vectors(model, LAYERS, ("bias",))


def _on(kind: str) -> Probe:
    def probe(student: Init) -> dict[str, str]:
        model, source = pair_of(kind)
        before, pretrained = state(model), state(source)
        result = student(model, source, 0)
        new, weights, biases = changed(before, model), _weights(model), _biases(model)
        kept = [name for name in before if name == POSITIONS]
        both = {**weights, **biases}
        return {
            "what you return": "another network"
            if isinstance(result, nn.Module) and result is not model
            else "nothing",
            "changed in `source`": first(changed(pretrained, source)),
            "changed in the head": first(name for name in new if name.startswith("head")),
            "weight that is as before": first(name for name in weights if name not in new),
            "bias that is not drawn": first(_undrawn(biases, before, pretrained)),
            "position embedding": first(_positions(name, model, before, pretrained) for name in kept),
            "norm layer that is not new": first(old_norms(model, before, pretrained)),
            "the same numbers again and again": first(repeated(both)),
            "like the source": first(like_the_source(both, {**_weights(source), **_biases(source)})),
        }

    return probe


def _undrawn(biases: Vectors, before: dict[str, Tensor], pretrained: dict[str, Tensor]) -> Any:
    for name, values in biases.items():
        if torch.equal(values, before[name].double()):
            yield f"{name}, as before"
        elif torch.equal(values, pretrained[name].double()):
            yield f"{name}, that of the source"
        elif not values.any():
            yield f"{name}, which is 0"


def _positions(name: str, model: nn.Module, before: dict[str, Tensor], pretrained: dict[str, Tensor]) -> str:
    now = model.state_dict()[name]
    if torch.equal(now, pretrained[name]):
        return "that of the source"
    return "as before, random" if torch.equal(now, before[name]) else "drawn anew"


def _scale(kind: str) -> Probe:
    def probe(student: Init) -> list[Any]:
        model, source = pair_of(kind)
        student(model, source, 0)
        return off_scale({**_weights(model), **_biases(model)}, {**_weights(source), **_biases(source)})

    return probe


def _independent(student: Init) -> str:
    model, source = pair_of("vit")
    student(model, source, 0)
    pairs = itertools.pairwise({**_weights(model), **_biases(model)}.items())
    return first(f"{name} and {other}" for (name, a), (other, b) in pairs if len(a) > 1 and correlated(a, b))


def _one_draw(student: Init, seed: int) -> Tensor:
    model, source = pair_of("resnet")
    student(model, source, seed)
    return next(iter(_weights(model).values()))


PROBES: dict[str, Probe] = {
    "A vision transformer": _on("vit"),
    "A ResNet": _on("resnet"),
    "Scale, in the transformer": _scale("vit"),
    "Scale, in the ResNet": _scale("resnet"),
    "Tensors that begin with the same random numbers": _independent,
    "Twice seed 0, with other random numbers drawn between": draws_of(_one_draw, 12, 0),
    "Seeds 0 and 1": draws_of(_one_draw, 11, 1),
}


def _explain(got: Any, expected: Any) -> str:
    return in_words(got) if isinstance(expected, list) else difference(got, expected)


ST_INIT = Exercise(
    "st_init",
    st_init,
    PROBES,
    _explain,
    WRONG,
    "Layers are drawn with mean and sd of the same tensor of `source`; norms start as new; all else is kept.",
    close=0.1,
    steps=(
        "First make all stages pretrained: the kit's `transfuse` does it. Then everything that you do "
        "not touch is kept, as it should be.",
        "Make one generator. Go through the modules of each stage. What kinds of modules must change, and how?",
        "For a layer, go through its own parameters, weight and bias. A standard normal number of the same shape, "
        "times a sd, plus a mean: copy it in place, without gradients.",
    ),
)
