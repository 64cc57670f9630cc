"""`training_step` in lab 3: one step of training, tried on a small network that comes with old gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.outcome import Wrong

Criterion = Callable[[Tensor, Tensor], Tensor]


def training_step(
    model: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion, optimizer: Optimizer
) -> float:
    """The kit's version."""
    optimizer.zero_grad()
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


# ---- what it is tried on


def network() -> nn.Sequential:
    """Two inputs, two logits, batch norm between; in train mode, with running statistics unlike any batch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model[1].running_mean.fill_(0.4)  # type: ignore[operator]
    return model


def batch(size: int, task: str, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs (size, 2) and labels: class numbers (size,), or 0 and 1 for two findings (size, 2)."""
    g = torch.Generator().manual_seed(seed)
    inputs = torch.randn(size, 2, generator=g)
    return inputs, (inputs[:, 0] > 0).long() if task == "binary" else (inputs > 0).float()


CRITERIA: dict[str, Criterion] = {"binary": F.cross_entropy, "multilabel": F.binary_cross_entropy_with_logits}


def weights_of(model: nn.Module) -> NDArray[np.float64]:
    """All parameters and batch-norm statistics in one row."""
    return np.concatenate([value.detach().double().numpy().ravel() for value in model.state_dict().values()])


class Watched(torch.optim.SGD):
    """Notes in `calls` what is called."""

    calls: list[str]

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.calls.append("zero_grad")
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        self.calls.append("step")
        return super().step(closure)


ERRORS = {
    "modified by an inplace operation": "The weights moved between the forward and the backward pass. `step` uses the "
    "gradients, and `backward` computes them. Which comes first?",
    "does not require grad": "PyTorch kept no record of this forward pass, so there is nothing to go back along. Is it "
    "inside of `torch.no_grad()`, or did you `detach()` something? Training needs the record.",
    "'float' object has no attribute 'backward'": "`.item()` turns the loss into a plain number, without a gradient. "
    "Call `backward` on the tensor first, and take the number in the last line.",
}


def _on(task: str) -> Probe:
    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        model = network()
        optimizer = Watched(model.parameters(), lr=0.3)
        optimizer.calls = calls = []
        for p in model.parameters():
            p.grad = torch.ones_like(p)  # left over from before
        next(model.parameters()).register_hook(lambda _: calls.append("backward"))
        report: dict[str, Any] = {}
        for number in (1, 2):
            before = weights_of(nn.ModuleList(m for m in model if isinstance(m, nn.Linear)))
            calls.clear()
            try:
                loss = student(model, *batch(6, task, number), CRITERIA[task], optimizer)
            except (RuntimeError, AttributeError) as error:
                for words, hint in ERRORS.items():
                    if words in str(error):
                        raise Wrong(hint) from None
                raise
            moved = not np.array_equal(before, weights_of(nn.ModuleList(m for m in model if isinstance(m, nn.Linear))))
            report[f"order {number}"] = "" if moved else ", ".join(dict.fromkeys(calls))
            report[f"kind {number}"] = kind_of(loss)
            report[f"loss {number}"] = float(loss) if report[f"kind {number}"] != "other" else 0.0
            report[f"weights {number}"] = weights_of(model)
            report[f"mode {number}"] = model.training
        return report

    return probe


def kind_of(loss: Any) -> str:
    """What a loss is: a number, a tensor with or without the record of its computation, or something other."""
    if isinstance(loss, Tensor) and loss.numel() == 1:
        return "tensor with its record" if loss.requires_grad else "tensor"
    return "number" if isinstance(loss, int | float | np.number) and not isinstance(loss, bool) else "other"


PROBES = {
    "Two steps, two findings (multilabel)": _on("multilabel"),
    "Two steps, two classes": _on("binary"),
}


def _explain(got: Any, expected: Any) -> str:
    for number in (1, 2):
        where = f"step {number}: "
        if got[f"order {number}"]:
            return f"{where}the weights did not move. You called: {got[f'order {number}']}."
        if got[f"kind {number}"] == "other":
            return f"{where}expected the loss as a plain number."
        if got[f"kind {number}"] != "number":
            return f"{where}you return a {got[f'kind {number}']}."
        loss, right = got[f"loss {number}"], expected[f"loss {number}"]
        if not np.isclose(loss, right, rtol=1e-4, atol=1e-4):
            return f"{where}the loss of this batch is {right:.4f}, yours is {loss:.4f}."
        if not np.allclose(got[f"weights {number}"], expected[f"weights {number}"], rtol=1e-4, atol=1e-4):
            return f"{where}the weights moved, but not to where one step takes them."
        if not got[f"mode {number}"]:
            return f"{where}the network is no longer in train mode."
    return "something differs."


