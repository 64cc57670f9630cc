"""From images to logits and to a loss, one batch at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from lab_utils.arguments import one_of
from lab_utils.data import Augment, Split, augment
from lab_utils.device import PRECISIONS, precision_for
from lab_utils.networks import preprocess, preprocessing_of
from lab_utils.training.criterion import Fitted
from lab_utils.training.losses import Criterion, criterion_for, require_known
from lab_utils.training.reading import Batch

A_MODEL = (nn.Module, "build_model('resnet10_w16', num_classes=2)")


def is_fast(precision: str, device: torch.device) -> bool:
    """Whether to compute with bfloat16: ``"auto"`` asks the device.

    Raises:
        ValueError: if `precision` is not ``"auto"``, ``"bf16"`` or ``"fp32"``.
    """
    one_of("precision", precision, ("auto", *PRECISIONS))
    return (precision_for(device) if precision == "auto" else precision) == "bf16"


def trains_fast(model: nn.Module, precision: str, device: torch.device) -> bool:
    """`is_fast` for training: ``"auto"`` is float32 for depthwise convolutions on a CPU.

    Their backward pass in bfloat16 takes a CPU so long that the whole step lasts twice as long as in float32.
    """
    fast = is_fast(precision, device)
    if precision != "auto" or device.type != "cpu":
        return fast
    return fast and not any(isinstance(m, nn.Conv2d) and 1 < m.groups == m.in_channels for m in model.modules())


def to_device(model: nn.Module, device: torch.device, *, fast: bool) -> None:
    """Move a network, in place; its parameters stay the same objects.

    With channels last a processor convolves in float32, too, a seventh faster.
    """
    model.to(device)
    if fast or device.type == "cpu":
        model.to(memory_format=torch.channels_last)


def check_kind(name: str, part: object, kind: Any, example: str) -> None:
    """Refuse what is of another kind than what `example` gives."""
    if not isinstance(part, kind):
        raise ValueError(f"{name} must be such as {example} gives; got {type(part).__name__}.")


def check_parts(model: nn.Module, train: Split, val: Split | None, config: Augment | None) -> None:
    """Refuse what is no network, no split or no augmentation, and validation images of another kind.

    Raises:
        ValueError: if one of them is not what it should be, or the network belongs to several processes.
    """
    for name, part, kind, example in (
        ("model", model, *A_MODEL),
        ("train", train, Split, "load_data('phantoms')['train']"),
        ("val", val, Split | None, "load_data('phantoms')['val']"),
        ("augment", config, Augment | None, "Augment(degrees=5)"),
    ):
        check_kind(name, part, kind, example)
    _one_process(model)
    if val is not None:
        _same_kind(model, train, val)
        require_known(val, "validation", "it does not count in the validation loss and AUROC")


def _same_kind(model: nn.Module, train: Split, val: Split) -> None:
    """Refuse validation images that the network would see otherwise than the training images."""
    if (val.task, val.class_names) != (train.task, train.class_names):
        raise ValueError(
            f"val must have the task and the classes of train, {train.task} with {', '.join(train.class_names)}; got "
            f"{val.task} with {', '.join(val.class_names)}. Take both from one load_data()."
        )
    sides = [tuple(preprocess(model, split.images[:1]).shape[2:]) for split in (train, val)]  # as the network sees them
    if val.in_channels != train.in_channels or sides[0] != sides[1]:
        shapes = [" x ".join(map(str, split.images.shape[1:])) for split in (train, val)]
        raise ValueError(
            f"val must have images like those of train, of {shapes[0]} (channels x height x width); got {shapes[1]}. "
            "Load both in the same way, with one size= and all grey or all in colour; what a network does on images of "
            "another kind, evaluate() says after the training."
        )


def _one_process(model: nn.Module) -> None:
    kinds = {base.__name__ for base in type(model).__mro__}
    if kinds & {"DistributedDataParallel", "FullyShardedDataParallel"}:
        raise ValueError(
            f"training here happens in one process, but the network is a {type(model).__name__}, which belongs to "
            "several. Give the network inside of it, model.module; to use several GPUs of this machine, give "
            "nn.DataParallel(model)."
        )


def forward(model: nn.Module, x: Tensor, *, fast: bool) -> Tensor:
    """Float32 logits (B, K) of preprocessed images (B, C, H, W)."""
    if fast or x.device.type == "cpu":
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
    fast: bool,
    config: Augment | None,
    generator: torch.Generator,
) -> Callable[[Batch], Tensor]:
    """Return a function from a batch, as `Reader` gives it, to its loss.

    Args:
        model: a network with `preprocessing`, on the device of the batch.
        split: where the batches come from.
        criterion: f(logits, labels) -> mean loss; None for the one that fits the task.
        fast: compute with bfloat16.
        config: random changes of the images, or None.
        generator: source of these changes, on the CPU.

    Raises:
        ValueError: when called, if the network has another number of logits than the
            split has classes, or batch norm cannot use a batch of one image.
    """
    preprocess(model, split.images[:1])  # a network without preprocessing is refused here
    preprocessing = preprocessing_of(model)
    preprocessing.check(split.images)
    measure = criterion if isinstance(criterion, Fitted) else Fitted(criterion or criterion_for(split.task))

    def loss(batch: Batch) -> Tensor:
        images, labels = batch
        if config is not None:
            images = augment(images.float().div_(255), config, generator=generator)
        # Not preprocess(): its check of the range would wait for the GPU at every step.
        with _batch_norm_in_words(len(images)):
            logits = forward(model, preprocessing.normalise(images), fast=fast)
        check_logits(logits, split)
        return measure(logits, labels)

    return loss


@contextmanager
def _batch_norm_in_words(images: int) -> Iterator[None]:
    """Say what PyTorch means where batch norm has one value per channel, of which there is no variance."""
    try:
        yield
    except ValueError as error:
        if "when training" not in str(error) or "Expected more than 1" not in str(error):
            raise
        raise ValueError(
            f"batch norm needs more than one value per channel to train on, but this batch of {images} "
            f"image{'s' * (images != 1)} leaves one ({str(error).partition(chr(10))[0]}). Use a batch_size of at least "
            "2 and more than one image, or larger images; or freeze the stages that have batch norm, see freeze()."
        ) from error


def check_logits(logits: Tensor, split: Split) -> None:
    """Refuse a network whose head does not fit the classes of the split."""
    if logits.ndim != 2 or logits.shape[1] != split.num_classes:
        raise ValueError(
            f"expected one logit for each of the {split.num_classes} classes ({', '.join(split.class_names)}), but the "
            f"network returns {tuple(logits.shape[1:])} per image. Build it with num_classes={split.num_classes}."
        )
