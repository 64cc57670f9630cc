import numpy as np
import pytest
from scipy.stats import spearmanr

from lab_utils.staff.grading.assignment import Question
from lab_utils.staff.grading.predictions import column_metrics, rank_correlation, score_predictions
from lab_utils.staff.grading.result import MISSING, PASSED, WRONG, question_result
from lab_utils.staff.homework4.predictions import PREDICTIONS

QUESTION = Question("B3", "t", 20, "predictions", columns=("model_1_fine_tuned", "model_2_fine_tuned"))


def test_metrics_against_values_by_hand():
    labels, probs = np.array([1, 1, 1, 0, 0]), np.array([0.9, 0.5, 0.2, 0.4, 0.6])
    # called 1 1 0 0 1: right are images 0, 1, 3; of 6 pairs the positive one wins 0.9 twice, 0.5 once
    assert column_metrics(labels, probs) == {"accuracy": 0.6, "auroc": 0.5, "sensitivity": 0.6667, "specificity": 0.5}


def classes(patients=60, each=4, seed=0):
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), each)
    labels = np.repeat(rng.integers(0, 2, patients), each)
    return labels, groups, rng


def both(probs):
    """Two columns that differ a little."""
    other = np.clip(probs + np.random.default_rng(9).normal(0, 0.05, len(probs)), 0, 1)
    return dict(zip(QUESTION.columns, (probs, other), strict=True))


def scored(table, labels, groups):
    cases, metrics = score_predictions(QUESTION, table, PREDICTIONS, labels, groups)
    return question_result("B3", 20, cases), metrics


def test_good_predictions_get_all_points():
    labels, groups, rng = classes()
    good = np.clip(0.5 + 0.3 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0, 1)
    result, metrics = scored(both(good), labels, groups)
    assert result.points == 20
    assert {case.status for case in result.cases} == {PASSED}
    assert set(metrics) == set(QUESTION.columns)
    assert metrics["model_1_fine_tuned"]["auroc"] > 0.9


def test_a_column_without_a_level_is_asked_to_be_complete_and_better_than_chance():
    labels, groups, rng = classes()
    asked = Question("C3", "t", 4, "predictions", columns=("model_1_fixed", "model_2_fixed"))
    weak = np.clip(0.5 + 0.05 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0, 1)
    table = {"model_1_fixed": weak, "model_2_fixed": rng.permutation(weak)}
    cases, metrics = score_predictions(asked, table, PREDICTIONS, labels, groups)
    assert 0.55 < metrics["model_1_fixed"]["auroc"] < 0.8
    assert [case.status for case in cases] == [PASSED, PASSED, PASSED, WRONG]
    assert question_result("C3", 4, cases).points == 3
    missing, _ = score_predictions(asked, {"model_1_fixed": weak}, PREDICTIONS, labels, groups)
    assert [case.status for case in missing] == [PASSED, PASSED, MISSING, MISSING]


def test_one_column_of_two_gets_half_and_the_other_is_missing():
    labels, groups, rng = classes()
    good = np.clip(0.5 + 0.3 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0, 1)
    result, metrics = scored({"model_2_fine_tuned": good}, labels, groups)
    assert result.points == 10
    assert [case.status for case in result.cases] == [MISSING] * 3 + [PASSED] * 3
    assert "no column model_1_fine_tuned" in result.hint
    assert set(metrics) == {"model_2_fine_tuned"}


def test_a_copied_column_gets_nothing():
    labels, groups, rng = classes()
    good = np.clip(0.5 + 0.3 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0, 1)
    result, _ = scored(dict.fromkeys(QUESTION.columns, good), labels, groups)
    assert result.points == 10
    assert "the same numbers as model_1_fine_tuned" in result.hint
    fixed = {"model_1_fine_tuned": good, "model_1_fixed": good.copy()}  # also across questions
    cases, _ = score_predictions(
        Question("C4", "t", 15, "predictions", columns=("model_1_fixed",)), fixed, PREDICTIONS, labels, groups
    )
    assert {case.status for case in cases} == {WRONG}


