"""Each rule by which notebooks are tested, shown on a small notebook that breaks it.

One run of pytest, as `make test` does it, sees all the notebooks; each test looks at what became of some.
"""

import os
import re
import subprocess
import sys
from collections import Counter

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.notebooks.rules import ROOT, environment

SECONDS = 60  # for one cell: the endless one is stopped after it, and no other comes near on a busy machine

PROFILE = "import os; assert (os.environ['LAB_PROFILE'], os.environ['LAB_STRICT']) == "
COUNT = ["x = 0", "x += 1", "x += 1", "assert x == 2"]
CONNECT = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)"
WORKER = """\
import joblib
def ask():
    import socket
    try:
        socket.create_connection(('192.0.2.1', 80), timeout=5)
    except OSError as error:
        return str(error)
(answer,) = joblib.Parallel(n_jobs=2)([joblib.delayed(ask)()])
assert 'cut off' in answer, answer"""


def stored(text):
    output = new_output("stream", name="stdout", text=text)
    return new_code_cell("# NBVAL_CHECK_OUTPUT\nprint(1)", execution_count=1, outputs=[output])


NOTEBOOKS = {
    "solutions/first": [*COUNT, PROFILE + "('quick', '1')"],
    "solutions/second": COUNT,
    "labs/sound": [*COUNT, PROFILE + "('smoke', '0')"],
    "labs/package": ["import lab_utils; assert lab_utils.__version__", WORKER],
    "labs/error": ["x = 1", "1 / 0", "x", "x"],
    "labs/magic": ["%no_such_magic", "x = 1"],
    "labs/unstored": ["# NBVAL_CHECK_OUTPUT\nprint(1)"],
    "labs/stored": [stored("1\n"), stored("2\n")],
    "labs/endless": ["while True: pass", "x = 1"],
    "labs/net_socket": [CONNECT],
    "labs/net_name": ["import socket; socket.getaddrinfo('example.org', 80)"],
    "labs/net_program": [f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CONNECT!r}], check=True)"],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run pytest on all the notebooks; give its text, and (worker, outcome, notebook) of every cell."""
    folder = tmp_path_factory.mktemp("course")
    for name, cells in NOTEBOOKS.items():
        path = folder / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
        nbformat.write(new_notebook(cells=made), path)
    options = ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={SECONDS}", "-n2"]
    options += ["-c", str(ROOT / "pyproject.toml"), f"--rootdir={folder}", "-p", "no:cacheprovider"]
    options += [f"--basetemp={folder / 'base'}", "-v", "-ra", "--color=no"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.notebooks.rules", *options, "labs", "solutions"],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "LAB_"))}
        | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    text = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)  # the kernel's tracebacks come in colours
    cells = re.findall(r"\[(gw\d)\].* (PASSED|FAILED|SKIPPED) (\w+/\w+)(?:\.|::)ipynb", text)
    assert len(cells) == sum(map(len, NOTEBOOKS.values())), text + done.stderr
    return text, cells


def outcomes(run, notebook):
    return Counter(outcome for _, outcome, name in run[1] if name == notebook)


def test_a_sound_notebook_passes(run):
    assert outcomes(run, "labs/sound") == {"PASSED": 5}


def test_the_kernel_finds_the_package_and_its_workers_have_no_network(run):
    assert outcomes(run, "labs/package") == {"PASSED": 2}


def test_the_first_error_stops_the_notebook(run):
    assert outcomes(run, "labs/error") == {"PASSED": 1, "FAILED": 1, "SKIPPED": 2}
    assert "Cell 1 of this notebook failed" in run[0]


def test_an_unknown_magic_fails(run):
    assert outcomes(run, "labs/magic") == {"FAILED": 1, "SKIPPED": 1}
    assert "The kernel reports UsageError: Line magic function `%no_such_magic` not found" in run[0]


def test_a_checked_cell_without_stored_output_fails(run):
    assert outcomes(run, "labs/unstored") == {"FAILED": 1}
    assert "no output is stored to compare with" in run[0]


def test_a_checked_cell_is_compared_with_its_stored_output(run):
    assert outcomes(run, "labs/stored") == {"PASSED": 1, "FAILED": 1}


def test_a_cell_that_takes_too_long_fails(run):
    assert outcomes(run, "labs/endless") == {"FAILED": 1, "SKIPPED": 1}
    assert f"Timeout of {SECONDS} seconds exceeded" in run[0]


@pytest.mark.parametrize("notebook", ["labs/net_socket", "labs/net_name", "labs/net_program"])
def test_the_network_is_cut_off(run, notebook):
    assert outcomes(run, notebook) == {"FAILED": 1}
    assert "OSError: the network is cut off while notebooks are tested" in run[0]


def test_solutions_run_strictly_in_quick_and_labs_in_smoke(run):
    assert outcomes(run, "solutions/first") == {"PASSED": 5}
    assert outcomes(run, "labs/sound") == {"PASSED": 5}


def test_all_cells_of_a_notebook_share_a_worker_and_all_solutions_one(run):
    workers = {notebook: {worker for worker, _, name in run[1] if name == notebook} for notebook in NOTEBOOKS}
    assert all(len(used) == 1 for used in workers.values()), workers
    assert workers["solutions/first"] == workers["solutions/second"]
    assert len(set.union(*workers.values())) == 2


def test_the_environment_of_the_caller_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", "mine")
    assert environment("labs", tmp_path)["PYTHONPATH"].split(os.pathsep)[-1] == "mine"
    assert os.environ["PYTHONPATH"] == "mine"
