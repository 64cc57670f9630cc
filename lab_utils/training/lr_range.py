"""The learning-rate range test: find a learning rate in about a hundred steps."""

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from lab_utils.arguments import number, whole
from lab_utils.data import Augment, Split, batch_indices
from lab_utils.device import default_device, seeded
from lab_utils.networks import unwrapped
from lab_utils.training.forward import batch_loss, check_parts, is_fast, to_device, trains_fast
from lab_utils.training.losses import Criterion, training_loss
from lab_utils.training.optimizers import Groups, make_optimizer, parameter_groups
from lab_utils.training.reading import Batch, Reader
from lab_utils.transfer import train_mode

SMOOTHING = 0.9  # the share that a step has in its neighbour
STOP = 4.0  # times the lowest running mean of the loss: the test ends


@dataclass(frozen=True)
class LRRange:
    """Result of a range test.

    Attributes:
        lrs: learning rate of each step (the largest of the parameter groups).
        losses: training loss of each step, nats.
        smoothed: the same, smoothed over neighbouring steps.
        suggestion: where `smoothed` falls fastest; NaN if it never falls.
        diverged: whether the test stopped early, as the loss exploded.
    """

    lrs: list[float]
    losses: list[float]
    smoothed: list[float]
    suggestion: float
    diverged: bool


