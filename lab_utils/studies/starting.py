"""The starts that the sources compare: random, transfer, Mean Var, ST, Gabor, transfusion up to a stage, slim."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from lab_utils.data import Split
from lab_utils.networks import build_model, first_conv
from lab_utils.transfer import gabor_init, mean_var_init, slim, st_init, transfuse

STAND_IN = "stand-in"  # random weights of a seed of their own, where a stand-in shall need no download
_STAND_IN_SEED = 99_991
_ONE_SIZE = re.compile(r"patch\d+")  # timm's transformers take one size, which build_model can change


def built(network: str, split: Split, seed: int, weights: str | Path | None = None) -> nn.Module:
    """A network for the images and labels of a split; see `build_model`."""
    size = split.image_size if _ONE_SIZE.search(network) else None
    stand_in = weights == STAND_IN
    model = build_model(
        network,
        weights=None if stand_in else weights,
        num_classes=split.num_classes,
        in_channels=split.in_channels,
        seed=_STAND_IN_SEED if stand_in else seed,
        image_size=size,
    )
    if stand_in:  # the head still belongs to the run
        fresh = build_model(network, num_classes=split.num_classes, in_channels=split.in_channels, seed=seed,
                            image_size=size)  # fmt: skip
        transfuse(fresh, model)
        return fresh
    return model


def started(network: str, start: str, split: Split, seed: int, weights: str | Path | None) -> nn.Module:
    """A network as it is before training.

    Args:
        network: its name.
        start: "random", "transfer", "mean_var", "st", "gabor", "upto:STAGE" (transfusion; the rest random),
            "st_upto:STAGE" (WT-ST: the rest drawn as ST) or "slim:STAGE" (half as wide above).
        split: the images that it is for.
        seed: of head, random weights and draws.
        weights: the pretrained ones, as `built` takes them.

    Raises:
        ValueError: if the start is none of these.
    """
    kind, _, stage = start.partition(":")
    if kind == "transfer":
        return built(network, split, seed, weights)
    model = built(network, split, seed)
    if kind == "random":
        return model
    source = built(network, split, seed, weights)
    if kind == "mean_var":
        mean_var_init(model, source, seed=seed)
    elif kind == "gabor":
        gabor_init(model, seed=seed, std=float(first_conv(source).weight.detach().std()))
    elif kind == "upto":
        transfuse(model, source, upto=stage)
    elif kind in ("st", "st_upto"):
        st_init(model, source, seed=seed)
        if stage:
            transfuse(model, source, upto=stage)
    elif kind == "slim":
        return slim(source, keep=stage, width=0.5, seed=seed)
    else:
        raise ValueError(f"expected a start such as 'random', 'transfer' or 'upto:layer2', got {start!r}.")
    return model


def words_of(start: str) -> str:
    """A start for readers: "Mean Var", "pretrained up to layer2, above it ST"."""
    kind, _, stage = start.partition(":")
    words = {
        "mean_var": "Mean Var",
        "st": "ST",
        "gabor": "Gabor conv1",
        "upto": f"pretrained up to {stage}",
        "st_upto": f"pretrained up to {stage}, above it ST",
        "slim": f"pretrained up to {stage}, above it half as wide",
    }
    return words.get(kind, start)
