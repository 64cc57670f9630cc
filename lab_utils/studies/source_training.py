"""Train a network to name fractals and patches of photographs, in a run that may be killed at any moment.

The recipe (a high learning rate, and weight decay on everything) is what makes the weights small beside their
initialisation, as ImageNet weights are.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lab_utils.device import precision_for
from lab_utils.networks import DEFAULT_PREPROCESSING, build_model
from lab_utils.training import Run, Schedule, describe_model, digest_of, tensor_text, tensors

Images = tuple[Tensor, Tensor]  # uint8 (N, H, H), in colour (N, 3, H, H), and labels int64 (N,)

CHECKPOINT_SECONDS = 120.0


@dataclass(frozen=True)
class Recipe:
    """One source training; the defaults are shared by all shipped files.

    Attributes:
        steps: Optimizer steps in all.
        small_steps: How many of them, from the first, see images average-pooled to half the side:
            three to five times as fast, and the rest of the schedule is enough to grow into the
            full side.
        images: Fractals to train on; 0 leaves fractals out.
        photos: Patches of photographs to train on; 0 leaves photographs out.
        held_out: Images of another seed that source accuracy is measured on, of each kind.
        categories: Fractal categories.
        size: Side in px.
        shift: Largest random shift in px, along each axis.
        log_every: Steps between two lines of the log.
        optimizer: "sgd" with Nesterov momentum, which decays everything; or "adamw", which transformers need, and which
            decays only weights, no biases, norms and positions. `momentum` is that of either.
        colour: Whether the patches are in colour; then there are no fractals, which are grey.
        source: where it is not "", `images` are not fractals, but of this source of `sources_on_the_spot`.
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
    optimizer: str = "sgd"
    source: str = ""
    colour: bool = False

    @property
    def channels(self) -> int:
        """Of the images, and of the network that learns them."""
        return 3 if self.colour else 1


def drawn(count: int, step: int, recipe: Recipe) -> tuple[Tensor, torch.Generator]:
    """Positions (B,) of the images of one step, and the generator that goes on with their changes.

    They depend on the recipe's seed and the step alone, so a resumed run sees what it would have.
    """
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    return torch.randint(0, count, (recipe.batch_size,), generator=generator), generator


