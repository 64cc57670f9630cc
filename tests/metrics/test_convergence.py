"""Censored runs count for what is known of them; every number here can be worked out by hand."""

import math

import numpy as np
import pytest

from lab_utils.metrics import compare_steps, median_steps, restricted_mean, steps_to_reach, still_waiting
from lab_utils.metrics.convergence import Reached

# ---- steps_to_reach

CURVES = {
    "the crossing lies on the line between two measurements": ([0, 10, 20], [0.5, 0.625, 0.875], 0.75, (15, True)),
    "a threshold met exactly is reached there": ([0, 10, 20], [0.5, 0.75, 0.8], 0.75, (10, True)),
    "who begins above it reached it at the first step": ([5, 10], [0.8, 0.6], 0.7, (5, True)),
    "the first crossing counts, also if the curve falls back": ([0, 10, 20], [0.5, 0.8, 0.6], 0.65, (5, True)),
    "who does not arrive is censored at the last step": ([0, 10, 20], [0.5, 0.6, 0.69], 0.7, (20, False)),
}


@pytest.mark.parametrize("what", CURVES)
def test_when_a_curve_reaches_its_goal(what):
    steps, values, threshold, found = CURVES[what]
    assert steps_to_reach(steps, values, threshold) == Reached(*found)


@pytest.mark.parametrize(
    ("steps", "values", "threshold", "message"),
    [
        ([0, 10], [0.5], 0.7, "one value for each step"),
        ([[0, 10]], [[0.5, 0.6]], 0.7, "one run at a time"),
        ([], [], 0.7, "one value for each step"),
        ([0, 10], [0.5, math.nan], 0.7, "finite"),
        ([0, 10], [0.5, 0.6], math.nan, "threshold to be a number"),
        ([10, 0], [0.5, 0.6], 0.7, "increase"),
        ([0, 0], [0.5, 0.6], 0.7, "increase"),
    ],
)
def test_a_curve_that_is_none_is_refused(steps, values, threshold, message):
    with pytest.raises(ValueError, match=message):
        steps_to_reach(steps, values, threshold)


# ---- the Kaplan-Meier curve: runs arrive at 10, 20, 20 and 40; one is censored at 20, one at 30
STEPS, REACHED = [10, 20, 20, 20, 30, 40], [True, True, True, False, False, True]


def test_the_curve_falls_by_the_share_of_those_still_under_way():
    places, shares = still_waiting(STEPS, REACHED)
    assert places.tolist() == [10, 20, 40]
    # 6 under way, 1 arrives; 5 under way (the one censored at 20 too), 2 arrive; 1 under way, it arrives
    assert shares == pytest.approx([5 / 6, 5 / 6 * 3 / 5, 0])


def test_the_curve_has_the_textbook_values_for_the_leukaemia_patients_of_freireich():
    # 6-MP group, weeks in remission; the values are in any textbook (Freireich et al. 1963, Blood 21:699)
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    known = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    places, shares = still_waiting(weeks, known)
    assert places.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert shares == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4)
    assert median_steps(weeks, known) == 23


def test_without_censoring_the_curve_is_the_share_of_later_runs():
    steps = np.random.default_rng(0).permutation(20)
    places, shares = still_waiting(steps, np.ones(20, dtype=bool))
    assert shares == pytest.approx([(steps > place).mean() for place in places])


# ---- median and restricted mean


def test_the_median_counts_censored_runs():
    assert median_steps(STEPS, REACHED) == 20
    # without the three that never arrive the median would be 10; with them it is 30
    assert median_steps([10, 10, 30, 50, 50, 50], [1, 1, 1, 0, 0, 0]) == 30


def test_the_median_is_unknown_if_more_than_half_never_arrive():
    assert median_steps([10, 50, 50], [True, False, False]) == math.inf
    assert median_steps([50], [False]) == math.inf


def test_rounding_does_not_move_the_median():
    # 1 - 1/6, then 1 - 1/5, then 1 - 1/4 multiply to one half but for rounding
    assert median_steps([1, 2, 3, 9, 9, 9], [1, 1, 1, 0, 0, 0]) == 3


def test_the_restricted_mean_is_the_area_under_the_curve():
    assert restricted_mean(STEPS, REACHED, 40) == pytest.approx(10 + 10 * 5 / 6 + 20 / 2)
    assert restricted_mean(STEPS, REACHED, 25) == pytest.approx(10 + 10 * 5 / 6 + 5 / 2)


