"""Nulls lose what belongs together and nothing else; intervals are as wide as other images would make them."""

from functools import partial

import numpy as np
import pytest

from lab_utils.similarity import (
    bootstrap,
    bootstrap_parts,
    covariances,
    linear_cka,
    mean_cca,
    null,
    procrustes,
    pwcca,
    svcca,
)

MEASURES = [mean_cca, svcca, pwcca, linear_cka, partial(linear_cka, debiased=True), procrustes]


def layers(n=300, seed=0, d=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, x + rng.normal(size=(n, d))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_null_of_a_layer_against_itself_is_that_of_noise(measure):
    x, _ = layers()
    other = np.random.default_rng(5).normal(size=x.shape)
    draws = null(measure, x, x, draws=20)
    assert draws.shape == (20,)
    assert len(set(draws)) == 20
    noise = [measure(x, np.random.default_rng(s).permutation(other)) for s in range(20)]
    assert np.mean(draws) == pytest.approx(np.mean(noise), abs=0.02)
    assert draws.max() < 0.3 < measure(x, x)


def test_the_null_is_drawn_by_its_seed():
    x, y = layers()
    np.testing.assert_array_equal(null(mean_cca, x, y, draws=3, seed=1), null(mean_cca, x, y, draws=3, seed=1))
    assert set(null(mean_cca, x, y, draws=3, seed=1)).isdisjoint(null(mean_cca, x, y, draws=3, seed=2))


def test_a_null_draw_is_the_measure_on_permuted_rows():
    x, y = layers(20, d=2)
    order = np.random.default_rng(4).permutation(20)
    assert null(mean_cca, x, y, draws=1, seed=4)[0] == pytest.approx(mean_cca(x, y[order]), abs=1e-12)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_interval_is_about_the_value(measure):
    x, y = layers()
    value, low, high = bootstrap(measure, x, y, draws=50)
    assert value == pytest.approx(measure(x, y), abs=1e-12)
    assert low < value < high
    assert value - low == pytest.approx(high - value, abs=1e-9)


def test_the_interval_is_as_wide_as_other_images_would_make_it():
    values = [mean_cca(*layers(100, seed)) for seed in range(150)]
    _, low, high = bootstrap(mean_cca, *layers(100), draws=200)
    assert (high - low) / (2 * 1.96) == pytest.approx(np.std(values, ddof=1), rel=0.35)


def test_rows_of_one_image_are_drawn_together():
    x, y = layers(100)
    images = np.repeat(np.arange(100), 9)
    many = [np.repeat(z, 9, axis=0) for z in (x, y)]  # nine equal rows per image say no more than one
    _, low, high = bootstrap(mean_cca, x, y, draws=100)
    _, low_9, high_9 = bootstrap(mean_cca, *many, images, draws=100)
    assert high_9 - low_9 == pytest.approx(high - low, rel=1e-6)
    _, low_rows, high_rows = bootstrap(mean_cca, *many, draws=100)
    assert high_rows - low_rows < 0.5 * (high - low)
    shuffled = np.random.default_rng(0).permutation(900)
    again = bootstrap(mean_cca, *(z[shuffled] for z in many), images[shuffled], draws=100)
    np.testing.assert_allclose(again[1:], (low_9, high_9), atol=1e-9)


def test_drawing_parts_gives_about_the_same_interval():
    x, y = layers(1000)
    parts = [covariances([(x[i::50], y[i::50])]) for i in range(50)]
    value, low, high = bootstrap_parts(mean_cca, parts, draws=300)
    expected, low_rows, high_rows = bootstrap(mean_cca, x, y, draws=300)
    assert value == pytest.approx(expected, abs=1e-12)
    assert high - low == pytest.approx(high_rows - low_rows, rel=0.35)


def test_arguments_out_of_range_are_refused():
    x, y = layers(40, d=2)
    with pytest.raises(ValueError, match="draws to be a whole number of at least 1"):
        null(mean_cca, x, y, draws=0)
    with pytest.raises(ValueError, match="draws to be a whole number of at least 2"):
        bootstrap(mean_cca, x, y, draws=1)
    with pytest.raises(ValueError, match=r"0\.95 for 95 %"):
        bootstrap(mean_cca, x, y, confidence=95)
    with pytest.raises(ValueError, match="image of each of the 40 rows"):
        bootstrap(mean_cca, x, y, images=[0, 1])
    with pytest.raises(ValueError, match="several parts"):
        bootstrap_parts(mean_cca, [covariances([(x, y)])])


def test_rows_of_one_image_or_of_unknown_images_have_no_interval():
    x, y = np.random.default_rng(0).normal(size=(2, 60, 3))
    for images, message in ((np.zeros(60), "at least two"), (np.where(np.arange(60) < 9, np.nan, 1), "9 of 60")):
        with pytest.raises(ValueError, match=message):
            bootstrap(mean_cca, x, y, images=images, draws=5)
