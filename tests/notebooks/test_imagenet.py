"""The labs with ImageNet weights: one changed line, nothing else, and no network."""

import math

import pytest

from tests.notebooks.one_line import run_with_line

LABS = [
    "01_feature_extraction",
    "02_freezing",
    "03_fine_tuning",
    "05_cca",
    "06_weight_transfusion",
    "07_what_makes_transfer_work",
]


@pytest.mark.notebook
@pytest.mark.parametrize("lab", LABS)
def test_one_changed_line_takes_a_lab_to_imagenet_weights(lab, tmp_path):
    line = 'MODEL, WEIGHTS = "efficientnet_lite0", "imagenet"'
    _, found = run_with_line(lab, line, r'MODEL, WEIGHTS = "\w+", "procedural"', tmp_path)
    assert found
    assert all(math.isfinite(row["value"]) and row["met"] is None for row in found), found
