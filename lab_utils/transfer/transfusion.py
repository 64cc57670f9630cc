"""Weight transfusion: pretrained weights for the bottom of a network only, and how far weights moved.

References:
    Raghu, Zhang, Kleinberg, Bengio (2019), Transfusion: Understanding Transfer Learning for
    Medical Imaging, arXiv:1902.07208, section 5.
"""

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lab_utils.device import seeded
from lab_utils.names import unknown_name
from lab_utils.networks import Stage, blocks, cbr, head, preprocessing_of, small_resnet, stages, unwrapped

Cut = Callable[[nn.Module], dict[str, Stage]]  # `stages`, or `blocks`


@dataclass(frozen=True)
class Transfusion:
    """What `transfuse` did.

    Attributes:
        copied: stage (or block) -> how many numbers were copied: weights, batch-norm statistics, counters.
        skipped: stage, or "head" -> why it was left as it was.
    """

    copied: dict[str, int]
    skipped: dict[str, str]

    def __str__(self) -> str:
        width = max(map(len, [*self.copied, *self.skipped]))
        lines = [f"{name:<{width}}  copied   {count:>12,} numbers" for name, count in self.copied.items()]
        return "\n".join([*lines, *(f"{name:<{width}}  left     {why}" for name, why in self.skipped.items())])


class Distance(NamedTuple):
    """How far the weights of a stage are from where they began.

    Attributes:
        raw: Euclidean length of the change, in the unit of the weights.
        relative: `raw` over the length of the weights at the start; NaN if that is 0.
    """

    raw: float
    relative: float


def transfuse(model: nn.Module, source: nn.Module, *, upto: str | None = None) -> Transfusion:
    """Copy the stages of `source` from the image up to and including `upto` into `model`.

    Parameters and buffers are copied bit for bit, batch-norm statistics too: a pretrained
    layer is only itself together with them. Stages above `upto` and the head stay as they
    are, also for ``upto=None``, which copies the whole backbone. With the first stage comes
    the `preprocessing` of `source`: its filters know no other input. If something does not
    fit, nothing is copied.

    Args:
        model: the network to change, in place.
        source: a network with the same stages up to `upto`; it stays as it is.
        upto: name of the last stage to copy, or of the last of its `blocks`; None for all.

    Returns:
        What was copied and what was not.

    Raises:
        ValueError: if there is no such stage, or a stage to copy is built differently.

    Example:
        >>> model = build_model("resnet10_w16", num_classes=5, seed=0)
        >>> source = build_model("resnet10_w16", weights="procedural", num_classes=5)
        >>> print(transfuse(model, source, upto="layer1"))
    """
    cut: Cut = stages if upto is None or upto in stages(model) else blocks
    names = list(cut(model))
    if upto is not None and upto not in names:
        raise unknown_name(f"stage of {type(model).__name__}", upto, [*stages(model), *names])
    prefix = names if upto is None else names[: names.index(upto) + 1]
    pairs = same_tensors(model, source, prefix, cut=cut)
    copied = dict.fromkeys(prefix, 0)
    with torch.no_grad():
        for stage, _, mine, theirs in pairs:
            mine.copy_(theirs)
            copied[stage] += mine.numel()
    if "preprocessing" in vars(unwrapped(source)):
        vars(unwrapped(model))["preprocessing"] = preprocessing_of(source)
    skipped = {name: f"above {upto}" for name in names[len(prefix) :]}
    return Transfusion(copied, {**skipped, "head": "never copied: it belongs to the source task"})


def weight_distance(model: nn.Module, start: nn.Module) -> dict[str, Distance]:
    """Euclidean distance of the weights of each stage from those of `start`.

    Weights are the parameters with two axes or more: convolutions, linear layers, embeddings.
    Biases and the scales and shifts of norm layers are left out: they are few, and the ones
    with which scales begin would make the relative distance small.

    Args:
        model: a trained network.
        start: the same network before training: a deep copy, or one built with the same seed.

    Returns:
        Stage -> (raw, relative), from the image upwards.

    Raises:
        ValueError: if a stage is built differently in the two networks.
    """
    moved, length = dict.fromkeys(stages(model), 0.0), dict.fromkeys(stages(model), 0.0)
    for stage, _, mine, theirs in same_tensors(model, start, list(moved)):
        if isinstance(mine, nn.Parameter) and mine.ndim > 1:
            now, before = mine.detach().cpu().double(), theirs.detach().cpu().double()
            moved[stage] += float((now - before).square().sum())
            length[stage] += float(before.square().sum())
    return {
        stage: Distance(math.sqrt(moved[stage]), math.sqrt(moved[stage] / length[stage]) if length[stage] else math.nan)
        for stage in moved
    }


