"""The labs with ImageNet weights: one changed line, nothing else, and no network."""

import json
import math
import os
import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.notebooks.rules import ROOT, environment

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
    notebook = nbformat.read(ROOT / "solutions" / f"{lab}.ipynb", 4)
    changed = 0
    for cell in notebook.cells:
        line = 'MODEL, WEIGHTS = "efficientnet_lite0", "imagenet"'
        cell.source, times = re.subn(r'^MODEL, WEIGHTS = "\w+", "procedural"', line, cell.source, flags=re.MULTILINE)
        changed += times
    assert changed == 1
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        timeout=300,
        resources={"metadata": {"path": str(ROOT / "solutions")}},
    )
    client.execute(env={**os.environ, **environment("labs", tmp_path / "ipython"), "LAB_WORKERS": "1"})
    file = tmp_path / "results" / f"{lab}.json"
    found = json.loads(file.read_text("utf-8"))["rows"]
    assert found
    assert all(math.isfinite(row["value"]) and row["met"] is None for row in found), found
