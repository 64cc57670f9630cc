"""Kind G: what people have as labels and scores goes into every metric rightly, or is refused."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics as reference

from lab_utils import metrics
from lab_utils.metrics import steps_to_reach
from lab_utils.show import plot_calibration, plot_prevalence, plot_roc
from lab_utils.training import knn_probe, linear_probe, predict, probabilities, score
from tests.refusals import refuses
from tests.tiny import TinyNet, tiny_split

RNG = np.random.default_rng(7)
N = 60
BINARY = RNG.integers(0, 2, N)
MARGIN = RNG.normal(2 * BINARY - 1, 1)  # logit of class 1 against class 0
PROBS = expit(MARGIN)
# The same softmax, but each image with a level of its own, which the softmax does not see.
LEVEL = RNG.normal(0, 8, N)
LOGITS = np.column_stack([LEVEL, LEVEL + MARGIN])
CLASSES = PROBS.round().astype(int)

GRADES = RNG.integers(0, 3, N)
LOGITS3 = RNG.normal(size=(N, 3)) + 2 * np.eye(3)[GRADES] + RNG.normal(0, 5, (N, 1))
PROBS3 = softmax(LOGITS3, axis=1)

FINDINGS = RNG.integers(-1, 2, (N, 3))
FINDING_LOGITS = RNG.normal(FINDINGS, 1)

OF_CLASSES = [metrics.accuracy, metrics.balanced_accuracy, metrics.recall_per_class, metrics.quadratic_kappa]
OF_PROBABILITIES = [metrics.brier, metrics.calibration_curve]
OF_RANKS = [metrics.auroc, metrics.auroc_per_class, metrics.macro_auroc]


def drawn(metric):
    """The bootstrap of a metric, and once more on the path that any function takes."""

    def draws(labels, scores):
        return metrics.bootstrap_draws(metric, labels, scores, draws=9)

    def slow(labels, scores):
        return metrics.bootstrap_draws(lambda y, s: metric(y, s), labels, scores, draws=9)

    return [draws, slow]


EVERY = [*OF_CLASSES, *OF_PROBABILITIES, *OF_RANKS, metrics.roc_curve]
EVERY += [*drawn(metrics.auroc), *drawn(metrics.macro_auroc), *drawn(metrics.accuracy)]


def alike(left, right):
    left, right = (x if isinstance(x, tuple) else (x,) for x in (left, right))
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


# ---- one column
@pytest.mark.parametrize("metric", EVERY)
def test_one_column_is_a_vector_in_every_metric(metric):
    scores = CLASSES if metric in OF_CLASSES or metric in EVERY[-2:] else PROBS
    expected = metric(BINARY, scores)
    alike(metric(BINARY, scores[:, None]), expected)
    alike(metric(BINARY[:, None], scores), expected)  # MedMNIST's labels
    alike(metric(BINARY[:, None], scores[:, None]), expected)


@pytest.mark.parametrize("metric", [*OF_CLASSES, *drawn(metrics.accuracy)])
def test_sigmoid_scores_are_no_classes_in_either_shape(metric):
    for scores in (PROBS, PROBS[:, None], MARGIN[:, None]):
        refuses("Turn binary scores into classes by a threshold", metric, BINARY, scores)


def test_a_perfect_sigmoid_classifier_is_perfect_after_a_threshold():
    sigmoid = np.where(BINARY == 1, 0.8, 0.1)[:, None]
    assert metrics.accuracy(BINARY, sigmoid >= 0.5) == 1
    assert metrics.quadratic_kappa(BINARY[:, None], sigmoid >= 0.5) == 1


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    "shaped",
    [
        lambda y, s: (y, s[None]),
        lambda y, s: (y, s[:, None, None]),
        lambda y, s: (y, np.column_stack([1 - s, s])[:, :, None]),
        lambda y, s: (y, np.stack([1 - s, s])),
        lambda y, s: (y[None], s),
        lambda y, s: (y[:-1], s),
        lambda y, s: (y[:0], s[:0]),
        lambda y, s: (1, 0.5),
    ],
    ids=["(1, N)", "(N, 1, 1)", "(N, K, 1)", "(K, N)", "labels (1, N)", "N - 1 labels", "empty", "no axis"],
)
def test_another_shape_is_refused_everywhere(metric, shaped):
    refuses("expected", metric, *shaped(BINARY, PROBS))


def test_labels_of_medmnist_go_with_the_scores_of_many_classes():
    column = GRADES[:, None].astype(np.uint8)
    for metric in (*OF_CLASSES, *OF_PROBABILITIES, metrics.macro_auroc, *drawn(metrics.macro_auroc)):
        alike(metric(column, PROBS3), metric(GRADES, PROBS3))
    assert metrics.accuracy(column, PROBS3) == np.mean(PROBS3.argmax(axis=1) == GRADES)


def test_one_finding_keeps_its_masked_labels():
    labels = np.where(np.arange(N) < 9, -1, BINARY)[:, None]
    expected = reference.roc_auc_score(BINARY[9:], MARGIN[9:])
    assert metrics.macro_auroc(labels, MARGIN[:, None]) == pytest.approx(expected)
    assert metrics.brier(labels, PROBS[:, None]) == pytest.approx(np.mean((PROBS - BINARY)[9:] ** 2))


# ---- two columns for two classes
def test_two_class_logits_rank_by_their_difference():
    right = reference.roc_auc_score(BINARY, MARGIN)
    alone = reference.roc_auc_score(BINARY, LOGITS[:, 1])
    assert right > 0.8 > 0.65 > alone  # a column alone ranks by the level of the image
    for scores in (LOGITS, torch.tensor(LOGITS), softmax(LOGITS, axis=1), log_softmax(LOGITS, axis=1), 100 * LOGITS):
        assert metrics.auroc(BINARY, scores) == pytest.approx(right)
        assert metrics.macro_auroc(BINARY, scores) == pytest.approx(right)
        assert metrics.auroc_per_class(BINARY, scores) == pytest.approx([right, right])
    alike(metrics.roc_curve(BINARY, LOGITS), metrics.roc_curve(BINARY, MARGIN))


@pytest.mark.parametrize("metric", [metrics.auroc, metrics.macro_auroc])
def test_the_bootstrap_of_two_class_logits_is_that_of_their_difference(metric):
    for of_logits, of_margin in zip(drawn(metric), drawn(metrics.auroc), strict=True):
        np.testing.assert_allclose(of_logits(BINARY, LOGITS), of_margin(BINARY, MARGIN), atol=1e-12)


def test_two_columns_that_may_be_two_networks_are_refused():
    refuses("two networks", metrics.auroc, BINARY, np.column_stack([PROBS, PROBS[::-1]]))


# ---- many classes
def by_hand(labels, scores):
    """AUROC of each class against the rest, counted pair by pair."""
    values = []
    for k in range(scores.shape[1]):
        wins = scores[labels == k, k][:, None] - scores[labels != k, k]
        values.append(np.mean((wins > 0) + (wins == 0) / 2))
    return values


def test_multiclass_logits_are_refused_and_the_softmax_is_right():
    for metric in (metrics.auroc_per_class, metrics.macro_auroc, *drawn(metrics.macro_auroc)):
        refuses(r"probabilities\(logits, task\)", metric, GRADES, LOGITS3)
    right = by_hand(GRADES, PROBS3)
    assert np.abs(np.subtract(right, by_hand(GRADES, LOGITS3))).max() > 0.1  # the columns alone are no scores
    probs = probabilities(torch.tensor(LOGITS3), "multiclass")
    assert metrics.auroc_per_class(GRADES, probs) == pytest.approx(right)


@pytest.mark.parametrize(
    "scores",
    [
        expit(2 * LOGITS3 - 2 * LOGITS3.mean(axis=1, keepdims=True)),
        100 * PROBS3,
        log_softmax(LOGITS3, axis=1),
        (25 * PROBS3).round() / 25,
        PROBS3.astype(np.float16),
        PROBS3 * (1 + 1e-7),
    ],
    ids=["one against the rest", "percent", "logarithms", "votes", "float16", "rounded above 1"],
)
def test_scores_that_can_be_compared_between_images_are_understood(scores):
    assert metrics.auroc_per_class(GRADES, scores) == pytest.approx(by_hand(GRADES, scores.astype(float)))


def test_bfloat16_probabilities_of_many_classes_are_understood():
    labels = RNG.integers(0, 40, 200)
    probs = torch.tensor(RNG.normal(size=(200, 40)) + 3 * np.eye(40)[labels]).softmax(dim=1).bfloat16()
    assert metrics.auroc_per_class(labels, probs) == pytest.approx(by_hand(labels, probs.double().numpy()))
    assert metrics.brier(labels, probs) == pytest.approx(
        np.mean(((probs.double().numpy() - np.eye(40)[labels]) ** 2).sum(axis=1))
    )


def test_multilabel_logits_are_fine_as_they_are():
    expected = metrics.auroc_per_class(FINDINGS, expit(FINDING_LOGITS))
    assert metrics.auroc_per_class(FINDINGS, FINDING_LOGITS) == pytest.approx(expected)
    masked = FINDINGS[:, 0] >= 0
    assert expected[0] == pytest.approx(reference.roc_auc_score(FINDINGS[masked, 0], FINDING_LOGITS[masked, 0]))


def test_one_hot_labels_are_refused_where_their_two_readings_differ():
    one_hot = np.eye(3)[GRADES]
    refuses("exactly one 1", metrics.macro_auroc, one_hot, LOGITS3)  # softmax logits read as findings
    refuses("exactly one 1", metrics.brier, one_hot, PROBS3)  # would be a third
    refuses(r"labels\.argmax", metrics.accuracy, one_hot, PROBS3)
    assert metrics.macro_auroc(one_hot, PROBS3) == pytest.approx(np.mean(by_hand(GRADES, PROBS3)))  # the same
    two = np.column_stack([1 - BINARY, BINARY])
    assert metrics.brier(two, softmax(LOGITS, axis=1)) == pytest.approx(metrics.brier(BINARY, PROBS))  # the same


def test_findings_of_which_each_image_has_one_are_still_measured():
    split = replace(tiny_split(30), labels=torch.eye(3).repeat(10, 1), task="multilabel", class_names=("a", "b", "c"))
    logits = torch.full((30, 3), float(np.log(1 / 2)))  # the sigmoid is a third: each row adds up to 1
    assert score(logits, split)["brier"] == pytest.approx((4 / 9 + 2 / 9) / 3)
    assert score(20 * logits, split)["auroc"] == 0.5


def test_a_bootstrap_does_not_count_a_misread_draw_as_undefined():
    labels = np.eye(3)[GRADES]
    labels[0] = 1  # one image with several findings: some draws go without it
    refuses("exactly one 1", drawn(metrics.macro_auroc)[1], labels, LOGITS3)


# ---- tensors, tables and other containers
@pytest.mark.parametrize("metric", [*OF_CLASSES, *OF_PROBABILITIES, metrics.macro_auroc, *drawn(metrics.macro_auroc)])
def test_tensors_of_any_type_give_what_their_numbers_give(metric):
    labels = torch.tensor(GRADES)
    for kind in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        probs = torch.tensor(PROBS3).to(kind).requires_grad_()
        alike(metric(labels, probs), metric(GRADES, probs.detach().double().numpy()))
        alike(metric(list(labels), list(probs)), metric(GRADES, probs.detach().double().numpy()))


def test_what_predict_returns_goes_in_rightly_or_not_at_all():
    split = tiny_split()
    logits = predict(TinyNet(), split)
    assert logits.shape[1] == 2
    probs = logits.double().softmax(dim=1).numpy()
    hits = probs.argmax(axis=1) == split.labels.numpy()
    assert metrics.accuracy(split.labels, logits) == np.mean(hits)
    assert metrics.auroc(split.labels, logits) == pytest.approx(reference.roc_auc_score(split.labels, probs[:, 1]))
    for metric in OF_PROBABILITIES:
        refuses("Apply a s", metric, split.labels, logits)
    refuses("got probabilities", score, torch.tensor(probs), split)
    refuses("each of the", score, logits[:-1], split)
    assert score(logits.requires_grad_(), split) == score(logits.detach(), split)
    assert score(logits.detach().numpy(), split) == score(logits.detach().double(), split) == score(logits, split)


def test_probabilities_knows_its_task_and_its_shape():
    refuses("multi-label", probabilities, torch.zeros(2, 3), "multi-label")  # was a softmax
    refuses("sigmoid", probabilities, torch.zeros(2, 1), "binary")  # was 1 everywhere
    assert probabilities(torch.zeros(2, 1), "multilabel").tolist() == [[0.5], [0.5]]


def test_masked_and_missing_labels_are_unknown_wherever_they_come_from():
    labels = np.where(FINDINGS < 0, np.nan, FINDINGS)
    expected = metrics.auroc_per_class(labels, FINDING_LOGITS)
    hidden = np.ma.masked_array(np.where(FINDINGS < 0, 1, FINDINGS), FINDINGS < 0)
    nothing = np.where(FINDINGS < 0, None, FINDINGS)
    table = pd.DataFrame(nothing, columns=list("abc")).astype("Int64")  # pandas.NA
    for unknown in (FINDINGS, hidden, nothing, table, torch.tensor(labels)):
        np.testing.assert_array_equal(metrics.auroc_per_class(unknown, FINDING_LOGITS), expected)
        np.testing.assert_array_equal(
            metrics.bootstrap_draws(metrics.macro_auroc, unknown, FINDING_LOGITS, draws=5),
            metrics.bootstrap_draws(metrics.macro_auroc, labels, FINDING_LOGITS, draws=5),
        )


def test_masked_scores_are_no_scores():
    refuses("1 of 60", metrics.auroc, BINARY, np.ma.masked_array(PROBS, np.arange(N) == 3))


def test_columns_of_pandas_count_by_position_unless_their_index_says_otherwise():
    frame = pd.DataFrame({"label": BINARY, "score": PROBS}, index=np.arange(N) + 100).sample(frac=1, random_state=0)
    expected = metrics.auroc(BINARY, PROBS)
    assert metrics.auroc(frame["label"], frame["score"]) == pytest.approx(expected)
    assert metrics.auroc(frame[["label"]], frame[["score"]]) == pytest.approx(expected)
    assert metrics.auroc(frame["label"], pd.Series(frame["score"].to_numpy())) == pytest.approx(expected)
    other = frame["score"].sort_index()
    for metric in EVERY:
        refuses("another order", metric, frame["label"], other)
    refuses("another order", metrics.bootstrap_draws, metrics.auroc, frame["label"], PROBS, other, draws=3)
    refuses("another order", metrics.paired_difference, frame["score"], other)


def test_batches_are_to_be_joined_first():
    labels, scores = torch.tensor(BINARY), torch.tensor(PROBS)
    for size in (20, 25):  # all batches of one length, and a shorter last one
        refuses(r"torch\.cat", metrics.macro_auroc, list(labels.split(size)), list(scores.split(size)))
    refuses(r"torch\.cat", metrics.bootstrap_draws, metrics.macro_auroc, list(labels.split(20)), list(scores.split(20)))


@pytest.mark.parametrize("metric", EVERY)
@pytest.mark.parametrize(
    "given",
    [
        (dict(enumerate(BINARY)), PROBS),
        (BINARY, PROBS + 0j),
        (BINARY, np.full(N, "2020-01-01", "M8[D]")),
        (np.where(BINARY, "ill", "well"), CLASSES),
        (np.where(BINARY, "ill", "well").astype(object), CLASSES),
        (BINARY, [{"score": p} for p in PROBS]),
        (None, PROBS),
    ],
    ids=["dict", "complex", "dates", "names", "names as objects", "list of dicts", "None"],
)
def test_what_is_no_array_of_numbers_is_refused_in_words(metric, given):
    refuses(r"must be|expected", metric, *given)


def test_numbers_written_as_text_and_objects_are_numbers():
    expected = metrics.auroc(BINARY, PROBS)
    assert metrics.auroc(BINARY.astype(str), PROBS.astype(str)) == expected
    assert metrics.auroc(BINARY.astype(object), PROBS.astype(object)) == expected
    assert metrics.accuracy(BINARY.astype(str), CLASSES.astype(str)) == metrics.accuracy(BINARY, CLASSES)


# ---- labels
@pytest.mark.parametrize("labels", [BINARY == 1, BINARY.astype(float), BINARY.astype(np.uint8), BINARY.astype("i1")])
def test_zero_and_one_of_any_type_are_labels(labels):
    assert metrics.auroc(labels, PROBS) == metrics.auroc(BINARY, PROBS)
    assert metrics.brier(labels, PROBS) == metrics.brier(BINARY, PROBS)
    assert metrics.accuracy(labels, CLASSES) == metrics.accuracy(BINARY, CLASSES)


@pytest.mark.parametrize("metric", [*OF_PROBABILITIES, *OF_RANKS, *drawn(metrics.auroc)])
@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        (2 * BINARY - 1, "labels == 1"),
        (BINARY + 1, "labels == 2"),
        (np.where(np.arange(N) == 0, -1, BINARY), "Leave unknown labels out"),
        (np.where(np.arange(N) == 0, np.nan, BINARY), "Leave unknown labels out"),
        (GRADES, "more than two classes"),
    ],
    ids=["-1 and 1", "1 and 2", "-1 among them", "NaN among them", "three classes"],
)
def test_another_coding_of_binary_labels_is_refused_with_advice(metric, labels, advice):
    refuses(advice, metric, labels, PROBS)


@pytest.mark.parametrize("metric", [*OF_CLASSES, *OF_PROBABILITIES, *OF_RANKS[1:], *drawn(metrics.macro_auroc)])
@pytest.mark.parametrize(
    ("labels", "advice"),
    [
        (GRADES + 1, "begin at 1"),
        (np.where(np.arange(N) == 0, -1, GRADES), "without a known class"),
        (np.where(np.arange(N) == 0, np.nan, GRADES), "without a known class"),
        (np.where(np.arange(N) == 0, -100, GRADES), "without a known class"),
        (np.where(np.arange(N) == 0, -1, GRADES).astype(np.uint8), "255"),
        (np.where(np.arange(N) == 0, 7, GRADES), "below 3"),
    ],
    ids=["1 to K", "-1", "NaN", "-100", "-1 as uint8", "above K"],
)
def test_class_numbers_without_a_column_are_refused(metric, labels, advice):
    refuses(advice, metric, labels, PROBS3)


def test_an_unknown_class_is_no_class_of_its_own_beside_predicted_classes():
    labels = np.where(np.arange(N) == 0, -1, GRADES)
    for coded in (labels, labels.astype(np.uint8), np.where(labels < 0, np.nan, labels)):
        for metric in OF_CLASSES:
            refuses("Leave", metric, coded, GRADES)
    refuses("patients", metrics.recall_per_class, [0, 80_000_123], [0, 1])


@pytest.mark.parametrize("metric", EVERY)
def test_swapped_labels_and_scores_are_noticed(metric):
    refuses("swapped", metric, PROBS, BINARY)


# ---- scores
@pytest.mark.parametrize("metric", [*OF_PROBABILITIES, plot_calibration])
def test_percent_and_logits_are_no_probabilities(metric):
    for wrong in (100 * PROBS, MARGIN, PROBS + 0.2, LOGITS, 100 * PROBS[:, None]):
        refuses(r"must lie in \[0, 1\]", metric, BINARY, wrong)
    refuses("add up to 1", metric, GRADES, expit(LOGITS3))


def test_rounding_above_1_is_still_a_probability():
    probs = np.where(BINARY == 1, 1.0000001, -1e-9)
    assert metrics.brier(BINARY, probs) == 0
    np.testing.assert_allclose(metrics.calibration_curve(BINARY, probs)[:2], [[0, 1], [0, 1]])
    assert metrics.brier(GRADES, PROBS3.astype(np.float32) * np.float32(1.0000001)) == pytest.approx(
        np.mean(((PROBS3 - np.eye(3)[GRADES]) ** 2).sum(axis=1)), abs=1e-5
    )


def test_brier_of_two_columns_is_that_of_the_second():
    assert metrics.brier(BINARY[:, None], softmax(LOGITS, axis=1)) == pytest.approx(metrics.brier(BINARY, PROBS))


def test_classes_as_scores_rank_as_well_as_they_can():
    expected = metrics.balanced_accuracy(BINARY, CLASSES)
    assert metrics.auroc(BINARY, CLASSES) == pytest.approx(expected)
    assert metrics.auroc(BINARY, CLASSES == 1) == pytest.approx(expected)
    assert metrics.auroc(BINARY, np.full(N, 0.3)) == 0.5


@pytest.mark.parametrize("metric", EVERY)
def test_what_diverged_has_no_metric(metric):
    for bad in (np.nan, np.inf, -np.inf):
        refuses("finite", metric, BINARY, np.where(np.arange(N) == 5, bad, PROBS))


def test_rows_that_mark_no_class_or_several_are_no_predictions():
    marked = np.eye(3, dtype=bool)[GRADES]
    assert metrics.accuracy(GRADES, marked) == 1
    marked[0] = False  # argmax would say class 0
    refuses("no class or several", metrics.accuracy, GRADES, marked)


# ---- kappa and recall
def test_kappa_counts_distances_wherever_the_grades_begin():
    labels, predictions = np.array([1, 2, 3, 4, 5, 5]), np.array([1, 2, 4, 4, 5, 3])
    right = reference.cohen_kappa_score(labels, predictions, weights="quadratic")
    assert metrics.quadratic_kappa(labels, predictions) == pytest.approx(right)
    assert metrics.quadratic_kappa(labels - 1, predictions - 1) == pytest.approx(right)
    refuses("begin at 1", metrics.quadratic_kappa, labels, np.eye(5)[predictions - 1])
    refuses("got -2", metrics.quadratic_kappa, [0, 1, 2], [0, 1, -2])


def test_kappa_of_a_predicted_grade_that_no_image_has_keeps_its_distance():
    labels, predictions = np.array([0, 1, 2, 2]), np.array([0, 1, 2, 6])
    chance = np.mean((labels[:, None] - predictions[None]) ** 2)
    assert metrics.quadratic_kappa(labels, predictions) == pytest.approx(1 - (16 / 4) / chance)


def test_recall_has_an_entry_for_each_class():
    np.testing.assert_equal(metrics.recall_per_class([0, 1], [0, 1], num_classes=4), [1, 1, np.nan, np.nan])
    np.testing.assert_equal(metrics.recall_per_class([0, 1], np.eye(4)[:2]), [1, 1, np.nan, np.nan])
    np.testing.assert_equal(metrics.recall_per_class([0, 1], [0, 3]), [1, 0, np.nan, np.nan])
    for wrong in ({"num_classes": 3}, {"num_classes": 2.5}, {"num_classes": 0}):
        refuses("num_classes", metrics.recall_per_class, [0, 1], [0, 3], **wrong)


# ---- intervals
def test_patients_may_have_names_and_a_column_of_their_own():
    groups = RNG.integers(0, 12, N)
    names = np.array([f"person{g:02d}" for g in groups])
    expected = metrics.bootstrap_draws(metrics.auroc, BINARY, PROBS, groups, draws=9)
    for same in (names, names.tolist(), names.astype(object), groups[:, None], pd.Series(names), torch.tensor(groups)):
        np.testing.assert_array_equal(metrics.bootstrap_draws(metrics.auroc, BINARY, PROBS, same, draws=9), expected)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.where(np.arange(N) < 5, np.nan, np.arange(N)), "5 of 60 are unknown"),
        (np.where(np.arange(N) < 5, -1, np.arange(N)), "5 of 60 are unknown"),
        ([None, *map(str, range(N - 1))], "1 of 60 are unknown"),
        (["", "nan", *map(str, range(N - 2))], "2 of 60 are unknown"),
        (pd.Series([None, *range(N - 1)], dtype="Int64"), "1 of 60 are unknown"),
        *(([n if i < 30 else f"p{i}" for i in range(N)], "30 of 60 are unknown") for n in ("unknown", "N/A", "-1")),
        (np.zeros(N), "at least two patients"),
        (np.zeros((N, 2)), "each of the 60 images"),
        (np.array(["a", *range(N - 1)], dtype=object), "int and str"),
    ],
    ids=["NaN", "-1", "None", "empty", "pandas.NA", "unknown", "N/A", "text -1", "one patient", "two columns", "mixed"],
)
def test_unknown_patients_are_not_one_patient(groups, message):
    refuses(message, metrics.bootstrap_interval, metrics.auroc, BINARY, PROBS, groups, draws=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"draws": 2.5}, "draws to be a whole number.*got 2.5"),
        ({"draws": "100"}, "draws to be a whole number.*got '100'"),
        ({"draws": True}, "draws to be a whole number.*got True"),
        ({"confidence": 95}, "0.95 for 95 %"),
        ({"confidence": "0.95"}, "between 0 and 1"),
        ({"confidence": float("nan")}, "between 0 and 1"),
        ({"seed": None}, "seed to be a whole number.*got None"),
        ({"seed": np.random.default_rng(0)}, "seed to be a whole number"),
        ({"metric": "auroc"}, "function"),
        ({"metric": metrics.auroc_per_class, "labels": FINDINGS, "scores": FINDING_LOGITS}, "one number"),
        ({"metric": lambda y, s: float("nan")}, "one number"),
    ],
)
def test_settings_of_the_bootstrap_that_cannot_be_are_refused(change, message):
    good = {"metric": metrics.auroc, "labels": BINARY, "scores": PROBS, "draws": 5}
    refuses(message, metrics.bootstrap_interval, **{**good, **change})


def test_differences_over_seeds_pair_one_value_with_one():
    for other in (0.8, [0.8], [[0.8], [0.8]], [0.8, np.nan], {0: 0.8, 1: 0.9}):
        refuses(r"seed|numbers", metrics.paired_difference, [0.8, 0.9], other)


def test_percent_and_fractions_are_not_mixed():
    refuses("percent", metrics.paired_difference, [91, 88, 93], [0.84, 0.86, 0.9])
    refuses("percent", metrics.paired_difference, [0.84, 0.86, 0.9], [91, 88, 93])
    assert metrics.paired_difference([91, 88], [84, 86])[0] == pytest.approx(4.5)  # points of percent
    assert metrics.paired_difference([0.5, 0.4], [20, 90])[0] == pytest.approx(-54.55)  # seconds
    refuses("percent", steps_to_reach, [0, 10, 20], [50, 80, 91], 0.85)  # was reached at step 0
    refuses("percent", steps_to_reach, [0, 10, 20], [0.5, 0.8, 0.91], 85)  # was never reached
    assert steps_to_reach([0, 10, 20], [50, 80, 91], 85).reached


# ---- probes and plots
@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
def test_probes_read_labels_and_features_as_the_metrics_do(probe):
    features = RNG.normal(size=(N, 4)) + BINARY[:, None]
    expected = probe(features, BINARY, features, task="binary")
    tensor = torch.tensor(features, requires_grad=True)
    np.testing.assert_array_equal(probe(tensor, BINARY[:, None], tensor, task="binary"), expected)
    np.testing.assert_array_equal(
        probe(tensor.bfloat16(), BINARY, tensor.bfloat16(), task="binary"),
        probe(tensor.bfloat16().float(), BINARY, tensor.bfloat16().float(), task="binary"),
    )
    for wrong in (2 * BINARY - 1, BINARY + 1, np.where(BINARY, "ill", "well"), np.where(BINARY, np.inf, 0), BINARY / 2):
        refuses("labels must be", probe, features, wrong, features, task="binary")
    refuses(r"labels\.argmax", probe, features, np.eye(3)[GRADES], features, task="multiclass")
    refuses("test features", probe, features, BINARY, features[:0], task="binary")
    refuses("real numbers", probe, features + 0j, BINARY, features, task="binary")


def test_prevalence_reads_labels_as_the_metrics_do():
    def shares(labels, names):
        _, ax = plt.subplots()
        plot_prevalence({"set": labels}, names, ax=ax)
        widths = [bar.get_width() for bar in ax.patches]
        plt.close()
        return widths

    assert shares([[0], [1], [1], [1]], ["well", "ill"]) == [0.25, 0.75]  # was .75 for both
    assert shares([[0], [1], [-1], [1]], ["ill"]) == pytest.approx([2 / 3])
    for wrong, names in (
        ([0, 1, 1], ["ill"]),  # was the share of the healthy, under the name of the finding
        ([0, 1, -1], ["well", "ill"]),
        ([1, 2, 2], ["well", "ill"]),
        ([[0, 1, 1]], ["well", "ill"]),
        ([[0.2, 0.7]], ["a", "b"]),
        (["well", "ill"], ["well", "ill"]),
    ):
        refuses("labels of set must be", shares, wrong, names)


def test_curves_are_drawn_from_rates_only():
    _, ax = plt.subplots()
    plot_roc(*metrics.roc_curve(BINARY, LOGITS), ax=ax)
    for wrong in ((BINARY, PROBS), ([0, 50, 100], [0, 80, 100]), ([0, 1], [0, 0.5, 1])):
        refuses("roc_curve", plot_roc, *wrong, ax=ax)
    plt.close()


# ---- more of what people have
def test_two_sigmoid_columns_are_refused_by_every_ranking_metric():
    both = np.column_stack([PROBS, PROBS])  # a network with two outputs and a sigmoid: no softmax, no findings
    for metric in OF_RANKS:
        refuses("do not add up to 1", metric, BINARY, both)


def test_one_vs_rest_scores_and_distances_get_a_way_that_is_right():
    distances = -np.abs(LOGITS3 * 100)  # a sigmoid of these is 0 everywhere
    refuses(r"auroc\(labels == k, scores\[:, k\]\)", metrics.auroc_per_class, GRADES, distances)
    for k in range(3):
        expected = reference.roc_auc_score(k == GRADES, distances[:, k])
        assert metrics.auroc(k == GRADES, distances[:, k]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_grades_of_a_regression_are_to_be_rounded(metric):
    predicted = GRADES + 0.3
    refuses(r"np\.rint", metric, GRADES, predicted)
    assert np.nanmin(metric(GRADES, np.rint(predicted).clip(0, 2))) == 1


def test_findings_coded_minus_1_and_1_are_noticed():
    coded, scores = np.where(FINDINGS == 1, 1, -1), expit(FINDING_LOGITS)
    refuses(r"-1 stands for unknown.*labels == 1", metrics.macro_auroc, coded, scores)
    with pytest.raises(ValueError, match=r"no 0.*labels == 1"):
        metrics.brier(coded, scores)  # over the present findings alone, 1 everywhere would be perfect
    expected = reference.brier_score_loss((coded == 1).ravel(), scores.ravel())
    assert metrics.brier(coded == 1, scores) == pytest.approx(expected, abs=1e-12)


def test_a_second_softmax_is_refused_and_arrays_are_logits_too():
    for task in ("binary", "ordinal"):
        once = probabilities(torch.from_numpy(LOGITS), task)
        refuses("expected logits, got probabilities", probabilities, once, task)
    for logits in (LOGITS, LOGITS.tolist(), pd.DataFrame(LOGITS)):
        np.testing.assert_allclose(probabilities(logits, "binary").numpy(), softmax(LOGITS, axis=1), atol=1e-12)
    assert torch.equal(probabilities(torch.zeros(3, 2, dtype=torch.int64), "binary"), torch.full((3, 2), 0.5))


def test_score_reads_tables_and_names_what_is_no_split():
    split = tiny_split()
    logits = predict(TinyNet(), split)
    assert score(pd.DataFrame(logits.numpy()), split) == score(logits, split)
    refuses("logits must be an array", score, None, split)
    refuses("split must be such as", score, logits, split.labels)


def test_advice_on_names_is_given_for_labels_only():
    refuses("decimals with a point", metrics.auroc, [0, 1], ["0,5", "0,7"])
    refuses(r"got 'high' \(str\)\.$", metrics.mean_interval, ["high"])


@pytest.mark.parametrize("probe", [linear_probe, knn_probe])
def test_probes_advise_on_the_coding_that_came(probe):
    features = RNG.normal(size=(N, 3))
    refuses("If -1 stands for negative", probe, features, 2 * BINARY - 1, features, task="binary")
    refuses("numbers of patients", probe, features, BINARY * 10**7, features, task="multiclass")


@pytest.mark.parametrize("decimals", [2, 3, 16])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_every_metric_of_a_rounded_ensemble_is_that_of_scikit_learn(decimals, kind):
    members = [softmax(LOGITS3 + RNG.normal(size=LOGITS3.shape), axis=1).round(decimals) for _ in range(5)]
    mean = np.mean(members, axis=0).round(decimals).astype(kind)
    wide = mean.astype(float)
    each = [reference.roc_auc_score(k == GRADES, wide[:, k]) for k in range(3)]
    np.testing.assert_allclose(metrics.auroc_per_class(GRADES, mean), each, atol=1e-12)
    assert metrics.brier(GRADES, mean) == pytest.approx(((wide - np.eye(3)[GRADES]) ** 2).sum(axis=1).mean(), abs=1e-12)
    assert metrics.accuracy(GRADES, mean) == reference.accuracy_score(GRADES, wide.argmax(axis=1))
    kappa = reference.cohen_kappa_score(GRADES, wide.argmax(axis=1), weights="quadratic")
    assert metrics.quadratic_kappa(GRADES, mean) == pytest.approx(kappa, abs=1e-12)