def slim(model: nn.Module, *, keep: str, width: float, seed: int) -> nn.Module:
    """A hybrid: the bottom of `model` as it is, and a new random top with fewer channels.

    Args:
        model: one of the CBR family or a resnet10, pretrained as a rule; it stays as it is.
        keep: name of the last stage to keep.
        width: factor on the number of channels of every stage above `keep`, in (0, 1];
            what comes out is rounded, and at least 1.
        seed: of the random top and head, drawn as in a new network.

    Returns:
        A new network: stages up to `keep` bit-identical, those above with fewer channels, a new head.

    Raises:
        ValueError: if the network is of another family, there is no such stage, nothing lies
            above it, or `width` is out of range.

    References:
        Raghu et al. (2019), section 5: pretrained through block 2, then a lighter top.
    """
    model = unwrapped(model)
    if not isinstance(model, cbr.CBR | small_resnet.ResNet10):
        raise ValueError(
            f"expected a network of the CBR family or a resnet10 of this kit, got {type(model).__name__}; slim "
            "rebuilds the top block by block and knows only these. For other networks use transfuse(upto=...)"
        )
    names = list(stages(model))
    if keep not in names:
        raise unknown_name(f"stage of {type(model).__name__}", keep, names)
    if keep == names[-1] or not 0 < width <= 1:
        raise ValueError(
            f"expected a stage below the last one to keep ({', '.join(names[:-1])}) and a width in (0, 1], got "
            f"keep={keep!r} and width={width}; at least one stage must be left to make lighter"
        )
    like = next(model.parameters())
    light = copy.deepcopy(model)
    channels = next(p.shape[0] for p in reversed(list(stages(model)[keep].parameters())))
    with seeded(seed, "cpu"):
        for name in names[names.index(keep) + 1 :]:
            block, channels = _lighter(model.get_submodule(name), channels, width)
            setattr(light, name, block.to(like).train(model.training))
        light.head = nn.Linear(channels, head(model).get_parameter("weight").shape[0]).to(like).train(model.training)
    vars(light)["name"] = f"{vars(model).get('name', type(model).__name__)}, {width:g} of the width above {keep}"
    return light


def same_tensors(
    model: nn.Module, source: nn.Module, names: Sequence[str], *, cut: Cut = stages
) -> list[tuple[str, str, nn.Parameter | Tensor, nn.Parameter | Tensor]]:
    """All parameters and buffers of stages of `model` (or of its `blocks`), each with its counterpart in `source`.

    Returns:
        (stage, name, tensor of `model`, tensor of `source`), from the image upwards.

    Raises:
        ValueError: if `source` lacks a stage or a tensor, or has one of another shape or type.
    """
    mine, theirs = cut(model), cut(source)
    pairs = []
    for stage in names:
        if stage not in theirs:
            raise unknown_name(f"stage of the source, a {type(source).__name__}", stage, theirs)
        ours, other = dict(_tensors(mine[stage])), dict(_tensors(theirs[stage]))
        if lone := sorted(set(ours) ^ set(other)):
            raise ValueError(
                f"expected stage {stage!r} to be built alike in both networks, but only one of them has {lone[0]!r} "
                f"({len(lone)} such in all); build both with the same name"
            )
        for name, tensor in ours.items():
            _check_alike(name, tensor, other[name])
            pairs.append((stage, name, tensor, other[name]))
    return pairs


def _tensors(stage: Stage) -> Iterator[tuple[str, Tensor]]:
    return chain(stage.named_parameters(), stage.named_buffers())


def _check_alike(name: str, mine: Tensor, theirs: Tensor) -> None:
    if mine.shape == theirs.shape and mine.dtype == theirs.dtype:
        return
    found = f"{tuple(mine.shape)} {mine.dtype} in the model and {tuple(theirs.shape)} {theirs.dtype} in the source"
    if mine.ndim == 4 and mine.shape[:1] + mine.shape[2:] == theirs.shape[:1] + theirs.shape[2:]:
        advice = f"build the source with in_channels={mine.shape[1]}, then build_model adapts its first convolution"
    else:
        advice = "build both networks with the same name, for the same images and in the same precision"
    raise ValueError(f"expected {name!r} to have one shape and type in both networks, got {found}; {advice}")


def _lighter(block: nn.Module, channels: int, width: float) -> tuple[nn.Module, int]:
    """A new random block like `block`, for `channels` inputs and fewer outputs; and how many it has."""
    new: nn.Module
    if isinstance(block, cbr.Block):
        out = max(1, round(width * block.conv.out_channels))
        pool = isinstance(block.pool, nn.MaxPool2d)
        new = cbr.Block(channels, out, block.conv.kernel_size[0], pool=pool)
    elif isinstance(block, small_resnet.BasicBlock):
        out = max(1, round(width * block.conv1.out_channels))
        new = small_resnet.BasicBlock(channels, out, block.conv1.stride[0])
    else:  # a stage that somebody exchanged
        raise ValueError(f"expected a block of the CBR family or of resnet10, got {type(block).__name__}")
    for module in new.modules():  # as both families begin
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return new, out
