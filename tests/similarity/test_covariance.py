"""Batches added one to the other are all datapoints at once, whatever their size, order and offset."""

import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch

from lab_utils.similarity import cca, covariances, linear_cka, mean_cca, merged, procrustes, pwcca, svcca
from lab_utils.similarity.covariance import as_covariances

MEASURES = [mean_cca, svcca, pwcca, linear_cka, partial(linear_cka, debiased=True), procrustes]


def layers(n=600, dx=5, dy=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, dx))
    return x + 4, x @ rng.normal(size=(dx, dy)) + rng.normal(size=(n, dy))


def cut(x, y, *at):
    return list(zip(np.split(x, at), np.split(y, at), strict=True))


def test_the_moments_are_those_of_numpy():
    x, y = layers(50)
    z = np.column_stack([x, y])
    centred = z - z.mean(axis=0)
    a, b = (centred[:, :5] ** 2).sum(axis=1), (centred[:, 5:] ** 2).sum(axis=1)
    found = covariances(cut(x, y, 1, 20))  # three batches, one of a single row
    assert (found.n, found.widths) == (50, (5, 3))
    np.testing.assert_allclose(found.mean, z.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.scatter / 49, np.cov(z.T), atol=1e-12)
    np.testing.assert_allclose(found.length_z, np.stack([a, b]) @ centred, atol=1e-9)
    np.testing.assert_allclose(found.length_length, np.stack([a, b]) @ np.stack([a, b]).T, atol=1e-9)


@pytest.mark.parametrize("measure", MEASURES)
def test_batches_and_their_order_do_not_change_a_similarity(measure):
    x, y = layers()
    batches = cut(x, y, 7, 100, 101, 599)
    assert measure(covariances(batches)) == pytest.approx(measure(x, y), abs=1e-10)
    assert measure(covariances(reversed(batches))) == pytest.approx(measure(x, y), abs=1e-10)


def test_sums_of_sums_are_the_sum_of_all():
    x, y = layers()
    parts = [as_covariances(*part) for part in cut(x, y, 200, 300)]
    np.testing.assert_allclose(cca(merged(parts)), cca(x, y), atol=1e-12)
    twice = merged([parts[0], parts[0]])  # a part drawn twice, as the bootstrap does
    np.testing.assert_allclose(cca(twice), cca(x[:200], y[:200]), atol=1e-12)
    assert twice.n == 400


def test_means_that_drift_far_from_the_first_batch_cost_no_precision():
    x, y = layers()
    x[:300] -= 1e6
    y[300:] += 1e6
    np.testing.assert_allclose(cca(covariances(cut(x, y, 300))), cca(x, y), atol=1e-6)
    z = np.column_stack([x, y])
    np.testing.assert_allclose(covariances(cut(x, y, 10, 300)).scatter, np.cov(z.T) * 599, rtol=1e-9)


def test_memory_does_not_grow_with_the_number_of_datapoints():
    def peak(n):
        x, y = layers(2000)
        tracemalloc.start()
        covariances((x.copy(), y.copy()) for _ in range(n // 2000))  # new arrays: to keep them would be seen
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(10_000)  # caches fill
    few, many = peak(10_000), peak(1_000_000)
    assert many < 1.2 * few + 10_000


def test_batches_of_other_layers_and_no_batch_are_refused():
    x, y = layers(20)
    with pytest.raises(ValueError, match=r"same two layers, got \(5, 3\) and \(3, 5\)"):
        covariances([(x, y), (y, x)])
    with pytest.raises(ValueError, match="at least one batch"):
        covariances(iter(()))
    with pytest.raises(ValueError, match="one row per datapoint"):
        covariances([(x[:0], y[:0])])
    with pytest.raises(ValueError, match="one row per datapoint"):
        covariances([(x, y[:-1])])
    with pytest.raises(ValueError, match="covariances alone"):
        mean_cca(as_covariances(x, y), y)
    with pytest.raises(ValueError, match="finite"):
        covariances([(x, y), (x * np.inf, y)])


def test_what_is_given_is_not_changed():
    x, y = layers(30)
    before = x.copy(), y.copy()
    covariances([(x, y), (torch.from_numpy(x), torch.from_numpy(y))])
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_activations_in_any_memory_order_count_alike_and_what_is_no_matrix_is_refused():
    x, y = layers(30)
    expected = linear_cka(x[::-1].copy(), y[::-1].copy(), debiased=True)
    assert linear_cka(x[::-1], y[::-1], debiased=True) == pytest.approx(expected)
    with pytest.raises(ValueError, match="masked"):
        linear_cka(np.ma.masked_array(x, x > 1), y)
    assert linear_cka(x.astype(object), y, debiased=True) == pytest.approx(linear_cka(x, y, debiased=True))
    for wrong in ({"layer1": x}, None, "layer1", [x, x[:3]]):
        with pytest.raises(ValueError, match="acts_x must be"):
            linear_cka(wrong, y)
