"""`train_loop` in lab 3: epochs, batches, modes, and the mean loss of each epoch."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.lab03_step import CRITERIA, Criterion, batch, kind_of, network, training_step, weights_of

Batches = Sequence[tuple[Tensor, Tensor]]


def train_loop(
    model: nn.Module, batches: Batches, criterion: Criterion, optimizer: Optimizer, epochs: int
) -> list[float]:
    """The kit's version."""
    means = []
    for _ in range(epochs):
        model.train()
        losses = [training_step(model, images, labels, criterion, optimizer) for images, labels in batches]
        means.append(float(np.average(losses, weights=[len(images) for images, _ in batches])))
    model.eval()
    return means


def _on(epochs: int, sizes: tuple[int, ...]) -> Probe:
    """Try so many epochs over batches of these sizes, on a network that comes in eval mode."""

    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        model = network().eval()
        batches = [batch(size, "multilabel", seed) for seed, size in enumerate(sizes)]
        means = student(model, batches, CRITERIA["multilabel"], torch.optim.SGD(model.parameters(), lr=0.3), epochs)
        listed = isinstance(means, list | tuple | np.ndarray)
        kinds = sorted({kind_of(mean) for mean in means}) if listed else [type(means).__name__]
        steps = int(model[1].num_batches_tracked)  # type: ignore[arg-type]
        return {
            "listed": listed,
            "steps": steps,
            "weights": weights_of(model),
            "count": len(means) if listed else 0,
            "kinds": kinds,
            "means": [float(mean) for mean in means] if listed and "other" not in kinds else [],
            "training": model.training,
        }

    return probe


PROBES = {
    "One epoch, batches of 6, 6 and 3 images": _on(1, (6, 6, 3)),
    "Three epochs, batches of 6, 6 and 3 images": _on(3, (6, 6, 3)),
}


def _explain(got: Any, expected: Any) -> str:
    if not got["listed"]:
        return f"expected a list with one number for each epoch, got a {got['kinds'][0]}."
    if got["steps"] != expected["steps"]:
        return f"expected {expected['steps']} steps in train mode, saw {got['steps']}."
    if not np.allclose(got["weights"], expected["weights"], rtol=1e-4, atol=1e-4):
        return "the number of steps is right, but the weights are not those of the training that was asked for."
    if got["count"] != expected["count"]:
        return f"expected {expected['count']} numbers, one for each epoch, got {got['count']}."
    if got["kinds"] != expected["kinds"]:
        return f"the list should hold plain numbers, and holds a {got['kinds'][-1]}."
    for epoch, (mean, right) in enumerate(zip(got["means"], expected["means"], strict=True), start=1):
        if not np.isclose(mean, right, rtol=1e-4, atol=1e-4):
            return f"epoch {epoch}: expected a mean loss of {right:.4f}, got {mean:.4f}."
    return "in the end the network is still in train mode."


# ---- wrong answers

Mean = Callable[[list[float], list[int]], Any]


def _loop(
    mean: Mean = lambda losses, sizes: float(np.average(losses, weights=sizes)),
    *,
    before: str = "train",
    each: str = "",
    after_each: str = "",
    after: str = "eval",
    forget: bool = True,
    some: Callable[[Batches], Batches] = lambda batches: batches,
    most: int = 1000,
    result: Callable[[list[Any]], Any] = lambda means: means,
    step: Callable[..., Any] = training_step,
) -> Callable[..., Any]:
    """The usual loop, with one thing done differently.

    Args:
        mean: of the losses and sizes of the batches since the last `forget`.
        before: what to call on the network before all epochs; "" for nothing.
        each: before each epoch.
        after_each: after each epoch.
        after: after all epochs.
        forget: begin every epoch with no losses.
        some: which of the batches are used.
        most: so many epochs at most.
        result: what is returned, from the means.
        step: what takes a step.
    """

    def student(model: nn.Module, batches: Batches, criterion: Criterion, optimizer: Optimizer, epochs: int) -> Any:
        means: list[Any] = []
        losses: list[float] = []
        sizes: list[int] = []
        _call(model, before)
        for _ in range(min(epochs, most)):
            _call(model, each)
            if forget:
                losses, sizes = [], []
            for images, labels in some(batches):
                losses.append(step(model, images, labels, criterion, optimizer))
                sizes.append(len(images))
            means.append(mean(losses, sizes))
            _call(model, after_each)
        _call(model, after)
        return result(means)

    return student


def _call(model: nn.Module, mode: str) -> None:
    if mode:
        getattr(model, mode)()


def _never_empty(model: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion, optimizer: Optimizer) -> float:
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def _keeps_graphs(model: nn.Module, images: Tensor, labels: Tensor, criterion: Criterion, optimizer: Optimizer) -> Any:
    optimizer.zero_grad()
    loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss


def _sum_of_tensors(losses: list[Any], sizes: list[int]) -> Any:
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


TRAIN_MODE = "A network that was measured before is in eval mode. Which mode does training need, and who sets it?"
EQUAL = "The last batch is smaller. Every *image* counts the same, not every batch: weigh the losses by `len(images)`."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_loop(before=""), TRAIN_MODE),
    (_loop(before="eval"), TRAIN_MODE),
    (_loop(after_each="eval"), "After the first epoch the network is in eval mode. Set train mode in every epoch."),
    (_loop(after=""), "Whoever measures it next gets other numbers: leave it in eval mode."),
    (_loop(lambda losses, sizes: float(np.mean(losses))), EQUAL),
    (_loop(lambda losses, sizes: losses[-1]), "This is the loss of the last batch alone."),
    (_loop(lambda losses, sizes: sum(losses)), "This is the sum over the batches. What is the mean over the images?"),
    (
        _loop(lambda losses, sizes: float(np.dot(losses, sizes))),
        "This is the sum over all images. How many are there?",
    ),
    (
        _loop(lambda losses, sizes: float(np.dot(losses, sizes)) / len(losses)),
        "You divide by the number of batches. The sum has one share for each image.",
    ),
    (_loop(forget=False), "The losses of earlier epochs are in it still. Where do you set the sum back to 0?"),
    (_loop(result=lambda means: means[-1]), "Keep the mean of every epoch: together they show whether it learns."),
    (_loop(most=1), "Only one epoch ran. Is there a `return` inside of the loop over epochs?"),
    (_loop(some=lambda batches: batches[:1]), "Only the first batch was used. Where does the loop over batches end?"),
    (_loop(some=lambda batches: batches[:-1]), "The last, smaller batch counts too."),
    (_loop(lambda losses, sizes: list(losses)), "One number for each epoch: the mean of these."),
    (
        _loop(_sum_of_tensors, step=_keeps_graphs),
        "You add up losses that are tensors. Each holds on to its whole step. Add up `loss.item()`.",
    ),
    (_loop(step=_never_empty), "The gradients of one batch are still there in the next. Use your `training_step`."),
)

TRAIN_LOOP = Exercise(
    "train_loop",
    train_loop,
    PROBES,
    _explain,
    WRONG,
    "Two loops, one inside the other: epochs, and in each of them batches. Where do `train()` and `eval()` go?",
    steps=(
        "One loop over the epochs. Inside it one loop over the batches, with your training step for each.",
        "The network may come in eval mode, so set the mode before the batches. After all epochs set the other one.",
        "For the mean over the images, add up loss times number of images, count the images, and divide once per "
        "epoch. Both sums begin at 0 in every epoch.",
    ),
)
