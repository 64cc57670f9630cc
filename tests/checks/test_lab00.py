import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupShuffleSplit

from lab_utils.checks import lab00
from lab_utils.checks.auroc_mistakes import known_mistakes

LAB = "00_start_here.ipynb"


# ---- auroc: other right answers


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


# ---- auroc: wrong answers


def pairs_of(labels, scores):
    return scores[labels == 1][:, None], scores[labels == 0]


def ties_are_nothing(labels, scores):
    p, n = pairs_of(labels, scores)
    return np.mean(p > n)


def ties_are_full(labels, scores):
    p, n = pairs_of(labels, scores)
    return np.mean(p >= n)


def swapped(labels, scores):
    return 1 - roc_auc_score(labels, scores)


def never_below_half(labels, scores):
    value = roc_auc_score(labels, scores)
    return max(value, 1 - value)


def accuracy_at_half(labels, scores):
    return np.mean((scores >= 0.5) == labels)


def balanced_at_half(labels, scores):
    called = scores >= 0.5
    return (np.mean(called[labels == 1]) + np.mean(~called[labels == 0])) / 2


def average_precision(labels, scores):
    return average_precision_score(labels, scores)


def counts_pairs(labels, scores):
    p, n = pairs_of(labels, scores)
    return np.sum(p > n) + 0.5 * np.sum(p == n)


def divides_by_all_pairs(labels, scores):
    return counts_pairs(labels, scores) / len(labels) ** 2


def returns_the_matrix(labels, scores):
    p, n = pairs_of(labels, scores)
    return (p > n) + 0.5 * (p == n)


def area_in_given_order(labels, scores):
    tpr = np.concatenate([[0], np.cumsum(labels == 1) / np.sum(labels == 1)])
    fpr = np.concatenate([[0], np.cumsum(labels == 0) / np.sum(labels == 0)])
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


def area_without_ties(labels, scores):
    return area_in_given_order(labels[np.argsort(-scores, kind="stable")], scores)


def area_on_a_grid(labels, scores):
    grid = np.linspace(1, 0, 101)
    tpr = np.array([0, *(np.mean(scores[labels == 1] >= t) for t in grid), 1])
    fpr = np.array([0, *(np.mean(scores[labels == 0] >= t) for t in grid), 1])
    return np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)


def labels_as_positions(labels, scores):
    p, n = scores[labels][:, None], scores[1 - labels]
    return np.mean((p > n) + 0.5 * (p == n))


def difference_of_means(labels, scores):
    return scores[labels == 1].mean() - scores[labels == 0].mean()


def half_without_a_class(labels, scores):
    return roc_auc_score(labels, scores) if 0 < labels.sum() < len(labels) else 0.5


def divides_by_zero(labels, scores):
    p, n = pairs_of(labels, scores)
    return int(np.sum(2 * (p > n) + (p == n))) / (2 * p.size * n.size)


WRONG_AUROC = [
    (ties_are_nothing, "nothing"),
    (ties_are_full, "full point"),
    (swapped, "NEGATIVE"),
    (never_below_half, "below 0.5 is a result"),
    (accuracy_at_half, "is the accuracy at threshold"),
    (balanced_at_half, "balanced accuracy"),
    (average_precision, "average precision"),
    (counts_pairs, "fraction"),
    (divides_by_all_pairs, "too many pairs"),
    (returns_the_matrix, "one number"),
    (area_in_given_order, "need them sorted"),
    (area_without_ties, "equal scores"),
    (area_on_a_grid, "logits"),
    (labels_as_positions, "expected 0.6667"),
    (difference_of_means, "expected 0.6667"),
    (half_without_a_class, "Raise a ValueError"),
    (divides_by_zero, "ZeroDivisionError"),
]


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize(("student", "word"), WRONG_AUROC)
def test_a_wrong_auroc_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab00.check_auroc, student)
    assert result.status == "incorrect"
    assert word in result.hint


def distance(mistakes, right, among):
    """Smallest difference between the `among` mistakes, and between them and all other values."""
    values = [right, *(value for value, _ in mistakes)]
    chosen = [value for value, hint in mistakes if among in hint]
    assert chosen
    return min(sorted(abs(value - other) for other in values)[1] for value in chosen)


def test_no_mistake_looks_right_or_like_another_on_the_inputs_of_the_check():
    first = known_mistakes(lab00.LABELS, lab00.SCORES)
    assert distance(first, roc_auc_score(lab00.LABELS, lab00.SCORES), among="") > 1e-3
    tied = known_mistakes(lab00.TIED_LABELS, lab00.TIED_SCORES)
    assert distance(tied, roc_auc_score(lab00.TIED_LABELS, lab00.TIED_SCORES), among="tie") > 1e-3


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


