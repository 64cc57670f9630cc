"""Optimizers by name, and how the learning rate changes while they work."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from lab_utils.arguments import number, one_of
from lab_utils.transfer import trainable_parameters

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "cosine", "one_cycle", "plateau")
Groups = list[dict[str, Any]]


def parameter_groups(model: nn.Module, params: Iterable[Any] | None, *, lr: float, weight_decay: float) -> Groups:
    """Groups for the optimizer: only what is trainable, each with its lr and weight decay.

    Args:
        model: the network.
        params: groups as `transfer.param_groups` returns them, or parameters; default: everything trainable.
        lr: for groups without one.
        weight_decay: for groups without one.

    Raises:
        ValueError: if nothing is trainable, a learning rate is not positive, or parameters are of another network.
    """
    given: list[Any] = list(trainable_parameters(model)) if params is None else _listed(params)
    groups: Groups = given if given and isinstance(given[0], dict) else [{"params": given}]
    defaults: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
    groups = [defaults | group | {"params": [p for p in group["params"] if p.requires_grad]} for group in groups]
    groups = [group for group in groups if group["params"]]
    if not groups:
        raise ValueError(
            "there is nothing to train: every parameter that the optimizer would get is frozen (requires_grad=False). "
            "Call unfreeze(model), or freeze(model, upto=...) so that the head at least stays trainable."
        )
    own = {id(parameter) for parameter in model.parameters()}
    if any(id(parameter) not in own for group in groups for parameter in group["params"]):
        raise ValueError(
            "params= holds parameters that are not in this network: it would not learn. Make the groups from the "
            "network that is trained, for example params=param_groups(model, lr)."
        )
    for group in groups:
        if (decay := number("weight_decay", group["weight_decay"], example=1e-4)) < 0:
            raise ValueError(f"weight_decay must be 0 or more; got {decay}, with which the weights would grow.")
        if group["lr"] != group["lr"] or not 0 < number("lr", group["lr"]) < math.inf:  # NaN is no positive number
            raise ValueError(f"a learning rate must be a positive number; got {group['lr']}. Try 1e-3.")
    return groups


def _listed(params: Iterable[Any]) -> list[Any]:
    """Parameters, or groups with a list of them each, if they are such."""
    alone = isinstance(params, dict | torch.Tensor) or not isinstance(params, Iterable)
    given: list[Any] = [params] if alone else list(params)
    groups = [item for item in given if isinstance(item, dict)]
    if groups and len(groups) == len(given):
        given = [group | {"params": _tensors(group.get("params"))} for group in groups]
        tensors: list[Any] = [tensor for group in given for tensor in group["params"]]
    else:
        tensors = given
    if isinstance(params, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        raise ValueError(
            "params= must be a list of parameters, or a list of groups, which are dicts with a list 'params' and, if "
            f"wanted, 'lr' and 'weight_decay'; got a {type(params).__name__} that holds "
            f"{', '.join(sorted({type(item).__name__ for item in tensors}))}. For example param_groups(model, lr)."
        )
    return given


def _tensors(params: Any) -> list[Any]:
    return list(params) if isinstance(params, Iterable) and not isinstance(params, torch.Tensor | str) else [params]


def make_optimizer(optimizer: str | Callable[[Groups], Optimizer], groups: Groups) -> Optimizer:
    """An optimizer over `groups`; ``"sgd"`` has Nesterov momentum of 0.9.

    A callable gets the groups, which hold lr and weight decay: ``torch.optim.RMSprop``,
    or ``functools.partial(torch.optim.AdamW, betas=(0.9, 0.95))``.

    Raises:
        ValueError: if the name is unknown, or the callable makes no optimizer.
    """
    if not isinstance(optimizer, str):
        made = optimizer(groups) if callable(optimizer) else optimizer
        if not callable(optimizer) or not isinstance(made, Optimizer):
            raise ValueError(
                f"Expected optimizer to be one of {', '.join(OPTIMIZERS)}, or a function that makes an optimizer from "
                f"parameter groups, such as torch.optim.RMSprop, got {type(made).__name__}. Give the class, not an "
                "optimizer made of it, which holds parameters and a learning rate of its own."
            )
        return made
    one_of("optimizer", optimizer, OPTIMIZERS)
    if optimizer == "sgd":
        return torch.optim.SGD(groups, lr=groups[0]["lr"], momentum=0.9, nesterov=True)
    adam = torch.optim.AdamW if optimizer == "adamw" else torch.optim.Adam
    return adam(groups, fused=True)  # one pass over all weights: a third of the time, which counts in small networks


def lr_factor(schedule: str, step: int, *, total: int, warmup: int = 0) -> float:
    """What the learning rate is multiplied by at `step` (0 ... total - 1).

    ``constant``: 1. ``cosine``: half a cosine from 1 to 0. ``one_cycle``: from 1/25 up to 1
    in the first 30% of the steps, then down to 4e-6, both along cosines. ``plateau``: 1, as
    its drops depend on the loss. A warm-up rises in a line to 1 before any of them.

    References:
        Smith & Topin (2017), arXiv:1708.07120 (one cycle); Loshchilov & Hutter (2016),
        arXiv:1608.03983 (cosine).
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "cosine":
        return _cosine(1.0, 0.0, (step - warmup) / (total - warmup))
    if schedule == "one_cycle":
        peak, last = 0.3 * total - 1, total - 1
        if step <= peak:
            return _cosine(1 / 25, 1.0, step / peak)
        return _cosine(1.0, 1 / 25e4, (step - peak) / (last - peak))
    return 1.0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


class Schedule:
    """Sets the learning rate of every group at every step; their ratios never change.

    ``plateau`` divides by 10 once the training loss has not fallen (by 0.01% at least) for
    `patience` epochs in a row.
    """

    def __init__(self, optimizer: Optimizer, name: str, *, total: int, warmup: int = 0, patience: int = 10) -> None:
        one_of("schedule", name, SCHEDULES)
        if not 0 <= warmup < total or (warmup and name == "one_cycle"):
            raise ValueError(
                f"warmup must be shorter than the {total} steps of training, and 0 with one_cycle, which warms up by "
                f"itself; got warmup={warmup} with schedule={name!r}."
            )
        self.optimizer, self.name, self.total, self.warmup, self.patience = optimizer, name, total, warmup, patience
        self.base = [float(group["lr"]) for group in optimizer.param_groups]
        self.drop, self.best, self.waited = 1.0, math.inf, 0

    def set(self, step: int) -> float:
        """Set the learning rates for `step`; return the largest."""
        factor = self.drop * lr_factor(self.name, step, total=self.total, warmup=self.warmup)
        for group, base in zip(self.optimizer.param_groups, self.base, strict=True):
            group["lr"] = base * factor
        return max(self.base) * factor

    def end_epoch(self, loss: float) -> None:
        """Tell the schedule the mean training loss of an epoch."""
        if self.name != "plateau":
            return
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited == self.patience:
            self.drop, self.waited = self.drop / 10, 0

    def state_dict(self) -> dict[str, float]:
        return {"drop": self.drop, "best": self.best, "waited": self.waited}

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.drop, self.best, self.waited = state["drop"], state["best"], int(state["waited"])
