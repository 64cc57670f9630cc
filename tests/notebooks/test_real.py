"""Labs on real images: one changed line, where the file of the tests is there."""

import math
import os
from pathlib import Path

import pytest

from lab_utils.staff.course.figures import figures
from tests.notebooks.one_line import run_with_line
from tests.notebooks.rules import ROOT

SHARED = Path(os.environ.get("LAB_SHARED_DATA", ROOT.parent / "shared" / "data"))
XRAYS, RETINAS = SHARED / "pneumoniamnist_resplit_28.npz", SHARED / "retinamnist.npz"
LOOKS = {  # lab -> the cell that shows images, the pictures that it gives, and how what it prints begins
    "01_feature_extraction": ("The worst errors", 2, "pneumonia. Above each image: p"),
    "06_weight_transfusion": ("Plot: what speaks for a finding", 1, "pneumonia: maps of layer3, 4 x 4 places"),
}


@pytest.mark.notebook
@pytest.mark.skipif(not XRAYS.exists(), reason="needs the real X-rays of the tests")
@pytest.mark.parametrize("lab", LOOKS)
def test_one_changed_line_shows_errors_and_grad_cam_on_real_x_rays(lab, tmp_path):
    notebook, found = run_with_line(lab, f'DATA = "{XRAYS.as_posix()}"', 'DATA = "phantoms"', tmp_path)
    title, count, words = LOOKS[lab]
    assert found
    assert len([figure for figure in figures(notebook) if title in figure.caption]) == count
    (cell,) = [cell for cell in notebook.cells if cell.source.startswith(f"# @title {title}")]
    printed = "".join(output.text for output in cell.outputs if output.output_type == "stream")
    assert printed.startswith(words)


@pytest.mark.notebook
@pytest.mark.skipif(not RETINAS.exists(), reason="needs the real retinas of the tests")
def test_one_changed_line_takes_lab_7_to_colour_retinas(tmp_path):
    line = f'DATA = "{RETINAS.as_posix()}"'
    notebook, found = run_with_line("07_what_makes_transfer_work", line, 'DATA = "phantoms"', tmp_path)
    assert found
    assert all(math.isfinite(row["value"]) and row["met"] is None for row in found), found
    (claims,) = [cell for cell in notebook.cells if cell.source.startswith("# @title Table: the claims")]
    assert "yours" not in str(claims.outputs)  # its rows are about phantoms
