"""Pairs of networks for the checks of labs 6 and 7, in which every tensor has values of its own."""

import copy
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain

import torch
from torch import Tensor, nn
from torchvision import models as tv

from lab_utils.networks import build_model, small_vit, stages

Pair = tuple[nn.Module, nn.Module]

MAKE: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: build_model("resnet10_w16", num_classes=3),
    "cbr": lambda: build_model("cbr_tiny", num_classes=2),  # other names for the stages, and one fewer
    "vit": lambda: small_vit(width=32, num_classes=3),  # biases, layer norms, a position embedding
    "shufflenet": lambda: tv.shufflenet_v2_x0_5(weights=None, num_classes=2),  # its stem is no child: it is two
}


def pair_of(kind: str) -> Pair:
    """Two networks of a kind, the second "pretrained"."""
    return copy.deepcopy(_filled(kind, 1)), copy.deepcopy(_filled(kind, 2))


def state(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters and buffers as they are now."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], model: nn.Module) -> list[str]:
    """Names of the tensors that differ from `before`."""
    after = model.state_dict()
    return [name for name, tensor in before.items() if name not in after or not torch.equal(tensor, after[name])]


def first(names: Iterable[str]) -> str:
    """The first of these names; "nothing" if there is none."""
    return next(iter(names), "nothing")


def owner(model: nn.Module) -> dict[str, str]:
    """Name of each parameter and buffer -> name of its stage; those of the head are not in it."""
    return {
        name: stage.name
        for stage in stages(model).values()
        for name, _ in chain(stage.named_parameters(), stage.named_buffers())
    }


@cache
def _filled(kind: str, seed: int) -> nn.Module:
    """Give every tensor a mean and a spread that no other has; counters get the seed."""
    model, generator = MAKE[kind](), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for number, tensor in enumerate(model.state_dict().values()):
            if not tensor.is_floating_point():
                tensor.fill_(seed)
                continue
            values = torch.randn(tensor.shape, generator=generator)
            # multiplied, so that no two ratios of spreads are alike; statistics must stay above 0
            spread = 0.05 * 1.13 ** ((number + 7 * seed) % 24)
            tensor.copy_(0.3 * (1 + number % 5) * spread + spread * values if tensor.ndim > 1 else values.abs() + 0.5)
    return model
