import numpy as np

from lab_utils.staff.grading.assignment import Question
from lab_utils.staff.grading.predictions import column_metrics, score_predictions
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
    return dict(zip(QUESTION.columns, (probs, 0.99 * probs), strict=True))


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
