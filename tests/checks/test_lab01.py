"""Lab 1's checks: other right answers pass, and what they lean on holds."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, precision_score, recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lab_utils.checks import lab01, lab01_questions
from lab_utils.checks.lab01_features import Tiny
from lab_utils.networks import preprocess
from lab_utils.show import Question
from lab_utils.similarity import extract_features as kit_extract
from lab_utils.similarity import record


def test_a_wrong_answer_is_replaced_by_the_kits_version(capsys):
    assert lab01.check_normalise(lambda images, mean, std: images) is lab01.NORMALISE.kit
    assert lab01.check_extract_features(None) is kit_extract
    assert lab01.check_linear_probe(None) is lab01.LINEAR_PROBE.kit
    assert "THE LAB GOES ON WITH THE KIT'S OWN" in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in dir(lab01_questions) if name.isupper()])
def test_every_wrong_option_of_a_question_says_why(name):
    question = getattr(lab01_questions, name)
    assert isinstance(question, Question)
    assert len({feedback for _, feedback in question.options}) == len(question.options)


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


def with_an_identity(model, images, batch_size=256):
    name = "head" if hasattr(model, "head") else "classifier"
    layer = getattr(model, name)
    setattr(model, name, torch.nn.Identity())
    model.eval()
    with torch.inference_mode():
        features = torch.cat([model(preprocess(model, batch)) for batch in images.split(batch_size)])
    setattr(model, name, layer)
    return features.clone()


def pools_the_last_stage(model, images, batch_size=256):
    model.eval()
    parts = []
    for batch in images.split(batch_size):
        with torch.no_grad(), record(model, ["body"]) as kept:
            model(preprocess(model, batch))
        parts.append(kept["body"].mean(dim=(2, 3)))
    return torch.cat(parts)


def puts_the_mode_back(model, images, batch_size=256):
    before = model.training
    features = with_an_identity(model, images, batch_size)
    model.train(before)
    return features


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
    x, z = (train_features - mean) / sd, (test_features - mean) / sd
    columns = []
    for labels in train_labels.T:
        probe = LogisticRegression(C=C, solver="newton-cholesky").fit(x[labels >= 0], labels[labels >= 0])
        columns.append(probe.predict_proba(z)[:, 1])
    return np.stack(columns, axis=1)


def with_scipy(a, b, confidence=0.95):
    found = stats.ttest_rel(a, b)
    ends = found.confidence_interval(confidence)
    return [np.mean(a - b), ends.low, ends.high]


def with_scikit_learn(labels, probs, threshold):
    known = labels != -1
    truth, said = labels[known].astype(int), (probs[known] >= threshold).astype(int)
    precision = precision_score(truth, said, zero_division=1.0)
    return confusion_matrix(truth, said, labels=[0, 1]), precision, recall_score(truth, said)


def counts_by_hand(labels, probs, threshold):
    counts = [[0, 0], [0, 0]]
    for label, prob in zip(labels, probs, strict=True):
        if label >= 0:
            counts[int(label)][int(prob >= threshold)] += 1
    (_, alarms), (missed, found) = counts
    return counts, found / (found + alarms) if found + alarms else 1, found / (found + missed)


def sorts_the_stages(val_scores, test_scores):
    best = np.argsort(np.mean(val_scores, axis=0))[-1]
    return best, with_scipy(test_scores[:, best], test_scores[:, -1])


OTHER_RIGHT_WAYS = [
    *((lab01.NORMALISE, student) for student in (per_channel_loop, with_torchvision, in_grey_levels)),
    *((lab01.EXTRACT_FEATURES, student) for student in (with_an_identity, pools_the_last_stage, puts_the_mode_back)),
    *((lab01.LINEAR_PROBE, student) for student in (with_a_pipeline, scaled_by_hand)),
    *((lab01.CONFUSION, student) for student in (with_scikit_learn, counts_by_hand)),
    (lab01.PAIRED_INTERVAL, with_scipy),
    (lab01.CHOOSE_THEN_TEST, sorts_the_stages),
]


@pytest.mark.parametrize(("exercise", "student"), OTHER_RIGHT_WAYS)
def test_other_right_ways_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


def test_the_tiny_network_of_the_check_tells_train_from_eval_mode():
    model = Tiny()
    images = torch.randint(256, (8, 3, 7, 9), dtype=torch.uint8)
    in_eval = kit_extract(model, images)
    in_train = model.body.train()(preprocess(model, images)).mean(dim=(2, 3))
    assert (in_eval - in_train).abs().max() > 0.1
