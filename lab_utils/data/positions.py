"""Which image goes where, decided from labels and owners alone: parts, and nested stratified subsets."""

import math
from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]


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


def subset_indices(labels: Tensor, n: int, *, seed: int) -> Ints:
    """Positions of a stratified subset of n images: see `splits.subset`."""
    rows = labels.cpu().numpy()
    if not isinstance(n, Integral) or isinstance(n, bool) or not 1 <= n <= len(rows):
        raise ValueError(
            f"a subset needs a whole number n from 1 to {len(rows)}, the size of the set; got n = {n!r}."
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


def _strata(labels: NDArray[np.generic]) -> Ints:
    """Number the distinct labels, or the distinct combinations of findings."""
    _, codes = np.unique(labels, axis=0, return_inverse=True)
    numbers: Ints = codes.reshape(-1).astype(np.int64)
    return numbers
