"""The vote of the nearest images: by hand, against scikit-learn, and what it must not depend on."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from lab_utils.metrics import knn_votes

SETTINGS = {"k": 9, "temperature": 0.1}


def cloud(n=300, d=5, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = np.random.default_rng(9).normal(size=(classes, d))
    return centres[labels] + rng.normal(size=(n, d)), labels


def test_votes_are_worked_out_by_hand():
    bank = np.array([[1.0, 0], [0, 1], [-1, 0], [3, 4]])  # cosines with (2, 0): 1, 0, -1, 0.6
    votes = knn_votes(bank, np.array([0, 1, 2, 1]), np.array([[2.0, 0]]), k=3, temperature=0.5)
    weights = np.exp(np.array([1, 0, 0.6]) / 0.5)
    np.testing.assert_allclose(votes, [[weights[0] / weights.sum(), weights[1:].sum() / weights.sum(), 0]])


def test_scikit_learn_finds_the_same():
    bank, labels = cloud()
    features, _ = cloud(80, seed=1)
    theirs = KNeighborsClassifier(
        20, weights=lambda distance: np.exp((1 - distance) / 0.1), metric="cosine", algorithm="brute"
    ).fit(bank, labels)
    votes = knn_votes(bank, labels, features, k=20, temperature=0.1)
    np.testing.assert_allclose(votes, theirs.predict_proba(features), rtol=1e-6)


def test_the_length_of_features_does_not_matter_their_direction_does():
    bank, labels = cloud()
    features, _ = cloud(40, seed=1)
    scaled = bank * np.random.default_rng(3).uniform(0.1, 10, (len(bank), 1))
    np.testing.assert_allclose(
        knn_votes(scaled, labels, 5 * features, **SETTINGS), knn_votes(bank, labels, features, **SETTINGS)
    )
    assert not np.allclose(
        knn_votes(bank + 3, labels, features, **SETTINGS), knn_votes(bank, labels, features, **SETTINGS)
    )


def test_a_small_temperature_leaves_the_nearest_alone_and_a_large_one_counts_heads():
    bank, labels = cloud()
    features, _ = cloud(40, seed=1)
    nearest = knn_votes(bank, labels, features, k=1, temperature=0.1)
    np.testing.assert_allclose(knn_votes(bank, labels, features, k=50, temperature=1e-7), nearest, atol=1e-6)
    all_of_them = knn_votes(bank, labels, features, k=len(bank), temperature=1e9)
    np.testing.assert_allclose(all_of_them, np.tile(np.bincount(labels) / len(labels), (40, 1)), rtol=1e-6)


def test_findings_are_votes_of_their_own_among_the_nearest_who_know():
    bank = np.array([[1.0, 0], [0, 1], [-1, 0], [3, 4]])  # cosines with (2, 0): 1, 0, -1, 0.6
    findings = np.array([[1, -1, 1, 1], [1, 0, -1, -1], [0, 1, 0, 1], [-1, 1, -1, -1]])
    votes = knn_votes(bank, findings, np.array([[2.0, 0]]), k=2, temperature=0.5)
    e = dict(zip((1, 0, -1, 0.6), np.exp(np.array([1, 0, -1, 0.6]) / 0.5), strict=True))
    expected = [1, e[0.6] / (e[0.6] + e[0]), e[1] / (e[1] + e[-1]), 3 / 4]  # the last: two who know, both say 1
    np.testing.assert_allclose(votes, [expected])


def test_fewer_than_k_images_all_vote():
    bank, labels = cloud(7)
    features, _ = cloud(3, seed=1)
    few, all_of_them = (knn_votes(bank, labels, features, k=k, temperature=0.1) for k in (200, 7))
    np.testing.assert_array_equal(few, all_of_them)


def test_many_images_at_once_are_the_same_as_one_by_one(monkeypatch):
    bank, labels = cloud()
    features, _ = cloud(25, seed=1)
    whole = knn_votes(bank, labels, features, k=7, temperature=0.1)
    monkeypatch.setattr("lab_utils.metrics.neighbours.ROWS", 4)
    np.testing.assert_allclose(knn_votes(bank, labels, features, k=7, temperature=0.1), whole)
