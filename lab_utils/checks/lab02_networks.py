"""Small networks on which lab 2 tries a student's functions: they hold the traps that real networks have.

Each has the children `stem`, `body` and a classifier, which has another name and place in each of them.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks.outcome import Wrong
from lab_utils.networks import head

InPlace = Callable[[nn.Module], Any]


class Block(nn.Module):
    """Convolution, batch norm, a gate with linear layers and a shortcut with a batch norm of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn = nn.BatchNorm2d(channels)
        self.fc1 = nn.Linear(channels, channels)  # a linear layer of the backbone, as in EfficientNet's gates
        self.shortcut = nn.Sequential(nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        y = self.bn(self.conv(x))
        gate = self.fc1(y.mean(dim=(2, 3))).sigmoid()
        return (y * gate[:, :, None, None] + self.shortcut(x)).relu()


class Network(nn.Module):
    """Grey images (B, 1, H, W) to two logits, by way of 4 channels."""

    def __init__(self, classifier: str, top: nn.Module, *, first: bool = False) -> None:
        super().__init__()
        self.classifier_name = classifier
        if first:  # the order of registration is not the order of computation
            self.add_module(classifier, top)
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.body = Block(4)
        if not first:
            self.add_module(classifier, top)

    def features(self, x: Tensor) -> Tensor:
        """What enters the classifier, (B, 4)."""
        return self.body(self.stem(x)).mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, H, W) to logits (B, 2)."""
        return getattr(self, self.classifier_name)(self.features(x))


def with_head() -> Network:
    """As the networks of this package: a linear layer called `head`."""
    return Network("head", nn.Linear(4, 2))


def with_fc() -> Network:
    """As torchvision's ResNets: `fc`. It is registered first, so it is not at the end of the parameters."""
    return Network("fc", nn.Linear(4, 2), first=True)


def with_classifier() -> Network:
    """As EfficientNet: dropout and a linear layer in a `classifier`. The layer has no bias."""
    return Network("classifier", nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2, bias=False)))


def batch_norms(model: nn.Module) -> dict[str, _BatchNorm]:
    """Every batch norm with its name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}


def trainable_names(model: nn.Module) -> list[str]:
    """Names of the parameters that are not frozen, in order."""
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def call_in_place(student: InPlace, model: nn.Module) -> None:
    """Call a function that should change `model` itself.

    Raises:
        Wrong: if it returns another network.
    """
    result = student(model)
    if isinstance(result, nn.Module) and result is not model:
        raise Wrong(
            "Your function returned another network. Change the network that it gets: the caller keeps on using it."
        )


def backbone_is_frozen(model: Network) -> Network:
    """Freeze everything but the classifier."""
    model.requires_grad_(False)
    head(model).requires_grad_(True)
    return model


def images() -> Tensor:
    """Six images of rising brightness, (6, 1, 8, 8): every part of the batch has statistics of its own."""
    noise = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return 2 * noise + torch.arange(6.0)[:, None, None, None]


def copy_of_state(model: nn.Module) -> dict[str, Tensor]:
    """All parameters and buffers as they are now."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def changed(before: dict[str, Tensor], model: nn.Module) -> list[str]:
    """Names of the parameters and buffers that differ from `before`."""
    after = model.state_dict()
    return [name for name, tensor in before.items() if name not in after or not torch.equal(tensor, after[name])]


def listed(names: list[str]) -> str:
    """The first three names, and how many follow."""
    shown = ", ".join(f"`{name}`" for name in names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")
