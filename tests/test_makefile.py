import shutil
import subprocess
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_clean_removes_what_is_made_again_and_nothing_else_also_where_names_have_blanks(tmp_path):
    shutil.copy(MAKEFILE, tmp_path)
    made = ["build/a", "data/cache/phantoms/a", "labs/my notes/.ipynb_checkpoints/a", "benchmarks/__pycache__/a"]
    kept = ["labs/my/answer", "labs/my notes/answer", "data/cache/medmnist/a", ".venv/a"]
    for folder in ("lab_utils", "tests", "solutions"):
        (tmp_path / folder).mkdir()
    for name in made + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in made if (tmp_path / name).exists()] == []
    assert [name for name in kept if not (tmp_path / name).exists()] == []
