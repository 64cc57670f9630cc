"""The similarities against their definitions, published values, and the defects of other implementations."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy import linalg

from lab_utils.similarity import cca, linear_cka, mean_cca, procrustes, pwcca, svcca

CCA_FAMILY = [mean_cca, svcca, pwcca]
ALL = [*CCA_FAMILY, linear_cka, partial(linear_cka, debiased=True), procrustes]


def noise(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


def related(n=400, dx=6, dy=4, seed=0):
    """Two layers that share something; of other scales and off centre."""
    x = noise(n, dx, seed)
    y = x @ noise(dx, dy, seed + 1) + 2 * noise(n, dy, seed + 2)
    return 3 * x + 5, y * np.geomspace(0.1, 10, dy) - 1


# ---- published values


@pytest.mark.parametrize(
    ("n", "expected"),
    [(101, 1.0), (200, 0.639), (500, 0.389), (1000, 0.268), (2000, 0.190), (5000, 0.120), (10_000, 0.084)],
)
def test_independent_noise_looks_alike_where_datapoints_are_few(n, expected):
    # One draw differs from another by about 0.003 at n = 1,000, by 0.005 at 500, and less at the ends.
    found = mean_cca(noise(n, 100, 1), noise(n, 100, 2), guard=False)
    assert found == pytest.approx(expected, abs=0.008)


def test_the_published_value_for_100_and_50_neurons():
    assert mean_cca(noise(2000, 100, 1), noise(2000, 50, 2)) == pytest.approx(0.2074, abs=0.004)


def test_101_datapoints_give_a_correlation_of_exactly_one_in_noise():
    np.testing.assert_allclose(cca(noise(101, 100, 1), noise(101, 100, 2), guard=False), 1, atol=1e-9)


# ---- definitions


def test_cca_solves_the_generalised_eigenproblem():
    x, y = related()
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    cross = np.block([[np.zeros((6, 6)), xc.T @ yc], [yc.T @ xc, np.zeros((4, 4))]])
    own = linalg.block_diag(xc.T @ xc, yc.T @ yc)
    expected = linalg.eigh(cross, own, eigvals_only=True)[::-1][:4]
    np.testing.assert_allclose(cca(x, y), expected, atol=1e-10)


def test_cca_of_one_neuron_each_is_the_absolute_pearson_correlation():
    x, y = np.array([[1.0], [2], [3], [4]]), np.array([[4.0], [3], [2], [2]])
    # covariance -3.5, variances 5 and 2.75
    assert cca(x, y, guard=False)[0] == pytest.approx(3.5 / math.sqrt(5 * 2.75), abs=1e-12)


def test_svcca_keeps_directions_by_variance_and_not_by_singular_value():
    # Variances 100, 4, 1 in orthogonal directions: shares 0.952, 0.038, 0.010.
    n = 300
    basis = np.linalg.qr(np.column_stack([np.ones(n), noise(n, 6)]))[0][:, 1:]  # centred, orthonormal
    x = basis[:, :3] * [10, 2, 1]
    y = np.column_stack([basis[:, 0], (basis[:, 1] + basis[:, 3]) / math.sqrt(2), basis[:, 4]]) * [10, 2, 1]
    rotation = np.linalg.qr(noise(3, 3))[0]
    # correlations 1, 0.707, 0; shares of the singular values would be 0.77, 0.92, 1
    for threshold, expected in [(0.95, 1.0), (0.96, (1 + math.sqrt(0.5)) / 2), (1.0, (1 + math.sqrt(0.5)) / 3)]:
        assert svcca(x @ rotation, y, threshold=threshold) == pytest.approx(expected, abs=1e-9)


def test_pwcca_weighs_the_canonical_variates_of_the_first_layer():
    x, y = related()
    xc, yc = x - x.mean(axis=0), y - y.mean(axis=0)
    qx, qy = np.linalg.qr(xc)[0], np.linalg.qr(yc)[0]
    u, rho, _ = np.linalg.svd(qx.T @ qy, full_matrices=False)
    weights = np.abs((qx @ u).T @ xc).sum(axis=1)  # h_i . x_j, h_i of length 1
    assert pwcca(x, y) == pytest.approx((weights * rho).sum() / weights.sum(), abs=1e-10)
    assert pwcca(x, y) != pytest.approx(pwcca(y, x), abs=1e-3)


def test_pwcca_takes_a_first_layer_of_any_width():
    x, y = related(dx=9, dy=4)
    for a, b in [(x, y), (y, x)]:
        assert 0 < pwcca(a, b) < 1
    # uncorrelated neurons of x, each with a correlation of its own: weights are their standard deviations
    n = 300
    basis = np.linalg.qr(np.column_stack([np.ones(n), noise(n, 6)]))[0][:, 1:]
    x = basis[:, :4] * [3, 1, 1, 1]
    y = np.column_stack([basis[:, 0], 0.6 * basis[:, 1] + 0.8 * basis[:, 5]])
    assert pwcca(x, y) == pytest.approx((3 * 1 + 1 * 0.6) / 4, abs=1e-10)


def gram(acts):
    centred = acts - acts.mean(axis=0)
    return centred @ centred.T


def unbiased_hsic(a, b):
    """Equation 5 of Song et al. (2012), on Gram matrices without their diagonals."""
    n = len(a)
    a, b = a - np.diag(np.diag(a)), b - np.diag(np.diag(b))
    sums = (a @ b).trace() + a.sum() * b.sum() / ((n - 1) * (n - 2)) - 2 / (n - 2) * a.sum(axis=0) @ b.sum(axis=1)
    return sums / (n * (n - 3))


def test_linear_cka_is_the_cosine_of_the_centred_gram_matrices():
    x, y = related()
    a, b = gram(x), gram(y)
    expected = (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())
    assert linear_cka(x, y) == pytest.approx(expected, abs=1e-12)


def test_debiased_cka_agrees_with_the_gram_matrix_form():
    for n in (10, 80):
        x, y = related(n=n)
        a, b = gram(x), gram(y)
        expected = unbiased_hsic(a, b) / math.sqrt(unbiased_hsic(a, a) * unbiased_hsic(b, b))
        assert linear_cka(x, y, debiased=True) == pytest.approx(expected, abs=1e-10)


@pytest.mark.filterwarnings("ignore:.*datapoints are few")
def test_debiased_cka_of_noise_is_about_0_where_the_biased_one_is_large():
    draws = [(noise(30, 40, s), noise(30, 40, 100 + s)) for s in range(40)]
    assert np.mean([linear_cka(x, y) for x, y in draws]) > 0.5
    assert abs(np.mean([linear_cka(x, y, debiased=True) for x, y in draws])) < 0.02


def test_procrustes_agrees_with_the_best_rotation_of_scipy():
    x, y = related(dx=4, dy=4)
    a, b = (z - z.mean(axis=0) for z in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    rotation, _ = linalg.orthogonal_procrustes(a, b)
    left_over = np.linalg.norm(a @ rotation - b)
    assert procrustes(x, y) == pytest.approx(1 - left_over**2 / 2, abs=1e-12)


# ---- what must not change it


@pytest.mark.parametrize("measure", ALL)
def test_a_layer_is_like_itself(measure):
    x, _ = related()
    assert measure(x, x) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("measure", [mean_cca, pwcca, partial(svcca, threshold=1.0)])
def test_an_invertible_map_of_a_layer_is_like_it(measure):
    x = noise(1000, 100)
    assert measure(x, x @ noise(100, 100, 5) + noise(1, 100, 6)) == pytest.approx(1, abs=1e-8)
    assert measure(x @ np.diag(np.geomspace(1e-6, 1e6, 100)), x) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("measure", ALL)
def test_rotations_one_scale_and_a_shift_change_nothing(measure):
    x, y = related()
    rotation = np.linalg.qr(noise(4, 4, 7))[0]
    assert measure(x, 3 * y @ rotation + 2) == pytest.approx(measure(x, y), abs=1e-9)


@pytest.mark.parametrize("measure", [linear_cka, procrustes])
def test_cka_and_procrustes_do_see_other_invertible_maps(measure):
    x = noise(500, 6)
    assert measure(x, x * np.geomspace(1, 100, 6)) < 0.8


@pytest.mark.parametrize("measure", [mean_cca, svcca, linear_cka, procrustes])
def test_most_similarities_are_symmetric(measure):
    x, y = related(dx=8, dy=3)
    assert measure(x, y) == pytest.approx(measure(y, x), abs=1e-12)


@pytest.mark.parametrize("widths", [(5, 12), (12, 5), (1, 7), (7, 1)])
@pytest.mark.parametrize("measure", ALL)
def test_unequal_widths_either_way(measure, widths):
    x, y = related(dx=widths[0], dy=widths[1])
    assert 0 < measure(x, y) < 1
    assert len(cca(x, y)) == min(widths)


# ---- dead, duplicate, dependent neurons


def spoiled(x):
    """Every defect at once, in neurons that say nothing new."""
    return {
        "dead": np.column_stack([x, np.zeros(len(x))]),
        "constant": np.column_stack([np.full(len(x), 3.3), x, np.full(len(x), -1e6)]),
        "duplicate": np.column_stack([x, x[:, 0]]),
        "sum of others": np.column_stack([x, x[:, 0] + 2 * x[:, 1]]),
        "all": np.column_stack([x, x, np.zeros((len(x), 2)), x.sum(axis=1)]),
        "float32": np.column_stack([x, x[:, 0] + x[:, 1]]).astype(np.float32),
    }


@pytest.mark.parametrize("kind", list(spoiled(noise(10, 2))))
@pytest.mark.parametrize("side", [0, 1])
def test_neurons_that_say_nothing_new_change_no_correlation(kind, side):
    layers = list(related())
    expected = cca(*layers)
    layers[side] = spoiled(layers[side])[kind]
    found = cca(*layers)
    assert len(found) == 4
    np.testing.assert_allclose(found, expected, atol=1e-5 if kind == "float32" else 1e-9)


@pytest.mark.parametrize("kind", list(spoiled(noise(10, 2))))
@pytest.mark.parametrize("measure", ALL)
def test_nothing_is_nan_with_dead_or_duplicate_neurons(measure, kind):
    x, y = related()
    found = measure(spoiled(x)[kind], spoiled(y)[kind])
    assert math.isfinite(found)
    assert 0 < found < 1
    assert measure(spoiled(x)[kind], spoiled(x)[kind]) == pytest.approx(1, abs=1e-9)


def test_dead_neurons_alone_change_nothing_for_any_measure():
    x, y = related()
    for measure in ALL:
        assert measure(spoiled(x)["constant"], y) == pytest.approx(measure(x, y), abs=1e-9)


def test_a_neuron_of_tiny_scale_counts_as_much_as_the_others():
    x, y = related()
    np.testing.assert_allclose(cca(x * [1e-8, 1, 1, 1, 1, 1e8], y), cca(x, y), atol=1e-9)


# ---- guards and input


def test_too_few_datapoints_are_refused_and_few_are_warned_about():
    with pytest.raises(ValueError, match=r"got 10 for 10.*50 datapoints or more"):
        cca(noise(10, 6), noise(10, 4, 1))
    for n in (11, 49):
        with pytest.warns(UserWarning, match=rf"{n} datapoints are few for 10 neurons.*below 50"):
            mean_cca(noise(n, 6), noise(n, 4, 1))
    cca(noise(50, 6), noise(50, 4, 1))  # a warning would be an error


@pytest.mark.parametrize("measure", CCA_FAMILY)
def test_the_guard_holds_for_every_kind_of_cca(measure):
    with pytest.raises(ValueError, match="more datapoints than neurons"):
        measure(noise(20, 12), noise(20, 12, 1))


def test_svcca_counts_the_directions_that_it_keeps():
    strong, weak = noise(60, 2), 1e-3 * noise(60, 48, 1)
    x, y = np.column_stack([strong, weak]), np.column_stack([weak, strong])
    assert svcca(x, y) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="got 60 for 100"):
        mean_cca(x, y)


def test_cka_and_procrustes_need_no_more_datapoints_than_neurons_but_warn():
    for measure in (linear_cka, procrustes):
        with pytest.warns(UserWarning, match="compare with the null"):
            measure(noise(20, 30), noise(20, 30, 1))
    linear_cka(noise(20, 30), noise(20, 30, 1), debiased=True)
    with pytest.raises(ValueError, match="at least 4 datapoints"):
        linear_cka(noise(3, 2), noise(3, 2, 1), debiased=True)


@pytest.mark.parametrize("measure", ALL)
def test_input_that_cannot_be_compared_is_refused_with_the_way_out(measure):
    x, y = related(n=100)
    with pytest.raises(ValueError, match="constant over the 100 datapoints"):
        measure(np.full((100, 6), 2.5), y)
    with pytest.raises(ValueError, match="not the transpose"):
        measure(x.T, y)
    with pytest.raises(ValueError, match="conv_to_samples"):
        measure(torch.zeros(10, 3, 4, 4), y)
    with pytest.raises(ValueError, match="finite"):
        measure(np.where(np.arange(6) == 2, np.nan, x), y)
    with pytest.raises(ValueError, match="second layer"):
        measure(x)


def test_arrays_tensors_and_precisions_give_one_result_in_float64():
    x, y = related()
    found = cca(x, y)
    assert found.dtype == np.float64
    np.testing.assert_allclose(cca(torch.from_numpy(x), torch.from_numpy(y)), found, atol=1e-12)
    np.testing.assert_allclose(cca(x.astype(np.float32), y.astype(np.float32)), found, atol=1e-5)
    leaf = torch.from_numpy(x).requires_grad_()
    assert isinstance(mean_cca(leaf, y), float)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives():
    x, y = related()
    on_gpu = [torch.from_numpy(z).cuda() for z in (x, y)]
    for measure in ALL:
        assert measure(*on_gpu) == pytest.approx(measure(x, y), abs=1e-9)
