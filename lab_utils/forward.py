"""From resident images to logits and to a loss, one batch at a time."""

import difflib
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from lab_utils.data.augment import Augment, augment
from lab_utils.data.splits import Split
from lab_utils.device import PRECISIONS, precision_for
from lab_utils.losses import Criterion, criterion_for
from lab_utils.models import preprocess
from lab_utils.weights import Preprocessing


def is_fast(precision: str, device: torch.device) -> bool:
    """Whether to compute with bfloat16 and channels_last: ``"auto"`` asks the device.

    Raises:
        ValueError: if `precision` is not ``"auto"``, ``"bf16"`` or ``"fp32"``.
    """
    known = ("auto", *PRECISIONS)
    if precision not in known:
        near = difflib.get_close_matches(str(precision), known, n=1, cutoff=0.3)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"precision must be one of {', '.join(known)}; got {precision!r}.{hint}")
    return (precision_for(device) if precision == "auto" else precision) == "bf16"


def to_device(model: nn.Module, device: torch.device, *, fast: bool) -> None:
    """Move a network, in place; its parameters stay the same objects."""
    model.to(device)
    if fast:
        model.to(memory_format=torch.channels_last)


def resident(split: Split, device: torch.device) -> Split:
    """The split on `device`, where that has room for it, else as it is.

    A quarter of the free memory at most: the rest is for the network.
    """
    if split.images.device == device or device.type == "cpu":
        return split
    size = split.images.numel() * split.images.element_size()
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return split.to(device) if size <= free / 4 else split


def forward(model: nn.Module, x: Tensor, *, fast: bool) -> Tensor:
    """Float32 logits (B, K) of preprocessed images (B, C, H, W)."""
    if fast:
        x = x.contiguous(memory_format=torch.channels_last)
    with torch.autocast(x.device.type, dtype=torch.bfloat16) if fast else nullcontext():
        output = model(x)
    # GoogLeNet and Inception return their auxiliary logits too while they train.
    logits = output if isinstance(output, Tensor) else output[0]
    return logits.float()


def batch_loss(
    model: nn.Module,
    split: Split,
    criterion: Criterion | None,
    *,
    device: torch.device,
    fast: bool,
    config: Augment | None,
    generator: torch.Generator,
) -> Callable[[Tensor], Tensor]:
    """Return a function from positions in `split` (B,) to the loss of that batch.

    Args:
        model: a network with `preprocessing`, on `device`.
        split: the images and labels; they move to `device` for good if that has room for them.
        criterion: f(logits, labels) -> mean loss; None for the one that fits the task.
        device: where to compute.
        fast: compute with bfloat16 and channels_last.
        config: random changes of the images, or None.
        generator: source of these changes, on the CPU.

    Raises:
        ValueError: when called, if the network has another number of logits than the
            split has classes.
    """
    preprocess(model, split.images[:1])  # a network without preprocessing is refused here
    preprocessing: Preprocessing = vars(model)["preprocessing"]
    preprocessing.check(split.images)
    measure = criterion or criterion_for(split.task)
    split = resident(split, device)

    def loss(indices: Tensor) -> Tensor:
        chosen = indices.to(split.images.device)
        images = split.images.index_select(0, chosen).to(device, non_blocking=True)
        labels = split.labels.index_select(0, chosen).to(device, non_blocking=True)
        if config is not None:
            images = augment(images.float().div_(255), config, generator=generator)
        # Not preprocess(): its check of the range would wait for the GPU at every step.
        logits = forward(model, preprocessing.normalise(images), fast=fast)
        check_logits(logits, split)
        return measure(logits, labels)

    return loss


def check_logits(logits: Tensor, split: Split) -> None:
    """Refuse a network whose head does not fit the classes of the split."""
    if logits.ndim != 2 or logits.shape[1] != split.num_classes:
        raise ValueError(
            f"expected one logit for each of the {split.num_classes} classes ({', '.join(split.class_names)}), but the "
            f"network returns {tuple(logits.shape[1:])} per image. Build it with num_classes={split.num_classes}."
        )
