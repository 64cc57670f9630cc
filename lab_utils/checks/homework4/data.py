"""The images of homework 4."""

from pathlib import Path

import torch

from lab_utils.checks.hospitals import CLASSES, Data, Unlabelled, load_hospitals
from lab_utils.data import Split, smaller


def load(
    name: str | Path = "phantoms", *, size: int | None = None, n_train: int = 1000, n_val: int = 300, n_b: int = 240
) -> Data:
    """Load the images of the homework, see `load_hospitals`.

    Args:
        name: of the data.
        size: of the images in pixels, each the mean of those that it covers; None, or more than there are: as they are.
        n_train: images to learn from.
        n_val: images to validate on.
        n_b: labelled images of hospital B.
    """
    data = load_hospitals("homework4", name, n_train=n_train, n_val=n_val, n_b=n_b)
    if size is None or size >= data.train.image_size:
        return data
    unlabelled = Split(data.test.images, torch.zeros(len(data.test)).long(), data.test.groups, "binary", CLASSES)
    train, val, hospital_b = (smaller(split, size) for split in (data.train, data.val, data.hospital_b))
    return Data(train, val, hospital_b, Unlabelled(smaller(unlabelled, size).images, data.test.groups))
