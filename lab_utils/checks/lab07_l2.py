"""`l2_per_stage` in lab 7: a function that gave every stage the same number, mended."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.lab06_networks import changed, first, pair_of, state
from lab_utils.networks import stages

Distances = Callable[[nn.Module, nn.Module], Any]
Pairs = Iterator[tuple[Tensor, Tensor]]


def l2_per_stage(model: nn.Module, start: nn.Module) -> dict[str, float]:
    """The kit's version."""
    return similarity.l2_per_stage(model, start)


class Numbered(nn.Module):
    """Eleven blocks, so that one name begins like another: block1, block10."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        for number in range(1, 12):
            block = nn.Conv2d(1 if number == 1 else 2, 2, 3, padding=1)
            for tensor in block.parameters():
                tensor.data = number * torch.randn(tensor.shape, generator=draw)
            self.add_module(f"block{number}", block)
        self.head = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, H, W) to logits (B, 2)."""
        for number in range(1, 12):
            x = self.get_submodule(f"block{number}")(x)
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


def _on(make: Callable[[], tuple[nn.Module, nn.Module]]) -> Probe:
    def probe(student: Distances) -> dict[str, Any]:
        model, start = make()
        before, at_start = state(model), state(start)
        found = student(model, start)
        named = isinstance(found, dict)
        return {
            "changed in `model`": first(changed(before, model)),
            "changed in `start`": first(changed(at_start, start)),
            "returned": f"a dict with {', '.join(map(str, found))}" if named else f"a {type(found).__name__}",
            "distances": {name: _number(value) for name, value in found.items()} if named else {},
        }

    return probe


def _number(value: Any) -> Any:
    """A float, and a tensor or array with one number, as a float; else what it is."""
    return float(value) if getattr(value, "ndim", 0) == 0 else f"shape {tuple(value.shape)}"


PROBES: dict[str, Probe] = {
    "A ResNet": _on(lambda: pair_of("resnet")),
    "A vision transformer": _on(lambda: pair_of("vit")),
    "ShuffleNet, whose stem is no child of this name": _on(lambda: pair_of("shufflenet")),
    "A network with the stages block1 and block10": _on(lambda: (Numbered(0), Numbered(1))),
}


def _explain(got: Any, expected: Any) -> str:
    for key in ("changed in `model`", "changed in `start`"):
        if got[key] != expected[key]:
            return f"your function has {key} {got[key]}. Only measure."
    if got["returned"] != expected["returned"]:
        return f"expected {expected['returned']}, got {got['returned']}."
    name = next(n for n, right in expected["distances"].items() if not _near(got["distances"][n], right))
    found = got["distances"]
    if len(set(found.values())) == 1:
        return f"every stage has the same number, {_shown(found[name])}."
    return f"stage {name}: expected {_shown(expected['distances'][name])}, got {_shown(found[name])}."


def _near(a: Any, b: float) -> bool:
    return isinstance(a, float) and math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-9)


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


# ---- wrong answers

NORMS = (nn.BatchNorm2d, nn.LayerNorm)


def _tensors(part: Any, before: Any) -> Pairs:
    """Of all layers but norms, each with its counterpart."""
    for now, then in zip(part.modules(), before.modules(), strict=True):
        if not isinstance(now, NORMS):
            yield from zip(now.parameters(recurse=False), then.parameters(recurse=False), strict=True)


def _all_tensors(part: Any, before: Any) -> Pairs:
    return zip(part.parameters(), before.parameters(), strict=True)


def _weights_alone(part: Any, before: Any) -> Pairs:
    return ((p, q) for p, q in _tensors(part, before) if p.ndim > 1)


def _length(p: Tensor, q: Tensor) -> float:
    return float((p - q).detach().double().norm())


def _way(
    part: Callable[[nn.Module, str], Any] = lambda model, name: stages(model)[name],
    before: Callable[[nn.Module, str], Any] | None = None,
    tensors: Callable[[Any, Any], Pairs] = _tensors,
    one: Callable[[Tensor, Tensor], Any] = lambda p, q: _length(p, q) / p.numel(),
    together: Callable[[list[Any]], Any] = lambda moved: sum(moved) / len(moved),
) -> Distances:
    """The right way with one part exchanged."""

    def student(model: nn.Module, start: nn.Module) -> dict[str, Any]:
        return {
            name: together([one(p, q) for p, q in tensors(part(model, name), (before or part)(start, name))])
            for name in stages(model)
        }

    return student


