"""Check of `transfuse` in lab 6."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab06_networks import Pair, cbr_pair, changed, owner, resnet_pair, state, torchvision_pair
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import head, stages

Transfuse = Callable[[nn.Module, nn.Module, str], list[str]]


def transfuse(model: nn.Module, source: nn.Module, upto: str) -> list[str]:
    """The kit's version."""
    return list(transfer.transfuse(model, source, upto=upto).copied)


def _middle(student: Transfuse) -> None:
    _compare(student, resnet_pair(), "layer2")


def _first(student: Transfuse) -> None:
    _compare(student, resnet_pair(), "stem")


def _last(student: Transfuse) -> None:
    _compare(student, resnet_pair(), "layer4")


def _other_networks(student: Transfuse) -> None:
    _compare(student, cbr_pair(), "block3")
    _compare(student, torchvision_pair(), "stage2")


def _compare(student: Transfuse, pair: Pair, upto: str) -> None:
    """Raise the hint that fits, unless exactly the stages up to `upto` were copied."""
    model, source = pair
    before, pretrained, names = state(model), state(source), list(stages(model))
    expected = names[: names.index(upto) + 1]
    given = f"{type(model).__name__}, upto = {upto!r}:"
    result: Any = student(model, source, upto)
    if moved := changed(pretrained, source):
        raise Wrong(f"{given} the *source* has changed ({moved[0]}). Which of the two is to get new values?")
    now, stage_of = state(model), owner(model)
    _explain_head(given, now, before, stage_of)
    copied = [name for name in names if _any_copied(name, now, pretrained, before, stage_of)]
    _explain_prefix(given, copied, expected, upto, names)
    _explain_rest(given, now, pretrained, stage_of, expected)
    _explain_result(given, result, expected)


def _any_copied(
    stage: str,
    now: dict[str, Tensor],
    pretrained: dict[str, Tensor],
    before: dict[str, Tensor],
    stage_of: dict[str, str],
) -> bool:
    """Whether some tensor of the stage now holds what the source has, and did not before."""
    mine = [name for name in now if stage_of.get(name) == stage]
    return any(torch.equal(now[n], pretrained[n]) and not torch.equal(before[n], pretrained[n]) for n in mine)


def _explain_head(given: str, now: dict[str, Tensor], before: dict[str, Tensor], stage_of: dict[str, str]) -> None:
    touched = [name for name in now if name not in stage_of and not torch.equal(now[name], before[name])]
    if touched:
        raise Wrong(
            f"{given} the head has changed ({touched[0]}). It answers the questions of the source task, not ours: it "
            "is no stage, and stays as it is."
        )


def _explain_prefix(given: str, copied: list[str], expected: list[str], upto: str, names: list[str]) -> None:
    shown = ", ".join(copied) or "nothing"
    if copied == expected:
        return
    if not copied:
        raise Wrong(
            f"{given} nothing in `model` has changed. `mine = theirs` only gives a second name to a tensor; which "
            "method of a tensor copies values into it?"
        )
    if copied == [upto]:
        raise Wrong(f"{given} you copied {upto} alone. All the stages below it belong to it too: start at the image.")
    if copied == expected[:-1]:
        raise Wrong(f"{given} you copied {shown}. `upto` itself is to be copied too: one stage is missing.")
    if copied == names[: len(expected) + 1]:
        raise Wrong(f"{given} you copied {shown}: one stage too many. When do you stop, before or after the copy?")
    if copied == names:
        raise Wrong(f"{given} you copied all stages. Where do you stop?")
    if set(copied) == set(names) - set(expected[:-1]) or set(copied) == set(names) - set(expected):
        raise Wrong(f"{given} you copied {shown}: the top of the network. The first stages are those near the image.")
    raise Wrong(f"{given} you copied {shown}. Expected {', '.join(expected)}.")


def _explain_rest(
    given: str, now: dict[str, Tensor], pretrained: dict[str, Tensor], stage_of: dict[str, str], expected: list[str]
) -> None:
    """All tensors of the copied stages must be there bit for bit."""
    inside = [name for name in now if stage_of.get(name) in expected]
    missing = [name for name in inside if not torch.equal(now[name], pretrained[name])]
    if not missing:
        return
    if all("running_" in name or name.endswith("num_batches_tracked") for name in missing):
        raise Wrong(
            f"{given} the weights are there, but {missing[0]} is not that of the source. Batch norm keeps what it has "
            "seen in *buffers*: they are no parameters. Without them the stage computes something else."
        )
    if all(now[name].ndim < 2 for name in missing):
        raise Wrong(
            f"{given} {missing[0]} is not that of the source. Copy every kind of parameter, also of batch norm."
        )
    raise Wrong(f"{given} {missing[0]} is not that of the source, bit for bit. Copy every tensor as it is.")


def _explain_result(given: str, result: Any, expected: list[str]) -> None:
    if isinstance(result, nn.Module):
        raise Wrong(f"{given} the copy is right, but return the list of the names of the copied stages, not a network.")
    if list(result) != expected:
        raise Wrong(
            f"{given} the copy is right. Return the names of the copied stages, {expected}; you gave {result!r}."
        )


def _own_tensors(student: Transfuse) -> None:
    model, source = cbr_pair()
    student(model, source, "block2")
    pretrained = state(source)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.add_(1)
    if shared := changed(pretrained, source):
        raise Wrong(
            f"Training `model` would now change `source` as well: both share one tensor, {shared[0]}. Copy the values "
            "into the tensors that `model` has."
        )


def _still_trainable(student: Transfuse) -> None:
    model, source = cbr_pair()
    source.requires_grad_(False)
    mine = {name: id(p) for name, p in model.named_parameters()}
    student(model, source, "block2")
    if frozen := [name for name, p in model.named_parameters() if not p.requires_grad]:
        raise Wrong(f"The source was frozen, and now {frozen[0]} of `model` is frozen too. Copy values, nothing else.")
    if replaced := [name for name, p in model.named_parameters() if id(p) != mine[name]]:
        raise Wrong(
            f"{replaced[0]} is now another tensor than before: an optimizer that was made earlier would go on with "
            "the old one. Copy the values into it."
        )
    if any(p.requires_grad is False for p in head(model).parameters()):
        raise Wrong("The head of `model` can no longer learn.")


TRANSFUSE = Exercise(
    "transfuse", transfuse, cases=(_middle, _first, _last, _other_networks, _own_tensors, _still_trainable)
)
