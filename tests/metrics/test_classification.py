"""Metrics against hand-computed values and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference
from sklearn.calibration import calibration_curve as reference_curve

from lab_utils import metrics

LABELS = [0, 0, 1, 1]
SCORES = [0.1, 0.4, 0.35, 0.8]


# AUROC


def test_auroc_counts_the_pairs_ranked_right():
    assert metrics.auroc(LABELS, SCORES) == pytest.approx(3 / 4)


def test_auroc_counts_ties_one_half():
    # pairs (positive, negative): .5>.1, .5=.5 (half), .9>.1, .9>.5
    assert metrics.auroc([0, 0, 1, 1], [0.1, 0.5, 0.5, 0.9]) == pytest.approx(3.5 / 4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-4, 4)), min_size=2))
def test_auroc_ignores_monotone_maps_and_flips_with_the_labels(pairs):
    labels, scores = np.array(pairs).T
    if len(set(labels)) == 2:
        value = metrics.auroc(labels, scores)
        assert metrics.auroc(labels, np.exp(scores)) == pytest.approx(value)
        assert metrics.auroc(1 - labels, scores) == pytest.approx(1 - value)
    else:
        with pytest.raises(ValueError, match="both classes"):
            metrics.auroc(labels, scores)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], "2 positive and 0 negative"),
        ([0, 0], [0.1, 0.2], "0 positive and 2 negative"),
        ([0, 1], [[0.1, 0.8, 0.1], [0.2, 0.7, 0.1]], r"probabilities\[:, 1\]"),
    ],
)
def test_auroc_refuses(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        metrics.auroc(labels, scores)


def test_auroc_per_class_masks_uncertain_labels():
    labels = np.array([[0, 1], [0, 0], [1, -1], [1, 1], [np.nan, 0]])
    scores = np.array([[0.1, 1], [0.4, 2], [0.35, 99], [0.8, 3], [-50, 0]])
    # second finding: positives 1, 3 against negatives 2, 0
    np.testing.assert_allclose(metrics.auroc_per_class(labels, scores), [0.75, 0.75])


def test_absent_class_is_nan_and_left_out_of_the_mean():
    labels = np.array([[0, 1, 0], [0, 1, -1], [1, 1, 0], [1, -1, 0]])
    scores = np.tile(np.array(SCORES)[:, None], 3)
    values = metrics.auroc_per_class(labels, scores)
    np.testing.assert_array_equal(np.isnan(values), [False, True, True])
    assert metrics.macro_auroc(labels, scores) == pytest.approx(0.75)


def test_macro_auroc_without_any_class_raises():
    with pytest.raises(ValueError, match="none of the 2 classes"):
        metrics.macro_auroc(np.ones((3, 2)), np.zeros((3, 2)))


def test_multiclass_auroc_is_one_against_the_rest():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    scores = rng.dirichlet(np.ones(3), 60) + np.eye(3)[labels]
    scores /= scores.sum(axis=1, keepdims=True)
    expected = reference.roc_auc_score(labels, scores, multi_class="ovr")
    assert metrics.macro_auroc(labels, scores) == pytest.approx(expected)


def test_macro_auroc_of_binary_scores_is_auroc():
    assert metrics.macro_auroc(LABELS, SCORES) == 0.75
    both = np.column_stack([1 - np.array(SCORES), SCORES])
    assert metrics.macro_auroc(LABELS, both) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 3)), r"scores \(3, 3\) and labels \(3, 2\)"),
        (np.full((3, 2), 2), np.zeros((3, 2)), "-1 for unknown, got 2"),
    ],
)
def test_auroc_per_class_refuses(labels, scores, message):
    with pytest.raises(ValueError, match=message):
        metrics.auroc_per_class(labels, scores)


def test_roc_curve_encloses_the_auroc():
    fpr, tpr = metrics.roc_curve(LABELS, SCORES)
    np.testing.assert_allclose(fpr, [0, 0, 0.5, 0.5, 1])
    np.testing.assert_allclose(tpr, [0, 0.5, 0.5, 1, 1])
    assert reference.auc(fpr, tpr) == pytest.approx(0.75)


# classes


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=5))
def test_class_metrics_agree_with_scikit_learn(pairs):
    labels, predictions = np.array(pairs).T
    assert metrics.accuracy(labels, predictions) == pytest.approx(reference.accuracy_score(labels, predictions))
    present = np.unique(labels)
    assert metrics.balanced_accuracy(labels, predictions) == pytest.approx(
        reference.recall_score(labels, predictions, labels=present, average="macro", zero_division=0)
    )


def test_quadratic_kappa_keeps_the_distance_across_an_unused_grade():
    labels, predictions = np.array([0, 1, 3, 3, 0]), np.array([0, 1, 1, 3, 3])
    expected = np.mean((labels[:, None] - predictions[None, :]) ** 2)
    by_hand = 1 - np.mean((labels - predictions) ** 2) / expected
    assert metrics.quadratic_kappa(labels, predictions) == pytest.approx(by_hand)


def test_quadratic_kappa_of_one_class_raises():
    with pytest.raises(ValueError, match="at least two classes"):
        metrics.quadratic_kappa([1, 1], [1, 1])


# probabilities


def test_brier_of_each_task_by_hand():
    assert metrics.brier([1, 0], [0.8, 0.4]) == pytest.approx((0.04 + 0.16) / 2)
    assert metrics.brier([1, 0], [[0.2, 0.8], [0.6, 0.4]]) == pytest.approx(0.1)
    assert metrics.brier([2], [[0.1, 0.2, 0.7]]) == pytest.approx(0.01 + 0.04 + 0.09)
    masked = [[1, -1], [np.nan, 0]]
    assert metrics.brier(masked, [[0.8, 0], [0, 0.4]]) == pytest.approx(0.1)


def test_brier_of_masked_labels_only_raises():
    with pytest.raises(ValueError, match="all are masked"):
        metrics.brier([[-1, -1]], [[0.1, 0.2]])


def test_calibration_by_hand():
    # two bins: (.2, .4) with one positive of two, (.6, .6, .9) with two of three
    labels, p = [0, 1, 1, 0, 1], [0.2, 0.4, 0.6, 0.6, 0.9]
    curve = metrics.calibration_curve(labels, p, bins=2)
    np.testing.assert_allclose(np.stack(curve), [[0.3, 0.7], [1 / 2, 2 / 3], [2, 3]])


def test_calibration_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.3, 0.6, size=80)  # some bins stay empty
    labels = rng.uniform(size=80) < p
    observed, predicted = reference_curve(labels, p, n_bins=10)
    np.testing.assert_allclose(metrics.calibration_curve(labels, p)[:2], (predicted, observed))


def test_multiclass_calibration_looks_at_the_top_class():
    p = [[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]]
    # right at .7, wrong at .4
    np.testing.assert_allclose(metrics.calibration_curve([0, 0], p), [[0.4, 0.7], [0, 1], [1, 1]])
