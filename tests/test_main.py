import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from lab_utils.__main__ import main


@pytest.fixture
def root(tmp_path):
    (tmp_path / "solutions").mkdir()
    (tmp_path / "course.toml").write_text('[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n')
    nbformat.write(new_notebook(cells=[new_code_cell("x = 1")]), tmp_path / "solutions" / "00_a.ipynb")
    return tmp_path


def test_build_check_fails_until_the_labs_are_built(root, capsys):
    assert main(["build", "--check", "--root", str(root)]) == 1
    assert "is missing" in capsys.readouterr().out
    assert main(["build", "--root", str(root)]) == 0
    assert main(["build", "--check", "--root", str(root)]) == 0


def test_an_error_is_one_paragraph_without_a_traceback(root, capsys):
    (root / "course.toml").unlink()
    assert main(["build", "--root", str(root)]) == 1
    told = capsys.readouterr().err
    assert "course.toml" in told
    assert "Traceback" not in told


def test_an_unknown_lab_names_the_nearest(root, capsys):
    assert main(["run", "00_b", "--root", str(root)]) == 1
    assert "Did you mean '00_a'" in capsys.readouterr().err


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["rum"])
    assert "invalid choice" in capsys.readouterr().err
