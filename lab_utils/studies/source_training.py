"""Train a network to name fractals and patches of photographs, in a run that may be killed at any moment.

The recipe (a high learning rate, and weight decay on everything) is what makes the weights small beside their
initialisation, as ImageNet weights are.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.device import precision_for
from lab_utils.networks import DEFAULT_PREPROCESSING
from lab_utils.training import describe_model, digest_of, load_checkpoint, save_checkpoint, tensor_text, tensors

CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True)
class Recipe:
    """One source training; the defaults are shared by all shipped files.

    Attributes:
        steps: Optimizer steps in all.
        small_steps: How many of them, from the first, see images average-pooled to half the side:
            three to five times as fast, and the rest of the schedule is enough to grow into the
            full side.
        images: Fractals to train on.
        photos: Patches of photographs to train on; 0 leaves photographs out.
        held_out: Images of another seed that source accuracy is measured on, of each kind.
        categories: Fractal categories.
        size: Side in px.
        shift: Largest random shift in px, along each axis.
        log_every: Steps between two lines of the log.
    """

    steps: int
    small_steps: int
    images: int = 40_000
    photos: int = 16_000
    held_out: int = 2_000
    categories: int = 200
    size: int = 64
    batch_size: int = 128
    lr: float = 0.2
    momentum: float = 0.9
    warmup: int = 200
    weight_decay: float = 1e-3
    label_smoothing: float = 0.1
    shift: int = 6
    log_every: int = 250
    seed: int = 0


def draw_batch(images: Tensor, labels: Tensor, step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Draw the batch of one step: shifted, mirrored, normalised.

    It depends on the recipe's seed and the step alone, so a resumed run sees what it would have.

    Args:
        images: uint8 (N, H, H).
        labels: int64 (N,).
        step: Number of the step, from 0.
        recipe: The training it belongs to.

    Returns:
        float32 (B, 1, H, H), or (B, 1, H/2, H/2) in the first `small_steps`, and int64 (B,).
    """
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    size, count = images.shape[-1], recipe.batch_size
    chosen = torch.randint(0, len(images), (count,), generator=generator)
    shifts = torch.randint(-recipe.shift, recipe.shift + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    rows, columns = torch.arange(size) + shifts  # (B, H) each, reaching over the edge
    columns = torch.where(mirrored, size - 1 - columns, columns)
    rows, columns = _reflect(rows, size), _reflect(columns, size)
    batch = images[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]  # (B, H, H)
    x = DEFAULT_PREPROCESSING[1](batch[:, None])
    return (F.avg_pool2d(x, 2) if step < recipe.small_steps else x), labels[chosen]


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold indices that lie outside 0 ... size - 1 back at the edge."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


def learning_rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up times a cosine that ends at 0."""
    warm = min(1.0, (step + 1) / recipe.warmup)
    return recipe.lr * warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def held_out_accuracy(
    model: nn.Module, images: Tensor, labels: Tensor, *, small: bool, device: torch.device | str = "cpu"
) -> float:
    """Share of images (N, H, H) whose category the model, on `device`, names; `small` halves their side."""
    model.eval()
    correct = 0
    with torch.no_grad(), autocast(device):
        for part, answer in zip(images.split(250), labels.split(250), strict=True):
            x = DEFAULT_PREPROCESSING[1](part[:, None]).to(device)
            logits = model(F.avg_pool2d(x, 2) if small else x)
            correct += int((logits.argmax(dim=1) == answer.to(device)).sum())
    model.train()
    return correct / len(images)


def autocast(device: torch.device | str) -> torch.autocast:
    """Compute in bfloat16 where `device` gains by it."""
    kind, low = torch.device(device).type, precision_for(device) == "bf16"
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=low)


def relative_scale(model: nn.Module) -> list[float]:
    """Standard deviation of each convolution's weights over that of its initialisation."""
    convolutions = [m.weight.detach() for m in model.modules() if isinstance(m, nn.Conv2d)]
    return [float(w.std() / math.sqrt(2 / (w.shape[0] * w[0, 0].numel()))) for w in convolutions]


def train(
    name: str,
    build: Callable[[int], nn.Module],
    recipe: Recipe,
    data: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    stop_after: int | None = None,
) -> tuple[nn.Module, list[str]]:
    """Train from the checkpoint if there is one, else from the start.

    Args:
        name: Of the network.
        build: Makes the network from the number of categories.
        recipe: How.
        data: Images uint8 (N, H, H) and labels int64 (N,).
        held_out: The same of another seed.
        checkpoint: File written every two minutes and on `stop_after`. One of another network, recipe or data, or of
            other weights at the start, is refused.
        device: Where to compute.
        stop_after: Stop at this step, as if killed there; for tests.

    Returns:
        The model, and the lines of the log.
    """
    torch.manual_seed(recipe.seed)
    classes = int(data[1].max()) + 1
    model = build(classes).to(torch.device(device)).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=recipe.lr,
        momentum=recipe.momentum,
        nesterov=True,
        weight_decay=recipe.weight_decay,
    )
    settings = _settings(name, recipe, model, data, held_out)
    start, lines, used = _resume(checkpoint, settings, model, optimizer)
    model.train()
    began = saved = time.monotonic()
    losses: list[Tensor] = []
    for step in range(start, recipe.steps):
        if step == stop_after:
            _save(checkpoint, settings, model, optimizer, step, lines, used)
            break
        x, y = draw_batch(*data, step, recipe)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe)
        with autocast(device):
            logits = model(x.to(device).contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), y.to(device), label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        now = time.monotonic()
        if (step + 1) % recipe.log_every == 0 or step + 1 == recipe.steps:
            accuracy = held_out_accuracy(model, *held_out, small=step < recipe.small_steps, device=device)
            scale = " ".join(f"{value:.2f}" for value in relative_scale(model))
            lines.append(
                f"step {step + 1:5d} of {recipe.steps}  side {x.shape[-1]} px  "
                f"loss {float(torch.stack(losses).mean()):.3f} nats  "
                f"held-out accuracy {accuracy:.4f}  std/init {scale}  {used + now - began:.0f} s"
            )
            print(name, lines[-1], flush=True)
            losses = []
        if now - saved > CHECKPOINT_SECONDS:
            _save(checkpoint, settings, model, optimizer, step + 1, lines, used + now - began)
            saved = now
    return model, lines


def _settings(
    name: str, recipe: Recipe, model: nn.Module, data: tuple[Tensor, Tensor], held_out: tuple[Tensor, Tensor]
) -> dict[str, object]:
    """What makes this training: a checkpoint of any other is refused."""
    images = {part: digest_of(list(map(tensor_text, pair))) for part, pair in (("data", data), ("held_out", held_out))}
    return {
        "name": name,
        "recipe": {f".{key}": repr(value) for key, value in asdict(recipe).items()},
        "network": describe_model(model),
        "weights": tensors(model),
        **images,
    }


def _save(
    path: Path,
    settings: dict[str, object],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    step: int,
    lines: list[str],
    seconds: float,
) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    save_checkpoint(path, state | {"step": step, "lines": lines, "seconds": seconds}, settings)


def _resume(
    path: Path, settings: dict[str, object], model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[str], float]:
    if not path.exists():
        return 0, [], 0.0
    state = load_checkpoint(path, settings)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    print(f"{settings['name']} goes on from step {state['step']} of {path}", flush=True)
    return state["step"], state["lines"], state["seconds"]