def lr_suggestion(lrs: ArrayLike, losses: ArrayLike) -> float:
    """The learning rate at which the loss falls fastest per unit of log(lr).

    Per log-lr, as the test walks through learning rates by factors: per lr, the smallest
    ones would always win. Only what comes before the lowest loss counts, so that the way
    back from a peak after divergence is no fall.

    Args:
        lrs: increasing, positive.
        losses: *smoothed* loss at each.

    Raises:
        ValueError: if the lengths differ, there are fewer than 3 points, the lrs do not increase, a value is not
            finite, or the loss never falls.

    References:
        Smith (2015), Cyclical Learning Rates, arXiv:1506.01186.
    """
    x, y = np.asarray(lrs, dtype=np.float64), np.asarray(losses, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 3:
        raise ValueError(f"expected one loss for each of at least 3 learning rates; got shapes {x.shape}, {y.shape}.")
    if not (np.isfinite(x).all() and np.isfinite(y).all() and x[0] > 0 and (np.diff(x) > 0).all()):
        raise ValueError("expected finite losses at positive, increasing learning rates; leave out what diverged.")
    slope = np.gradient(y, np.log(x))[: int(y.argmin()) + 1]
    steepest = int(slope.argmin())
    if slope[steepest] >= 0:
        raise ValueError(
            f"the loss never falls between lr {x[0]:.3g} and {x[-1]:.3g}. Test a wider range, more steps or a larger "
            "batch; and check that something is trainable."
        )
    return float(x[steepest])


def smooth(losses: ArrayLike, smoothing: float = SMOOTHING) -> NDArray[np.float64]:
    """Average each loss with its neighbours on both sides, weighted smoothing**distance.

    Looking both ways does not shift the curve, as a running average would.
    """
    y = np.asarray(losses, dtype=np.float64)
    steps = np.arange(len(y))
    weights = smoothing ** np.abs(steps[:, None] - steps[None, :]).astype(np.float64)
    smoothed: NDArray[np.float64] = weights @ y / weights.sum(axis=1)
    return smoothed


def lr_range_test(
    model: nn.Module,
    train: Split,
    *,
    lr_min: float = 1e-6,
    lr_max: float = 1.0,
    steps: int = 100,
    optimizer: str | Callable[[Groups], Optimizer] = "adamw",
    weight_decay: float = 1e-4,
    batch_size: int = 32,
    augment: Augment | None = None,
    seed: int = 0,
    precision: str = "auto",
    device: torch.device | str | None = None,
    params: Iterable[Any] | None = None,
    criterion: Criterion | None = None,
    class_weights: str | None = None,
) -> LRRange:
    """Train while the learning rate rises by a constant factor, and see where the loss falls.

    All of this happens to a copy: the network, its batch-norm statistics and the global random numbers stay as they
    are, bit for bit.

    Args:
        model: the network, as it will be trained.
        train: the training split.
        lr_min: first learning rate.
        lr_max: last learning rate; groups in `params` keep their ratios to the largest.
        steps: batches; fewer if the running mean of the loss exceeds 4 times its lowest before.
        optimizer: as in `fit`, and so are the rest.
        weight_decay: of the optimizer.
        batch_size: images per step.
        augment: random changes of the training images.
        seed: of the data order, the augmentation and dropout.
        precision: ``"bf16"``, ``"fp32"`` or ``"auto"``.
        device: default `default_device()`.
        params: parameter groups of `model`.
        criterion: f(logits, labels) -> mean loss.
        class_weights: None or ``"balanced"``, as in `fit`.

    Raises:
        ValueError: if the range is empty, nothing is trainable, or no label is known.
        RuntimeError: if the very first losses are not finite.
    """
    steps, batch_size = whole("steps", steps, example=100), whole("batch_size", batch_size)
    seed = whole("seed", seed, example=0)
    lr_min, lr_max = number("lr_min", lr_min), number("lr_max", lr_max)
    check_parts(model, train, None, augment)
    if not (0 < lr_min < lr_max < math.inf and steps >= 3):
        raise ValueError(
            f"a range test needs 0 < lr_min < lr_max and at least 3 steps; got lr_min={lr_min}, lr_max={lr_max} and "
            f"steps={steps}. Leave them out for 1e-6, 1 and 100."
        )
    device = default_device() if device is None else torch.device(device)
    fast = trains_fast(model, precision, device)
    groups = parameter_groups(model, params, lr=lr_max, weight_decay=weight_decay)
    measure, counts = training_loss(train, criterion, class_weights)
    with seeded(seed, device):
        trial = copy.deepcopy(unwrapped(model))
        twin = dict(zip(model.parameters(), trial.parameters(), strict=True))
        groups = [group | {"params": [twin[p] for p in group["params"]]} for group in groups]
        to_device(trial, device, fast=is_fast(precision, device))
        trial.zero_grad()
        train_mode(trial)
        noise = torch.Generator().manual_seed(seed + 1)
        loss = batch_loss(trial, train, measure, fast=fast, config=augment, generator=noise)
        order = torch.Generator().manual_seed(seed)
        known = counts.nonzero().squeeze(1)  # a batch without a known label would have a loss of 0: the lowest of all
        lrs = np.geomspace(lr_min, lr_max, steps).tolist()
        batches = islice(_shuffled(known, batch_size, order), steps)
        with closing(Reader(train, device).each(batches)) as read:
            losses, exploded = _climb(make_optimizer(optimizer, groups), loss, read, lrs)
    return _result(lrs[: len(losses)], losses, exploded)


def _shuffled(images: Tensor, batch_size: int, order: torch.Generator) -> Iterator[Tensor]:
    while True:
        yield from (images[chosen] for chosen in batch_indices(len(images), batch_size, generator=order))


def _climb(
    optimizer: Optimizer, loss_of: Callable[[Batch], Tensor], batches: Iterator[tuple[Tensor, Batch]], lrs: list[float]
) -> tuple[list[float], bool]:
    """Train one step at each learning rate; return the finite losses, and whether it stopped early."""
    ratios = [group["lr"] for group in optimizer.param_groups]
    ratios = [ratio / max(ratios) for ratio in ratios]
    losses: list[float] = []
    running, weight, best = 0.0, 0.0, math.inf
    for lr, (_, batch) in zip(lrs, batches, strict=True):
        for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
            group["lr"] = lr * ratio
        loss = loss_of(batch)
        value = loss.item()
        if not math.isfinite(value):
            return losses, True
        losses.append(value)
        running = SMOOTHING * running + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        best = min(best, running / weight)
        if running / weight > STOP * best:
            return losses, True
        optimizer.zero_grad()  # after the forward pass, as in `Run.train`
        loss.backward()
        optimizer.step()
    return losses, False


def _result(lrs: list[float], losses: list[float], exploded: bool) -> LRRange:
    if len(losses) < 3:
        raise RuntimeError(
            f"the loss was not finite after {len(losses)} steps, at the smallest learning rates. Look at the images "
            "and at the weights of the network, or start from a smaller lr_min."
        )
    smoothed = smooth(losses)
    try:
        suggestion = lr_suggestion(lrs, smoothed)
    except ValueError:  # it never falls; the curve still shows why
        suggestion = math.nan
    return LRRange(lrs, losses, smoothed.tolist(), suggestion, exploded)
