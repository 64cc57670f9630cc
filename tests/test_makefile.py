import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = ROOT / "Makefile"
INDEX = "--extra-index-url https://download.pytorch.org/whl/cpu"

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def said(folder, *arguments):
    """Return the commands that make would run for these targets, in a folder where nothing is installed."""
    for name in ("Makefile", "requirements.txt", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    variables = {name: value for name, value in os.environ.items() if name not in ("CPU", "PYTHON", "MAKEFLAGS")}
    line = ["make", "--dry-run", *arguments]
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, encoding="utf-8", env=variables).stdout


@pytest.mark.parametrize("target", ["lab", "test", "oldest"])
def test_cpu_asks_for_pytorch_without_cuda_and_nothing_else_does(tmp_path, target):
    installs = [line for line in said(tmp_path, target, "CPU=1").splitlines() if "pip install" in line]
    assert installs
    assert all(INDEX in line for line in installs)
    assert INDEX in said(tmp_path, target, "CPU=yes")
    for other in ((), ("CPU=0",), ("CPU=",), ("CPU=x86_64",)):  # the last one is set by some systems
        assert INDEX not in said(tmp_path, target, *other)


def test_a_machine_that_was_set_up_without_cuda_stays_so(tmp_path):
    (tmp_path / ".venv").mkdir()
    assert ".venv/.cpu" not in said(tmp_path, "lab")
    assert ".venv/.cpu" in said(tmp_path, "lab", "CPU=1")
    (tmp_path / ".venv" / ".cpu").touch()
    assert INDEX in said(tmp_path, "test")


def test_a_lab_is_set_up_without_the_tools_of_the_tests_and_a_test_with_them(tmp_path):
    assert ".[dev]" not in said(tmp_path, "lab")
    assert ".[dev]" not in said(tmp_path, "run")
    for target in ("test", "lint"):
        assert said(tmp_path, target).count("'.[dev]'") == 1
    (tmp_path / ".venv").mkdir()
    for stamp in (".installed", ".installed-tools"):
        (tmp_path / ".venv" / stamp).touch()
        os.utime(tmp_path / ".venv" / stamp, (2e9, 2e9))
    assert (
        "pip install"
        not in subprocess.run(
            ["make", "--dry-run", "test", "lab"], cwd=tmp_path, check=True, capture_output=True, encoding="utf-8"
        ).stdout
    )


def test_a_mac_with_an_intel_processor_is_told_before_anything_is_fetched(tmp_path):
    said(tmp_path, "lab")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "uname").write_text("#!/bin/sh\necho Darwin x86_64\n", "utf-8")
    (tmp_path / "bin" / "uname").chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    line = ["make", "lab", f"PYTHON={sys.executable}"]
    done = subprocess.run(
        line, cwd=tmp_path, env={**os.environ, "PATH": path}, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode != 0
    assert "Run them on Colab" in done.stdout
    assert not (tmp_path / ".venv").exists()


def test_the_oldest_versions_have_an_environment_of_their_own_and_are_those_of_the_requirements(tmp_path):
    commands = said(tmp_path, "oldest", "PYTHON=python3.10")
    assert ".venv/" not in commands
    (line,) = [line for line in commands.splitlines() if line.startswith("sed ")]
    (tmp_path / ".venv-oldest").mkdir()
    subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    made = (tmp_path / ".venv-oldest" / "constraints.txt").read_text("utf-8")
    assert "torch==2.6\n" in made
    assert 'tomli==2; python_version < "3.11"\n' in made
    assert ">=" not in "".join(line for line in made.splitlines() if not line.startswith("#"))
    assert ".venv*" in (ROOT / ".gitignore").read_text("utf-8").splitlines()


def test_clean_removes_what_is_made_again_and_nothing_else_also_where_names_have_blanks(tmp_path):
    shutil.copy(MAKEFILE, tmp_path)
    made = ["build/a", "data/cache/phantoms/a", "labs/my notes/.ipynb_checkpoints/a", "benchmarks/__pycache__/a"]
    kept = ["labs/my/answer", "labs/my notes/answer", "data/cache/medmnist/a", ".venv/a", ".venv-oldest/a"]
    for folder in ("lab_utils", "tests", "solutions"):
        (tmp_path / folder).mkdir()
    for name in made + kept:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert [name for name in made if (tmp_path / name).exists()] == []
    assert [name for name in kept if not (tmp_path / name).exists()] == []


def test_a_lab_opens_without_the_question_about_news(tmp_path):
    assert "labextension disable @jupyterlab/apputils-extension:announcements" in said(tmp_path, "lab")
