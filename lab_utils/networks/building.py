"""Build any network of the kit by name: our own, and all classifiers of torchvision and timm."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.arguments import as_whole, flag
from lab_utils.device import seeded
from lab_utils.networks import timm_networks
from lab_utils.networks.architectures import AUXILIARY, INCEPTIONS, check_name, construct, is_ours, is_timms
from lab_utils.networks.conv1 import adapt_conv1, adapt_input, first_conv, set_conv1, with_channels
from lab_utils.networks.known_weights import Weights
from lab_utils.networks.own_weights import WRITTEN_BY
from lab_utils.networks.preprocessing import DEFAULT_PREPROCESSING, Preprocessing
from lab_utils.networks.stage_list import head_path
from lab_utils.networks.weight_sets import renamed
from lab_utils.networks.weights import assumption, read_weights

_IMAGENET_MEAN = (0.485, 0.456, 0.406)


def build_model(
    name: str,
    *,
    weights: str | Path | None = None,
    num_classes: int,
    in_channels: int = 1,
    seed: int | None = None,
    keep_head: bool | None = None,
    preprocessing: Preprocessing | None = None,
    entry: str | None = None,
    image_size: int | None = None,
) -> nn.Module:
    """Build a classifier: a backbone, pretrained or not, under a head.

    The head is new and random (or zero, where the network's authors start it so), unless
    `keep_head` is True. Set `num_classes` to the number of logits: 2 for a binary task.
    A network that you trained comes back whole with `save_model` and `load_model`.

    The model carries two plain attributes: `name`, and `preprocessing`, which belongs to
    its weights and is applied by `preprocess`. Networks that take no image below a certain
    side, or of one side only, have that in `preprocessing`.

    Args:
        name: one of `list_models()`.
        weights: ``"procedural"``, ``"imagenet"``, the path of a file (see `load_weights` for
            what is understood, and for single sources such as ``"photos"``), or None for random.
        num_classes: number of logits.
        in_channels: channels of the input. Where the weights have another number of them,
            the first convolution is changed as `adapt_conv1` says, and the difference
            between the channels' means and standard deviations is moved into the network.
        seed: makes all random numbers used here depend on nothing else, and leaves the
            global random state as it was. None draws from the global state.
        keep_head: True takes the head of the weights too, with as many channels and classes
            as it was trained with; False always makes a new one. None makes a new one, and
            warns if the weights have a head of just `num_classes` classes.
        preprocessing: what the images of the training went through, for a file that does
            not record it; without weights, what images are to go through.
        entry: which part of the file, where more than one could be meant.
        image_size: side in px for which to build a network of timm that takes one size only (ViT,
            Swin, ...); its pretrained position embeddings are interpolated. None: the size that
            the file records, or timm's own.

    Returns:
        The model, in train mode, on the CPU (or the current default device), in float32;
        every parameter is trainable.

    Raises:
        ValueError: if the name is unknown, or the weights are those of another model.
        FileNotFoundError: if there are no such weights; nothing falls back to random.
    """
    check_name(name)
    size = _side(name, image_size)
    num_classes, in_channels = _count("num_classes", num_classes), _count("in_channels", in_channels)
    seed = _checked(seed, keep_head, preprocessing, in_channels if weights is None else None)
    build = partial(construct, name, num_classes=num_classes, in_channels=in_channels)
    if weights is None:
        if keep_head or entry is not None:
            asked = "keep_head=True" if keep_head else f"entry={entry!r}"
            raise ValueError(f"expected weights= with {asked}, got None; pass the file that has them")
        with seeded(seed, "cpu"):
            model = build(state=None, channels=in_channels, size=size)
            first = first_conv(model)
            if not is_timms(name) and first.in_channels != in_channels:
                set_conv1(model, adapt_conv1(first.weight.detach(), in_channels))
        found = preprocessing or with_channels(DEFAULT_PREPROCESSING[1], in_channels)
    else:
        given = _as_built(name, preprocessing)
        loaded = read_weights(name, weights, entry=entry, preprocessing=given, size=size)
        size = size or loaded.preprocessing.size
        if loaded.assumed:
            warnings.warn(assumption(loaded), UserWarning, stacklevel=2)
        channels = loaded.preprocessing.channels
        if keep_head and channels != in_channels:
            raise ValueError(
                f"expected in_channels={channels}, which the weights from {loaded.source} take, because keep_head=True "
                f"gives a network back as it was trained; got in_channels={in_channels}"
            )
        with seeded(seed, "cpu"):
            model = build(state=loaded.state_dict, channels=channels, size=size)
            dropped = _load(model, loaded, name, keep_head=bool(keep_head))
            found = adapt_input(model, _preprocessing(name, loaded), in_channels)
        if keep_head is None and dropped == num_classes:
            warnings.warn(_new_head(loaded, dropped), UserWarning, stacklevel=2)
    vars(model).update(name=name, preprocessing=_with_size(name, model, found, size))
    return model


# ----------------------------------------------------------------------------- arguments


def _count(argument: str, value: Any) -> int:
    """A whole number of at least 1, also NumPy's."""
    number = as_whole(value)
    if number is None or number < 1:
        raise ValueError(f"expected {argument} to be a whole number of at least 1, got {value!r}")
    return number


def _checked(seed: Any, keep_head: Any, preprocessing: Any, channels: int | None) -> int | None:
    number = None if seed is None else as_whole(seed)
    if seed is not None and (number is None or not -(2**63) <= number < 2**64):
        raise ValueError(f"expected seed to be a whole number below 2**64 or None, got {seed!r}")
    if keep_head is not None:
        flag("keep_head", keep_head)
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        raise ValueError(
            f"expected preprocessing= to be a Preprocessing(mean, std, channels), got {type(preprocessing).__name__}"
        )
    if preprocessing is not None and channels is not None and preprocessing.channels != channels:
        raise ValueError(f"expected the preprocessing of in_channels={channels} channels, got {preprocessing}")
    return number


def _side(name: str, image_size: Any) -> int | None:
    if image_size is None:
        return None
    if not is_timms(name) or not timm_networks.config(name).fixed_input_size:
        raise ValueError(
            f"expected image_size= only for a network of timm that takes one size, got {image_size!r} for {name}; "
            "leave it out: images are resized where this network needs it"
        )
    return _count("image_size", image_size)


# --------------------------------------------------------------------- loading weights


def _load(model: nn.Module, loaded: Weights, name: str, *, keep_head: bool) -> int | None:
    """Copy the backbone, and the head where it is kept; returns the number of classes of a head that is not."""
    top = head_path(model) + "."
    skip = AUXILIARY if keep_head else (top, *AUXILIARY)
    target = {k: v for k, v in model.state_dict().items() if not k.startswith(skip)}
    source = {k: v for k, v in renamed(loaded.state_dict).items() if not k.startswith(AUXILIARY)}
    if keep_head:
        _check_head(source, target, top, loaded)
    # old files lack this counter, which matters to nothing here
    missing = [k for k in target if k not in source and not k.endswith("num_batches_tracked")]
    reshaped = [k for k in target if k in source and source[k].shape != target[k].shape]
    if missing or reshaped:
        raise ValueError(
            f"expected weights of {name}, but those from {loaded.source} are another network's: missing {missing[:3]}, "
            f"of another shape {reshaped[:3]}. Build the network that they belong to, or pass weights=None"
        )
    with torch.no_grad():
        for key, tensor in target.items():
            if key in source:
                tensor.copy_(source[key])
    return None if keep_head else _classes({k: v for k, v in source.items() if k not in target})


def _check_head(source: Mapping[str, Tensor], target: Mapping[str, Tensor], top: str, loaded: Weights) -> None:
    """Refuse a head that is not the network's own, tensor for tensor."""
    wanted = {key: value for key, value in target.items() if key.startswith(top)}
    found = {key: value for key, value in source.items() if key.startswith(top) or key not in target}
    if {k: v.shape for k, v in wanted.items()} == {k: v.shape for k, v in found.items()}:
        return
    if not found:
        raise ValueError(
            f"expected a head in the weights from {loaded.source} for keep_head=True, but they have only the backbone; "
            "leave keep_head= out for a new head"
        )
    same = set(found) == set(wanted)
    advice = f"pass num_classes={_classes(found)}" if same else "leave keep_head= out for a new head"
    raise ValueError(
        f"expected the head {_shapes(wanted)} in the weights from {loaded.source} for keep_head=True, got "
        f"{_shapes(found)}; {advice}"
    )


def _shapes(head: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{key} {'x'.join(map(str, value.shape))}" for key, value in sorted(head.items())[:4])


def _classes(head: Mapping[str, Tensor]) -> int | None:
    """How many logits the tensors of a head give: rows of the last matrix in it."""
    rows = [value.shape[0] for _, value in sorted(head.items()) if value.ndim in (2, 4)]
    return rows[-1] if rows else None


def _new_head(loaded: Weights, classes: int) -> str:
    return (
        f"the weights from {loaded.source} have a head of {classes} classes, as many as you ask for, but it is not "
        "used: the head of this network is new and random. Pass keep_head=True for the trained one, or keep_head=False "
        "if a new one is meant."
    )


# ------------------------------------------------------------------------ preprocessing


def _preprocessing(name: str, loaded: Weights) -> Preprocessing:
    """That of the weights, but for networks that torchvision builds with an own input layer.

    torchvision's GoogLeNet and Inception v3 turn ImageNet's normalisation into one with mean
    and standard deviation 0.5 inside the network; ours have it outside, as all others do.
    """
    ours = WRITTEN_BY in loaded.info.get("metadata", {})  # save_model keeps what the network had here
    if name in INCEPTIONS and loaded.preprocessing.mean == _IMAGENET_MEAN and not ours:
        return replace(loaded.preprocessing, mean=(0.5,) * 3, std=(0.5,) * 3)
    return loaded.preprocessing


def _as_built(name: str, given: Preprocessing | None) -> Preprocessing | None:
    """Refuse the one that could mean two things: ImageNet's, before or after torchvision's own input layer."""
    if given is not None and name in INCEPTIONS and given.mean == _IMAGENET_MEAN:
        raise ValueError(
            f"expected preprocessing= of {name} as the kit builds it, without the input layer that torchvision's has "
            "where transform_input=True; got ImageNet's. If the network was trained with transform_input=True "
            "(torchvision's pretrained ones are), pass Preprocessing((0.5,) * 3, (0.5,) * 3, 3), which is the same. If "
            "not, build it with that, and set model.preprocessing to ImageNet's afterwards"
        )
    return given


def _with_size(name: str, model: nn.Module, preprocessing: Preprocessing, size: int | None) -> Preprocessing:
    """Add the side in px that the network insists on, or below which it cannot go; a larger one stays."""
    if is_ours(name):
        return preprocessing
    if is_timms(name):
        return timm_networks.with_size(name, model, replace(preprocessing, size=size))
    from torchvision import models as tv

    if isinstance(model, tv.VisionTransformer):
        return replace(preprocessing, size=model.image_size)
    if isinstance(model, tv.MaxVit):
        return replace(preprocessing, size=224)
    # Swin pads its windows: any side from one patch per stage
    swin = isinstance(model, tv.SwinTransformer)
    smallest = 32 if swin else max(tv.get_model_weights(name).DEFAULT.meta["min_size"])
    return replace(preprocessing, min_size=max(smallest, preprocessing.min_size or 0))
