"""Right answers of lab 5 written otherwise; wrong answers stand beside their hints."""

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from lab_utils.checks import lab05
from lab_utils.metrics import jackknife


def cca_by_eigenvalues(acts_x, acts_y):
    def white(z):
        z = (z - z.mean(axis=0)) / z.std(axis=0).clip(1e-9)
        values, vectors = np.linalg.eigh(z.T @ z)
        kept = values > 1e-9 * values.max()
        return z @ (vectors[:, kept] / np.sqrt(values[kept]))

    return np.linalg.svd(white(acts_x).T @ white(acts_y), compute_uv=False)


def cca_by_angles(acts_x, acts_y):
    x, y = (scipy.linalg.orth(z - z.mean(axis=0), rcond=1e-8) for z in (acts_x, acts_y))
    return np.sort(np.cos(scipy.linalg.subspace_angles(x, y)))[::-1]


def null_by_shuffle(measure, acts_x, acts_y, draws, seed):
    rng, values, y = np.random.default_rng(seed), [], acts_y.copy()
    for _ in range(draws):
        rng.shuffle(y)  # rows; each permutation on top of the one before
        values.append(measure(acts_x, y))
    return values


def null_of_the_first(measure, acts_x, acts_y, draws, seed):
    rng = np.random.default_rng(seed)
    return np.array([measure(rng.permutation(acts_x), acts_y) for _ in range(draws)])


def fold_by_movedim(maps, stride=1):
    return maps[..., ::stride, ::stride].movedim(1, -1).flatten(0, -2)


def fold_by_loops(maps, stride=1):
    b, _, h, w = maps.shape
    places = [(i, y, x) for i in range(b) for y in range(0, h, stride) for x in range(0, w, stride)]
    return torch.stack([maps[i, :, y, x] for i, y, x in places])


def svcca_by_eigenvectors(acts_x, acts_y, threshold=0.99):
    kept = []
    for acts in (acts_x, acts_y):
        values, vectors = np.linalg.eigh(np.cov(acts.T))
        values, vectors = values[::-1].clip(0), vectors[:, ::-1]
        count = next(k for k in range(1, len(values) + 1) if values[:k].sum() >= (threshold - 1e-12) * values.sum())
        kept.append(acts @ vectors[:, :count])
    return float(np.mean(lab05.cca(*kept)))


def noise_of_the_second_layer_first(points, neurons, seed):
    rng = np.random.default_rng(seed)
    drawn = [rng.normal(size=(2, n, neurons))[::-1] for n in points]
    return [np.mean(lab05.cca(*layers)) for layers in drawn]


def jackknife_by_means_of_rows(values, seeds):
    """As a matrix of pairs: what is left when a row and its column are taken out."""
    matrix = np.zeros((seeds, seeds))
    matrix[np.triu_indices(seeds, 1)] = values
    matrix += matrix.T
    without = (values.sum() - matrix.sum(axis=0)) / (len(values) - seeds + 1)
    half = scipy.stats.t.ppf(0.975, seeds - 1) * np.sqrt((seeds - 1) * without.var())
    return [values.mean(), values.mean() - half, values.mean() + half]


@pytest.mark.parametrize(
    ("exercise", "student"),
    [
        (lab05.CCA_OF_NOISE, noise_of_the_second_layer_first),
        (lab05.JACKKNIFE, jackknife_by_means_of_rows),
        (lab05.JACKKNIFE, lambda values, seeds: jackknife(values, seeds)),
        (lab05.CCA, cca_by_eigenvalues),
        (lab05.CCA, cca_by_angles),
        (lab05.NULL_SIMILARITY, null_by_shuffle),
        (lab05.NULL_SIMILARITY, null_of_the_first),
        (lab05.CONV_TO_SAMPLES, fold_by_movedim),
        (lab05.CONV_TO_SAMPLES, fold_by_loops),
        (lab05.SVCCA, svcca_by_eigenvectors),
    ],
)
def test_other_right_ways_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (lab05.JACKKNIFE, lambda v, s: (2 * lab05.jackknife(v, s)[0], *lab05.jackknife(v, s)[1:]), "expected the mean"),
        (lab05.JACKKNIFE, lambda v, s: (v.mean(), v.mean() - 0.2854 * 2, v.mean()), "as far below"),
        (lab05.CCA_OF_NOISE, lambda points, d, seed: 0.7 * lab05.cca_of_noise(points, d, seed), "expected, got"),
        (lab05.CCA, lambda x, y: lab05.cca(x, y) + 0j, "complex numbers"),
        (lab05.CCA, lambda x, y: np.full(4, np.nan), "NaN"),
        (lab05.CCA, lambda x, y: np.full(4, 1.5), "A correlation is at most 1. Are both bases"),
        (lab05.CONV_TO_SAMPLES, lambda maps, stride=1: lab05.conv_to_samples(maps.roll(1, 1), stride), "row 0 should"),
        (lab05.SVCCA, lambda x, y, threshold=0.99: lab05.svcca(x, y, threshold) + 0.02, "Keep the fewest"),
    ],
)
def test_mistakes_that_nobody_listed_are_told_in_numbers(exercise, student, words):
    assert words in exercise.examine(student).hint
