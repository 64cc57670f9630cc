"""What can be said of weights that were drawn anew, in words and with room for chance: other right draws differ."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

NEW = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}
NORMS = (nn.BatchNorm2d, nn.LayerNorm)

Vectors = Mapping[str, Tensor]  # name of a tensor -> its values, float64 (n,)


def vectors(model: nn.Module, kinds: tuple[type[nn.Module], ...], parts: tuple[str, ...] = ("weight",)) -> Vectors:
    """Weights (and biases) of the layers of some kinds, outside the head."""
    layers = {n: m for n, m in model.named_modules() if isinstance(m, kinds) and not n.startswith("head")}
    return {
        f"{name}.{part}": tensor.detach().flatten().double()
        for name, layer in layers.items()
        for part in parts
        if isinstance(tensor := getattr(layer, part), Tensor)
    }


def old_norms(model: nn.Module, before: Vectors, pretrained: Vectors) -> Iterator[str]:
    """Parts of norm layers that are not as in a new layer, and what they are instead."""
    state = model.state_dict()
    norms = [name for name, module in model.named_modules() if isinstance(module, NORMS)]
    for name, (part, value) in itertools.product(norms, NEW.items()):
        tensor = state.get(full := f"{name}.{part}")
        if tensor is None:  # LayerNorm keeps no statistics
            continue
        if torch.equal(tensor, before[full]):
            yield f"{full}, as before"
        elif torch.equal(tensor, pretrained[full]):
            yield f"{full}, that of the source"
        elif bool((tensor != value).any()):
            below = part == "running_var" and float(tensor.min()) < 0
            yield f"{full}, with values below 0" if below else f"{full}, which should be {value:g} everywhere"


def repeated(drawn: Vectors) -> Iterator[str]:
    """Tensors in which the same number stands more than once."""
    return (name for name, weight in drawn.items() if (weight == weight.min()).sum() > 1)


def like_the_source(drawn: Vectors, theirs: Vectors) -> Iterator[str]:
    """Tensors in which something of the source is left, and what."""
    for name, weight in drawn.items():
        if torch.equal(weight, theirs[name]):
            yield f"{name} is that of the source"
        elif torch.equal(torch.stack(weight.aminmax()), torch.stack(theirs[name].aminmax())):
            yield f"{name} has the same numbers, shuffled"
        elif correlated(weight, theirs[name]):
            yield f"{name} still resembles that of the source"


def off_scale(drawn: Vectors, theirs: Vectors) -> list[Any]:
    """Of the first tensor that is six standard errors off: words, sd and mean, in units of the source's sd."""
    for name, weight in theirs.items():
        mean, sd, n = float(weight.mean()), float(weight.std()), len(weight)
        width, shift = float(drawn[name].std()) / sd, (float(drawn[name].mean()) - mean) / sd
        if abs(shift) > 6 / math.sqrt(n) or abs(width - 1) > 6 / math.sqrt(2 * n):
            return [f"{name} of the source has mean {mean:.4f} and sd {sd:.4f}", width, shift]
    return []


def in_words(scale: list[Any]) -> str:
    """What `off_scale` found, as a sentence."""
    return "{}. Your sd is {:.3f} times that, and your mean is {:.2f} sd away.".format(*scale)


def correlated(a: Tensor, b: Tensor) -> bool:
    """Whether two vectors begin alike, far beyond chance."""
    n = min(len(a), len(b))
    return abs(float(torch.corrcoef(torch.stack([a[:n], b[:n]]))[0, 1])) > 8 / math.sqrt(n)


def draws_of(one_draw: Callable[[Any, int], Tensor], disturb: int, seed: int) -> Callable[[Any], str]:
    """Whether `seed` gives the same as seed 0, also when somebody else has drawn numbers before."""

    def probe(student: Any) -> str:
        drawn = []
        for noise, number in ((11, 0), (disturb, seed)):
            torch.manual_seed(noise)
            drawn.append(one_draw(student, number))
        return "the same weights" if torch.equal(*drawn) else "different weights"

    return probe
