"""Labels of an npz file: whole numbers, the task they belong to, and the names of the classes."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lab_utils.data.npz import length_of, whole
from lab_utils.data.published import PUBLISHED, Published
from lab_utils.data.validation import check_names, naming


def read_labels(archive: zipfile.ZipFile, path: Path, part: str) -> Tensor:
    """Labels of one part as whole numbers, int64 (N, columns), one row for each image.

    Raises:
        ValueError: if they are no whole numbers, or not one row for each image.
    """
    with naming(str(path)):
        array = whole(archive, f"{part}_labels")
    images = length_of(archive, f"{part}_images")
    if array.ndim not in (1, 2) or len(array) != images or 0 in array.shape:
        raise ValueError(
            f"{path}: {part}_images holds {images} images, so {part}_labels must have shape ({images}, 1), or "
            f"({images}, K) for K findings; it has {array.shape}. Images and labels must be saved from the same rows."
        )
    if array.dtype.kind in "US":
        texts = ", ".join(str(text)[:40] for text in np.unique(array)[:4].tolist())
        raise ValueError(
            f"{path}: {part}_labels must be whole numbers; it holds text ({texts}). Number the classes from 0 in an "
            "order that you choose, and give that order with class_names=."
        )
    numbers = array.astype(np.float64) if array.dtype.kind in "buif" else np.full(array.shape, np.nan)
    if not (np.isfinite(numbers) & (numbers == np.round(numbers))).all():
        raise ValueError(
            f"{path}: {part}_labels must be whole numbers; it holds NaN, fractions or text (type {array.dtype}). "
            "Number the classes from 0, and write -1 for an uncertain finding."
        )
    whole_numbers = numbers.clip(-(2**53), 2**53).astype(np.int64)  # far out of range stays so, and fits the type
    return torch.from_numpy(whole_numbers.reshape(len(array), -1))


def describe_labels(
    path: Path, labels: Mapping[str, Tensor], task: str | None, class_names: Sequence[str] | None
) -> tuple[str, tuple[str, ...], dict[str, Tensor]]:
    """Task and class names: as given, else as published, else as the labels suggest; and the labels for that task.

    Raises:
        ValueError: if the labels can be read in two ways, do not number classes from 0, or do not fit the names.
    """
    if class_names is not None:
        check_names(class_names)
    known = _published(path)
    task = task or (known.task if known else _suggested(path, labels))
    if task != "multilabel" and _one_in_each_row(labels):
        labels = {part: rows.argmax(dim=1, keepdim=True) for part, rows in labels.items()}
    if class_names is None:
        class_names = known.class_names if known and known.task == task else _numbered_names(path, labels, task)
    wanted = len(class_names) if task == "multilabel" else 1
    for part, rows in labels.items():
        if rows.shape[1] != wanted:
            raise ValueError(
                f"{path}: {part}_labels must have {wanted} columns for a {task} task with the classes "
                f"{', '.join(class_names)}; it has {rows.shape[1]}. Correct the file, task= or class_names=."
            )
    return task, tuple(map(str, class_names)), dict(labels)  # NumPy has texts of its own


def _published(path: Path) -> Published | None:
    """The set that the name of the file speaks of, if it speaks of one."""
    named = [PUBLISHED[name] for name in PUBLISHED if name in path.name.lower()]
    return named[0] if len(named) == 1 else None


def _one_in_each_row(labels: Mapping[str, Tensor]) -> bool:
    """Whether there are several columns with exactly one 1, and else 0, in every row of every part."""
    return all(
        rows.shape[1] > 1 and bool(((rows == 0) | (rows == 1)).all()) and bool((rows.sum(dim=1) == 1).all())
        for rows in labels.values()
    )


def _suggested(path: Path, labels: Mapping[str, Tensor]) -> str:
    columns = labels["train"].shape[1]
    if _one_in_each_row(labels):
        raise ValueError(
            f"{path}: the task must be clear from the labels; {columns} columns with exactly one 1 in each row may be "
            "one class for each image, or findings that never come together. Say which: task='multiclass' (with two "
            "columns 'binary', with grades 'ordinal') or task='multilabel'."
        )
    if columns > 1:
        return "multilabel"
    return "binary" if _largest(labels) <= 1 else "multiclass"


def _largest(labels: Mapping[str, Tensor]) -> int:
    return max(int(rows.max()) for rows in labels.values())


def _numbered_names(path: Path, labels: Mapping[str, Tensor], task: str) -> list[str]:
    if task == "multilabel":
        return [f"finding {i}" for i in range(labels["train"].shape[1])]
    smallest, largest = min(int(rows.min()) for rows in labels.values()), _largest(labels)
    if smallest >= 1:
        raise ValueError(
            f"{path}: labels must number the classes from 0; these go from {smallest} to {largest}. Subtract "
            f"{smallest} from all of them, or give class_names= if class 0 has no image."
        )
    if largest >= max(2, len(labels["train"])):  # or a stray number would make a name for each
        raise ValueError(
            f"{path}: labels must number the classes from 0, and each class needs at least one of the "
            f"{len(labels['train'])} training images; the largest label is {largest}. Correct the labels."
        )
    return [f"class {i}" for i in range(max(largest, 1) + 1)]
