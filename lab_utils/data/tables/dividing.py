"""Rows of a table come into train, val and test: as a column says, and what is missing by patient."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lab_utils.data.folders.folder_names import part_of
from lab_utils.data.positions import assign_parts

PARTS = ("train", "val", "test")
SHARES = (0.7, 0.1, 0.2)
TEST_SHARE = 0.2  # of a division by image, to say what it would have leaked

Ints = NDArray[np.int64]


def divide_table(
    labels: NDArray[np.generic],
    owners: NDArray[np.generic],
    cells: Sequence[str] | None,
    *,
    column: str,
    seed: int,
    unit: str = "patient",
) -> tuple[dict[str, Ints], str]:
    """Positions of "train", "val" and "test", no owner in two of them, and a sentence on how.

    Args:
        labels: shape (N,) or (N, K).
        owners: patients, shape (N,).
        cells: the part of each row in words, or None.
        column: what they are called.
        seed: divides what the column does not.
        unit: what the owners are, in words.

    Raises:
        ValueError: if a cell means no part, there is no train, or an owner is in two parts.
    """
    every = np.arange(len(owners))
    if cells is None:
        part = assign_parts(labels, owners, SHARES, seed=seed)
        return {name: every[part == i] for i, name in enumerate(PARTS)}, f"Divided 70 : 10 : 20 by {unit} here."
    meaning = {cell: part_of(cell) for cell in set(cells)}
    if unknown := sorted(cell for cell, found in meaning.items() if found is None or found[1]):
        raise ValueError(
            f"part={column!r} must name a column that says train, val or test of each picture; it says {unknown[0]!r}. "
            "Leave part= out to divide by patient."
        )
    named = np.array([found[0] if (found := meaning[cell]) else "" for cell in cells])
    parts = {name: every[named == name] for name in PARTS}
    _check_owners(parts, owners, column, unit)
    drawn = []
    for name, share in (("test", 0.2), ("val", 0.1)):
        if not len(parts[name]):
            train = parts["train"]
            cut = assign_parts(labels[train], owners[train], (1 - share, share), seed=seed)
            parts["train"], parts[name] = train[cut == 0], train[cut == 1]
            drawn.append(name)
    given = ", ".join(name for name in PARTS if name not in drawn)
    return (
        parts,
        f"Parts as {column} says: {given}{f'; {chr(32).join(drawn)} drawn from train by {unit}' * bool(drawn)}.",
    )


def _check_owners(parts: dict[str, Ints], owners: NDArray[np.generic], column: str, unit: str) -> None:
    if not len(parts["train"]):
        raise ValueError(f"part={column!r} must give pictures to train on; it says train of none. Leave part= out.")
    for left, right in combinations(PARTS, 2):
        if len(shared := np.intersect1d(owners[parts[left]], owners[parts[right]])):
            raise ValueError(
                f"every {unit} must be in one part only; by {column}, {len(shared):,} {unit}s are in both {left} and "
                f"{right}, for example {shared[0]}. Leave part= out: then all pictures are divided by patient. Or say "
                f"with patient= how to tell {unit}s apart."
            )


def say_leak(owners: NDArray[np.generic], *, seed: int, unit: str = "patient") -> str:
    """What a division by image would have leaked, computed on one; "" where every owner has one image."""
    test = np.zeros(len(owners), bool)
    test[np.random.default_rng(seed).permutation(len(owners))[: round(TEST_SHARE * len(owners))]] = True
    leaked = np.isin(owners[test], owners[~test])
    if not leaked.any():
        return ""
    return (
        f"Divided by image, {leaked.mean():.0%} of the test images would have had their {unit} in train "
        f"({leaked.sum():,} of {len(leaked):,}, drawn 80 : 20)."
    )


def owners_in_two(owners: Sequence[str], parts: Sequence[str]) -> list[str]:
    """Owners that are in more than one part."""
    counts = Counter(owner for owner, _ in set(zip(owners, parts, strict=True)))
    return sorted(owner for owner, number in counts.items() if number > 1)