def draw_batch(images: Tensor, labels: Tensor, step: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Draw the batch of one step: shifted, mirrored, normalised.

    Args:
        images: uint8 (N, H, H), in colour (N, 3, H, H).
        labels: int64 (N,).
        step: Number of the step, from 0.
        recipe: The training it belongs to.

    Returns:
        float32 (B, C, H, H), or (B, C, H/2, H/2) in the first `small_steps`, and int64 (B,).
    """
    chosen, generator = drawn(len(images), step, recipe)
    size, count = images.shape[-1], recipe.batch_size
    shifts = torch.randint(-recipe.shift, recipe.shift + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    rows, columns = torch.arange(size) + shifts  # (B, H) each, reaching over the edge
    columns = torch.where(mirrored, size - 1 - columns, columns)
    rows, columns = _reflect(rows, size), _reflect(columns, size)
    picture = torch.arange(count)[:, None, None]
    pixels = with_channel(images[chosen]).movedim(1, -1)  # (B, H, H, C)
    batch = pixels[picture, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
    x = DEFAULT_PREPROCESSING[batch.shape[1]](batch)
    return (F.avg_pool2d(x, 2) if step < recipe.small_steps else x), labels[chosen]


def with_channel(images: Tensor) -> Tensor:
    """Images (N, C, H, H), whether they came so or grey as (N, H, H)."""
    return images if images.ndim == 4 else images[:, None]


def _reflect(index: Tensor, size: int) -> Tensor:
    """Fold indices that lie outside 0 ... size - 1 back at the edge."""
    index = index.abs()
    return torch.where(index >= size, 2 * (size - 1) - index, index)


class WarmCosine(Schedule):
    """Linear warm-up times a cosine that ends at 0; its own class, as ``"cosine"`` begins after the warm-up."""

    def set(self, step: int) -> float:
        """Set the learning rate for `step`, from 0; returns it."""
        warm = min(1.0, (step + 1) / self.warmup)
        lr = self.base[0] * warm * 0.5 * (1 + math.cos(math.pi * step / self.total))
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr


def held_out_accuracy(
    model: nn.Module, images: Tensor, labels: Tensor, *, small: bool, device: torch.device | str = "cpu"
) -> float:
    """Share of images (N, H, H), in colour (N, 3, H, H), whose category the model names; `small` halves their side."""
    model.eval()
    correct = 0
    with torch.no_grad(), autocast(device):
        for part, answer in zip(images.split(250), labels.split(250), strict=True):
            part = with_channel(part)
            x = DEFAULT_PREPROCESSING[part.shape[1]](part).to(device)
            logits = model(F.avg_pool2d(x, 2) if small else x)
            correct += int((logits.argmax(dim=1) == answer.to(device)).sum())
    model.train()
    return correct / len(images)


def autocast(device: torch.device | str) -> torch.autocast:
    """Compute in bfloat16 where `device` gains by it."""
    kind, low = torch.device(device).type, precision_for(device) == "bf16"
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=low)


def relative_scale(model: nn.Module) -> list[float]:
    """Standard deviation of the weights of each convolution and linear layer of the backbone over that at its start."""
    layers = [m for name, m in model.named_modules() if name != "head" and isinstance(m, nn.Conv2d | nn.Linear)]
    weights = [layer.weight.detach() for layer in layers]
    starts = [w.shape[0] * w[0, 0].numel() if w.ndim == 4 else sum(w.shape) for w in weights]  # He's, and Glorot's
    return [float(w.std() / math.sqrt(2 / fan)) for w, fan in zip(weights, starts, strict=True)]


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer of the recipe."""
    if recipe.optimizer == "sgd":
        groups = [{"params": list(model.parameters()), "weight_decay": recipe.weight_decay}]
        return torch.optim.SGD(groups, recipe.lr, recipe.momentum, nesterov=True)
    layers = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    decayed = {id(weight) for weight in layers}
    rest = [p for p in model.parameters() if id(p) not in decayed]
    both = [{"params": layers, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(both, recipe.lr, (recipe.momentum, 0.98))


def train(
    name: str,
    recipe: Recipe,
    data: Images,
    held_out: Images,
    checkpoint: Path,
    *,
    device: torch.device | str = "cpu",
    stop_after: int | None = None,
) -> tuple[nn.Module, list[str]]:
    """Train from the checkpoint if there is one, else from the start.

    Args:
        name: Of the network; what follows a "-" is no part of it.
        recipe: How.
        data: Images uint8 (N, H, H), in colour (N, 3, H, H), and labels int64 (N,).
        held_out: The same of another seed.
        checkpoint: File written every two minutes and at the end. One of another network, recipe or data, or of other
            weights at the start, is refused.
        device: Where to compute.
        stop_after: Stop at this step, as if killed there; for tests.

    Returns:
        The model, and the lines of the log.
    """
    device = torch.device(device)
    classes = int(data[1].max()) + 1
    model = build_model(name.split("-")[0], num_classes=classes, in_channels=recipe.channels, seed=recipe.seed)
    model.to(device).to(memory_format=torch.channels_last)
    settings = _settings(name, recipe, model, data, held_out)
    optimizer = make_optimizer(model, recipe)

    def loss(_: Tensor) -> Tensor:
        x, y = draw_batch(*data, run.step, recipe)
        with autocast(device):
            logits = model(x.to(device).contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(logits.float(), y.to(device), label_smoothing=recipe.label_smoothing)

    def measures() -> dict[str, float]:
        accuracy = held_out_accuracy(model, *held_out, small=run.step <= recipe.small_steps, device=device)
        return {"accuracy": accuracy} | {f"scale{i}": value for i, value in enumerate(relative_scale(model))}

    run = Run(
        model=model,
        optimizer=optimizer,
        schedule=WarmCosine(optimizer, "cosine", total=recipe.steps, warmup=recipe.warmup),
        loss=loss,
        counts=torch.ones(len(data[1]), dtype=torch.float64),
        batch_size=recipe.batch_size,
        total=recipe.steps if stop_after is None else stop_after,
        points=frozenset([*range(recipe.log_every, recipe.steps, recipe.log_every), recipe.steps]),
        device=device,
        validate=measures,
        draw=lambda step: drawn(len(data[1]), step, recipe)[0],
        keep_best=False,
    )
    run.keep_in(checkpoint, settings, every=CHECKPOINT_SECONDS)
    run.train(each_step=lambda: None, each_row=lambda row: print(name, _line(row, recipe), flush=True))
    return model, [_line(row, recipe) for row in run.history.rows]


def _line(row: dict[str, float], recipe: Recipe) -> str:
    """A row of the history, for the log."""
    side = recipe.size // 2 if row["step"] <= recipe.small_steps else recipe.size
    scale = " ".join(f"{value:.2f}" for key, value in row.items() if key.startswith("val_scale"))
    return (
        f"step {row['step']:5d} of {recipe.steps}  side {side} px  loss {row['train_loss']:.3f} nats  "
        f"held-out accuracy {row['val_accuracy']:.4f}  std/init {scale}  {row['seconds']:.0f} s"
    )


def _settings(name: str, recipe: Recipe, model: nn.Module, data: Images, held_out: Images) -> dict[str, object]:
    """What makes this training: a checkpoint of any other is refused."""
    images = {part: digest_of(list(map(tensor_text, pair))) for part, pair in (("data", data), ("held_out", held_out))}
    return {
        "name": name,
        "recipe": {f".{key}": repr(value) for key, value in asdict(recipe).items()},
        "network": describe_model(model),
        "weights": tensors(model),
        **images,
    }
