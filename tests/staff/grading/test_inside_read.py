import json
import sys

import pytest

from lab_utils.staff.grading.inside_read import read
from tests.staff.grading.mini_course import AUROC, IMPORTS, SCALE, notebook

HERE = sys.version_info[:2]


@pytest.mark.parametrize(
    ("version", "told"),
    [(f"{HERE[0]}.{HERE[1] + 1}.0", True), (f"{HERE[0]}.{HERE[1]}.99", False), ("", False), (3, False), ("x.y", False)],
)
def test_a_cell_that_is_no_python_here_may_be_that_of_a_later_python_and_this_is_said(tmp_path, version, told):
    path = tmp_path / "a.ipynb"
    made = notebook(IMPORTS, SCALE + "\n)", AUROC, metadata={"language_info": {"version": version}})
    path.write_text(json.dumps(made))
    why = read(str(path), ["scale", "auroc"], [], [])["broken"]["scale"]
    assert why.startswith("SyntaxError: ")
    assert (f"The notebook is of Python {version}" in why) is told