def solution(groups, test_fraction, seed):
    return lab00.split_by_patient(groups, test_fraction, seed)


def by_image(groups, test_fraction, seed):
    order = np.random.default_rng(seed).permutation(len(groups))
    count = round(test_fraction * len(groups))
    return order[count:], order[:count]


def sorted_again(groups, test_fraction, seed):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    patients = np.sort(patients)
    test = np.isin(groups, patients[: max(1, min(round(test_fraction * len(patients)), len(patients) - 1))])
    return np.flatnonzero(~test), np.flatnonzero(test)


def shuffles_a_copy(groups, test_fraction, seed):
    patients = np.unique(groups)
    np.random.default_rng(seed).permutation(patients)
    test = np.isin(groups, patients[: max(1, min(round(test_fraction * len(patients)), len(patients) - 1))])
    return np.flatnonzero(~test), np.flatnonzero(test)


def patient_numbers(groups, test_fraction, seed):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    count = round(test_fraction * len(patients))
    return patients[count:], patients[:count]


def patient_of_each_image(groups, test_fraction, seed):
    train, test = solution(groups, test_fraction, seed)
    return groups[train], groups[test]


def one_image_each(groups, test_fraction, seed):
    patients, first = np.unique(groups, return_index=True)
    order = np.random.default_rng(seed).permutation(len(patients))
    count = round(test_fraction * len(patients))
    return first[order[count:]], first[order[:count]]


def train_holds_everything(groups, test_fraction, seed):
    _, test = solution(groups, test_fraction, seed)
    return np.arange(len(groups)), test


def image_twice(groups, test_fraction, seed):
    train, test = solution(groups, test_fraction, seed)
    return np.append(train, train[0]), test


def masks(groups, test_fraction, seed):
    _, test = solution(groups, test_fraction, seed)
    test = np.isin(np.arange(len(groups)), test)
    return ~test, test


def lists(groups, test_fraction, seed):
    train, test = solution(groups, test_fraction, seed)
    return train.tolist(), test.tolist()


def only_test(groups, test_fraction, seed):
    return solution(groups, test_fraction, seed)[1]


def wrong_way_round(groups, test_fraction, seed):
    train, test = solution(groups, test_fraction, seed)
    return test, train


def always_a_fifth(groups, test_fraction, seed):
    return solution(groups, 0.2, seed)


def own_randomness(groups, test_fraction, seed):
    return solution(groups, test_fraction, int(np.random.randint(10**6)))  # noqa: NPY002


def always_seed_zero(groups, test_fraction, seed):
    return solution(groups, test_fraction, 0)


def may_be_empty(groups, test_fraction, seed):
    patients = np.random.default_rng(seed).permutation(np.unique(groups))
    test = np.isin(groups, patients[: int(test_fraction * len(patients))])
    return np.flatnonzero(~test), np.flatnonzero(test)


def numbers_without_gaps(groups, test_fraction, seed):
    patients = np.random.default_rng(seed).permutation(groups.max() + 1)
    test = np.isin(groups, patients[: int(test_fraction * len(np.unique(groups)))])
    return np.flatnonzero(~test), np.flatnonzero(test)


def runs_of_equal_numbers(groups, test_fraction, seed):
    """Takes a patient for a run of equal numbers: right only where the groups come sorted."""
    starts = np.flatnonzero(np.diff(groups, prepend=groups[0] - 1))
    run = np.cumsum(np.isin(np.arange(len(groups)), starts)) - 1
    return solution(run, test_fraction, seed)


WRONG_SPLIT = [
    (by_image, "patients are on both sides"),
    (runs_of_equal_numbers, "patients are on both sides"),
    (sorted_again, "new order"),
    (shuffles_a_copy, "new order"),
    (always_seed_zero, "new order"),
    (patient_numbers, "patient numbers"),
    (patient_of_each_image, "patient numbers"),
    (one_image_each, "lost"),
    (train_holds_everything, "on both sides"),
    (image_twice, "twice"),
    (masks, "flatnonzero"),
    (lists, "NumPy array"),
    (only_test, "two arrays"),
    (wrong_way_round, "order of what you return"),
    (always_a_fifth, "50%"),
    (own_randomness, "randomness come from `seed`"),
    (may_be_empty, "at least one patient"),
    (numbers_without_gaps, "25%"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_SPLIT)
def test_a_wrong_split_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab00.check_split_by_patient, student)
    assert result.status == "incorrect"
    assert word in result.hint


def test_the_kit_hands_over_its_own_version(capsys):
    assert lab00.check_auroc(swapped) is lab00.auroc
    assert lab00.check_split_by_patient(None) is lab00.split_by_patient
    assert "THE LAB GOES ON WITH THE KIT'S OWN" in capsys.readouterr().out
