"""The networks that the kit can build, without weights: their names, their construction, their tensors."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lab_utils.names import unknown_name
from lab_utils.networks import cbr, families, timm_networks
from lab_utils.networks.conv1 import adapt_conv1, first_conv, input_convs, set_conv1
from lab_utils.networks.small_resnet import resnet10
from lab_utils.networks.stage_list import head_path
from lab_utils.networks.transformer import small_vit

OURS: dict[str, Callable[..., nn.Module]] = {
    "cbr_large_t": cbr.cbr_large_t,
    "cbr_large_w": cbr.cbr_large_w,
    "cbr_small": cbr.cbr_small,
    "cbr_tiny": cbr.cbr_tiny,
    "resnet10_w32": partial(resnet10, width=32),
    "resnet10_w16": partial(resnet10, width=16),
    "small_vit": small_vit,
}
_WIDTHS: dict[str, Callable[..., nn.Module]] = {"resnet10": resnet10, "small_vit": small_vit}

# Built without their auxiliary classifiers and without their own change of normalisation.
INCEPTIONS = ("googlenet", "inception_v3")
AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
POSITIONS = "encoder.pos_embedding"  # of a ViT: one row per patch and one for the class token
# In names of timm's: what has a shape that goes with the size of the images.
_RESIZED = re.compile(r"pos_embed|rel_pos|relative_(position|coords)|attn_mask|attention_bias")


def list_models() -> list[str]:
    """Every name that `build_model` knows: ours first, then torchvision's, then timm's.

    A network of timm whose name torchvision or the kit has too is called ``"timm/..."``: what a name meant before
    stays. `resnet10` and `small_vit` also come in any other width: ``"resnet10_w8"``, ``"small_vit_w64"``.
    ``"efficientnet_lite0"`` is timm's `tf_efficientnet_lite0`, whose ImageNet weights are installed with the
    kit. Where timm is not installed, all of these are left out.

    Some families of timm (`timm.list_modules`) do not fit, and `build_model` or `stages` refuses them with the reason.
    Several heads: ``crossvit``, ``efficientformer``, ``efficientformer_v2``, ``efficientvim``, ``levit``, ``repvit``,
    ``swiftformer``, ``volo``. No convolution that sees the image: ``csatv2``, ``gemma4_vit``, ``naflexvit``. No stages
    that run one after the other: ``cait``, ``coat``. This was tried with one small network of each family.
    """
    return [*OURS, *torchvisions(), *timm_networks.names()]


def torchvisions() -> list[str]:
    """The names of torchvision's classifiers."""
    from torchvision import models as tv  # takes longer to import than PyTorch itself, and our networks do without it

    return list(tv.list_models(module=tv))


def own(name: str) -> Callable[..., nn.Module] | None:
    """How a network of the kit's own is built; None for one of a library."""
    if name in OURS:
        return OURS[name]
    found = re.fullmatch(r"(.*)_w([1-9]\d{0,3})", name)
    return partial(_WIDTHS[found[1]], width=int(found[2])) if found and found[1] in _WIDTHS else None


def is_ours(name: str) -> bool:
    """Whether a network is the kit's own."""
    return own(name) is not None


def is_known(name: object) -> bool:
    """Whether `build_model` knows a name; asks torchvision only for those that are not ours, and timm last."""
    return isinstance(name, str) and (
        is_ours(name) or name == timm_networks.LITE0 or name in torchvisions() or name in timm_networks.names()
    )


def check_name(name: object) -> None:
    """Refuse what is no name of a network.

    Raises:
        ValueError: With the nearest names.
    """
    if not is_known(name):
        error = unknown_name("model", name, list_models())
        raise error if timm_networks.names() else ValueError(f"{error} For the networks of timm: pip install timm.")


