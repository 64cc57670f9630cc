import subprocess
import sys

import pytest

from lab_utils.staff.grading.lock import Busy, one_writer, only_one


def test_another_process_finds_the_folder_locked_until_the_first_one_ends(tmp_path):
    script = (
        "import sys; from pathlib import Path; from lab_utils.staff.grading.lock import only_one\n"
        "with only_one(Path(sys.argv[1]), sys.argv[2]): pass"
    )

    def other(command):
        line = [sys.executable, "-c", script, str(tmp_path), command]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    with only_one(tmp_path, "collect"):
        assert "Another collect is at work" in other("collect").stderr
        assert other("grade").returncode == 0
    assert other("collect").returncode == 0


def test_a_second_writer_waits_and_then_says_what_to_do(tmp_path):
    path = tmp_path / "written.csv"
    with one_writer(path), pytest.raises(Busy) as told, one_writer(path, patience=0.05):
        pass
    assert "Waited 0.05 s to write" in str(told.value)
    assert "again in a moment" in str(told.value)
    with one_writer(path, patience=0):  # free again, and nothing of it stays
        assert not path.exists()


def test_a_writer_that_was_killed_holds_nothing(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from lab_utils.staff.grading.lock import one_writer\n"
        "with one_writer(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "written.csv"
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode != 0
    with one_writer(path, patience=0):
        assert path.with_suffix(".lock").is_file()
