"""Checks of lab 0: AUROC by hand, and a split that keeps every patient on one side."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.auroc_mistakes import hint_for
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.metrics import auroc

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Auroc = Callable[[Floats, Floats], float]
Split = Callable[[Ints, float, int], tuple[Ints, Ints]]

LABELS = np.array([0, 1, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.3, 0.1])  # from high to low; AUROC 4/6
TIED_LABELS = np.array([1, 1, 1, 0, 0, 0])
TIED_SCORES = np.array([0.8, 0.5, 0.5, 0.5, 0.2, 0.8])  # 4 of 9 pairs won, 3 equal: AUROC 5.5/9
FEW = np.array([7, 7, 3, 12, 3, 7, 12, 30])  # the patient of each of eight images


def split_by_patient(groups: Ints, test_fraction: float, seed: int) -> tuple[Ints, Ints]:
    """The kit's version: positions (train, test), about `test_fraction` of the patients in test."""
    names, patient = np.unique(groups, return_inverse=True)
    wanted = round(test_fraction * len(names))
    tested = min(max(wanted, 1), len(names) - 1)
    place = np.random.default_rng(seed).permutation(len(names))
    chosen = place[patient] < tested
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


# ---- exercise 1


def _sorted_scores(student: Auroc) -> None:
    _compare(student, LABELS, SCORES)


def _any_order(student: Auroc) -> None:
    order = np.array([3, 1, 4, 0, 2])
    hint = "These are five images that you had right when they came sorted by score. Does your code need them sorted?"
    _compare(student, LABELS[order].astype(np.float32), SCORES[order], hint)


def _ties(student: Auroc) -> None:
    value = _number(student(TIED_LABELS, TIED_SCORES))
    hint = "Some scores are equal. What does the definition say about a pair with equal scores?"
    hint = hint_for(TIED_LABELS, TIED_SCORES, value) or hint
    _compare(student, TIED_LABELS, TIED_SCORES, hint)
    _compare(student, TIED_LABELS[::-1], TIED_SCORES[::-1], hint)
    _compare(student, LABELS, np.full(5, 0.5), hint)


def _any_scale(student: Auroc) -> None:
    hint = "These are logits: below 0 and above 1 are allowed. Only the order of the scores may count."
    _compare(student, LABELS, np.array([9.0, 4.0, 3.9, -3.8, -20.0]), hint)


def _below_one_half(student: Auroc) -> None:
    hint = "Here the scores rank worse than chance. An AUROC below 0.5 is a result too: report it as it is."
    _compare(student, LABELS, -SCORES, hint)


def _whole_numbers(student: Auroc) -> None:
    hint = "Here labels and scores are whole numbers (grades 0 to 4)."
    _compare(student, np.array([0, 0, 1, 1, 0, 1]), np.array([0, 2, 2, 4, 1, 3]), hint)


def _many_images(student: Auroc) -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.2).astype(np.float64)
    scores = np.round(rng.normal(labels, 1.0), 1)
    value = _number(student(labels, scores))
    expected = auroc(labels, scores)
    if abs(value - expected) > 1e-6:
        reason = hint_for(labels, scores, value) or "Small sets were right: does anything depend on their size?"
        raise Wrong(
            f"On 300 images, {labels.sum():.0f} of them positive, expected {expected:.3f}, got {value:.3f}. {reason}"
        )


def _one_class(student: Auroc) -> None:
    for labels, missing in ((np.ones(4), "negative"), (np.zeros(4), "positive")):
        try:
            value = student(labels, np.array([0.1, 0.4, 0.35, 0.8]))
        except ValueError:
            continue
        except NotImplementedError:
            raise
        except Exception as error:
            raise Wrong(
                f"With no {missing} image there is no pair, so no AUROC. Your function stopped with "
                f"{type(error).__name__}; let it raise a ValueError that says what is missing."
            ) from error
        raise Wrong(
            f"With no {missing} image there is no pair, so no AUROC. Your function returned {value}; "
            "a number that looks like a result is dangerous here. Raise a ValueError."
        )


