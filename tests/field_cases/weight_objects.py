"""Objects that lie beside weights in files; building them is counted."""

from typing import Any

import torch
from torch import nn


class Callback:
    """Counts how often one is made or unpickled."""

    built = 0

    def __init__(self, path: str) -> None:
        self.path = path
        Callback.built += 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        Callback.built += 1
        self.__dict__.update(state)


class Own(nn.Module):
    """A network that the kit does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.register_buffer("scratch", torch.zeros(1), persistent=False)


class Config(dict[str, Any]):
    """A dictionary under a name that does not say so."""


class Names(list[str]):
    """A list of its own class."""


class Marked(torch.Tensor):
    """A tensor of its own class."""
