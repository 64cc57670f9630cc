"""The images of homework 4: hospital A to learn from, hospital B to be tested on.

The images of the test set come without labels, in data/homework4_images.npz. A course's own file also holds labelled
images of the same hospital B, which takes its pictures in another way than the kit's does. With real data in their
place the test images are those of the data set, and their labels are public: good for trying things out, not for a fair
mark.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lab_utils.data import Split, load_data, load_phantoms, subset
from lab_utils.profile import data_root

CLASSES = ("normal", "pneumonia")
FINDING = "Consolidation"  # what pneumonia looks like in a phantom
SHARE_A, SHARE_B = 0.65, 0.5  # of the images with pneumonia, in each hospital
PARTS = {"train": ("A", 0), "val": ("A", 2**28), "hospital_b": ("B", 2**29)}  # hospital and number of the first image
IMAGES_FILE = "homework4_images.npz"
APART = 2**20  # added to the numbers of the patients of the labelled sample: they are others than those of the test
LARGEST_FILE = 64 * 2**20  # bytes


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Images without labels: uint8 (N, C, H, W), and the patient of each, int64 (N,)."""

    images: Tensor
    groups: Tensor

    def __len__(self) -> int:
        return len(self.images)


class Data(NamedTuple):
    """What students get: labelled images of both hospitals, and the test images of hospital B."""

    train: Split
    val: Split
    hospital_b: Split
    test: Unlabelled


def load(name: str | Path = "phantoms", *, n_train: int = 1000, n_val: int = 300, n_b: int = 120) -> Data:
    """Load the images of the homework.

    Args:
        name: "phantoms", or anything binary that `load_data` takes ("pneumoniamnist", "course", a path).
        n_train: images to learn from.
        n_val: images to validate on; other patients of the same hospital.
        n_b: labelled images of hospital B, none of them a test image. For other data: a sample of the test images.

    Raises:
        ValueError: if the data are no binary task, or the file of the test images is damaged.
        FileNotFoundError: if there is no such file.
    """
    if name == "phantoms":
        counts = {"train": n_train, "val": n_val, "hospital_b": n_b}
        file = data_root() / IMAGES_FILE
        unlabelled, sample = read_images(file), read_sample(file)
        splits = {part: _phantoms(part, count) for part, count in counts.items() if part != "hospital_b" or not sample}
        hospital_b = with_share(sample, n_b, SHARE_B) if sample else splits["hospital_b"]
        return Data(splits["train"], splits["val"], hospital_b, unlabelled)
    found = load_data(name, n_train=n_train, n_val=n_val)
    train, val, test = (found[part] for part in ("train", "val", "test"))
    if train.task != "binary":
        raise ValueError(
            f"The homework needs a binary task such as 'pneumoniamnist' or 'course', got {name!r}: {train.task}."
        )
    return Data(train, val, subset(test, min(n_b, len(test)), seed=0), Unlabelled(test.images, test.groups))


def normal_or_pneumonia(split: Split) -> Split:
    """Make a binary task of a multilabel split.

    Pneumonia (1) is an image with `FINDING`, whatever else it shows; normal (0) one without any finding. Images that
    show something else only are left out.
    """
    sick = split.labels[:, split.class_names.index(FINDING)] == 1
    healthy = (split.labels == 0).all(dim=1)
    kept = split.take(sick | healthy)
    return Split(kept.images, sick[sick | healthy].long(), kept.groups, "binary", CLASSES)


def with_share(split: Split, n: int, share: float) -> Split:
    """Return the first images of both classes, in order: n in all, round(n * share) of them positive.

    Raises:
        ValueError: if there are not enough.
    """
    wanted = {1: round(n * share)}
    wanted[0] = n - wanted[1]
    chosen = []
    for label, count in wanted.items():
        places = (split.labels == label).nonzero().squeeze(1)[:count]
        if len(places) < count:
            raise ValueError(
                f"Expected at least {count} images of class {label}, got {len(places)}. Draw more images first."
            )
        chosen.append(places)
    return split.take(torch.cat(chosen).sort().values)


def read_images(path: Path) -> Unlabelled:
    """Read the test images: an .npz file with "images", uint8 (N, 1, H, W), and "groups", int64 (N,).

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds something else.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the test images in {path}, found no file. Restore it from the repository.")
    if path.stat().st_size > LARGEST_FILE:
        raise ValueError(f"Expected test images in {path}, got a file of more than {LARGEST_FILE >> 20} MB.")
    try:
        with np.load(path, allow_pickle=False) as file:
            images, groups = file["images"], file["groups"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(f"Expected test images in {path}, got {error}. Restore it from the repository.") from error
    if images.dtype != np.uint8 or images.ndim != 4 or groups.shape != images.shape[:1] or groups.dtype.kind != "i":
        raise ValueError(
            f"Expected images uint8 (N, C, H, W) and groups (N,) in {path}, got {images.dtype} {images.shape} and "
            f"{groups.dtype} {groups.shape}. Restore it from the repository."
        )
    return Unlabelled(torch.from_numpy(images), torch.from_numpy(groups.astype(np.int64)))


def read_sample(path: Path) -> Split | None:
    """Return the labelled images of hospital B in a file that `read_images` has read; None where there are none."""
    with np.load(path, allow_pickle=False) as file:
        if "sample_labels" not in file:
            return None
        images, groups, labels = (torch.from_numpy(file[f"sample_{name}"]) for name in ("images", "groups", "labels"))
    return Split(images, labels, groups + APART, "binary", CLASSES)


def _phantoms(part: str, n: int) -> Split:
    """Draw until there are enough of both classes: a good fifth of the phantoms shows the rarer one."""
    site, start = PARTS[part]
    share = SHARE_A if site == "A" else SHARE_B
    drawn = 6 * n
    while True:
        try:
            return with_share(normal_or_pneumonia(load_phantoms(drawn, site=site, start=start)), n, share)
        except ValueError:
            if drawn > 100 * n + 1000:
                raise
            drawn *= 2
