"""The vote of the nearest images: by hand, against scikit-learn, and what it must not depend on."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from lab_utils.networks import build_model
from lab_utils.similarity import collect_activations, knn_accuracy, knn_per_stage, knn_votes
from tests.tiny import tiny_split


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
    features, truth = cloud(80, seed=1)
    theirs = KNeighborsClassifier(
        20, weights=lambda distance: np.exp((1 - distance) / 0.1), metric="cosine", algorithm="brute"
    ).fit(bank, labels)
    votes = knn_votes(bank, labels, features, k=20)
    np.testing.assert_allclose(votes, theirs.predict_proba(features), rtol=1e-6)
    assert knn_accuracy(bank, labels, features, truth, k=20) == theirs.score(features, truth)


def test_the_length_of_features_does_not_matter_their_direction_does():
    bank, labels = cloud()
    features, _ = cloud(40, seed=1)
    scaled = bank * np.random.default_rng(3).uniform(0.1, 10, (len(bank), 1))
    np.testing.assert_allclose(knn_votes(scaled, labels, 5 * features, k=9), knn_votes(bank, labels, features, k=9))
    assert not np.allclose(knn_votes(bank + 3, labels, features, k=9), knn_votes(bank, labels, features, k=9))


def test_a_small_temperature_leaves_the_nearest_alone_and_a_large_one_counts_heads():
    bank, labels = cloud()
    features, _ = cloud(40, seed=1)
    nearest = knn_votes(bank, labels, features, k=1)
    np.testing.assert_allclose(knn_votes(bank, labels, features, k=50, temperature=1e-7), nearest, atol=1e-6)
    all_of_them = knn_votes(bank, labels, features, k=len(bank), temperature=1e9)
    np.testing.assert_allclose(all_of_them, np.tile(np.bincount(labels) / len(labels), (40, 1)), rtol=1e-6)


def test_findings_are_votes_of_their_own_among_those_who_know():
    bank = np.array([[1.0, 0], [0, 1], [-1, 0], [3, 4]])
    findings = np.array([[1, -1, 1], [1, 0, -1], [0, 1, 0], [-1, 1, np.nan]])
    votes = knn_votes(bank, findings, np.array([[2.0, 0], [-1, 1e-9]]), k=2, temperature=0.5)
    near, second = np.exp(1 / 0.5), np.exp(0.6 / 0.5)
    np.testing.assert_allclose(votes[0], [1, 1, 1])  # the first and the last: each finding is known to one of them
    away = np.exp(np.array([1, 0]) / 0.5)  # the third and the second
    np.testing.assert_allclose(votes[1], [away[1] / away.sum(), away[0] / away.sum(), 0], atol=1e-8)
    both = knn_votes(bank, np.array([[1.0], [0], [0], [0]]), np.array([[2.0, 0]]), k=2, temperature=0.5)
    np.testing.assert_allclose(both, [[near / (near + second)]])


def test_where_no_neighbour_knows_the_share_of_the_bank_stands():
    bank = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1], [0, 1]])
    findings = np.array([[-1], [1], [1], [1], [0]])
    assert knn_votes(bank, findings, np.array([[1.0, 0]]), k=1) == 0.75


def test_findings_are_measured_by_the_mean_of_their_auroc():
    bank, _ = cloud()
    features, _ = cloud(60, seed=1)
    rng = np.random.default_rng(2)
    theirs, truth = rng.integers(2, size=(300, 2)), rng.integers(2, size=(60, 2))
    votes = knn_votes(bank, theirs, features, k=20)
    expected = np.mean([roc_auc_score(truth[:, i], votes[:, i]) for i in range(2)])
    assert knn_accuracy(bank, theirs, features, truth, k=20) == pytest.approx(expected)


def test_many_images_at_once_are_the_same_as_one_by_one(monkeypatch):
    bank, labels = cloud()
    features, _ = cloud(25, seed=1)
    whole = knn_votes(bank, labels, features, k=7)
    monkeypatch.setattr("lab_utils.similarity.neighbours.ROWS", 4)
    np.testing.assert_allclose(knn_votes(bank, labels, features, k=7), whole)


@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_per_stage_it_is_that_of_the_pooled_activations(task):
    model = build_model("small_vit", num_classes=2, seed=0)
    bank, test = tiny_split(60, task, size=16), tiny_split(40, task, seed=1, size=16)
    found = knn_per_stage(model, bank, test, k=5)
    assert list(found) == ["embed", "blocks1", "blocks2", "blocks3", "blocks4"]
    x, y = (collect_activations(model, part.images, stages=["blocks2"])["blocks2"] for part in (bank, test))
    assert found["blocks2"] == knn_accuracy(x, bank.labels, y, test.labels, k=5)
    assert list(knn_per_stage(model, bank, test, k=5, stages=["blocks2"])) == ["blocks2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 301}, r"k of at most the 300 images of the bank.*Give a smaller k"),
        ({"k": 0}, "k to be a whole number of at least 1"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"features": np.ones((4, 6))}, r"bank \(300, 5\) with 300 labels and features \(4, 6\)"),
        ({"bank_labels": np.zeros(7, int)}, "with 7 labels"),
        ({"bank_labels": np.full(300, 0.5)}, "class numbers 0, 1"),
        ({"bank_labels": np.full(300, -1)}, "Leave out images whose class is unknown"),
        ({"features": np.full((4, 5), np.nan)}, "finite features"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(change, message):
    bank, labels = cloud()
    with pytest.raises(ValueError, match=message):
        knn_votes(**{"bank": bank, "bank_labels": labels, "features": bank[:4], "k": 5} | change)


def test_labels_of_another_kind_are_refused():
    bank, labels = cloud()
    for truth in (labels[:3], np.eye(3)[labels[:4]], torch.zeros(4, 1)):
        with pytest.raises(ValueError, match="labels like those of the bank"):
            knn_accuracy(bank, labels, bank[:4], truth, k=5)
