"""Copied predictions are found whatever was done to their numbers; honest ones of one class are left alone."""

import numpy as np
import pytest

from lab_utils.staff.feedback.prediction_twins import find_twins

COLUMNS = ("model_1", "model_2")
IMAGES = 300


def honest(students, seed=0):
    """Every student's two networks know the truth, share what is hard about an image, and have noise of their own."""
    draw = np.random.default_rng(seed)
    truth, hard = 2 * draw.integers(0, 2, IMAGES), draw.normal(0, 1, (2, IMAGES))

    def network(column):
        return 1 / (1 + np.exp(-(truth - 1 + hard[column] + 0.5 * draw.normal(size=IMAGES))))

    return {f"s{i}": {name: network(place) for place, name in enumerate(COLUMNS)} for i in range(students)}


@pytest.mark.parametrize("seed", range(6))
def test_in_an_honest_class_hardly_anybody_is_reported(seed):
    assert len(find_twins(honest(20, seed))) <= 1  # 5 of 100 classes by the rule, for columns and for students


def test_the_same_ranking_is_reported_as_a_group_in_a_class_of_any_size():
    tables = honest(4)
    tables["s1"] = {name: values**3 for name, values in tables["s0"].items()}
    tables["s3"] = {"model_1": tables["s0"]["model_1"].round(3), "model_2": tables["s3"]["model_2"]}
    (group,) = find_twins(tables)
    assert (group.students, group.columns, group.usual) == (("s0", "s1", "s3"), COLUMNS, None)
    assert group.correlation > 0.999


def test_a_copy_with_noise_stands_out_of_its_class():
    tables = honest(20)
    draw = np.random.default_rng(1)
    noisy = tables["s2"]["model_1"] + draw.normal(0, 0.03, IMAGES)
    tables["s7"]["model_1"] = noisy
    pair, *_ = find_twins(tables)
    assert (pair.students, pair.columns) == (("s2", "s7"), ("model_1",))
    assert pair.correlation > pair.usual > 0.5


def test_one_network_under_two_names_stands_out_of_its_class():
    tables = honest(20)
    draw = np.random.default_rng(1)
    tables["s5"]["model_2"] = tables["s5"]["model_1"] + draw.normal(0, 0.05, IMAGES)
    found = [twins for twins in find_twins(tables) if twins.students == ("s5",)]
    assert [twins.columns for twins in found] == [COLUMNS]
    assert found[0].correlation > found[0].usual


def test_nothing_to_compare_is_nothing_to_report():
    assert find_twins({}) == find_twins({"s0": {"model_1": np.full(IMAGES, 0.5)}}) == ()
