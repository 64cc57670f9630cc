"""Every lab offers the help that its checks speak of."""

import json
from pathlib import Path

import nbformat
import pytest

from lab_utils.profile import data_root

ROOT = Path(__file__).resolve().parents[2]
LABS = sorted((ROOT / "labs").glob("0*.ipynb"))


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)
def test_a_lab_imports_every_kind_of_help_and_offers_each_sample_answer_and_the_progress(path):
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    space: dict[str, object] = {}
    exec(next(line for line in "\n".join(cells).splitlines() if line.startswith("from lab_utils.checks import")), space)
    assert {"hint", "progress", "sample_answer", "solution"} <= set(space)
    guide = json.loads((data_root() / "labs" / f"{path.stem}.json").read_text("utf-8"))
    assert [cell for cell in cells if cell.startswith("sample_answer(")] == [
        f'sample_answer("{letter}")' for letter in guide["answers"] or ()
    ]
    assert cells.count("progress()") == 1