def construct(
    name: str,
    *,
    num_classes: int,
    in_channels: int,
    state: Mapping[str, Tensor] | None,
    channels: int,
    size: int | None = None,
) -> nn.Module:
    """A network with random numbers, in the shapes of `state` where there are weights.

    Args:
        name: One of `list_models()`.
        num_classes: Number of logits.
        in_channels: Channels of the images, for a network of ours without weights.
        state: The weights that will go into it, or None.
        channels: Channels of the images that the weights were trained on.
        size: Side of the images in px, for a network of timm that insists on one; None for timm's.
    """
    if is_timms(name):
        channels = in_channels if state is None else channels
        return timm_networks.create(name, num_classes=num_classes, in_channels=channels, size=size)
    build = own(name)
    if build is not None:
        model = build(num_classes=num_classes, in_channels=in_channels if state is None else channels)
    else:
        options: dict[str, Any] = {}
        if name in INCEPTIONS:
            # init_weights=True is torchvision's default, said aloud so that it does not warn; it is slow
            options = {"aux_logits": False, "transform_input": False, "init_weights": state is None}
        elif name.startswith("vit_"):
            options = _vit_size(name, state)
        from torchvision import models as tv

        model = tv.get_model(name, weights=None, num_classes=num_classes, **options)
    if state is not None:  # give conv1 the channels of the weights; they are adapted later
        conv = first_conv(model)
        key = path_of(model, conv) + ".weight"
        found = state[key].shape[1] if key in state else conv.in_channels
        if found != conv.in_channels:
            set_conv1(model, adapt_conv1(conv.weight.detach(), found))
    return model


def is_timms(name: str) -> bool:
    """Whether timm builds the network of this name, one of `list_models()`; does not import timm to know."""
    return not is_ours(name) and (name == timm_networks.LITE0 or name not in torchvisions())


def path_of(model: nn.Module, part: nn.Module) -> str:
    """Dotted name of a module in `model`."""
    return next(path for path, module in model.named_modules() if module is part)


def _vit_size(name: str, state: Mapping[str, Tensor] | None) -> dict[str, int]:
    """The image side for which a ViT's position embedding was made, where weights tell."""
    embedding = None if state is None else state.get(POSITIONS)
    if embedding is None:
        return {}
    patch = int(name.rsplit("_", 1)[1])
    return {"image_size": patch * math.isqrt(embedding.shape[1] - 1)}  # less the class token


class Plan(NamedTuple):
    """Names and shapes of a network's tensors.

    Attributes:
        shapes: Of everything in ``state_dict()``, the head included (for 2 classes).
        head: Name of the head, with a dot at its end.
        conv1: Names of the filters that see the image, which may have any number of channels; one but for timm's.
        resized: What in a name says that its shape goes with the size of the images, and is looked at later.
    """

    shapes: dict[str, tuple[int, ...]]
    head: str
    conv1: tuple[str, ...]
    resized: re.Pattern[str] | None = None

    def channels(self, filters: Tensor) -> int:
        """Of the images that these first filters see; some of timm's see each channel several times, shifted."""
        return filters.shape[1] // (1 if self.resized is None else self.shapes[self.conv1[0]][1])

    def backbone(self) -> list[str]:
        """Names of everything that is transferred."""
        return [key for key in self.shapes if not key.startswith((self.head, *AUXILIARY))]

    def fits(self, key: str, tensor: Tensor) -> bool:
        """Whether the tensor has the shape of its name, for some number of input channels or of patches."""
        wanted, found = self.shapes[key], tuple(tensor.shape)
        if key in self.conv1 and len(found) == 4:
            return self.channels(tensor) > 0 and (found[0], *found[2:]) == (wanted[0], *wanted[2:])
        if self.resized is not None and self.resized.search(key):
            return True
        if key == POSITIONS and len(found) == 3:
            patches = found[1] - 1
            return found[::2] == wanted[::2] and patches > 0 and math.isqrt(patches) ** 2 == patches
        return found == wanted


@cache
def plan(name: str) -> Plan:
    """Names and shapes of what `build_model` builds under this name; draws no random numbers."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                model = construct(name, num_classes=2, in_channels=1, state=None, channels=1)
        except (NotImplementedError, RuntimeError):  # RegNet computes its widths with tensors, which need numbers
            with torch.device("cpu"):
                model = construct(name, num_classes=2, in_channels=1, state=None, channels=1)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    conv1 = tuple(path_of(model, conv) + ".weight" for conv in input_convs(model))
    return Plan(shapes, head_path(model) + ".", conv1, _RESIZED if families.timm_config(model) else None)
