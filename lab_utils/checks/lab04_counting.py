"""`count_parameters` in lab 4."""

import copy
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import torch
from torch import nn

from lab_utils.checks.exercise import Exercise, Probe, difference
from lab_utils.networks import build_model, first_conv, head

Count = Callable[[nn.Module, str], Any]
Part = Callable[[nn.Module], Any]


def count_parameters(model: nn.Module, rule: str) -> int:
    """The kit's version.

    Args:
        model: any network of the kit.
        rule: "all": every trainable parameter; "paper": weights of all convolutions but the first, and of the head.

    Raises:
        ValueError: if there is no such rule.
    """
    if rule == "all":
        return sum(p.numel() for p in model.parameters() if p.requires_grad)
    if rule != "paper":
        raise ValueError(f"expected the rule 'all' or 'paper', got {rule!r}")
    return sum(conv.weight.numel() for conv in _convs(model)[1:]) + _head(model).weight.numel()


def _convs(model: nn.Module) -> list[nn.Conv2d]:
    """The convolutions, the one that sees the image first."""
    first = first_conv(model)
    return [first, *(m for m in model.modules() if isinstance(m, nn.Conv2d) and m is not first)]


def _head(model: nn.Module) -> nn.Linear:
    top = head(model)
    assert isinstance(top, nn.Linear)
    return top


class _WithBiases(nn.Module):
    """Convolutions with a bias, and a head whose weight is registered before them."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.stem = nn.Conv2d(1, 4, 3)
        self.layer1 = nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, 1, H, W) to logits (B, 3)."""
        return self.head(self.layer1(self.stem(x)).mean(dim=(2, 3)))


def _tiny(*, frozen: bool = False) -> nn.Module:
    model = build_model("cbr_tiny", num_classes=5, in_channels=3, seed=0)
    model.get_submodule("block1").requires_grad_(not frozen)
    return model


def _other(name: str, channels: int, classes: int) -> dict[str, Callable[[], nn.Module]]:
    built = cache(lambda: build_model(name, num_classes=classes, in_channels=channels, seed=0))  # a copy is quicker
    return {f"{name} with {channels} input channels and {classes} classes": lambda: copy.deepcopy(built())}


def _count(make: Callable[[], nn.Module], rule: str) -> Probe:
    return lambda student: f"{student(make(), rule):,}"  # as text: compared to the last digit


def _left(student: Count) -> dict[str, str]:
    model = _tiny(frozen=True)
    for rule in ("all", "paper"):
        student(model, rule)
    return {name: f"{p.numel()} values, requires_grad={p.requires_grad}" for name, p in model.named_parameters()}


BOTH = {
    "CBR-Tiny": _tiny,
    **_other("cbr_large_t", 1, 2),
    **_other("resnet10_w16", 3, 5),
    **_other("resnet18", 3, 4),
    "A network whose convolutions have a bias": _WithBiases,
}
PROBES: dict[str, Probe] = {
    "The kind of number": lambda student: type(student(_tiny(), "all")).__name__,
    **{f"{what}, rule {rule!r}": _count(make, rule) for what, make in BOTH.items() for rule in ("all", "paper")},
    "CBR-Tiny with a frozen block1, rule 'all'": _count(lambda: _tiny(frozen=True), "all"),
    "The network after counting": _left,
}


def _explain(got: Any, expected: Any) -> str:
    if not (isinstance(expected, str) and expected[0].isdigit()):
        return difference(got, expected)
    off = float(got.replace(",", "")) - float(expected.replace(",", ""))
    return f"{got} is {abs(off):,.0f} too {'many' if off > 0 else 'few'}."


# ---- wrong answers


def _rules(every: Part | None = None, paper: Part | None = None) -> Count:
    """Other rules; what is not given is right."""

    def student(model: nn.Module, rule: str) -> Any:
        own = every if rule == "all" else paper
        return own(model) if own else count_parameters(model, rule)

    return student


