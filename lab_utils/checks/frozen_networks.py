"""What functions about frozen networks are tried on: small networks by a plan, and what becomes of them.

The text of this file also travels to where a student's code is graded, so it needs nothing of the kit. It reports in
numbers and decides nothing.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

OWN = "scale"  # the network's own parameter, in none of its parts


class Block(nn.Module):
    """Convolution, batch norm, a gate with a linear layer and a shortcut with a batch norm of its own."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.bn = nn.BatchNorm2d(width)
        self.fc = nn.Linear(width, width)  # a linear layer of the backbone, as in EfficientNet's gates
        self.shortcut = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        y = self.bn(self.conv(x))
        gate = self.fc(y.mean(dim=(2, 3))).sigmoid()
        return (y * gate[:, :, None, None] + self.shortcut(x)).relu()


class Network(nn.Module):
    """Grey images (B, 1, H, W) to two logits, by way of parts and a classifier with any names; see `build`."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        width, parts = plan["width"], plan["parts"]
        top: nn.Module = nn.Linear(width, 2)
        if plan["deep"]:  # batch norm and dropout in the classifier: they learn, so they train
            top = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.5), top)
        outer, _, inner = plan["classifier"].partition(".")
        if inner:  # "classifier.1", as in torchvision
            top = nn.Sequential(OrderedDict([("drop", nn.Dropout(0.5)), (inner, top)]))
        self.scale: Any = nn.Parameter(torch.ones(width)) if plan.get("own", True) else 1.0
        self._order, self._classifier = list(parts), outer
        if plan["first"]:  # the order of registration need not be the order of computation
            self.add_module(outer, top)
        stem = nn.Sequential(nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        blocks = [Block(width) for _ in parts[1:]]
        if plan.get("tied", False):
            blocks[1].conv = blocks[0].conv
        for name, part in zip(parts, [stem, *blocks], strict=True):
            self.add_module(name, part)
        if not plan["first"]:
            self.add_module(outer, top)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 1, H, W) to logits (B, 2)."""
        for name in self._order:
            x = self.get_submodule(name)(x)
        return self.get_submodule(self._classifier)(x.mean(dim=(2, 3)) * self.scale)


def build(plan: dict[str, Any]) -> Network:
    """Return the network of a plan, the same for the same plan.

    Args:
        plan: "seed", "parts" (names), "classifier" (name), "width", "deep", "first"; "frozen": names of modules (or of
            the network's own parameter) whose parameters do not learn; "training": the mode; and, if it should be
            otherwise: "own" (True), has it a parameter of its own; "tied" (False), do its first two blocks share one
            convolution.
    """
    with torch.random.fork_rng(devices=[]):
        model = Network(plan)
    # Numbers of its own: several submissions are graded side by side, and the global ones are shared by all threads.
    generator = torch.Generator().manual_seed(plan["seed"])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    for name in plan["frozen"]:
        (model.scale if name == OWN else model.get_submodule(name)).requires_grad_(False)
    return model.train(plan["training"])


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """Return copies of all parameters and buffers, float64."""
    return {name: tensor.detach().double().clone() for name, tensor in model.state_dict().items()}


def look(model: nn.Module, returned: Any) -> dict[str, Any]:
    """Report what can learn, the modes and the values, and whether a function has returned another network."""
    return {
        "learns": {name: bool(parameter.requires_grad) for name, parameter in model.named_parameters()},
        "training": {name: bool(module.training) for name, module in model.named_modules()},
        "values": state_of(model),
        "another": isinstance(returned, nn.Module) and returned is not model,
    }


def probe_freeze(student: Callable[..., Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Call ``freeze_backbone(model, name of the classifier)``; report what became of the network."""
    model = build(plan)
    report = look(model, student(model, plan["classifier"]))
    attribute = any("requires_grad" in vars(module) for module in model.modules())
    return report | {"attribute": attribute, "gradients": torch.is_grad_enabled()}


def probe_mode(student: Callable[..., Any], plan: dict[str, Any], images: Any) -> dict[str, Any]:
    """Call ``train_mode(model)``, then the network on the images; report what became of it, before and after them."""
    model = build(plan)
    before = state_of(model)
    report = look(model, student(model))
    with torch.no_grad():
        model(torch.as_tensor(images, dtype=torch.float32))
    return report | {"before": before, "after": state_of(model)}


def probe_optimizer(student: Callable[..., Any], plan: dict[str, Any], step: float) -> dict[str, Any]:
    """Call ``optimizer_parameters(model)`` and move what it returns by `step`; report how far each parameter moved."""
    model = build(plan)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    known = {id(parameter): name for name, parameter in model.named_parameters()}
    returned = student(model)
    report: dict[str, Any] = {"kind": type(returned).__name__, "names": [], "strange": ""}
    if hasattr(returned, "__iter__") and not isinstance(returned, (str, Tensor)):
        for entry in list(returned):
            own: Any = entry.get("params") if isinstance(entry, dict) else [entry]  # groups of parameters are fine too
            several = hasattr(own, "__iter__") and not isinstance(own, (str, Tensor))
            for tensor in list(own) if several else [own]:
                report["names"].append(known.get(id(tensor), ""))
                if not isinstance(tensor, Tensor):
                    report["strange"] = type(tensor).__name__
                elif id(tensor) in known:  # a copy, or the `.data`, gets no gradient: no optimizer would move it
                    tensor.data.add_(step)
    moved = {name: parameter.detach() - before[name] for name, parameter in model.named_parameters()}
    return report | {"moved": {name: float(change.mean()) for name, change in moved.items()}}


def probe_tensor(student: Callable[..., Any], array: Any, *settings: Any) -> dict[str, Any]:
    """Call a function of one tensor, twice; report both results, and the tensor as it is afterwards."""
    tensor = torch.as_tensor(array).clone()
    results = []
    for _ in range(2):
        result = student(tensor, *map(tuple, settings))
        results.append(result.detach().clone() if isinstance(result, Tensor) else result)  # it may share the memory
    report: dict[str, Any] = {"kind": type(results[0]).__name__, "input": tensor.detach()}
    if all(isinstance(result, Tensor) for result in results):
        report |= {"first": results[0], "second": results[1], "dtype": str(results[0].dtype)}
    return report
