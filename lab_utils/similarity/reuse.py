"""Where pretrained weights are still at work after training: what a stage has kept, and what is lost without it."""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from lab_utils.arguments import function
from lab_utils.names import unknown_name
from lab_utils.networks import Stage, blocks, stages
from lab_utils.transfer import reinit_stage


def reinit_robustness(
    model: nn.Module,
    start: nn.Module,
    measure: Callable[[nn.Module], float],
    *,
    parts: Sequence[str] | None = None,
) -> dict[str, float]:
    """Measure a trained network again and again, each time with one stage put back to what it is in `start`.

    A stage without which the network is as good as before was not needed to change. A part is meant by its whole name:
    no other stage, and no layer whose name only begins like it, is touched; a convolution and its batch norm that are
    one stage go back together. Batch-norm statistics of other stages stay as they were trained, as published (see
    `renew_statistics`).

    Args:
        model: the trained network; it stays as it is.
        start: where it began; or a fresh draw, for example ``start = copy.deepcopy(model)`` and then
            ``st_init(start, model, seed=0)`` for the mean and sd of the trained weights.
        measure: from a network to a score, for example ``lambda model: evaluate(model, test)["auroc"]``.
        parts: names of stages or of `blocks`; None for all stages.

    Returns:
        Part -> score without it, from the image upwards; subtract them from ``measure(model)``.

    Raises:
        ValueError: if a part is unknown, or built differently in `start`.

    References:
        Zhang, Bengio, Singer (2019), arXiv:1902.01996; Matsoukas et al. (2022), arXiv:2203.01825.
    """
    function("measure", measure, example='lambda model: evaluate(model, test)["auroc"]')
    found = {}
    for part in list(stages(model)) if parts is None else parts:
        without = copy.deepcopy(model)
        reinit_stage(without, part, start)
        found[part] = measure(without)
    return found


def l2_per_stage(model: nn.Module, start: nn.Module, *, parts: Sequence[str] | None = None) -> dict[str, float]:
    """How far the weights of each stage are from where they began: |w - w0| / (numbers in w), mean over its tensors.

    Norm layers are left out. Each stage is compared with the same stage alone. Large tensors count no more than small
    ones, and a tensor of n times as many numbers that moved as far each comes out smaller by sqrt(n): compare a stage
    between networks, not stages of one network (`weight_distance` gives the relative change for that).

    Args:
        model: a trained network.
        start: the same network before training.
        parts: names of stages or of `blocks`; None for all stages.

    Returns:
        Part -> distance in units of the weights; parts of nothing but norm layers are left out.

    Raises:
        ValueError: if a part is unknown, or built differently in `start`.

    References:
        Matsoukas et al. (2022), arXiv:2203.01825, as its code normalises.
    """
    found = {}
    for part in list(stages(model)) if parts is None else parts:
        mine, theirs = _weights(_part(model, part)), _weights(_part(start, part))
        if {name: p.shape for name, p in mine.items()} != {name: p.shape for name, p in theirs.items()}:
            raise ValueError(
                f"Expected {part!r} to be built alike in both networks, got other tensors in the start. Build "
                "both with the same name."
            )
        moved = [
            float(torch.linalg.vector_norm((p - theirs[name].to(p.device)).detach().double())) / p.numel()
            for name, p in mine.items()
        ]
        if moved:
            found[part] = sum(moved) / len(moved)
    return found


def _part(model: nn.Module, name: str) -> Stage:
    known = {**blocks(model), **stages(model)}
    if name not in known:
        raise unknown_name(f"stage of {type(model).__name__}", name, known)
    return known[name]


def _weights(part: Stage) -> dict[str, nn.Parameter]:
    """The parameters of a part outside norm layers."""
    norms = [m for m in part.modules() if isinstance(m, _NormBase | nn.LayerNorm | nn.GroupNorm)]
    inside = {id(p) for norm in norms for p in norm.parameters()}
    return {name: p for name, p in part.named_parameters() if id(p) not in inside}