# ---- wrong answers


def _steps(*order: str, result: Callable[[Tensor, nn.Module, Tensor, Any], Any] | None = None) -> Callable[..., Any]:
    """Do these things in this order; `result` says what is returned in place of the number."""

    def student(model: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion, optimizer: Optimizer) -> Any:
        loss = torch.zeros(())
        for name in order:
            if name == "forward":
                loss = criterion(model(images), labels)
            elif name == "eval":
                model.eval()
            elif name == "backward":
                loss.backward()
            else:
                getattr(optimizer, name)()
        return loss.item() if result is None else result(loss, model, images, lambda logits: criterion(logits, labels))

    return student


USUAL = ("zero_grad", "forward", "backward", "step")


def _with_criterion(change: Callable[[Criterion], Criterion]) -> Callable[..., Any]:
    return lambda model, images, labels, criterion, optimizer: training_step(
        model, images, labels, change(criterion), optimizer
    )


TENSOR = (
    "It holds on to the whole computation behind it. Whoever adds up such losses over an epoch keeps every step in "
    "memory. `.item()` gives the number alone."
)
EMPTIED = "The optimizer moves along the gradients, and you emptied them just before. When must they be empty?"
LEFT_OVER = (
    "`backward` *adds* to the gradients that are there already, of the batch before. What empties them, and when?"
)
LOGITS = "The criterion wants logits, as the network gives them: the softmax or sigmoid is inside of it."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_steps("forward", "backward", "step"), LEFT_OVER),
    (
        _steps("forward", "backward", "step", "zero_grad"),
        "The gradients that are there when your function is called count, too. Empty them before `backward`.",
    ),
    (_steps("forward", "backward", "zero_grad", "step"), EMPTIED),
    (
        _steps("zero_grad", "forward", "step", "backward"),
        "`step` uses the gradients, and `backward` computes them. Which comes first?",
    ),
    (_steps("zero_grad", "forward", "backward"), "There are gradients now. Who moves the weights along them?"),
    (_steps("zero_grad", "forward", "step"), "Nobody computed a gradient. Which call goes back from the loss?"),
    (_steps("eval", *USUAL), "You put the network into eval mode. Then batch norm no longer uses the batch."),
    (_steps(*USUAL, "forward", "backward", "step"), "You took two steps with one batch."),
    (_steps(*USUAL, "eval"), "Leave the mode as it was: the next step needs it."),
    (_steps(*USUAL, result=lambda loss, *_: loss), TENSOR),
    (_steps(*USUAL, result=lambda loss, *_: loss.detach()), "`.item()` turns it into a plain number."),
    (
        _steps(*USUAL, result=lambda loss, model, images, of: of(model(images)).item()),
        "This is the loss after the step, from a second forward pass. Return the one that you went back from.",
    ),
    (_steps(*USUAL, result=lambda loss, model, images, of: loss.item() * len(images)), "It is a mean over the batch."),
    (
        _with_criterion(lambda criterion: lambda logits, labels: criterion(labels, logits)),
        "The criterion takes the logits first, then the labels.",
    ),
    (_with_criterion(lambda criterion: lambda logits, labels: criterion(logits.softmax(1), labels)), LOGITS),
    (_with_criterion(lambda criterion: lambda logits, labels: criterion(logits.sigmoid(), labels)), LOGITS),
)

TRAINING_STEP = Exercise(
    "training_step",
    training_step,
    PROBES,
    _explain,
    WRONG,
    "Empty the gradients, forward pass and loss, backward pass, step, and the loss as a number: in which order?",
    steps=(
        "Three things must happen in a fixed order: the forward pass gives the loss, the backward pass the gradients, "
        "and the optimizer needs the gradients.",
        "The gradients of an earlier batch must be gone before the backward pass adds new ones.",
        "The loss is a tensor with one number. Take the plain number out of it in the last line.",
    ),
)