def test_with_one_common_end_the_restricted_mean_is_the_mean_of_the_shorter_of_steps_and_end():
    steps, reached = [20, 35, 100, 100], [True, True, False, False]
    assert restricted_mean(steps, reached, 100) == pytest.approx((20 + 35 + 100 + 100) / 4)
    assert restricted_mean(steps, reached, 30) == pytest.approx((20 + 30 + 30 + 30) / 4)
    assert restricted_mean([100, 100], [False, False], 100) == 100


def test_beyond_the_last_watched_step_there_is_no_restricted_mean():
    with pytest.raises(ValueError, match="at most 50"):
        restricted_mean([20, 50], [True, False], 60)
    with pytest.raises(ValueError, match="horizon above 0"):
        restricted_mean([20, 50], [True, False], 0)
    assert restricted_mean([20, 50], [True, True], 60) == 35  # all have arrived: the curve is 0 from there on


# ---- compare_steps


def test_the_difference_is_paired_and_its_interval_is_students():
    a, b = [10, 20, 30], [40, 45, 65]
    found = compare_steps(a, [True] * 3, b, [True] * 3, horizon=100)
    assert found.difference == pytest.approx(-(30 + 25 + 35) / 3)
    half = 4.302652729911275 * 5 / math.sqrt(3)  # t for 2 degrees of freedom; the sd of 30, 25, 35 is 5
    assert (found.low, found.high) == pytest.approx((-30 - half, -30 + half))
    assert (found.faster, found.slower, found.undecided) == (3, 0, 0)
    assert found.p == pytest.approx(2 / 8)


def test_a_censored_run_counts_as_the_horizon_and_as_slower():
    found = compare_steps([20, 30], [True, True], [50, 50], [True, False], horizon=50)
    assert found.difference == pytest.approx(-(30 + 20) / 2)
    assert (found.faster, found.slower, found.undecided) == (2, 0, 0)


@pytest.mark.parametrize(
    ("a", "reached_a", "b", "reached_b", "counts"),
    [
        ([50, 50, 20], [False, False, True], [50, 30, 20], [False, True, True], (0, 1, 2)),  # two censored: undecided
        ([60, 60], [False, True], [80, 80], [True, True], (1, 0, 1)),  # censored before the other arrives: undecided
    ],
)
def test_what_nobody_saw_decides_nothing(a, reached_a, b, reached_b, counts):
    found = compare_steps(a, reached_a, b, reached_b, horizon=50)
    assert (found.faster, found.slower, found.undecided) == counts
    assert found.p == 1


def test_exchanging_the_two_changes_the_sign_only():
    rng = np.random.default_rng(1)
    a, b = rng.integers(1, 60, size=(2, 12)).astype(float)
    there_a, there_b = a < 50, b < 50
    a, b = np.minimum(a, 50), np.minimum(b, 50)
    one = compare_steps(a, there_a, b, there_b, horizon=50)
    other = compare_steps(b, there_b, a, there_a, horizon=50)
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert (one.faster, one.slower, one.p) == (other.slower, other.faster, other.p)
    assert one.faster + one.slower + one.undecided == 12


@pytest.mark.parametrize(("faster", "slower", "p"), [(5, 0, 2 / 32), (4, 1, 12 / 32), (9, 1, 22 / 1024), (0, 0, 1.0)])
def test_the_sign_test_is_exact(faster, slower, p):
    a = [10.0] * faster + [20.0] * slower + [15.0]
    b = [20.0] * faster + [10.0] * slower + [15.0]
    found = compare_steps(a, [True] * len(a), b, [True] * len(b), horizon=30)
    assert found.p == pytest.approx(p)


def test_a_run_that_ended_before_the_horizon_cannot_be_compared_there():
    with pytest.raises(ValueError, match="ended at 40"):
        compare_steps([40], [False], [20], [True], horizon=50)
    with pytest.raises(ValueError, match="same seeds"):
        compare_steps([40, 50], [True, True], [20], [True], horizon=50)


@pytest.mark.parametrize(
    ("steps", "reached", "message"),
    [
        ([], [], "shape"),
        ([10, 20], [True], "shape"),
        ([10], [[True]], "shape"),
        ([10, 20], [True, 0.5], "True or False"),
        ([10, math.inf], [True, False], "finite"),
        ([-1, 5], [True, True], "at least 0"),
    ],
)
def test_runs_that_are_none_are_refused(steps, reached, message):
    with pytest.raises(ValueError, match=message):
        median_steps(steps, reached)
