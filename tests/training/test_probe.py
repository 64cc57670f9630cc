"""Probes on cached features: what they learn, and what they must not look at."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lab_utils.metrics import auroc
from lab_utils.training import knn_probe, linear_probe

PROBES = [linear_probe, knn_probe]


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)


@pytest.fixture
def labels(features):
    noise = np.random.default_rng(1).normal(size=80)
    return (features[:, 0] - features[:, 3] + noise > 0).astype(int)


def test_linear_probe_minimises_the_penalised_cross_entropy(features, labels):
    x = (features - features.mean(0)) / features.std(0)
    sign = 2 * labels - 1

    def loss(theta):
        margin = sign * (x @ theta[:-1] + theta[-1])
        return np.logaddexp(0, -margin).sum() + 3.0 / 2 * (theta[:-1] ** 2).sum()

    best = minimize(loss, np.zeros(6), tol=1e-10).x
    expected = 1 / (1 + np.exp(-(x @ best[:-1] + best[-1])))
    scores = linear_probe(features, labels, features, task="binary", l2=3.0)
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_linear_probe_ignores_the_scale_and_offset_of_features(features, labels):
    scores = linear_probe(features, labels, features[:9], task="binary")
    scaled = features * np.array([1, 1000, 0.001, 5, 1]) + 7
    again = linear_probe(scaled, labels, scaled[:9], task="binary")
    np.testing.assert_allclose(again, scores, atol=1e-3)


@pytest.mark.parametrize("probe", PROBES)
def test_score_of_an_image_does_not_depend_on_the_other_test_images(probe, features, labels):
    together = probe(features[:50], labels[:50], features[50:], task="binary")
    alone = probe(features[:50], labels[:50], features[50:51], task="binary")
    np.testing.assert_allclose(alone, together[:1], rtol=1e-6)


@pytest.mark.parametrize("probe", PROBES)
def test_probe_finds_what_the_features_hold(probe, features, labels):
    scores = probe(features[:50], labels[:50], features[50:], task="binary")
    assert scores.shape == (30,)
    assert auroc(labels[50:], scores) > 0.7


@pytest.mark.parametrize("probe", PROBES)
def test_multilabel_column_is_the_binary_probe_of_its_known_images(probe, features, labels):
    findings = np.column_stack([labels, 1 - labels, labels]).astype(float)
    findings[:20, 1], findings[30:40, 2] = -1, np.nan
    scores = probe(features, findings, features[:7], task="multilabel")
    assert scores.shape == (7, 3)
    for k, known in enumerate((slice(0, 80), slice(20, 80), np.r_[0:30, 40:80])):
        alone = probe(features[known], findings[known, k], features[:7], task="binary")
        np.testing.assert_allclose(scores[:, k], alone, atol=1e-6)


@pytest.mark.parametrize("probe", PROBES)
def test_finding_with_one_kind_of_label_gets_a_constant(probe, features, labels):
    findings = np.column_stack([labels, np.zeros(80), np.full(80, -1), np.ones(80)])
    findings[78:, 1] = -1
    scores = probe(features, findings, features[:4], task="multilabel")
    np.testing.assert_allclose(scores[:, 1:], np.tile([1 / 80, 1 / 2, 81 / 82], (4, 1)))


@pytest.mark.parametrize("probe", PROBES)
def test_class_without_training_images_gets_zero(probe, features):
    labels = np.where(features[:, 0] > 0, 3, 1)
    scores = probe(features, labels, features, task="multiclass")
    assert scores.shape == (80, 4)
    np.testing.assert_array_equal(scores[:, [0, 2]], 0)
    np.testing.assert_allclose(scores.sum(axis=1), 1)


@pytest.mark.parametrize("probe", PROBES)
def test_ordinal_is_treated_as_multiclass(probe, features):
    labels = np.arange(80) % 3
    np.testing.assert_array_equal(
        probe(features, labels, features, task="ordinal"),
        probe(features, labels, features, task="multiclass"),
    )


def test_dead_features_change_nothing(features, labels):
    dead = np.column_stack([features, np.full(80, 3.0)]).astype(np.float32)
    np.testing.assert_allclose(
        linear_probe(dead, labels, dead, task="binary"),
        linear_probe(features, labels, features, task="binary"),
        atol=1e-3,
    )


@pytest.mark.parametrize("l2", [1e-4, 1.0, 1e3])
def test_more_features_than_images_converges(l2):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20, 512)), np.arange(20) % 2
    scores = linear_probe(features, labels, features, task="binary", l2=l2)
    assert auroc(labels, scores) == 1


def test_knn_votes_by_hand():
    # angles to the test image: 0, 90 and 180 degrees; cosines 1, 0 and -1
    train, labels = [[2, 0], [0, 3], [-1, 0]], [1, 0, 1]
    scores = knn_probe(train, labels, [[5, 0]], task="binary", temperature=0.5)
    e = np.exp([2, 0, -2])
    assert scores == pytest.approx([(e[0] + e[2]) / e.sum()])
    nearest = knn_probe(train, labels, [[5, 0]], task="binary", k=2, temperature=0.5)
    assert nearest == pytest.approx([e[0] / (e[0] + e[1])])


def test_knn_ignores_the_length_of_a_feature_vector(features, labels):
    lengths = np.random.default_rng(2).uniform(0.1, 10, size=(80, 1))
    np.testing.assert_allclose(
        knn_probe(features * lengths, labels, features, task="binary", k=9),
        knn_probe(features, labels, features, task="binary", k=9),
        rtol=1e-4,
    )


def test_knn_of_a_zero_vector_is_the_share_of_the_class(features, labels):
    scores = knn_probe(features, labels, np.zeros((1, 5)), task="binary")
    assert scores == pytest.approx([labels.mean()])


@pytest.mark.parametrize("probe", PROBES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "regression"}, "binary, multiclass, multilabel, ordinal"),
        ({"test_features": np.zeros((2, 4))}, r"\(2, 4\). Pool"),
        ({"train_features": np.zeros((3, 2, 4, 4))}, "Pool feature maps"),
        ({"train_labels": [0, 1]}, r"\(2,\)"),
        ({"train_labels": [1, 1, 1]}, "at least two classes"),
        ({"train_labels": [0, 1, 2]}, "binary labels must be 0 or 1, got 2"),
        ({"train_labels": [0, 1, -1]}, "class numbers"),
        ({"test_features": [[np.nan, 0]]}, "finite"),
        ({"task": "multilabel"}, r"\(N, K\)"),
        ({"task": "multilabel", "train_labels": [[0], [1], [2]]}, "to 2.0"),
    ],
)
def test_probes_refuse(probe, change, message):
    good = {
        "train_features": [[0, 1], [1, 0], [1, 1]],
        "train_labels": [0, 1, 1],
        "test_features": [[0, 1]],
        "task": "binary",
    }
    with pytest.raises(ValueError, match=message):
        probe(**{**good, **change})


def test_settings_out_of_range_are_refused():
    good = ([[0, 1], [1, 0]], [0, 1], [[1, 1]])
    with pytest.raises(ValueError, match="above 0"):
        linear_probe(*good, task="binary", l2=0)
    with pytest.raises(ValueError, match="k to be a whole number of at least 1"):
        knn_probe(*good, task="binary", k=0)
    with pytest.raises(ValueError, match="temperature must be a number above 0, got 0"):
        knn_probe(*good, task="binary", temperature=0)