def _named_like(model: nn.Module, start: nn.Module) -> dict[str, float]:
    """All tensors in whose name the name of the stage occurs."""
    norms = {id(p) for m in model.modules() if isinstance(m, NORMS) for p in m.parameters()}
    theirs, found = dict(start.named_parameters()), {}
    for name in stages(model):
        moved = [
            _length(p, theirs[full]) / p.numel()
            for full, p in model.named_parameters()
            if name in full and id(p) not in norms
        ]
        found[name] = sum(moved) / max(len(moved), 1)
    return found


def _over_all_numbers(model: nn.Module, start: nn.Module) -> dict[str, float]:
    found = {}
    for name, stage in stages(model).items():
        pairs = list(_tensors(stage, stages(start)[name]))
        found[name] = math.sqrt(sum(_length(p, q) ** 2 for p, q in pairs)) / sum(p.numel() for p, _ in pairs)
    return found


def _with_the_head(model: nn.Module, start: nn.Module) -> dict[str, float]:
    moved = [_length(p, q) / p.numel() for p, q in _tensors(model.get_submodule("head"), start.get_submodule("head"))]
    return {**l2_per_stage(model, start), "head": sum(moved) / len(moved)}


def _put_back(model: nn.Module, start: nn.Module) -> dict[str, float]:
    found = l2_per_stage(model, start)
    model.load_state_dict(start.state_dict())
    return found


WHOLE = "In each round the distance of the *whole network* is measured. Which object should it be?"
WRONG: tuple[tuple[Distances, str], ...] = (
    (_way(part=lambda model, name: model), WHOLE),
    (
        _way(before=lambda start, name: start),
        "Both sides must be the same stage: of the network after training, and of its start.",
    ),
    (_way(part=lambda model, name: next(iter(stages(model).values()))), "This is the first stage again and again."),
    (
        _way(part=lambda model, name: model.get_submodule(name)),
        "Here a stage is no child of this name. `stages(model)` gives the stages of every network.",
    ),
    (_named_like, "A name within a name: `block1` is also in `block10`. Take the stages from `stages(model)`."),
    (_way(tensors=_all_tensors), "Norm layers are left out: their scales and shifts are of another kind."),
    (
        _way(tensors=_weights_alone),
        "Biases of convolutions and linear layers belong to it: only norm layers are left out.",
    ),
    (_way(one=_length), "Each distance is divided by how many numbers the tensor has."),
    (
        _way(one=lambda p, q: _length(p, q) ** 2 / p.numel()),
        "The distance is the root of the sum of squares: it enters unsquared.",
    ),
    (
        _way(one=lambda p, q: _length(p, q) / math.sqrt(p.numel())),
        "Divided by the number of entries itself, not by its root.",
    ),
    (
        _way(one=lambda p, q: float((p - q).detach().abs().mean())),
        "This is the mean change. The formula takes the root of the sum of squares.",
    ),
    (
        _way(one=lambda p, q: float((p - q).detach().sum()) / p.numel()),
        "Changes up and down cancel in a sum. Take the length of the difference.",
    ),
    (
        _way(one=lambda p, q: _length(p, q) / _length(p, 0 * p)),
        "This is the relative change. The published function divides by the number of entries.",
    ),
    (_way(together=sum), "The *mean* over the tensors of a stage, not their sum."),
    (_way(together=max), "The *mean* over the tensors of a stage, not the largest."),
    (
        _way(together=lambda moved: moved[-1]),
        "Only the last tensor of each stage counts here. Where is the list emptied, where is it used?",
    ),
    (_way(together=lambda moved: torch.tensor(moved)), "One number for each stage: the mean over its tensors."),
    (_over_all_numbers, "First divide for each tensor, then take the mean over the tensors."),
    (_with_the_head, "The head is no stage."),
    (lambda model, start: list(l2_per_stage(model, start).values()), "Return a dict: name of the stage -> distance."),
    (lambda model, start: l2_per_stage(model, start)["stem"], "Does your loop return in its first round?"),
    (_put_back, "Measure only: nothing is copied."),
)

L2_PER_STAGE = Exercise(
    "l2_per_stage",
    l2_per_stage,
    PROBES,
    _explain,
    WRONG,
    "Each stage is compared with the same stage of `start`, tensor by tensor.",
    steps=(
        "Read the function with the mistake line by line. Which names change from one round of the outer loop to the "
        "next? Which of them does the inner loop use?",
        "A stage has `modules()`, too. And you need the same stage of `start`.",
    ),
)
