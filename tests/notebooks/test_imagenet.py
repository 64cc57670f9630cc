"""The labs with ImageNet weights: one changed line, nothing else, and no network."""

import json
import math
import re

import pytest

from lab_utils.profile import data_root
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
    entry = json.loads((data_root() / "bands.json").read_text())["labs"].get(f"{lab} efficientnet_lite0", {})
    published = without_numbers(entry.get("quick", {}).get("values", {}))
    assert published <= without_numbers(row["name"] for row in found)  # or the lane of quick would miss it


def without_numbers(names):
    """Names of results; the profiles have other numbers of images, and smoke has one seed, so no ends of intervals."""
    return {re.sub(r"[\d,]+", "0", name) for name in names if " end of " not in name}
