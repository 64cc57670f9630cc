"""Checks of lab 0: AUROC by hand, and a split that keeps every patient on one side."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from lab_utils.checks.exercise import Exercise, Probe, Raised, difference
from lab_utils.checks.outcome import Wrong
from lab_utils.metrics import auroc, balanced_accuracy

Array = NDArray[Any]
Ints = NDArray[np.int64]
Split = Callable[[Ints, float, int], tuple[Ints, Ints]]

LABELS = np.array([0, 1, 1, 0, 0])
SCORES = np.array([0.9, 0.8, 0.7, 0.3, 0.1])  # from high to low; AUROC 4/6
ORDER = np.array([3, 1, 4, 0, 2])
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


def _on(labels: Array, scores: Array) -> Probe:
    return lambda student: student(labels, scores)


def _three_hundred(student: Callable[..., Any]) -> Any:
    rng = np.random.default_rng(3)
    labels = (rng.random(300) < 0.2).astype(np.float64)
    return student(labels, np.round(rng.normal(labels, 1.0), 1))


SITUATIONS = {
    "Five images": (LABELS, SCORES),
    "The same five images, no longer sorted by score": (LABELS[ORDER].astype(np.float32), SCORES[ORDER]),
    "Some scores are equal": (TIED_LABELS, TIED_SCORES),
    "Equal scores in another order": (TIED_LABELS[::-1], TIED_SCORES[::-1]),
    "All scores are equal": (LABELS, np.full(5, 0.5)),
    "Logits, which may be below 0 and above 1": (LABELS, np.array([9.0, 4.0, 3.9, -3.8, -20.0])),
    "Scores that rank worse than chance": (LABELS, -SCORES),
    "Whole numbers (grades 0 to 4)": (np.array([0, 0, 1, 1, 0, 1]), np.array([0, 2, 2, 4, 1, 3])),
}
NO_PAIR = "image, so no pair and no AUROC: a ValueError that says what is missing is expected"
AUROC_PROBES: dict[str, Probe] = {
    **{f"{what}, labels = {y.tolist()}, scores = {s.tolist()}": _on(y, s) for what, (y, s) in SITUATIONS.items()},
    "300 images, and the small sets were right (does anything depend on their size?)": _three_hundred,
    f"No negative {NO_PAIR}": _on(np.ones(4), np.array([0.1, 0.4, 0.35, 0.8])),
    f"No positive {NO_PAIR}": _on(np.zeros(4), np.array([0.1, 0.4, 0.35, 0.8])),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, Raised):
        return f"your function returned {got}. A number that looks like a result is dangerous here."
    if isinstance(got, str) or np.ndim(got) != 0:
        shape = f" of shape {np.shape(got)}" if hasattr(got, "shape") else ""
        return f"expected one number, got a {type(got).__name__}{shape}. Take the mean over all pairs."
    return difference(got, expected)


def _points(points: Callable[[Array, Array], Any]) -> Callable[..., Any]:
    """The mean of some points over all pairs: `points(positive, negative)` of scores that stretch to a table."""
    return lambda labels, scores: np.mean(points(scores[labels == 1][:, None], scores[labels == 0]))


def _won(labels: Array, scores: Array) -> Any:
    above = scores[labels == 1][:, None] - scores[labels == 0]
    return np.sum(above > 0) + 0.5 * np.sum(above == 0)


def _in_given_order(labels: Array, scores: Array) -> Any:
    tpr, fpr = (np.concatenate([[0], np.cumsum(labels == one) / np.sum(labels == one)]) for one in (1, 0))
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


def _on_a_grid(labels: Array, scores: Array) -> Any:
    grid = np.linspace(1, 0, 101)
    tpr, fpr = (np.array([0, *(np.mean(scores[labels == one] >= t) for t in grid), 1]) for one in (1, 0))
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


COIN = "A tie is like a coin toss: look at the formula again."
TOO_MANY = "You divided by too many pairs. Only pairs of one positive and one negative image count."
THRESHOLD = "AUROC needs no threshold: compare the scores themselves, pair by pair."
WRONG_AUROC: tuple[tuple[Callable[..., Any], str], ...] = (
    (_points(lambda p, n: p > n), f"You gave pairs with equal scores nothing. {COIN}"),
    (_points(lambda p, n: p >= n), f"You gave pairs with equal scores a full point. {COIN}"),
    (lambda y, s: 1 - auroc(y, s), "You counted the pairs in which the NEGATIVE image has the higher score."),
    (lambda y, s: max(auroc(y, s), 1 - auroc(y, s)), "An AUROC below 0.5 is a result too: report it as it is."),
    (lambda y, s: np.mean((s >= 0.5) == y), f"This is the accuracy at threshold 0.5. {THRESHOLD}"),
    (
        lambda y, s: balanced_accuracy(y, (s >= 0.5).astype(np.int64)),
        f"This is the balanced accuracy at threshold 0.5. {THRESHOLD}",
    ),
    (
        average_precision_score,
        "This is the average precision, the area under another curve. Its value depends on the prevalence.",
    ),
    (_won, "This is a number of pairs. A probability is a fraction: of how many pairs?"),
    (lambda y, s: _won(y, s) / len(y) ** 2, TOO_MANY),
    (lambda y, s: _won(y, s) / (len(y) * (len(y) - 1) / 2), TOO_MANY),
    (
        lambda y, s: (s[y == 1][:, None] > s[y == 0]) + 0.5 * (s[y == 1][:, None] == s[y == 0]),
        "These are the points of each pair. The formula has one more step.",
    ),
    (_in_given_order, "You had them right when they came sorted by score. Does your code need them sorted?"),
    (
        lambda y, s: _in_given_order(y[np.argsort(-s, kind="stable")], s),
        "What does the definition say about a pair with equal scores? With thresholds, both are passed in one step.",
    ),
    (_on_a_grid, "Only the order of the scores may count. Between which values do your thresholds lie?"),
    (
        _points(lambda p, n: (p - n).mean()),
        "This is how far the scores lie apart on average. Only the order of the two scores of a pair may count.",
    ),
    (
        lambda y, s: np.mean((s[y][:, None] > s[1 - y]) + 0.5 * (s[y][:, None] == s[1 - y])),
        "The labels, 0 and 1, were taken as positions. Which scores belong to the images whose label is 1?",
    ),
    (
        lambda y, s: auroc(y, s) if 0 < y.sum() < len(y) else 0.5,
        "0.5 would say that the network guesses, but nothing was compared. Raise a ValueError.",
    ),
    (lambda y, s: float(_won(y, s)) / int(sum(y == 1) * sum(y == 0)), "Look at both numbers before you divide."),
)


# ---- exercise 2: any patients may be in test, so there is no one right report


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


AUROC = Exercise(
    "auroc",
    auroc,
    AUROC_PROBES,
    _explain,
    WRONG_AUROC,
    "Which pairs of one positive and one negative image are in the right order?",
    1e-6,
    steps=(
        "Split the scores in two: those of the images with label 1, and those with label 0. A mask such as "
        "`labels == 1` does it.",
        "Compare all pairs at once: with `a[:, None]` and `b[None, :]` every entry of one meets every entry "
        "of the other. You need two tables: where the first is larger, and where both are equal.",
        "A won pair counts 1, a tie one half. What do you divide by? And what can you not divide by, if one "
        "of the two classes is missing?",
    ),
)
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

EXERCISES = (AUROC, SPLIT_BY_PATIENT)
check_auroc = AUROC.check
check_split_by_patient = SPLIT_BY_PATIENT.check
