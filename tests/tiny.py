"""A network and data that train in milliseconds, for tests of the training loop."""

import torch
from torch import Tensor, nn

from lab_utils.data import Split
from lab_utils.networks import Preprocessing


class TinyNet(nn.Module):
    """Two stages with batch norm, dropout before a head; about 1,500 parameters."""

    def __init__(self, num_classes: int = 2, *, seed: int = 0) -> None:
        super().__init__()
        before = torch.get_rng_state()
        torch.manual_seed(seed)
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.layer1 = nn.Sequential(nn.Conv2d(8, 16, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(16, num_classes)
        torch.set_rng_state(before)
        self.preprocessing = Preprocessing(mean=(0.5,), std=(0.25,), channels=1)
        self.name = "tiny"

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.layer1(self.stem(x)).mean(dim=(2, 3))))


class LinearNet(nn.Module):
    """A linear classifier of the pixels: no batch norm, no dropout, the same in both modes."""

    def __init__(self, num_classes: int = 2, pixels: int = 64) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.head = nn.Linear(pixels, num_classes)
        with torch.no_grad():
            self.head.weight.copy_(torch.linspace(-1, 1, num_classes * pixels).reshape(num_classes, pixels) / 8)
            self.head.bias.zero_()
        self.preprocessing = Preprocessing(mean=(0.5,), std=(0.25,), channels=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.flatten(x))


def tiny_split(n: int = 40, task: str = "binary", *, seed: int = 0, size: int = 8) -> Split:
    """Noise images whose brightness tells the class, a little; every fifth label unknown in multilabel."""
    g = torch.Generator().manual_seed(seed)
    classes = 2 if task == "binary" else 3
    if task == "multilabel":
        labels = torch.randint(0, 2, (n, classes), generator=g).float()
        shift = labels.sum(dim=1)
        labels[torch.rand(n, classes, generator=g) < 0.2] = -1
    else:
        labels = torch.arange(n) % classes
        shift = labels.float()
    images = torch.randint(0, 150, (n, 1, size, size), generator=g) + 25 * shift[:, None, None, None]
    names = tuple(f"class{k}" for k in range(classes))
    return Split(images.to(torch.uint8), labels, torch.arange(n), task, names)


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of all parameters and buffers."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a: dict[str, Tensor], b: dict[str, Tensor]) -> None:
    """Bit for bit."""
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different, different