def test_no_file_is_missing_and_not_a_bare_zero():
    labels, groups, _ = classes()
    result, metrics = scored({}, labels, groups)
    assert (result.points, result.status, metrics) == (0, MISSING, {})


def test_a_constant_gets_nothing():
    labels, groups, _ = classes()
    result, _ = scored(
        dict(zip(QUESTION.columns, np.full((2, len(labels)), [[0.5], [0.4]]), strict=True)), labels, groups
    )
    assert result.points == 0
    assert "says nothing" in result.hint


def test_random_numbers_get_the_points_for_a_complete_file_only():
    labels, groups, rng = classes()
    for _ in range(20):
        result, _ = scored(both(rng.random(len(labels))), labels, groups)
        assert result.points <= 10  # one in forty random columns lies above chance by luck, and none reaches the level
        assert not any(case.status == PASSED for case in result.cases if "trained network" in case.name)


def test_the_probability_of_normal_is_explained():
    labels, groups, rng = classes()
    bad = np.clip(0.5 - 0.3 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0, 1)
    result, _ = scored(both(bad), labels, groups)
    assert result.points == 5
    assert any("probability of *normal*" in case.hint for case in result.cases)


def test_chance_is_judged_by_patient_not_by_image():
    """Forty images of each of eight patients: by image this would be far from chance, by patient it is not."""
    labels, groups = np.repeat([1, 1, 1, 1, 0, 0, 0, 0], 40), np.repeat(np.arange(8), 40)
    probs = np.repeat([0.9, 0.8, 0.3, 0.2, 0.75, 0.4, 0.25, 0.1], 40)  # the AUROC is 11 / 16
    each = score_predictions(QUESTION, {"model_1_fine_tuned": probs}, PREDICTIONS, labels, np.arange(320))[0][1]
    assert (each.status, "chance" in each.name) == (PASSED, True)
    assert score_predictions(QUESTION, {"model_1_fine_tuned": probs}, PREDICTIONS, labels, groups)[0][1].status == WRONG


def test_the_same_file_gets_the_same_points():
    labels, groups, rng = classes()
    table = {"model_1_fine_tuned": rng.random(len(labels))}
    assert scored(table, labels, groups) == scored(table, labels, groups)


@pytest.mark.parametrize(
    "change",
    [
        lambda p, rng: p**3,
        lambda p, rng: 1 / (1 + np.exp(-9 * (p - 0.4))),
        lambda p, rng: p.round(1),
        lambda p, rng: np.where(p > 0.3, p, 0.0),
        lambda p, rng: np.clip(p + rng.normal(0, 1e-3, len(p)), 0, 1),
    ],
    ids=["power", "logistic", "rounded", "cut", "a little noise"],
)
def test_one_network_under_two_names_gets_points_once(change):
    labels, groups, rng = classes()
    good = np.clip(0.5 + 0.3 * (2 * labels - 1) + rng.normal(0, 0.15, len(labels)), 0.01, 0.99)
    result, _ = scored(dict(zip(QUESTION.columns, (good, change(good, rng)), strict=True)), labels, groups)
    assert result.points == 10
    assert "the same ranking of the images as model_1_fine_tuned" in result.hint


def test_two_networks_that_agree_much_are_two_networks():
    labels, groups, rng = classes()
    truth = 0.5 + 0.3 * (2 * labels - 1)
    first, second = (np.clip(truth + rng.normal(0, 0.05, len(labels)), 0.01, 0.99) for _ in range(2))
    assert rank_correlation(first, second) > 0.7
    assert scored(dict(zip(QUESTION.columns, (first, second), strict=True)), labels, groups)[0].points == 20


def test_rank_correlation_is_that_of_scipy_with_ties_too():
    rng = np.random.default_rng(0)
    for decimals in (0, 1, 6):
        a, b = rng.normal(size=(2, 50)).round(decimals)
        assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert rank_correlation(a, a * 0) == 0
