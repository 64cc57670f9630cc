"""Lab 1's checks: right answers pass, wrong ones get the hint that fits."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lab_utils.checks import lab01, lab01_normalise, lab01_probe, lab01_questions
from lab_utils.checks.lab01_features import Tiny
from lab_utils.networks import preprocess
from lab_utils.show import Question
from lab_utils.similarity import extract_features as kit_extract
from lab_utils.similarity import record


def test_a_wrong_answer_is_replaced_by_the_kits_version(capsys):
    assert lab01.check_normalise(lambda images, mean, std: images) is lab01_normalise.normalise
    assert lab01.check_extract_features(None) is kit_extract
    assert lab01.check_linear_probe(None) is lab01_probe.linear_probe
    assert "THE LAB GOES ON WITH THE KIT'S OWN" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in dir(lab01_questions) if name.isupper()])
def test_every_wrong_option_of_a_question_says_why(name):
    question = getattr(lab01_questions, name)
    assert isinstance(question, Question)
    assert len({feedback for _, feedback in question.options}) == len(question.options)


# ---- normalise: other right answers


def per_channel_loop(images, mean, std):
    out = torch.zeros(images.shape)
    for c, (m, s) in enumerate(zip(mean, std, strict=True)):
        out[:, c] = (images[:, c] / 255 - m) / s
    return out


def with_torchvision(images, mean, std):
    from torchvision.transforms.v2.functional import normalize, to_dtype

    return normalize(to_dtype(images, torch.float32, scale=True), list(mean), list(std))


def in_grey_levels(images, mean, std):
    m, s = (255 * torch.tensor(values)[:, None, None] for values in (mean, std))
    return (images.float() - m) / s


@pytest.mark.parametrize("student", [per_channel_loop, with_torchvision, in_grey_levels])
def test_other_ways_to_normalise_pass(student, outcome_of):
    result = outcome_of(lab01.check_normalise, student)
    assert result.status == "correct", result.hint


# ---- extract_features: other right answers


def features_in_batches(model, images, batch_size, one_batch):
    return torch.cat([one_batch(images[i : i + batch_size]) for i in range(0, len(images), batch_size)])


def with_an_identity(model, images, batch_size=256):
    name = "head" if hasattr(model, "head") else "classifier"
    layer = getattr(model, name)
    setattr(model, name, torch.nn.Identity())
    model.eval()
    with torch.inference_mode():
        features = features_in_batches(model, images, batch_size, lambda batch: model(preprocess(model, batch)))
    setattr(model, name, layer)
    return features.clone()


def pools_the_last_stage(model, images, batch_size=256):
    model.eval()
    parts = []
    for i in range(0, len(images), batch_size):
        with torch.no_grad(), record(model, ["body"]) as kept:
            model(preprocess(model, images[i : i + batch_size]))
        parts.append(kept["body"].mean(dim=(2, 3)))
    return torch.cat(parts)


def puts_the_mode_back(model, images, batch_size=256):
    before = model.training
    features = with_an_identity(model, images, batch_size)
    model.train(before)
    return features


@pytest.mark.parametrize("student", [with_an_identity, pools_the_last_stage, puts_the_mode_back])
def test_other_ways_to_extract_features_pass(student, outcome_of):
    result = outcome_of(lab01.check_extract_features, student)
    assert result.status == "correct", result.hint


def test_the_tiny_network_of_the_check_tells_train_from_eval_mode():
    model = Tiny()
    images = torch.randint(256, (8, 3, 7, 9), dtype=torch.uint8)
    in_eval = kit_extract(model, images)
    in_train = model.body.train()(preprocess(model, images)).mean(dim=(2, 3))
    assert (in_eval - in_train).abs().max() > 0.1


# ---- linear_probe: other right answers


def with_a_pipeline(train_features, train_labels, test_features, C=0.1):
    columns = []
    for k in range(train_labels.shape[1]):
        known = train_labels[:, k] != -1
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
        probe.fit(train_features[known], train_labels[known, k])
        columns.append(probe.predict_proba(test_features)[:, 1])
    return np.stack(columns, axis=1)


def scaled_by_hand(train_features, train_labels, test_features, C=0.1):
    mean, sd = train_features.mean(axis=0), train_features.std(axis=0) + 1e-8
    return fitted((train_features - mean) / sd, train_labels, (test_features - mean) / sd, C, solver="newton-cholesky")


def fitted(x, y, z, C, *, known=lambda labels: labels >= 0, score=None, **options):
    """One logistic regression per column, on features as they are."""
    score = score or (lambda model, features: model.predict_proba(features)[:, 1])
    columns = []
    for labels in y.T:
        rows = known(labels)
        model = LogisticRegression(C=C, max_iter=1000, **options).fit(x[rows], labels[rows])
        columns.append(score(model, z))
    return np.stack(columns, axis=1)


def scaled(train_features, test_features):
    scaler = StandardScaler().fit(train_features)
    return scaler.transform(train_features), scaler.transform(test_features)


@pytest.mark.parametrize("student", [with_a_pipeline, scaled_by_hand])
def test_other_right_probes_pass(student, outcome_of):
    result = outcome_of(lab01.check_linear_probe, student)
    assert result.status == "correct", result.hint


# ---- linear_probe: wrong answers


def scales_test_by_test(train_features, train_labels, test_features, C=0.1):
    x, z = StandardScaler().fit_transform(train_features), StandardScaler().fit_transform(test_features)
    return fitted(x, train_labels, z, C)


def scales_by_all(train_features, train_labels, test_features, C=0.1):
    scaler = StandardScaler().fit(np.concatenate([train_features, test_features]))
    return fitted(scaler.transform(train_features), train_labels, scaler.transform(test_features), C)


def scaler_fitted_on_test(train_features, train_labels, test_features, C=0.1):
    scaler = StandardScaler().fit(test_features)
    return fitted(scaler.transform(train_features), train_labels, scaler.transform(test_features), C)


def not_scaled(train_features, train_labels, test_features, C=0.1):
    return fitted(train_features, train_labels, test_features, C, solver="newton-cholesky")


def raw_test_features(train_features, train_labels, test_features, C=0.1):
    return fitted(scaled(train_features, test_features)[0], train_labels, test_features, C)


def only_centred(train_features, train_labels, test_features, C=0.1):
    mean = train_features.mean(axis=0)
    return fitted(train_features - mean, train_labels, test_features - mean, C, solver="newton-cholesky")


def softmax_over_findings(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    odds = fitted(x, train_labels, z, C, score=lambda model, features: model.decision_function(features))
    weights = np.exp(odds)
    return weights / weights.sum(axis=1, keepdims=True)


def decisions(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return fitted(x, train_labels, z, C, score=lambda model, features: model.predict(features))


def before_the_sigmoid(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return fitted(x, train_labels, z, C, score=lambda model, features: model.decision_function(features))


def absent(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return fitted(x, train_labels, z, C, score=lambda model, features: model.predict_proba(features)[:, 0])


def both_columns(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return fitted(x, train_labels, z, C, score=lambda model, features: model.predict_proba(features))


def lying_on_its_side(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, train_labels, test_features, C).T


def list_of_columns(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return MultiOutputClassifier(LogisticRegression(C=C, max_iter=1000)).fit(x, train_labels).predict_proba(z)


def first_finding_only(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, train_labels[:, :1], test_features, C)[:, 0]


def one_class_per_image(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    model = LogisticRegression(C=C, max_iter=1000).fit(x, train_labels.argmax(axis=1))
    return model.predict_proba(z)


def unknown_is_a_class(train_features, train_labels, test_features, C=0.1):
    x, z = scaled(train_features, test_features)
    return fitted(x, train_labels, z, C, known=lambda labels: labels > -2)


def unknown_is_absent(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, np.maximum(train_labels, 0), test_features, C)


def unknown_is_present(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, np.abs(train_labels), test_features, C)


def unknown_leaves_all(train_features, train_labels, test_features, C=0.1):
    complete = (train_labels >= 0).all(axis=1)
    return with_a_pipeline(train_features[complete], train_labels[complete], test_features, C)


def divides_by_zero(train_features, train_labels, test_features, C=0.1):
    mean, sd = train_features.mean(axis=0), train_features.std(axis=0)
    return fitted((train_features - mean) / sd, train_labels, (test_features - mean) / sd, C)


def nan_to_the_end(train_features, train_labels, test_features, C=0.1):
    scores = with_a_pipeline(train_features, train_labels, test_features, C)
    return scores * np.nan if (train_features.std(axis=0) == 0).any() else scores


def ignores_c(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, train_labels, test_features)


def c_of_scikit_learn(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, train_labels, test_features, 1.0)


def c_upside_down(train_features, train_labels, test_features, C=0.1):
    return with_a_pipeline(train_features, train_labels, test_features, 1 / C)


WRONG_PROBE = [
    (scales_test_by_test, "training images only"),
    (scales_by_all, "training images only"),
    (scaler_fitted_on_test, "training images only"),
    (not_scaled, "divided by their sd"),
    (raw_test_features, "the test features are not"),
    (only_centred, "divided by their sd"),
    (softmax_over_findings, "compete"),
    (decisions, "decisions"),
    (before_the_sigmoid, "before the sigmoid"),
    (absent, "ABSENT"),
    (both_columns, "one of them"),
    (lying_on_its_side, "on its side"),
    (list_of_columns, "one NumPy array"),
    (first_finding_only, "its own logistic regression"),
    (one_class_per_image, "add up to 1"),
    (unknown_is_a_class, "class of its own"),
    (unknown_is_absent, "counted as absent"),
    (unknown_is_present, "counted as present"),
    (unknown_leaves_all, "for all findings"),
    (divides_by_zero, "sd is 0"),
    (nan_to_the_end, "sd is 0"),
    (ignores_c, "Does `C` reach"),
    (c_of_scikit_learn, "Does `C` reach"),
    (c_upside_down, "pass it on as it is"),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize(("student", "word"), WRONG_PROBE)
def test_a_wrong_linear_probe_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab01.check_linear_probe, student)
    assert result.status == "incorrect"
    assert word in result.hint
