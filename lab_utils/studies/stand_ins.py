"""Stand-ins for data sets that are not at hand: phantoms under the names, tasks and channels of the real set.

They prove that every line of a study runs. They say nothing about the real set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from lab_utils.data import Split, load_data

COUNTS: dict[str, Any] = {"n_train": 32, "n_val": 48, "n_test": 48}
_ORDINAL, _BINARY, _EIGHT = "ordinal", "binary", "multiclass"
TASKS = {  # set: task, channels
    "chexpert": ("multilabel", 1),
    "eyepacs": (_ORDINAL, 3),
    "aptos": (_ORDINAL, 3),
    "cbis_ddsm": (_BINARY, 1),
    "isic2019": (_EIGHT, 3),
    "pcam": (_BINARY, 3),
    "phantoms": ("multilabel", 1),  # of which there are fewer
}
LESIONS = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")


def stand_in(name: str, size: int) -> dict[str, Split]:
    """Phantoms instead of a real set, with its kind of labels.

    Args:
        name: one of `TASKS`.
        size: side in px.
    """
    task, channels = TASKS[name]
    splits = load_data("phantoms", size=max(size, 64), **COUNTS)
    return {part: _like(split, task, channels, size) for part, split in splits.items() if part != "test_b"}


def _like(split: Split, task: str, channels: int, size: int) -> Split:
    images = split.images
    if size != split.image_size:
        images = torch.nn.functional.interpolate(images.float(), size, mode="area").round().to(torch.uint8)
    split = replace(split, images=images.expand(-1, channels, -1, -1).contiguous())
    present = (split.labels == 1).long()
    if task == _ORDINAL:  # how many findings, as a grade
        names = tuple(f"grade {grade}" for grade in range(5))
        return replace(split, labels=present.sum(dim=1).clamp(max=4), task=task, class_names=names)
    if task == _EIGHT:  # which of three findings, as a class
        return replace(split, labels=present[:, :3] @ torch.tensor([1, 2, 4]), task=task, class_names=LESIONS)
    if task == _BINARY:
        return replace(split, labels=present.amax(dim=1), task=task, class_names=("benign", "malignant"))
    return split
