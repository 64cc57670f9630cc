import numpy as np
import pytest
from sklearn.model_selection import GroupShuffleSplit

from lab_utils.checks import lab00

# ---- auroc


def by_ranks(labels, scores):
    from scipy.stats import rankdata

    n_positive = int((labels == 1).sum())
    n_negative = len(labels) - n_positive
    if not n_positive or not n_negative:
        raise ValueError("one class only")
    ranks = rankdata(scores)[labels == 1].sum()
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def by_loops(labels, scores):
    positive = [s for y, s in zip(labels, scores, strict=True) if y]
    negative = [s for y, s in zip(labels, scores, strict=True) if not y]
    if not positive or not negative:
        raise ValueError("one class only")
    total = sum(1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative)
    return total / (len(positive) * len(negative))


def by_area(labels, scores):
    thresholds = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    if len(set(labels.tolist())) < 2:
        raise ValueError("one class only")
    tpr = [np.mean(scores[labels == 1] >= t) for t in thresholds]
    fpr = [np.mean(scores[labels == 0] >= t) for t in thresholds]
    return sum((b - a) * (v + w) / 2 for a, b, v, w in zip(fpr, fpr[1:], tpr, tpr[1:], strict=False))


@pytest.mark.parametrize("student", [by_ranks, by_loops, by_area])
def test_other_ways_to_a_right_auroc_pass(student, outcome_of):
    assert outcome_of(lab00.check_auroc, student).status == "correct"


def test_a_mistake_that_nobody_listed_is_told_in_numbers(outcome_of):
    result = outcome_of(lab00.check_auroc, lambda labels, scores: 0.25)
    assert "expected 0.6667, got 0.25" in result.hint
    assert "Which pairs" in result.hint


# ---- split_by_patient: other right answers


def sklearn_way(groups, test_fraction, seed):
    splitter = GroupShuffleSplit(n_splits=1, test_size=test_fraction, random_state=seed)
    count = len(np.unique(groups))
    if round(test_fraction * count) in (0, count):
        splitter = GroupShuffleSplit(n_splits=1, test_size=1 if test_fraction < 0.5 else count - 1, random_state=seed)
    return next(splitter.split(groups, groups=groups))


def fills_up_with_images(groups, test_fraction, seed):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    test = []
    for patient in patients[:-1]:
        if len(test) >= test_fraction * len(groups):
            break
        test += np.flatnonzero(groups == patient).tolist()
    return np.setdiff1d(np.arange(len(groups)), test), np.array(sorted(test))


def global_generator(groups, test_fraction, seed):
    np.random.seed(seed)  # noqa: NPY002
    patients = np.random.permutation(sorted(set(groups.tolist())))  # noqa: NPY002
    count = min(max(1, int(test_fraction * len(patients))), len(patients) - 1)
    test = np.isin(groups, patients[:count])
    return np.where(~test)[0], np.where(test)[0]


@pytest.mark.parametrize("student", [sklearn_way, fills_up_with_images, global_generator])
def test_other_right_splits_pass(student, outcome_of):
    result = outcome_of(lab00.check_split_by_patient, student)
    assert result.status == "correct", result.hint


# ---- split_by_patient: wrong answers

solution = lab00.SPLIT_BY_PATIENT.kit


def cut(order, count=lambda fraction, patients: max(1, min(round(fraction * patients), patients - 1))):
    """Put the images of the first patients of `order(groups, rng)` into test."""

    def student(groups, test_fraction, seed):
        patients = order(groups, np.random.default_rng(seed))
        test = np.isin(groups, patients[: count(test_fraction, len(np.unique(groups)))])
        return np.flatnonzero(~test), np.flatnonzero(test)

    return student


def then(change):
    """Change a right answer: `change(groups, train, test)`."""
    return lambda groups, test_fraction, seed: change(groups, *solution(groups, test_fraction, seed))


def cut_off(entries, test_fraction, seed):
    """Shuffle anything, and cut it in two."""
    entries = np.random.default_rng(seed).permutation(entries)
    count = round(test_fraction * len(entries))
    return entries[count:], entries[:count]


def masks(groups, train, test):
    chosen = np.isin(np.arange(len(groups)), test)
    return ~chosen, chosen


def own_randomness(groups, test_fraction, seed):
    return solution(groups, test_fraction, int(np.random.randint(10**6)))  # noqa: NPY002


def runs(groups):
    """Take a patient for a run of equal numbers: right only where the groups come sorted."""
    return np.cumsum(np.diff(groups, prepend=groups[0]) != 0)


WRONG_SPLIT = [
    (lambda groups, *how: cut_off(np.arange(len(groups)), *how), "patients are on both sides"),
    (lambda groups, *how: solution(runs(groups), *how), "patients are on both sides"),
    (cut(lambda groups, rng: np.sort(rng.permutation(np.unique(groups)))), "new order"),
    (cut(lambda groups, rng: np.unique(groups)), "new order"),  # as where a shuffled copy is not kept
    (lambda groups, test_fraction, seed: solution(groups, test_fraction, 0), "new order"),
    (lambda groups, *how: cut_off(np.unique(groups), *how), "patient numbers"),
    (then(lambda groups, train, test: (groups[train], groups[test])), "patient numbers"),
    (lambda groups, *how: cut_off(np.unique(groups, return_index=True)[1], *how), "lost"),
    (then(lambda groups, train, test: (np.arange(len(groups)), test)), "on both sides"),
    (then(lambda groups, train, test: (np.append(train, train[0]), test)), "twice"),
    (then(masks), "flatnonzero"),
    (then(lambda groups, train, test: (train.tolist(), test.tolist())), "NumPy array"),
    (then(lambda groups, train, test: test), "two arrays"),
    (then(lambda groups, train, test: (test, train)), "order of what you return"),
    (lambda groups, test_fraction, seed: solution(groups, 0.2, seed), "50%"),
    (own_randomness, "randomness come from `seed`"),
    (cut(lambda groups, rng: rng.permutation(np.unique(groups)), lambda f, n: int(f * n)), "at least one patient"),
    (cut(lambda groups, rng: rng.permutation(groups.max() + 1), lambda f, n: int(f * n)), "25%"),  # numbers have gaps
]


@pytest.mark.parametrize(("student", "word"), WRONG_SPLIT)
def test_a_wrong_split_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab00.check_split_by_patient, student)
    assert result.status == "incorrect"
    assert word in result.hint


def test_the_kit_hands_over_its_own_version(capsys):
    assert lab00.check_auroc(lambda labels, scores: 0.5) is lab00.AUROC.kit
    assert lab00.check_split_by_patient(None) is lab00.SPLIT_BY_PATIENT.kit
    assert "THE LAB GOES ON WITH THE KIT'S OWN" in capsys.readouterr().out