def _sizes(parameters: Iterable[torch.Tensor | None]) -> int:
    return sum(p.numel() for p in parameters if p is not None)


PARTS: dict[str, Part] = {
    "first": lambda m: _convs(m)[0].weight.numel(),
    "last": lambda m: _convs(m)[-1].weight.numel(),
    "head": lambda m: _head(m).weight.numel(),
    "bias": lambda m: _head(m).bias.numel(),
    "biases": lambda m: _sizes(conv.bias for conv in _convs(m)[1:]),
    "norms": lambda m: _sizes(p for b in m.modules() if isinstance(b, nn.BatchNorm2d) for p in b.parameters()),
}


def _with(*parts: str, without: str = "") -> Count:
    """A rule "paper" with other parts."""

    def own(model: nn.Module) -> int:
        less = PARTS[without](model) if without else 0
        return count_parameters(model, "paper") + sum(PARTS[part](model) for part in parts) - less

    return _rules(paper=own)


TENSORS = "These are tensors. How many numbers are in each?"
OTHER_RULE = "This is the number of the other rule."

WRONG: tuple[tuple[Count, str], ...] = (
    (_rules(lambda m: sum(torch.tensor(p.numel()) for p in m.parameters())), "`numel()` gives a plain number."),
    (_rules(lambda m: count_parameters(m, "all") / 1e6), "Return a whole number, not thousands or millions."),
    (_rules(lambda m: _sizes(m.parameters())), "Frozen parameters cannot be trained. Which attribute tells?"),
    (_rules(lambda m: len(list(m.parameters()))), TENSORS),
    (_rules(lambda m: len([p for p in m.parameters() if p.requires_grad])), TENSORS),
    (_rules(lambda m: _sizes(m.state_dict().values())), "It also holds what is not trained: statistics of batch norm."),
    (_rules(lambda m: _sizes(p for name, p in m.named_parameters() if "weight" in name)), "Biases are parameters too."),
    (
        _rules(lambda m: _sizes(conv.weight for conv in _convs(m)) + _sizes(_head(m).parameters())),
        "Batch norm has trainable parameters too: a weight and a bias for each channel.",
    ),
    (lambda m, rule: count_parameters(m, "paper"), OTHER_RULE),
    (lambda m, rule: count_parameters(m, "all"), OTHER_RULE),
    (_with("first"), "The first convolution is counted. The table of the paper leaves it out."),
    (_with("bias"), "The bias of the head is counted. The rule has a head without a bias."),
    (_with("biases"), "Biases of convolutions are counted. The rule counts weights only."),
    (_with("biases", "bias"), "Biases are counted. The rule counts weights only."),
    (_with("first", "bias"), "The first convolution and the bias of the head are counted."),
    (_with("norms"), "Batch norm is counted. The rule leaves it out."),
    (_with("norms", "bias"), "Batch norm and the bias of the head are counted."),
    (_with(without="head"), "The head is missing: its weight counts."),
    (_with("first", without="last"), "You left out the last convolution. It is the first one that does not count."),
    (
        _rules(paper=lambda m: m.get_submodule("block1") and count_parameters(m, "paper")),
        "Its layers have other names. How do you find the convolutions, whatever they are called?",
    ),
    (_rules(paper=lambda m: count_parameters(m.requires_grad_(False), "paper")), "Count only: change nothing."),
)

COUNT_PARAMETERS = Exercise(
    "count_parameters",
    count_parameters,
    PROBES,
    _explain,
    WRONG,
    "Print the names of the parameters with their sizes, and add up by hand.",
    steps=(
        'The two rules are two cases. Begin with "all": add up the number of entries of each parameter that can learn.',
        'For "paper" go through the modules, and keep the convolutions. `first_conv(model)` is the one to '
        "leave out: compare with `is not`.",
        "Then add the weight of the head. No bias counts in this rule, and it does not matter what is frozen.",
    ),
)
