"""Run the solved labs without a browser: ``python -m lab_utils run [LAB ...]``."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from tqdm import tqdm

from lab_utils.atomic import write_text
from lab_utils.doctor import TAKEN
from lab_utils.metrics import Row, predicted_seconds, rows
from lab_utils.names import unknown_name
from lab_utils.notebook_file import read_notebook
from lab_utils.profile import profile
from lab_utils.staff.course.figures import write_figures, write_sheet
from lab_utils.training import measure_pace

SECONDS_PER_CELL = {"smoke": 300, "quick": 900, "full": 7200}
WIDGET = "application/vnd.jupyter.widget-view+json"


class Result(NamedTuple):
    """What came of one lab; `error` is "" if every cell ran, `predicted` None where nothing is published."""

    lab: str
    seconds: float
    predicted: float | None
    rows: list[Row]
    error: str

    @property
    def good(self) -> bool:
        return not self.error and all(row.met is not False for row in self.rows)


def run(solutions: Path, build: Path, labs: Sequence[str] = ()) -> int:
    """Run the labs one after another, write build/<lab>.html and build/figures.html, print a table.

    Returns:
        0 if every cell ran and every published band was met, else 1.

    Raises:
        ValueError: if one of `labs` names no notebook in `solutions`.
    """
    results = []
    pace = measure_pace()
    for path in select(solutions, labs):
        results.append(run_lab(path, build, pace))
        if results[-1].error:
            print(f"{path.stem}: {results[-1].error}")
    print(table(results))
    _keep_seconds(results, pace, build / TAKEN)
    print(f"HTML with pictures: {build}; all figures on one page: {write_sheet(build)}")
    return int(not all(result.good for result in results))


def select(solutions: Path, labs: Sequence[str]) -> list[Path]:
    """Return the notebooks whose names begin with one of `labs`, or all of them, in order."""
    known = sorted(solutions.glob("*.ipynb"))
    if not known:
        raise ValueError(f"Expected solved notebooks in {solutions}, found none. Run this in a clone of the course.")
    names = [path.stem for path in known]
    for lab in labs:
        if not any(name.startswith(lab) for name in names):
            raise unknown_name("lab, or the beginning of its name", lab, names)
    return [path for path in known if not labs or path.stem.startswith(tuple(labs))]


def run_lab(path: Path, build: Path, pace: Mapping[str, float]) -> Result:
    """Run one notebook with a progress bar and write its HTML and its figures, up to the first error if there is one.

    Args:
        path: the notebook.
        build: the folder of the HTML.
        pace: of this machine, for the prediction.
    """
    notebook = read_notebook(path)
    result_file = build / "results" / f"{path.stem}.json"
    result_file.unlink(missing_ok=True)
    began = time.perf_counter()
    with tqdm(total=len(notebook.cells), desc=path.stem, unit="cell") as bar:
        error = execute(notebook, path.parent, result_file.parent, bar)
    seconds = time.perf_counter() - began
    _write_html(notebook, path.stem, build)
    write_figures(notebook, path.stem, build)
    found = json.loads(result_file.read_text("utf-8"))["rows"] if result_file.is_file() else None
    table_rows = rows(path.stem, {}) if found is None else [Row(**row) for row in found]
    return Result(path.stem, seconds, predicted_seconds(path.stem, pace), table_rows, error)


def table(results: Sequence[Result]) -> str:
    """Return seconds and bands per lab as text, with a line for every band that was missed."""
    width = max(len(result.lab) for result in results)
    lines = [f"{'lab':<{width}}  {'seconds':>8}  {'predicted':>9}  bands (profile {profile()})"]
    for result in results:
        predicted = "" if result.predicted is None else f"{result.predicted:.0f}"
        lines.append(f"{result.lab:<{width}}  {result.seconds:>8.1f}  {predicted:>9}  {_verdict(result)}")
        lines += [
            f"    {row.name} = {row.value}: {row.verdict}, {row.low} to {row.high}"
            for row in result.rows
            if row.met is False
        ]
    return "\n".join(lines)


def _keep_seconds(results: Sequence[Result], pace: Mapping[str, float], file: Path) -> None:
    """Leave what the labs took for `doctor`, and for `work`; what other labs and profiles took stays."""
    try:
        known = json.loads(file.read_text("utf-8"))
        kept = {name: dict(known[name]) for name in SECONDS_PER_CELL if name in known}
    except (OSError, ValueError, TypeError):
        kept = {}
    whole = {result.lab: round(result.seconds, 1) for result in results if not result.error}
    kept[profile()] = kept.get(profile(), {}) | whole
    write_text(file, json.dumps({"pace": dict(pace), **kept}, indent=1) + "\n")


def _verdict(result: Result) -> str:
    if result.error:
        return "STOPPED BY AN ERROR"
    banded = [row for row in result.rows if row.met is not None]
    if not banded:
        return "none published"
    met = sum(bool(row.met) for row in banded)
    return f"all {met} met" if met == len(banded) else f"{len(banded) - met} of {len(banded)} MISSED"


def execute(notebook: NotebookNode, folder: Path, results: Path, bar: "tqdm[object]") -> str:
    """Run all cells in `folder`, put outputs into `notebook` and numbers into `results`; return the error, or ""."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",  # of this environment, whatever the notebook says
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # no warnings about the transport across the progress bar
        timeout=SECONDS_PER_CELL[profile()],
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,  # the page then shows the pictures and lists that widgets carry, also offline
        on_cell_start=lambda **_: bar.update(),  # counts the cell that runs, so that an error can name it
    )
    # Not strict: a missed band is for the table, and the cells after it should run all the same.
    try:
        client.execute(env={**os.environ, "LAB_RESULTS": str(results.resolve()), "LAB_STRICT": "0"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
        return f"cell {max(bar.n, 1)} failed: {_describe(failure)}"
    return ""


def _describe(failure: Exception) -> str:
    if isinstance(failure, CellExecutionError):
        return f"{failure.ename}: {failure.evalue}"
    return f"{type(failure).__name__}: {str(failure).splitlines()[0]}"


def _write_html(notebook: NotebookNode, lab: str, build: Path) -> None:
    without_bars(notebook)
    page, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": lab}})
    write_text(build / f"{lab}.html", page)


def without_bars(notebook: NotebookNode) -> None:
    """Take progress bars out: on a page they stand at 0 % for ever. (Other widgets carry a picture or a list.)"""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if set(out.get("data", {})) != {WIDGET, "text/plain"}]
