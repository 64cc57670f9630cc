"""Freeze stages, and give each depth its own learning rate.

Freezing is more than ``requires_grad = False``: batch norm in train mode moves its running
mean and variance with every forward pass, and an optimizer that still holds an old gradient
goes on moving the weight (momentum, weight decay). Here, frozen means bit-identical.
"""

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from lab_utils.names import unknown_name
from lab_utils.networks import Stage, head, stages, unwrapped


def freeze(model: nn.Module, *, upto: str | None = None) -> None:
    """Freeze the backbone from the image up to and including stage `upto`, and nothing else.

    What stages were frozen before makes no difference: those above `upto` and the head are
    trainable afterwards. So `freeze` twice with falling `upto` unfreezes step by step.
    Train with `train_mode(model)` in place of ``model.train()``.

    Args:
        model: any network with `stages`.
        upto: name of the last frozen stage; None freezes the whole backbone.

    Raises:
        ValueError: if there is no such stage.
    """
    found = stages(model)
    if upto is not None and upto not in found:
        raise unknown_name(f"stage of {type(model).__name__}", upto, found)
    unfreeze(model)
    for stage in found.values():
        for parameter in stage.parameters():
            parameter.requires_grad_(False)
            # an optimizer steps wherever it finds a gradient, also one from before the freeze
            parameter.grad = None
        if stage.name == upto:
            break


def unfreeze(model: nn.Module) -> None:
    """Make every parameter trainable again."""
    model.requires_grad_(True)


def train_mode(model: nn.Module) -> None:
    """``model.train()``, but what is frozen stays a fixed function.

    A frozen stage (none of its parameters is trainable) is put in eval mode as a whole: its
    batch norm keeps and uses the stored statistics, and its dropout and stochastic depth are
    off, so that it gives the same features for an image every time, as cached features do.
    Elsewhere, a batch norm whose own weight and bias are frozen goes to eval as well.
    Works for any network: where no stages can be found, the children take their place.
    """
    model.train()
    for stage in _parts(model):
        if is_frozen(stage):
            for module in stage.modules():
                module.eval()
    for module in model.modules():
        if isinstance(module, _NormBase):
            own = list(module.parameters())
            if own and not any(p.requires_grad for p in own):
                module.eval()


def _parts(model: nn.Module) -> list[Stage] | list[nn.Module]:
    try:
        return list(stages(model).values())
    except ValueError:  # a head under another name, or loose parameters: modes need neither
        return list(unwrapped(model).children())


def is_frozen(stage: Stage | nn.Module) -> bool:
    """Whether `stage` has parameters and none of them is trainable."""
    parameters = list(stage.parameters())
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def trainable_parameters(model: nn.Module) -> list[nn.Parameter]:
    """What to hand to an optimizer: every parameter that is not frozen, once."""
    return [p for p in model.parameters() if p.requires_grad]


def param_groups(model: nn.Module, lr: float, *, decay: float = 1.0) -> list[dict[str, Any]]:
    """Optimizer groups with a learning rate that falls towards the image.

    The head learns with `lr`, the stage k places below it with ``lr * decay**k``: general
    features near the image change little, special ones near the head change most. A frozen
    stage still counts as a place.

    Args:
        model: any network with `stages`.
        lr: learning rate of the head.
        decay: factor per stage, in (0, 1]; 1 gives every stage the same rate.

    Returns:
        One group per stage with something to train, from the image upwards, the head last:
        dicts with ``params``, ``lr`` and ``name``. Every trainable parameter is in exactly one.

    Raises:
        ValueError: if `lr` or `decay` is out of range, or nothing is trainable.

    References:
        Howard and Ruder (2018), Universal language model fine-tuning for text
        classification, arXiv:1801.06146, section 3.2 (discriminative fine-tuning).
    """
    if not lr > 0:
        raise ValueError(f"expected a learning rate lr above 0, got {lr}")
    if not 0 < decay <= 1:
        raise ValueError(
            f"expected decay in (0, 1], the factor on the learning rate per stage downwards, got {decay}; "
            "1 gives every stage the same rate, 0.5 halves it from stage to stage"
        )
    found = list(stages(model).values())
    parts = [(s.name, list(s.parameters()), len(found) - k) for k, s in enumerate(found)]
    parts.append(("head", list(head(model).parameters()), 0))
    groups = []
    for name, parameters, depth in parts:
        trainable = [p for p in parameters if p.requires_grad]
        if trainable:
            groups.append({"params": trainable, "lr": lr * decay**depth, "name": name})
    if not groups:
        raise ValueError("expected something to train, but every parameter is frozen, the head too; call unfreeze")
    return groups
