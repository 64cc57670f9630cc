"""What a split must look like, and what to do when it does not.

Raises ValueError from every function: what was expected, what came, what to do.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import torch
from torch import Tensor

from lab_utils.arguments import whole

TASKS = ("binary", "multiclass", "multilabel", "ordinal")


def check_split(
    images: Tensor,
    labels: Tensor,
    groups: Tensor,
    task: str,
    class_names: tuple[str, ...],
) -> None:
    """Refuse images, labels, patients, task and names that do not fit together."""
    _check_task(task, class_names)
    _check_images(images)
    _check_lengths(images, labels, groups, task, class_names)
    check_labels(labels, task, class_names)


def check_size(size: object) -> None:
    """Refuse anything but a side in pixels."""
    if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
        raise ValueError(f"size must be a side in pixels, a whole number of at least 1; got {size!r}. For example 64.")


def check_channels(root: Path, channels: object) -> None:
    """Refuse anything but 1, 3, or None, which is to look at the pictures."""
    if channels not in (None, 1, 3):
        raise ValueError(
            f"{root}: channels must be 1 for grey, 3 for colour, or None to look; got {channels!r}. Choose one."
        )


def check_numbers(*, size: object, seed: object, **counts: object) -> None:
    """Refuse a side, a seed or a number of images that is no whole number; a side or number may be None."""
    if size is not None:
        check_size(size)
    whole("seed", seed, 0, example=0)
    for argument, n in counts.items():
        if n is not None:
            whole(argument, n, 1, example=100)


def check_names(class_names: Sequence[str]) -> None:
    """Refuse one text instead of a list of names, and a name that two classes share."""
    if isinstance(class_names, str):
        raise ValueError(
            f"class_names must be a list of names; got the one text {class_names!r}. Write for example "
            "class_names=('normal', 'sick')."
        )
    if twice := [name for name, count in Counter(class_names).items() if count > 1]:
        raise ValueError(
            f"every class needs a name of its own; {', '.join(map(repr, twice))} is there more than once in "
            f"{tuple(class_names)}. Give one name per class."
        )


def _check_task(task: str, class_names: tuple[str, ...]) -> None:
    """Refuse an unknown task or a number of names that does not fit it."""
    if task not in TASKS:
        raise ValueError(f"task must be one of {TASKS}; got {task!r}. Choose one.")
    check_names(class_names)
    least = 1 if task == "multilabel" else 2
    if len(class_names) < least or (task == "binary" and len(class_names) != 2):
        wanted = "exactly 2" if task == "binary" else f"at least {least}"
        raise ValueError(
            f"a {task} task needs {wanted} class names; got {tuple(class_names)}. "
            "Give one name per class, the negative class first in a binary task."
        )


def _check_images(images: Tensor) -> None:
    """Refuse anything but uint8 images of shape (N, C, H, W)."""
    if images.dtype != torch.uint8:
        raise ValueError(
            f"images must be uint8 from 0 to 255; got {images.dtype}. For floats in "
            "[0, 1] call lab_utils.data.images.as_uint8(images), which also refuses "
            "NaN, infinite and out-of-range pixels."
        )
    if images.ndim != 4 or 0 in images.shape or images.shape[1] not in (1, 3):
        raise ValueError(
            "images must have shape (N, C, H, W) with N > 0 and C = 1 or 3; got "
            f"{tuple(images.shape)}. Grey images of shape (N, H, W) need "
            "images[:, None]; channels-last ones need images.permute(0, 3, 1, 2)."
        )


def _check_lengths(
    images: Tensor,
    labels: Tensor,
    groups: Tensor,
    task: str,
    class_names: tuple[str, ...],
) -> None:
    """Refuse labels or patients that do not match the images one to one."""
    n, k = len(images), len(class_names)
    multilabel = task == "multilabel"
    shape, dtype = ((n, k), torch.float32) if multilabel else ((n,), torch.int64)
    if labels.shape != shape or labels.dtype != dtype:
        raise ValueError(
            f"{n} images of a {task} task with {k} class names need labels of "
            f"shape {shape} and type {dtype}; got {tuple(labels.shape)} and "
            f"{labels.dtype}. Every image needs exactly one row of labels."
        )
    if groups.shape != (n,) or groups.dtype != torch.int64:
        raise ValueError(
            f"groups must be int64 of shape ({n},), one patient number per image; got "
            f"{groups.dtype} of shape {tuple(groups.shape)}. If patients "
            "are unknown use torch.arange(len(images))."
        )


def check_labels(labels: Tensor, task: str, class_names: tuple[str, ...], *, every_class: bool = False) -> None:
    """Refuse label values outside the range of the task and, if `every_class`, classes without an image."""
    k = len(class_names)
    if task == "multilabel":
        wrong = labels[(labels != 1) & (labels != 0) & (labels != -1)]
        wanted = "1 (present), 0 (absent) or -1 (uncertain)"
    else:
        wrong = labels[(labels < 0) | (labels >= k)]
        wanted = f"whole numbers from 0 to {k - 1}"
    if len(wrong):
        from_one = task != "multilabel" and int(labels.min()) == 1 and int(labels.max()) == k
        raise ValueError(
            f"labels of this {task} task with {k} classes must "
            f"be {wanted}; {len(wrong)} of them are not, for example "
            f"{wrong[0].item()}. Correct the labels or the list of class names."
            f"{' They seem to begin at 1: subtract 1.' * from_one}"
        )
    if not every_class:
        return
    present = labels == 1 if task == "multilabel" else labels[:, None] == torch.arange(k, device=labels.device)
    if absent := [name for name, some in zip(class_names, present.any(dim=0).tolist(), strict=True) if not some]:
        raise ValueError(
            f"every one of the {k} classes ({_some(class_names)}) needs at least one image to train on; there is "
            f"none of {_some(absent)}. Add images, or leave the class out."
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + ", ..." * (len(names) > 8)


@contextmanager
def naming(source: str) -> Iterator[None]:
    """Put `source`, a file for example, before the text of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
