"""The scripts for clusters are Python, and give each worker one thread: a run takes a whole one."""

import ast
import re
from pathlib import Path

import pytest

from lab_utils import studies

GUIDE = (Path(studies.__file__).parent / "clusters.md").read_text("utf-8")
SCRIPTS = dict(re.findall(r"## (\w+)\n.*?```python\n(.*?)```", GUIDE, re.DOTALL))


def test_there_is_a_script_for_each_kind_of_cluster() -> None:
    assert list(SCRIPTS) == ["Slurm", "PBS", "LSF", "Kubernetes"]


@pytest.mark.parametrize("kind", SCRIPTS)
def test_a_script_gives_each_worker_one_thread_and_ends_with_its_terminal(kind: str) -> None:
    (call,) = (node.value for node in ast.walk(ast.parse(SCRIPTS[kind])) if isinstance(node, ast.Assign))
    assert isinstance(call, ast.Call)
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert (given.get("cores"), given.get("processes")) == (1, 1) or given["worker_command"][-2:] == ["--nthreads", "1"]
    assert "scheduler_address" in SCRIPTS[kind]
    assert "input(" in SCRIPTS[kind]
