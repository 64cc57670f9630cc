"""A split is a resident tensor of uint8 images with labels, patients and a task.

Everything here is about which image goes where: splitting by patient, proving that
no patient is on two sides, nested subsets, and shuffled batches.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.data import validation

TASKS = validation.TASKS
Ints = NDArray[np.int64]


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

    Raises:
        ValueError: if types, shapes, lengths or label values do not fit together.
    """

    images: Tensor
    labels: Tensor
    groups: Tensor
    task: str
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        validation.check_split(self.images, self.labels, self.groups, self.task, self.class_names)

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


def _strata(labels: NDArray[np.generic]) -> Ints:
    """Number the distinct labels, or the distinct combinations of findings."""
    _, codes = np.unique(labels, axis=0, return_inverse=True)
    numbers: Ints = codes.reshape(-1).astype(np.int64)
    return numbers


def assign_parts(
    labels: NDArray[np.generic], owners: NDArray[np.generic], fractions: Sequence[float], *, seed: int
) -> Ints:
    """Give every owner (a patient or an image) to one part; return the part of each image.

    Owners are shuffled, sorted by label and dealt one after the other to the part that lacks most images, so that every
    part gets its share of every label. An owner of several images counts by its largest label: sick if any image is.

    Args:
        labels: shape (N,) or (N, K).
        owners: numbers or names, shape (N,).
        fractions: share of the images for each part; they add up to 1.
        seed: shuffles the owners.

    Returns:
        Numbers of parts, shape (N,).

    Raises:
        ValueError: if the fractions do not add up to 1, or a part would stay empty.
    """
    if len(fractions) < 2 or min(fractions) <= 0 or not math.isclose(sum(fractions), 1):
        raise ValueError(
            "fractions must be two or more positive numbers that add up to 1; got "
            f"{tuple(fractions)}. For example (0.8, 0.2)."
        )
    _, owner, sizes = np.unique(owners, return_inverse=True, return_counts=True)
    worst = np.full((len(sizes), *labels.shape[1:]), labels.min(), labels.dtype)
    np.maximum.at(worst, owner, labels)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    order = shuffled[np.argsort(_strata(worst)[shuffled], kind="stable")]
    shares, filled = np.asarray(fractions), np.zeros(len(fractions))
    part = np.zeros(len(sizes), np.int64)
    for chosen, dealt in zip(order, np.cumsum(sizes[order]), strict=True):
        part[chosen] = np.argmax(shares * dealt - filled)
        filled[part[chosen]] += sizes[chosen]
    if (filled == 0).any():
        raise ValueError(
            f"every part needs at least one patient or image; {len(sizes)} of them do not fill the fractions "
            f"{tuple(fractions)}. Use larger fractions or a larger set."
        )
    of_images: Ints = part[owner]
    return of_images


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


def subset_indices(labels: Tensor, n: int, *, seed: int) -> Ints:
    """Positions of a stratified subset of n images: see `subset`."""
    rows = labels.cpu().numpy()
    if not 1 <= n <= len(rows):
        raise ValueError(
            f"a subset needs n from 1 to {len(rows)}, the size of the set; got n = {n}."
            " Ask for fewer images or load a larger set."
        )
    rng = np.random.default_rng(seed)
    strata = _strata(rows)
    sizes = np.bincount(strata)
    # Spread the members of a stratum evenly over [0, 1], from a random start: then
    # every prefix of the sorted order holds the same share of every stratum.
    shuffled = rng.permutation(len(rows))
    by_stratum = shuffled[np.argsort(strata[shuffled], kind="stable")]
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = np.empty(len(rows))
    rank[by_stratum] = np.arange(len(rows)) - starts
    key = (rank + rng.random(len(sizes))[strata]) / sizes[strata]
    order = np.argsort(key, kind="stable")
    present = rows == 1 if rows.ndim == 2 else rows[:, None] == np.unique(rows)
    front = _cover(present, order)
    return np.concatenate([front, order[~np.isin(order, front)]])[:n]


def _cover(present: NDArray[np.bool_], order: Ints) -> Ints:
    """A few positions that hold every class or finding, rarest first."""
    front: list[int] = []
    for column in np.argsort(present.sum(axis=0), kind="stable"):
        holders = order[present[order, column]]
        if len(holders) and not present[front, column].any():
            front.append(int(holders[0]))
    return np.asarray(front, np.int64)


def choose(labels: Tensor, n: int | None, *, seed: int) -> Ints:
    """Positions of a subset of n images, or of all images if n is None."""
    return np.arange(len(labels)) if n is None else subset_indices(labels, n, seed=seed)


def subset(split: Split, n: int, *, seed: int) -> Split:
    """Draw n images with the same mix of labels as the whole split.

    Subsets of one seed are nested: the 100 are the first 100 of the 200. They begin
    with one image of each class (multilabel: one positive of each finding), so that
    small subsets hold every class that the split has.

    Raises:
        ValueError: if n is larger than the split.
    """
    return split.take(subset_indices(split.labels, n, seed=seed))


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
