"""The hidden test set of a homework: drawn at the first release, kept by the instructor, the same in every later one.

The images go to the students, the labels stay with the instructor. Whoever knows the seed can draw the labels again, so
it has 63 bits and is written nowhere. Labels of real data, PneumoniaMNIST or the course's files, are public: where they
take the place of the phantoms (``write_labels(path, of_split(load_data("pneumoniamnist")["test"]))``), marks for
predictions rest on trust.
"""

import io
import secrets
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab_utils.atomic import write_text, write_whole
from lab_utils.data import Split
from lab_utils.text_files import decoded

BITS = 63  # of a seed
HEADER = "image,label,patient"


class Hidden(NamedTuple):
    """Images uint8 (N, C, H, W), the patient of each from 0, int64 (N,), and labels 0 or 1, int64 (N,).

    `sample`, if any, goes to the students with its labels: other patients of the same hospital.
    """

    images: NDArray[np.uint8]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]
    sample: "Hidden | None" = None


def labels_file(folder: Path, homework: str) -> Path:
    """Return where the labels of a homework are, in the instructor's folder."""
    return folder / f"{homework}_labels.csv"


def hidden_images(folder: Path, homework: str, draw: Callable[[int], Hidden], *, new: bool) -> tuple[bytes, bool]:
    """Return the file with the test images, and whether the set was drawn now.

    Args:
        folder: the instructor's working folder; images and labels are kept there.
        homework: its name.
        draw: seed to test set.
        new: draw a new set also where there is one. Predictions for the old one are then worth nothing; its labels
            are kept under another name.
    """
    images, labels = folder / f"{homework}_images.npz", labels_file(folder, homework)
    drawn = new or not (images.is_file() and labels.is_file())
    if drawn:
        if labels.is_file():  # so that labels which are there always belong to the images; nothing is lost
            names = (labels.with_name(f"{homework}_labels_of_older_set_{number}.csv") for number in count(1))
            labels.replace(next(path for path in names if not path.exists()))
        hidden = draw(secrets.randbits(BITS))
        write_images(images, hidden)
        write_labels(labels, hidden)
    return images.read_bytes(), drawn


def of_split(split: Split) -> Hidden:
    """Return the images of a binary split as a test set, in their order; patients are numbered as they are met."""
    _, first, groups = np.unique(split.groups.numpy(), return_index=True, return_inverse=True)
    number_of = np.argsort(np.argsort(first))
    return Hidden(split.images.numpy(), number_of[groups].astype(np.int64), split.labels.numpy())


def write_images(path: Path, test: Hidden) -> None:
    """Write what students get: images and patients, no labels but those of the sample; whole or not at all."""
    buffer = io.BytesIO()
    parts: dict[str, Any] = {"images": test.images, "groups": test.groups}
    if test.sample is not None:
        sample = test.sample
        parts |= {"sample_images": sample.images, "sample_groups": sample.groups, "sample_labels": sample.labels}
    np.savez_compressed(buffer, **parts)
    write_whole(path, lambda unfinished: unfinished.write_bytes(buffer.getvalue()))


def write_labels(path: Path, test: Hidden) -> None:
    """Write what the instructor keeps: a CSV file with image, label and patient; whole or not at all."""
    rows = zip(test.labels.tolist(), test.groups.tolist(), strict=True)
    lines = [f"{image},{label},{patient}" for image, (label, patient) in enumerate(rows)]
    write_text(path, "\n".join([HEADER, *lines]) + "\n")


def read_labels(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and patients, in the order of the images.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the labels of the hidden test set in {path}, found no file.")
    header, *lines = decoded(path.read_bytes(), errors="replace").split() or [""]
    try:
        table = np.array([[int(cell) for cell in line.split(",")] for line in lines], dtype=np.int64)
        good = header == HEADER and table.shape[1:] == (3,) and (table[:, 0] == np.arange(len(table))).all()
        good = good and set(table[:, 1].tolist()) == {0, 1}
    except (ValueError, IndexError):
        good = False
    if not good:
        raise ValueError(
            f"Expected {path} to have the header {HEADER} and one row per image, in order, with labels 0 and 1. "
            "Restore the file that was written when the homework was released."
        )
    return table[:, 1], table[:, 2]
