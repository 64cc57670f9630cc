"""Distances between two sets of features: closed forms, an independent formula, bias and intervals."""

import numpy as np
import pytest
import torch
from scipy import linalg, stats

from lab_utils.similarity import distance_interval, frechet_distance, kernel_distance


def features(n=400, d=6, seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.random.default_rng(9).normal(size=(d, d)) + shift


def test_a_set_is_at_distance_0_from_itself_in_any_order():
    x = features()
    assert frechet_distance(x, x[::-1].copy()) == pytest.approx(0, abs=1e-9)


def test_a_shift_by_d_gives_its_squared_length():
    x, shift = features(), np.array([1.0, -2, 0, 0.5, 3, 0])
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift)


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_scaling_by_a_about_the_mean_gives_the_square_of_a_minus_1_times_the_variance(factor):
    x = features(shift=4.0)
    scaled = x.mean(axis=0) + factor * (x - x.mean(axis=0))
    variance = np.trace(np.cov(x.T))
    assert frechet_distance(x, scaled) == pytest.approx((factor - 1) ** 2 * variance, abs=1e-9)


def test_in_one_dimension_it_is_the_difference_of_means_and_of_sds_squared():
    x, y = np.array([[1.0], [2], [3], [4], [5], [6]]), np.array([[1.0], [1], [4], [4], [4], [10]])
    expected = (3.5 - 4) ** 2 + (np.sqrt(3.5) - np.sqrt(10.8)) ** 2  # variances over n - 1
    assert frechet_distance(x, y) == pytest.approx(expected)


def by_the_root_of_the_product(x, y):
    """The formula as torch-fidelity and the first implementation of FID write it, by the square root of a matrix."""
    root = linalg.sqrtm(np.cov(x.T) @ np.cov(y.T))
    means = x.mean(axis=0) - y.mean(axis=0)
    return means @ means + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T)) - 2 * np.trace(root.real)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 200, 8), (500, 90, 16), (70, 400, 12)])
def test_it_agrees_with_the_root_of_the_product_of_covariances(n, m, d):
    x, y = features(n, d, seed=1), np.random.default_rng(2).gamma(2.0, size=(m, d))
    assert frechet_distance(x, torch.from_numpy(y)) == pytest.approx(by_the_root_of_the_product(x, y), rel=1e-6)


@pytest.mark.filterwarnings("ignore:.*images are few")
def test_fewer_images_than_features_are_computed_as_exactly():
    x, y = features(20, 30, seed=1), features(25, 30, seed=2)
    values = linalg.eigvals(np.cov(x.T) @ np.cov(y.T)).real.clip(0)
    means = x.mean(axis=0) - y.mean(axis=0)
    expected = means @ means + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T)) - 2 * np.sqrt(values).sum()
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)  # roots of rounding errors


def test_few_images_are_warned_about_and_enough_are_not():
    with pytest.warns(UserWarning, match="29 images are few for 6 features"):
        frechet_distance(features(29), features())
    frechet_distance(features(30), features())


def test_the_kernel_distance_of_three_points_by_hand():
    x, y = np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])
    # pairs of different images: k(0, 1) = 1, k(0, 2) = 1; across: 1, 1, k(1, 0) = 1, k(1, 2) = 27
    assert kernel_distance(x, y) == pytest.approx(1 + 1 - 2 * (1 + 1 + 1 + 27) / 4)


def test_the_mean_kernel_distance_of_two_sets_of_one_source_is_0_where_the_frechet_distance_is_not():
    rng = np.random.default_rng(0)
    pairs = [(rng.normal(size=(40, 5)), rng.normal(size=(40, 5))) for _ in range(200)]
    found = np.array([kernel_distance(*pair) for pair in pairs])
    assert abs(found.mean()) < 3 * stats.sem(found)
    assert min(frechet_distance(*pair) for pair in pairs[:20]) > 0.1


def test_large_sets_go_through_the_kernel_in_parts(monkeypatch):
    x, y = features(100), features(70, seed=3)
    whole = kernel_distance(x, y)
    monkeypatch.setattr("lab_utils.similarity.feature_distances.ROWS", 7)
    assert kernel_distance(x, y) == pytest.approx(whole)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_the_interval_covers_the_distance_of_the_sources(distance):
    """Two normal sources of unit covariance, shifted by 1 in one of 2 features."""
    rng = np.random.default_rng(1)
    large = rng.normal(size=(4000, 2)), rng.normal(size=(4000, 2)) + np.array([1, 0])
    truth = 1.0 if distance is frechet_distance else distance(*large)
    covered = 0
    for seed in range(60):
        x, y = rng.normal(size=(80, 2)), rng.normal(size=(80, 2)) + np.array([1, 0])
        _, low, high = distance_interval(distance, x, y, draws=50, seed=seed)
        covered += low <= truth <= high
    assert covered >= 47  # of 60; about 54 expected


def test_images_of_a_patient_are_drawn_together():
    x, y = np.repeat(features(20, 2), 10, axis=0), features(300, 2, seed=5)
    patients = np.repeat([f"p{i}" for i in range(20)], 10)
    _, low, high = distance_interval(frechet_distance, x, y, patients_x=patients, draws=50)
    _, low_alone, high_alone = distance_interval(frechet_distance, x, y, draws=50)
    assert high - low > 1.5 * (high_alone - low_alone)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.ones((5, 3)), np.ones((5, 4)), "the same features"),
        (np.ones((1, 3)), np.ones((5, 3)), "at least 2 images"),
        (np.full((5, 3), np.nan), np.ones((5, 3)), "finite"),
        (np.ones((5, 3, 2, 2)), np.ones((5, 3)), r"\(samples, neurons\)"),
    ],
)
def test_sets_that_do_not_fit_are_refused(x, y, words):
    for distance in (frechet_distance, kernel_distance):
        with pytest.raises(ValueError, match=words):
            distance(x, y)


def test_patients_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="400 rows"):
        distance_interval(frechet_distance, features(), features(), patients_x=[1, 2, 3])
