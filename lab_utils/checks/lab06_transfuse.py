"""`transfuse` in lab 6."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.lab06_networks import changed, first, owner, pair_of, state
from lab_utils.networks import stages

Transfuse = Callable[[nn.Module, nn.Module, str], Any]


def transfuse(model: nn.Module, source: nn.Module, upto: str) -> list[str]:
    """The kit's version."""
    return list(transfer.transfuse(model, source, upto=upto).copied)


def _on(kind: str, upto: str) -> Probe:
    def probe(student: Transfuse) -> dict[str, str]:
        model, source = pair_of(kind)
        before, pretrained, stage_of, names = state(model), state(source), owner(model), list(stages(model))
        result = student(model, source, upto)
        new, there = changed(before, model), set(state(model)) - set(changed(pretrained, model))
        copied = {stage_of[name] for name in new if name in there and name in stage_of}
        asked = names[: names.index(upto) + 1]
        return {
            "changed in `source`": first(changed(pretrained, source)),
            "changed in the head": first(name for name in new if name not in stage_of),
            "copied stages": ", ".join(name for name in names if name in copied) or "nothing",
            "not as in `source`": first(n for n, stage in stage_of.items() if stage in asked and n not in there),
            "returned": "a network" if isinstance(result, nn.Module) else str(list(result)),
        }

    return probe


def _trained_later(student: Transfuse) -> dict[str, str]:
    model, source = pair_of("cbr")
    student(model, source, "block2")
    pretrained = state(source)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    return {"also changed in `source`": first(changed(pretrained, source))}


def _from_frozen(student: Transfuse) -> dict[str, str]:
    model, source = pair_of("cbr")
    source.requires_grad_(False)
    mine = {name: id(p) for name, p in model.named_parameters()}
    student(model, source, "block2")
    return {
        "frozen in `model`": first(name for name, p in model.named_parameters() if not p.requires_grad),
        "another tensor than before, unknown to an optimizer that was made earlier": first(
            name for name, p in model.named_parameters() if id(p) != mine[name]
        ),
    }


PROBES: dict[str, Probe] = {
    "A ResNet, upto = 'layer2'": _on("resnet", "layer2"),
    "A ResNet, upto = 'stem'": _on("resnet", "stem"),
    "A ResNet, upto = 'layer4'": _on("resnet", "layer4"),
    "CBR-Tiny, upto = 'block3'": _on("cbr", "block3"),
    "ShuffleNet, upto = 'stage2'": _on("shufflenet", "stage2"),
    "`model` is trained after the copy": _trained_later,
    "`source` was frozen before the copy": _from_frozen,
}


# ---- wrong answers


def _tensors(stage: Any) -> Iterator[Tensor]:
    return chain(stage.parameters(), stage.buffers())


def _copies(
    choose: Callable[[list[str], int], list[str]] = lambda names, i: names[: i + 1],
    tensors: Callable[[Any], Iterator[Tensor]] = _tensors,
    copy: Callable[[Tensor, Tensor], Any] = Tensor.copy_,
) -> Transfuse:
    """Copy tensors of the stages choose(names, index of `upto`)."""

    def student(model: nn.Module, source: nn.Module, upto: str) -> list[str]:
        mine, theirs = stages(model), stages(source)
        chosen = choose(list(mine), list(mine).index(upto))
        with torch.no_grad():
            for name in chosen:
                for pair in zip(tensors(mine[name]), tensors(theirs[name]), strict=True):
                    copy(*pair)
        return chosen

    return student


def _share(mine: Tensor, theirs: Tensor) -> None:
    mine.data = theirs.data


def _then(change: Callable[[nn.Module, nn.Module, list[str]], Any]) -> Transfuse:
    """Change something after the right copy, and return it."""
    return lambda model, source, upto: change(model, source, transfuse(model, source, upto))


TOP = "This is the top of the network. The first stages are those near the image."

WRONG: tuple[tuple[Transfuse, str], ...] = (
    (lambda m, s, upto: transfuse(s, m, upto), "Which of the two is to get new values?"),
    (
        _then(lambda m, s, names: m.load_state_dict(s.state_dict()) and names),
        "The head is no stage, and stays as it is.",
    ),
    (
        _copies(copy=lambda a, b: None),
        "`mine = theirs` only gives a second name to a tensor; which method of a tensor copies values into it?",
    ),
    (_copies(lambda names, i: [names[i]]), "Only `upto`? The stages below it come too: start at the image."),
    (_copies(lambda names, i: names[:i]), "`upto` itself is to be copied too: one stage is missing."),
    (_copies(lambda names, i: names[: i + 2]), "One stage too many. When do you stop, before or after the copy?"),
    (_copies(lambda names, i: names), "You copied all stages. Where do you stop?"),
    (_copies(lambda names, i: names[i:]), TOP),
    (_copies(lambda names, i: names[i + 1 :]), TOP),
    (_copies(tensors=lambda stage: stage.parameters()), "What batch norm has seen is in *buffers*, not parameters."),
    (
        _copies(tensors=lambda stage: chain((p for p in stage.parameters() if p.ndim == 4), stage.buffers())),
        "Copy every kind of parameter, also of batch norm.",
    ),
    (_then(lambda m, s, names: m), "Return the list of the names of the copied stages, not a network."),
    (_then(lambda m, s, names: names[-1:]), "Return the names of all copied stages."),
    (
        _then(
            lambda m, s, names: (
                [m.get_submodule(n).load_state_dict(s.get_submodule(n).state_dict()) for n in names] and names
            )
        ),
        "Here a stage is no child of this name. `stages(model)` gives the stages of every network.",
    ),
    (_copies(copy=_share), "Both share one tensor. Copy the values into the tensors that `model` has."),
    (_copies(copy=lambda a, b: a.copy_(b).requires_grad_(b.requires_grad)), "Copy values, nothing else."),
)

TRANSFUSE = Exercise(
    "transfuse",
    transfuse,
    PROBES,
    wrong=WRONG,
    advice="Copy every tensor of the stages up to `upto`, as it is.",
    steps=(
        "Go through the stages of both networks side by side, from the image upwards, and stop after `upto`.",
        "In each stage pair up the parameters of both, and then the buffers of both: batch norm keeps its "
        "statistics there.",
        "Copy each tensor in place, without gradients, and note the name of the stage in a list.",
    ),
)
