"""`split_by_patient` in lab 0: any patients may be in test, so there is no one right report."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong

Ints = NDArray[np.int64]
Split = Callable[[Ints, float, int], tuple[Ints, Ints]]

FEW = np.array([7, 7, 3, 12, 3, 7, 12, 30])  # the patient of each of eight images


def split_by_patient(groups: Ints, test_fraction: float, seed: int) -> tuple[Ints, Ints]:
    """The kit's version: positions (train, test), about `test_fraction` of the patients in test."""
    names, patient = np.unique(groups, return_inverse=True)
    wanted = round(test_fraction * len(names))
    tested = min(max(wanted, 1), len(names) - 1)
    place = np.random.default_rng(seed).permutation(len(names))
    chosen = place[patient] < tested
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _divided(student: Split, groups: Ints, fraction: float, seed: int) -> tuple[Ints, Ints]:
    """The student's (train, test), if they are two rows of whole numbers."""
    result: Any = student(groups, fraction, seed)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise Wrong(f"Expected two arrays, train and test, got a {type(result).__name__}. Return both: `return a, b`.")
    for side, part in zip(("train", "test"), result, strict=True):
        if not isinstance(part, np.ndarray):
            raise Wrong(f"Expected {side} as a NumPy array, got a {type(part).__name__}.")
        if part.dtype == bool:
            raise Wrong(
                f"{side} is a boolean mask. Expected the positions where it is True: np.flatnonzero finds them."
            )
        if part.ndim != 1 or not (np.issubdtype(part.dtype, np.integer) or part.size == 0):
            raise Wrong(f"Expected {side} as whole numbers of shape (n,), got {part.dtype} of shape {part.shape}.")
    return result[0], result[1]


def _every_image_once(student: Split) -> None:
    train, test = (part.tolist() for part in _divided(student, FEW, 0.25, 0))
    given = f"groups = {FEW.tolist()}: train = {train}, test = {test}."
    if not {*train, *test} <= set(range(len(FEW))):
        if {*train, *test} <= set(FEW.tolist()):
            raise Wrong(f"{given} These are patient numbers. Expected the positions (0 to 7) of their images.")
        raise Wrong(f"{given} Expected positions from 0 to 7, one for each image.")
    if shared := sorted(set(train) & set(test)):
        raise Wrong(f"{given} Image {shared[0]} is on both sides.")
    if len(train + test) > len({*train, *test}):
        raise Wrong(f"{given} One image appears twice. Every image must appear once.")
    if missing := sorted(set(range(len(FEW))) - {*train, *test}):
        raise Wrong(f"{given} Images {missing} are lost. Every image of a patient must go where the patient goes.")


def _patients_apart(student: Split) -> None:
    groups = _hospital()
    for seed in range(4):
        train, test = _divided(student, groups, 0.25, seed)
        shared = np.intersect1d(groups[train], groups[test])
        if len(shared):
            here, there = (part[groups[part] == shared[0]][0] for part in (train, test))
            raise Wrong(
                f"{len(shared)} of {len(np.unique(groups))} patients are on both sides. Patient {shared[0]}: image "
                f"{here} is in train, image {there} in test. Choose patients first, then take all their images."
            )
        if len(train) + len(test) != len(groups):
            raise Wrong(f"Of {len(groups)} images {len(train)} + {len(test)} came back. Some are lost or doubled.")


def _right_share(student: Split) -> None:
    groups = _hospital()
    for fraction, seed in ((fraction, seed) for fraction in (0.25, 0.5) for seed in range(4)):
        _, test = _divided(student, groups, fraction, seed)
        images, patients = len(test) / len(groups), len(np.unique(groups[test])) / len(np.unique(groups))
        if min(abs(images - fraction), abs(patients - fraction)) >= 0.08:
            swapped = abs(patients - (1 - fraction)) < 0.08
            raise Wrong(
                f"test_fraction = {fraction}: expected {fraction:.0%} of the patients in test, got {patients:.0%}. "
                + ("Is the order of what you return train, test?" if swapped else "Count each patient once.")
            )


def _seeded(student: Split) -> None:
    groups = _hospital()
    tests = [frozenset(groups[_divided(student, groups, 0.25, seed)[1]].tolist()) for seed in (0, *range(6))]
    if tests[0] != tests[1]:
        raise Wrong("Two calls with seed = 0 chose different patients. Let all randomness come from `seed`.")
    if len(set(tests)) == 1:
        raise Wrong(
            "Seeds 0 to 5 all put the same patients into test. Print the patients after you shuffled them: "
            "are they in a new order, and is it this order that you cut?"
        )


def _few_patients(student: Split) -> None:
    for fraction in (0.1, 0.9):
        train, test = _divided(student, np.array([5, 5, 9, 9, 2]), fraction, 0)
        if not len(train) or not len(test):
            side = "train" if not len(train) else "test"
            raise Wrong(
                f"3 patients, test_fraction = {fraction}: {side} is empty. Both sides need at least one patient."
            )


def _hospital() -> Ints:
    """116 images of 24 patients: 1 to 7 each, in no order, with gaps between the patient numbers."""
    rng = np.random.default_rng(0)
    names = rng.choice(np.arange(1000, 9000), size=24, replace=False)
    return rng.permutation(np.repeat(names, rng.integers(1, 8, size=24)))


SPLIT_BY_PATIENT = Exercise(
    "split_by_patient",
    split_by_patient,
    cases=(_every_image_once, _patients_apart, _right_share, _seeded, _few_patients),
    steps=(
        "Choose patients, not images. `np.unique(groups)` lists each patient once: how many of them should go"
        " to test, with at least one on each side?",
        "Put the patients into a random order with `np.random.default_rng(seed)`, and take the first ones for test.",
        "Now go back to images: for each image, ask whether its patient is among the chosen ones (`np.isin`)."
        " `np.flatnonzero` gives the positions.",
    ),
)