def _compare(student: Auroc, labels: NDArray[Any], scores: NDArray[Any], hint: str = "") -> None:
    """Call the student's function; without a `hint` look for the mistake that gives this number."""
    value, expected = _number(student(labels, scores)), auroc(labels, scores)
    if abs(value - expected) > 1e-6 or not np.isfinite(value):
        pairs = "Which pairs of one positive and one negative image are in the right order?"
        reason = hint or hint_for(labels, scores, value) or pairs
        given = f"labels = {labels.tolist()}, scores = {scores.tolist()}"
        raise Wrong(f"{given}: expected {expected:.4g}, got {value:.4g}. {reason}")


def _number(value: object) -> float:
    if isinstance(value, str) or np.ndim(value) != 0:  # type: ignore[arg-type]
        shape = f" of shape {np.shape(value)}" if hasattr(value, "shape") else ""
        raise Wrong(f"Expected one number, got a {type(value).__name__}{shape}. Take the mean over all pairs.")
    return float(value)  # type: ignore[arg-type]


# ---- exercise 2


def _two_arrays(student: Split) -> None:
    result: object = student(FEW, 0.25, 0)
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
            raise Wrong(
                f"Expected {side} as a row of whole numbers, shape (n,), got {part.dtype} of shape {part.shape}."
            )


def _every_image_once(student: Split) -> None:
    train, test = student(FEW, 0.25, 0)
    both = np.concatenate([train, test])
    given = f"groups = {FEW.tolist()}: train = {train.tolist()}, test = {test.tolist()}."
    if not np.isin(both, np.arange(len(FEW))).all():
        if np.isin(both, FEW).all():
            raise Wrong(f"{given} These are patient numbers. Expected the positions (0 to 7) of their images.")
        raise Wrong(f"{given} Expected positions from 0 to 7, one for each image.")
    if shared := sorted(set(train.tolist()) & set(test.tolist())):
        raise Wrong(f"{given} Image {shared[0]} is on both sides.")
    if len(both) > len(set(both.tolist())):
        raise Wrong(f"{given} One image appears twice. Every image must appear once.")
    if missing := sorted(set(range(len(FEW))) - set(both.tolist())):
        raise Wrong(f"{given} Images {missing} are lost. Every image of a patient must go where the patient goes.")


def _patients_apart(student: Split) -> None:
    groups = _hospital()
    for seed in range(4):
        train, test = student(groups, 0.25, seed)
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
    for fraction in (0.25, 0.5):
        for seed in range(4):
            _, test = student(groups, fraction, seed)
            images = len(test) / len(groups)
            patients = len(np.unique(groups[test])) / len(np.unique(groups))
            if min(abs(images - fraction), abs(patients - fraction)) < 0.08:
                continue
            swapped = abs(patients - (1 - fraction)) < 0.08
            raise Wrong(
                f"test_fraction = {fraction}: expected {fraction:.0%} of the patients in test, got {patients:.0%}. "
                + ("Is the order of what you return train, test?" if swapped else "Count each patient once.")
            )


def _seeded(student: Split) -> None:
    groups = _hospital()
    tests = [frozenset(groups[student(groups, 0.25, seed)[1]].tolist()) for seed in range(6)]
    again = frozenset(groups[student(groups, 0.25, 0)[1]].tolist())
    if again != tests[0]:
        raise Wrong("Two calls with seed = 0 chose different patients. Let all randomness come from `seed`.")
    if len(set(tests)) == 1:
        raise Wrong(
            "Seeds 0 to 5 all put the same patients into test. Print the patients after you shuffled them: "
            "are they in a new order, and is it this order that you cut?"
        )


def _few_patients(student: Split) -> None:
    for fraction in (0.1, 0.9):
        train, test = student(np.array([5, 5, 9, 9, 2]), fraction, 0)
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


AUROC = Exercise(
    "auroc",
    auroc,
    cases=(_sorted_scores, _any_order, _ties, _any_scale, _below_one_half, _whole_numbers, _many_images, _one_class),
)
SPLIT_BY_PATIENT = Exercise(
    "split_by_patient",
    split_by_patient,
    cases=(_two_arrays, _every_image_once, _patients_apart, _right_share, _seeded, _few_patients),
)

EXERCISES = (AUROC, SPLIT_BY_PATIENT)
check_auroc = AUROC.check
check_split_by_patient = SPLIT_BY_PATIENT.check
