"""Check of `count_parameters` in lab 4: wrong numbers are told apart by what was counted."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import build_model, first_conv, head

Count = Callable[[nn.Module, str], int]


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
    return sum(conv.weight.numel() for conv in _convs(model)[1:]) + _head_weight(model)


def _convs(model: nn.Module) -> list[nn.Conv2d]:
    """The convolutions, the one that sees the image first."""
    first = first_conv(model)
    return [first, *(m for m in model.modules() if isinstance(m, nn.Conv2d) and m is not first)]


def _head_weight(model: nn.Module) -> int:
    return int(head(model).weight.numel())  # type: ignore[operator]


def _tiny() -> nn.Module:
    return build_model("cbr_tiny", num_classes=5, in_channels=3, seed=0)


def _number(student: Count) -> None:
    value: Any = student(_tiny(), "all")
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        raise Wrong("You returned a tensor. Return a plain whole number: `numel()` of a parameter gives one.")
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong(f"Expected a whole number (int), got a {type(value).__name__}.")


def _all_of_tiny(student: Count) -> None:
    _compare(student, _tiny(), "all", "CBR-Tiny")


def _trainable_only(student: Count) -> None:
    model = _tiny()
    for p in model.get_submodule("block1").parameters():
        p.requires_grad_(False)
    _compare(student, model, "all", "CBR-Tiny with a frozen block1")


def _paper_of_tiny(student: Count) -> None:
    _compare(student, _tiny(), "paper", "CBR-Tiny")


def _other_networks(student: Count) -> None:
    for name, channels, classes in (("cbr_large_t", 1, 2), ("resnet10_w16", 3, 5), ("resnet18", 3, 4)):
        model = build_model(name, num_classes=classes, in_channels=channels, seed=0)
        for rule in ("all", "paper"):
            _compare(student, model, rule, f"{name} with {channels} input channels and {classes} classes")


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


def _with_biases(student: Count) -> None:
    for rule in ("all", "paper"):
        _compare(student, _WithBiases(), rule, "A network whose convolutions have a bias")


def _nothing_changed(student: Count) -> None:
    model = _tiny()
    model.get_submodule("block1").requires_grad_(False)
    before = {name: (p.requires_grad, p.numel()) for name, p in model.named_parameters()}
    for rule in ("all", "paper"):
        student(model, rule)
    after = {name: (p.requires_grad, p.numel()) for name, p in model.named_parameters()}
    if after != before:
        raise Wrong("After counting, the network is another one. Count, and leave its layers as they are.")


def _compare(student: Count, model: nn.Module, rule: str, what: str) -> None:
    value = student(model, rule)
    expected = count_parameters(model, rule)
    if value == expected:
        return
    mistakes = _mistakes_of_all(model) if rule == "all" else _mistakes_of_paper(model)
    hint = next((hint for hint, wrong in mistakes if wrong == value), "")
    if not hint:
        more = "more" if value > expected else "less"
        hint = f"That is {abs(value - expected):,} too many or too few ({more} than it should be)."
        hint += " Print the names of the parameters with their sizes, and add up by hand."
    raise Wrong(f"{what}, rule {rule!r}: {value:,}. {hint}")


def _mistakes_of_all(model: nn.Module) -> list[tuple[str, int]]:
    parameters = list(model.parameters())
    everything = sum(p.numel() for p in parameters)
    weights = sum(p.numel() for name, p in model.named_parameters() if name.endswith("weight"))
    return [
        ("Parameters that are frozen cannot be trained. Which attribute of a parameter tells?", everything),
        ("These are tensors. How many numbers are in each?", len(parameters)),
        ("These are tensors. How many numbers are in each?", sum(p.requires_grad for p in parameters)),
        (
            "The state_dict also holds what is not trained: the statistics of batch norm.",
            sum(value.numel() for value in model.state_dict().values()),
        ),
        ("Biases are parameters too.", weights),
        ("This is the number of the other rule.", count_parameters(model, "paper")),
        (
            "Batch norm has trainable parameters too: a weight and a bias for each channel.",
            sum(c.weight.numel() for c in _convs(model)) + sum(p.numel() for p in head(model).parameters()),
        ),
    ]


def _mistakes_of_paper(model: nn.Module) -> list[tuple[str, int]]:
    convs, top = _convs(model), head(model)
    first, weights = convs[0].weight.numel(), sum(conv.weight.numel() for conv in convs)
    conv_biases = sum(conv.bias.numel() for conv in convs[1:] if conv.bias is not None)
    expected, bias = count_parameters(model, "paper"), sum(p.numel() for p in top.parameters() if p.ndim == 1)
    last = convs[-1].weight.numel()
    norms = sum(p.numel() for m in model.modules() if isinstance(m, nn.BatchNorm2d) for p in m.parameters())
    return [
        ("The first convolution is counted. The table of the paper leaves it out.", expected + first),
        ("The bias of the head is counted. The rule has a head without a bias.", expected + bias),
        ("Biases of convolutions are counted. The rule counts weights only.", expected + conv_biases),
        ("Biases are counted. The rule counts weights only.", expected + conv_biases + bias),
        ("The first convolution and the bias of the head are counted.", expected + first + bias),
        ("The head is missing: its weight counts.", weights - first),
        ("Batch norm is counted. The rule leaves it out.", expected + norms),
        ("Batch norm and the bias of the head are counted.", expected + norms + bias),
        ("You left out the last convolution. It is the first one that does not count.", expected + first - last),
        ("This is the number of the other rule.", count_parameters(model, "all")),
    ]


COUNT_PARAMETERS = Exercise(
    "count_parameters",
    count_parameters,
    cases=(_number, _all_of_tiny, _trainable_only, _paper_of_tiny, _other_networks, _with_biases, _nothing_changed),
)
