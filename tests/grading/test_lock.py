import subprocess
import sys

from lab_utils.grading.lock import only_one


def test_another_process_finds_the_folder_locked_until_the_first_one_ends(tmp_path):
    script = (
        "import sys; from pathlib import Path; from lab_utils.grading.lock import only_one\n"
        "with only_one(Path(sys.argv[1]), sys.argv[2]): pass"
    )

    def other(command):
        line = [sys.executable, "-c", script, str(tmp_path), command]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    with only_one(tmp_path, "collect"):
        assert "Another collect is at work" in other("collect").stderr
        assert other("grade").returncode == 0
    assert other("collect").returncode == 0
