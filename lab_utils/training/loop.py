"""One training run: its loop, and its state, which can be saved and continued at any step."""

import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lab_utils.data import batch_indices
from lab_utils.device import rng_state, set_rng_state
from lab_utils.training.checkpoint import copy_state, load_checkpoint, save_checkpoint
from lab_utils.training.criterion import Fitted
from lab_utils.training.history import History
from lab_utils.training.losses import masked_bce
from lab_utils.training.optimizers import Schedule
from lab_utils.training.reading import Reader
from lab_utils.transfer import train_mode

# Losses stay on the device; they are read and checked after so many steps at the latest.
READ_EVERY = 100


class Taken(NamedTuple):
    """A step whose loss has not been read back from the device yet."""

    step: int
    lr: float
    indices: Tensor
    loss: Tensor


@dataclass
class Run:
    """Everything that one training run consists of.

    Attributes:
        model: the network itself, outside of `torch.compile` and the like.
        loss: from a batch to its mean loss.
        reader: from positions in the training split (B,) to batches; None where `loss` takes the positions.
        counts: known labels of each image, float64 (N,): weights for the mean loss.
        criterion: what `loss` measures with, which may have a state of its own.
        order: source of the data order, on the CPU.
        noise: source of the augmentation, on the CPU.
        total: steps in all.
        points: numbers of steps after which the history gets a row.
        validate: measures the network, or None.
        draw: from the number of a step (from 0) to positions of its batch, where these are no passes over the data.
        keep_best: keep a copy of the weights that did best.
        path: checkpoint file, or None; see `keep_in`.
        step: steps done; `epoch`: epochs done; `position`: steps done in this epoch.
        recent: (loss, weight) of each step since the last row; `of_epoch`: in this epoch.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    loss: Callable[[Any], Tensor]
    counts: Tensor
    batch_size: int
    total: int
    points: frozenset[int]
    device: torch.device
    order: torch.Generator = field(default_factory=torch.Generator)
    noise: torch.Generator = field(default_factory=torch.Generator)
    criterion: Fitted = field(default_factory=lambda: Fitted(masked_bce))
    reader: Reader | None = None
    validate: Callable[[], dict[str, float]] | None = None
    draw: Callable[[int], Tensor] | None = None
    keep_best: bool = True
    path: Path | None = None
    history: History = field(default_factory=History)
    step: int = 0
    epoch: int = 0
    position: int = 0
    seconds: float = 0.0
    recent: list[tuple[float, float]] = field(default_factory=list)
    of_epoch: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.per_epoch = steps_per_epoch(len(self.counts), self.batch_size)
        self.epoch_start = self.order.get_state()
        self.starts: dict[int, Tensor] = {}  # the same of epochs to come: batches may be read ahead
        self.lr = self.schedule.set(0)
        self.unread: list[Taken] = []
        self.weights = None if self.counts.min() == self.counts.max() else self.counts
        self.clock = self.saved = time.perf_counter()

    def train(self, *, each_step: Callable[[], object], each_row: Callable[[dict[str, float]], object]) -> None:
        """Take the steps that are left.

        Args:
            each_step: called after every step.
            each_row: called with every new row of the history.

        Raises:
            RuntimeError: if the loss is not finite.
        """
        train_mode(self.model)
        self.clock = time.perf_counter()
        if 0 in self.points and not self.history.rows:
            each_row(self._add_row())
        indices = islice(self._indices(), self.total - self.step)
        with closing(self._batches(indices)) as batches:  # whatever happens, no thread goes on reading
            for chosen, batch in batches:
                self._take_step(chosen, batch)
                if self.step in self.points:
                    each_row(self._add_row())
                if self.path is not None and time.perf_counter() - self.saved >= self.every:
                    self._save()
                each_step()
        self._read()
        self.forget_gradients()
        if self.path is not None:
            self._save()

    def _take_step(self, indices: Tensor, batch: Any) -> None:
        self.lr = self.schedule.set(self.step)
        loss = self.loss(batch)
        self.unread.append(Taken(self.step + 1, self.lr, indices, loss.detach()))
        if self.device.type == "cpu" and not math.isfinite(loss.item()):  # elsewhere it would wait for the device
            self._read()
        # Only now: with the gradients freed before the forward pass, the C library would give the free end of its
        # memory back, and every step would wait for fresh pages (up to a tenth of its time on a CPU).
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        self.position += 1
        if self.position == self.per_epoch:
            self._end_epoch()
        if len(self.unread) >= READ_EVERY:
            self._read()

    def forget_gradients(self) -> None:
        """Free the memory of the gradients, and of losses that nobody will read."""
        self.optimizer.zero_grad()
        self.unread.clear()

    def loss_at(self, indices: Tensor) -> Tensor:
        """The loss of the images at these positions."""
        return self.loss(indices if self.reader is None else self.reader(indices))

    def _batches(self, indices: Iterator[Tensor]) -> Generator[tuple[Tensor, Any], None, None]:
        yield from ((chosen, chosen) for chosen in indices) if self.reader is None else self.reader.each(indices)

    def _indices(self) -> Iterator[Tensor]:
        """Positions of batch after batch, for ever, from where the run stands."""
        if self.draw is not None:
            yield from map(self.draw, count(self.step))
        self.order.set_state(self.epoch_start)
        position = self.position
        for epoch in count(self.epoch + 1):
            batches = list(batch_indices(len(self.counts), self.batch_size, generator=self.order))
            self.starts[epoch] = self.order.get_state()
            yield from batches[position:]
            position = 0

    def _end_epoch(self) -> None:
        self._read()
        self.schedule.end_epoch(mean_loss(self.of_epoch))
        self.of_epoch.clear()
        self.epoch, self.position = self.epoch + 1, 0
        self.epoch_start = self.starts.pop(self.epoch, self.epoch_start)

    def _read(self) -> None:
        """Fetch the losses from the device, all at once; stop if one is not finite."""
        if not self.unread:
            return
        losses = torch.stack([taken.loss for taken in self.unread]).tolist()
        for taken, loss in zip(self.unread, losses, strict=True):
            if not math.isfinite(loss):
                raise diverged(taken, loss)
            images = len(taken.indices) if self.weights is None else float(self.weights[taken.indices].sum())
            self.recent.append((loss, images))
            self.of_epoch.append((loss, images))
        self.unread.clear()

    def _add_row(self) -> dict[str, float]:
        self._read()
        self.seconds += time.perf_counter() - self.clock
        row: dict[str, float] = {"step": self.step, "epoch": self.epoch, "lr": self.lr}
        row |= {"train_loss": mean_loss(self.recent), "seconds": self.seconds}
        self.recent.clear()
        if self.validate is not None:
            row |= {f"val_{name}": value for name, value in self.validate().items()}
            history = self.history
            history.monitor = history.monitor or ("val_auroc" if "val_auroc" in row else "val_loss")
            if history.better(value := row.get(history.monitor, math.nan)):
                history.best_step, history.best_value = self.step, value
                history.best_state = copy_state(self.model.state_dict()) if self.keep_best else None
        self.history.rows.append(row)
        self.clock = time.perf_counter()
        return row

    def keep_in(self, path: Path, settings: dict[str, Any], *, every: float) -> None:
        """Save the state to `path` every so many seconds; go on from the one that is there.

        Raises:
            ValueError: if there is one of another run.
            RuntimeError: if the file can not be written.
        """
        self.path, self.settings, self.every = path, settings, every
        if path.exists():
            self._load(load_checkpoint(path, settings))
        else:
            self._save()  # now rather than after hours: can it be written at all?

    def _save(self) -> None:
        assert self.path is not None
        self._read()
        own = {name: getattr(self, name) for name in _NUMBERS}
        own["seconds"] += time.perf_counter() - self.clock
        tensors = {"order": self.epoch_start, "noise": self.noise.get_state(), "rng": rng_state(self.device)}
        parts = {name: getattr(self, name).state_dict() for name in _PARTS}
        save_checkpoint(self.path, own | tensors | parts | {"history": vars(self.history)}, self.settings)
        self.saved = time.perf_counter()

    def _load(self, state: dict[str, Any]) -> None:
        if missing := [name for name in (*_NUMBERS, *_PARTS, *_OTHERS) if name not in state]:
            raise ValueError(
                f"{self.path} should hold the state of a training, but lacks {', '.join(missing)}: it was not written "
                "by fit(). Delete it to start afresh, or name another file as checkpoint=."
            )
        try:
            for name in _PARTS:
                getattr(self, name).load_state_dict(state[name])
            self.history = History(**state["history"])
            self.noise.set_state(state["noise"])
            set_rng_state(state["rng"], self.device)
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"{self.path} should hold the state of this training, but it does not fit ({type(error).__name__}: "
                f"{str(error).partition(chr(10))[0]}). Delete it to start afresh, with a network built anew, or name "
                "another file as checkpoint=."
            ) from error
        for name in _NUMBERS:
            setattr(self, name, state[name])
        self.epoch_start = state["order"]


_NUMBERS = ("step", "epoch", "position", "seconds", "lr", "recent", "of_epoch")
_PARTS = ("model", "optimizer", "schedule", "criterion")
_OTHERS = ("history", "order", "noise", "rng")


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Batches that `batch_indices` makes of n images: a single image left over makes none, if others are there."""
    whole, left = divmod(n, batch_size)
    return whole + (left > 1 or left == n == 1)


def mean_loss(steps: Sequence[tuple[float, float]]) -> float:
    """Mean of (loss, weight) pairs, NaN without weights; the exact sum makes it independent of when they were read."""
    weight = math.fsum(weight for _, weight in steps)
    return math.fsum(loss * weight for loss, weight in steps) / weight if weight else math.nan


def diverged(taken: Taken, loss: float) -> RuntimeError:
    """The error for a loss that is not finite."""
    shown = ", ".join(map(str, taken.indices[:64].tolist())) + (", ..." if len(taken.indices) > 64 else "")
    return RuntimeError(
        f"the training loss became {loss} at step {taken.step}, with lr {taken.lr:.3g}, on the batch of the training "
        f"images [{shown}]. Mostly the learning rate is too high: try a tenth of it, or ask lr_range_test. If it "
        "happens at once with any lr, look at these images and at the weights of the network."
    )
