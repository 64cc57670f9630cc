"""Bootstrap and t intervals against hand-computed values and simulation."""

import numpy as np
import pytest
from scipy import stats

from lab_utils import metrics
from lab_utils.metrics import intervals


def plain(metric):
    """The same metric as another object, so that it takes the slow path."""
    return lambda labels, scores: metric(labels, scores)


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 80)
    scores = np.round(rng.normal(labels), 1)  # with ties
    return labels, scores, rng.integers(0, 30, 80)


def test_fast_auroc_draws_equal_the_plain_ones(binary):
    labels, scores, groups = binary
    fast = metrics.bootstrap_draws(metrics.auroc, labels, scores, groups, draws=40)
    slow = metrics.bootstrap_draws(plain(metrics.auroc), labels, scores, groups, draws=40)
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_fast_macro_auroc_draws_equal_the_plain_ones():
    rng = np.random.default_rng(1)
    labels = rng.integers(-1, 2, (120, 3))
    scores = rng.normal(labels)
    fast = metrics.bootstrap_draws(metrics.macro_auroc, labels, scores, draws=30)
    slow = metrics.bootstrap_draws(plain(metrics.macro_auroc), labels, scores, draws=30)
    np.testing.assert_allclose(fast, slow, atol=1e-12)


def test_draws_do_not_depend_on_the_chunk(binary, monkeypatch):
    whole = metrics.bootstrap_draws(metrics.auroc, *binary, draws=25)
    monkeypatch.setattr(intervals, "CHUNK", 200)
    np.testing.assert_array_equal(metrics.bootstrap_draws(metrics.auroc, *binary, draws=25), whole)


def test_images_of_a_patient_are_drawn_together():
    # one patient all right, one all wrong: accuracy of a draw is 0, 1/2 or 1
    values = metrics.bootstrap_draws(metrics.accuracy, [0] * 10, [0] * 5 + [1] * 5, [7] * 5 + [3] * 5, draws=200)
    assert set(values) == {0, 0.5, 1}
    assert np.mean(values == 0.5) == pytest.approx(0.5, abs=0.12)


def test_bootstrap_interval_of_a_mean_is_the_textbook_one():
    hits = np.repeat([0, 1], [60, 140])
    low, high = metrics.bootstrap_interval(metrics.accuracy, np.ones(200, int), hits, draws=4000)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 200)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.01)


def test_same_seed_same_interval_other_seed_other_draws(binary):
    first = metrics.bootstrap_draws(metrics.auroc, *binary, draws=20)
    again = metrics.bootstrap_draws(metrics.auroc, *binary, draws=20)
    other = metrics.bootstrap_draws(metrics.auroc, *binary, draws=20, seed=1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("metric", [metrics.auroc, plain(metrics.auroc)])
def test_undefined_draws_are_nan_and_dropped(metric):
    labels, scores = [1, 0, 0, 0, 0, 0], [0.9, 0.1, 0.2, 0.3, 0.4, 0.95]
    values = metrics.bootstrap_draws(metric, labels, scores, draws=300)
    # without the one positive: (5/6)^6 = 0.33
    assert np.isnan(values).mean() == pytest.approx(0.335, abs=0.08)
    low, high = metrics.bootstrap_interval(metric, labels, scores, draws=300)
    assert low == pytest.approx(np.nanquantile(values, 0.025))
    assert high == pytest.approx(np.nanquantile(values, 0.975))


def test_macro_auroc_draw_that_loses_a_class_is_undefined():
    labels = np.array([[1, 1], [0, 0], [1, 0], [0, 0], [1, 0], [0, 0]])
    scores = np.tile(np.arange(6.0)[:, None], 2)
    values = metrics.bootstrap_draws(metrics.macro_auroc, labels, scores, draws=300)
    assert np.isnan(values).mean() > 0.3  # the one positive of the second finding


def test_interval_from_mostly_undefined_draws_raises():
    labels, groups = [1, 1, 0], [0, 0, 1]  # two patients: half of the draws have one
    with pytest.raises(ValueError, match="too few patients"):
        metrics.bootstrap_interval(metrics.auroc, labels, [3, 2, 1], groups, draws=99, seed=3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [0.1, 0.2]}, "as many scores as labels"),
        ({"draws": 0}, "draws to be a whole number of at least 1"),
        ({"labels": [1, 1, 1, 1]}, "both classes"),
    ],
)
def test_bootstrap_refuses(change, message):
    good = {"labels": [0, 0, 1, 1], "scores": [0.1, 0.4, 0.35, 0.8]}
    with pytest.raises(ValueError, match=message):
        metrics.bootstrap_interval(metrics.auroc, **{"draws": 50, **good, **change})


# over seeds


def test_paired_difference_agrees_with_the_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 8))
    expected = stats.ttest_rel(a, b).confidence_interval(0.9)
    assert metrics.paired_difference(a, b, confidence=0.9)[1:] == pytest.approx((expected.low, expected.high))


def test_one_seed_has_no_interval():
    mean, low, high = metrics.paired_difference([0.9], [0.7])
    assert mean == pytest.approx(0.2)
    assert np.isnan([low, high]).all()


def test_equal_differences_have_an_interval_of_width_zero():
    assert metrics.mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1], "same seeds"),
        ([], [], "one finite value per seed"),
        ([1, np.nan], [0, 0], "finite"),
    ],
)
def test_paired_difference_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        metrics.paired_difference(a, b)


def test_an_interval_reads_with_signs_and_one_seed_says_so():
    assert metrics.interval_text(0.1234, -0.0004, 0.25) == "+0.123  (95 % interval -0.000 to +0.250)"
    assert metrics.interval_text(-12.34, -20.0, -4.71, digits=1) == "-12.3  (95 % interval -20.0 to -4.7)"
    assert metrics.interval_text(*metrics.mean_interval([0.5])) == "+0.500  (one seed: no interval)"
    assert metrics.interval_text(0.75, 0.5, 0.8, sign=False) == "0.750  (95 % interval 0.500 to 0.800)"


def test_smoke_mode_shows_no_interval(monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    assert metrics.interval_text(0.1234, -0.0004, 0.25) == "+0.123  (smoke mode: no interval)"
    assert metrics.interval_text(0.75, 0.5, 0.8, sign=False) == "0.750  (smoke mode: no interval)"
