"""Run a solved lab in the smoke profile with one line changed, as its last section says."""

import json
import os
import re
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from tests.notebooks.rules import ROOT, environment


def run_with_line(lab: str, line: str, pattern: str, folder: Path) -> tuple[NotebookNode, list[dict[str, Any]]]:
    """Put `line` into the place of the only line that begins with `pattern`; return the notebook and its numbers."""
    notebook = nbformat.read(ROOT / "solutions" / f"{lab}.ipynb", 4)
    changed = 0
    for cell in notebook.cells:
        cell.source, times = re.subn(f"^{pattern}", lambda _: line, cell.source, flags=re.MULTILINE)
        changed += times
    assert changed == 1
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        timeout=300,
        resources={"metadata": {"path": str(ROOT / "solutions")}},
    )
    inline = {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}  # as in JupyterLab: figures are in the outputs
    client.execute(env={**os.environ, **environment("labs", folder / "ipython"), **inline, "LAB_WORKERS": "1"})
    return notebook, json.loads((folder / "results" / f"{lab}.json").read_text("utf-8"))["rows"]
