"""A split is a resident tensor of uint8 images with labels, patients and a task.

Everything here is about which image goes where: splitting by patient, proving that
no patient is on two sides, nested subsets, and shuffled batches.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.data import validation
from lab_utils.data.positions import assign_parts, subset_indices

TASKS = validation.TASKS


@dataclass(frozen=True, eq=False)
class Split:
    """Images with their labels, patients and task, all in memory.

    Attributes:
        images: uint8, shape (N, C, H, W), 0 to 255.
        labels: int64, shape (N,), for binary, multiclass and ordinal tasks; float32,
            shape (N, K), for multilabel: 1 = present, 0 = absent, -1 = uncertain
            (left out of the loss and of the metrics).
        groups: int64, shape (N,), the patient of each image.
        task: one of `TASKS`.
        class_names: one name per class or finding; a binary task has two.
        notes: what a reader of a result has to know of the data, one sentence each, for example that nobody knows
            the patients. They stay with every part and subset that is made of the split.

    Raises:
        ValueError: if types, shapes, lengths or label values do not fit together.
    """

    images: Tensor
    labels: Tensor
    groups: Tensor
    task: str
    class_names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        validation.check_split(self.images, self.labels, self.groups, self.task, self.class_names)

    def __repr__(self) -> str:
        """One line, and one more for each note; never the pixels."""
        shape = " x ".join(map(str, self.images.shape[1:]))
        patients = len(self.groups.unique())
        line = (
            f"Split({len(self)} {self.task} images of {shape}, {patients} patients, classes: "
            f"{', '.join(self.class_names)}, on {self.images.device})"
        )
        return "\n".join([line, *(f"  note: {note}" for note in self.notes)])

    def __len__(self) -> int:
        return len(self.images)

    @property
    def num_classes(self) -> int:
        """Number of classes or findings: how many logits a network needs."""
        return len(self.class_names)

    @property
    def in_channels(self) -> int:
        """1 for grey images, 3 for colour."""
        return self.images.shape[1]

    @property
    def image_size(self) -> int:
        """Height of the images in pixels (the longer side if they are not square)."""
        return max(self.images.shape[2:])

    def to(self, device: torch.device | str) -> "Split":
        """The same split with its tensors on `device`."""
        return replace(
            self,
            images=self.images.to(device),
            labels=self.labels.to(device),
            groups=self.groups.to(device),
        )

    def take(self, indices: Tensor | NDArray[np.generic] | Sequence[int]) -> "Split":
        """A copy of the images at `indices`, in that order (or of a boolean mask).

        Raises:
            ValueError: if nothing is chosen or an index lies outside the split.
        """
        chosen = torch.as_tensor(indices, device=self.images.device)
        if chosen.dtype == torch.bool and chosen.shape == (len(self),):
            chosen = chosen.nonzero().squeeze(1)
        integer = not (chosen.dtype.is_floating_point or chosen.dtype == torch.bool)
        if chosen.ndim != 1 or not len(chosen) or not integer:
            raise ValueError(
                "take() expects a non-empty list of integer positions or a boolean "
                f"mask of length {len(self)}; got {chosen.dtype} of shape "
                f"{tuple(chosen.shape)}. Pass positions such as [0, 5, 7]."
            )
        low, high = int(chosen.min()), int(chosen.max())
        if low < 0 or high >= len(self):
            raise ValueError(
                f"take() expects positions from 0 to {len(self) - 1}; got values from "
                f"{low} to {high}. Check that they were made for this split."
            )
        chosen = chosen.long()
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            groups=self.groups[chosen],
        )


def with_notes(splits: Mapping[str, Split], *notes: str) -> dict[str, Split]:
    """The same parts, each with these notes after its own; empty ones are left out."""
    more = tuple(note for note in notes if note)
    return {part: replace(split, notes=(*split.notes, *more)) for part, split in splits.items()}


def _cut(split: Split, owners: Tensor, fractions: Sequence[float], seed: int) -> list[Split]:
    part = assign_parts(split.labels.cpu().numpy(), owners.cpu().numpy(), fractions, seed=seed)
    return [split.take(part == i) for i in range(len(fractions))]


def split_by_patient(split: Split, fractions: Sequence[float], *, seed: int) -> list[Split]:
    """Cut a split into parts such that every patient is in one part only.

    Sizes are right to about one patient; labels are spread evenly over the parts.

    Args:
        split: the images to divide.
        fractions: share of the images for each part; they add up to 1.
        seed: the same seed gives the same parts.

    Raises:
        ValueError: if the fractions do not fit, or a part would stay empty.
    """
    parts = _cut(split, split.groups, fractions, seed)
    check_disjoint(*parts)
    return parts


def split_by_image(split: Split, fractions: Sequence[float], *, seed: int) -> list[Split]:
    """Cut a split image by image: WRONG where patients have several images.

    The same patient lands on both sides, and the test score is too good. It is here
    to show just that; use `split_by_patient` for work.
    """
    return _cut(split, torch.arange(len(split)), fractions, seed)


def check_disjoint(*splits: Split) -> None:
    """Prove that no patient is in two of the splits.

    Raises:
        ValueError: naming patients that are on both sides.
    """
    patients = [set(split.groups.tolist()) for split in splits]
    for (i, left), (j, right) in combinations(enumerate(patients), 2):
        if shared := sorted(left & right):
            names = ", ".join(map(str, shared[:5])) + (", ..." * (len(shared) > 5))
            raise ValueError(
                f"every patient must be in one split only; {len(shared)} patients are "
                f"in both split {i} and split {j}: {names}. Divide the images with "
                "split_by_patient(), not image by image."
            )


def subset(split: Split, n: int, *, seed: int) -> Split:
    """Draw n images with the same mix of labels as the whole split.

    Subsets of one seed are nested: the 100 are the first 100 of the 200. They begin
    with one image of each class (multilabel: one positive of each finding), so that
    small subsets hold every class that the split has.

    Raises:
        ValueError: if n is larger than the split.
    """
    return split.take(subset_indices(split.labels, n, seed=seed))


def smaller(split: Split, side: int) -> Split:
    """The same images with fewer pixels, each the mean of those that it covers, rounded.

    For phantoms, which are drawn at 64 pixels or more, and for what would take too long.

    Args:
        split: square images, at least as large as asked for.
        side: of the new images in pixels.

    Raises:
        ValueError: if the images are smaller than that, or not square.

    Example:
        >>> smaller(load_data("phantoms")["train"], 32).image_size
        32
    """
    height, width = split.images.shape[2:]
    if not 1 <= side <= height or height != width:
        raise ValueError(
            f"Expected square images of at least {side} pixels, and a side of at least 1, got images of {height} x "
            f"{width}. Load them with a larger size=, or ask for fewer pixels."
        )
    if side == height:
        return split
    parts = [F.adaptive_avg_pool2d(part.float(), side).round().to(torch.uint8) for part in split.images.split(1000)]
    return replace(split, images=torch.cat(parts))


def batch_indices(n: int, batch_size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the positions 0 ... n - 1 once, shuffled, in batches.

    A last batch of a single image is left out: batch norm cannot use it.

    Raises:
        ValueError: if n or the batch size is not positive.
    """
    if n < 1 or batch_size < 1:
        raise ValueError(
            "batches need at least one image and a batch size of at least 1; got "
            f"n = {n} and batch_size = {batch_size}."
        )
    order = torch.randperm(n, generator=generator, device=generator.device)
    for batch in torch.split(order, batch_size):
        if len(batch) > 1 or batch_size == 1 or n == 1:
            yield batch
