"""The vote of the nearest images, measured: against scikit-learn, and stage by stage."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from lab_utils.metrics import knn_votes
from lab_utils.networks import build_model
from lab_utils.similarity import collect_activations, knn_accuracy, knn_per_stage
from tests.tiny import tiny_split


def cloud(n=300, d=5, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=n)
    centres = np.random.default_rng(9).normal(size=(classes, d))
    return centres[labels] + rng.normal(size=(n, d)), labels


def test_scikit_learn_finds_the_same_share_of_right_answers():
    bank, labels = cloud()
    features, truth = cloud(80, seed=1)
    theirs = KNeighborsClassifier(
        20, weights=lambda distance: np.exp((1 - distance) / 0.1), metric="cosine", algorithm="brute"
    ).fit(bank, labels)
    assert knn_accuracy(bank, labels, features, truth, k=20) == theirs.score(features, truth)


def test_findings_are_measured_by_the_mean_of_their_auroc():
    bank, _ = cloud()
    features, _ = cloud(60, seed=1)
    rng = np.random.default_rng(2)
    theirs, truth = rng.integers(2, size=(300, 2)), rng.integers(2, size=(60, 2))
    votes = knn_votes(bank, theirs, features, k=20, temperature=0.1)
    expected = np.mean([roc_auc_score(truth[:, i], votes[:, i]) for i in range(2)])
    assert knn_accuracy(bank, theirs, features, truth, k=20) == pytest.approx(expected)


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
        knn_accuracy(
            **{"bank": bank, "bank_labels": labels, "features": bank[:4], "labels": labels[:4], "k": 5} | change
        )


def test_labels_of_another_kind_are_refused():
    bank, labels = cloud()
    for truth in (labels[:3], np.eye(3)[labels[:4]], torch.zeros(4, 1)):
        with pytest.raises(ValueError, match="labels like those of the bank"):
            knn_accuracy(bank, labels, bank[:4], truth, k=5)
