"""The report of a study, also half done: one page with the source's numbers, the own ones, and a verdict for each."""

from __future__ import annotations

import base64
import html
import io
import os
import platform
import re
import textwrap
from contextlib import suppress
from itertools import cycle, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

import lab_utils
from lab_utils.atomic import write_text
from lab_utils.device import default_device, precision_for
from lab_utils.metrics import mean_interval
from lab_utils.studies.engine import Task, configs_of, fingerprint, finished, side_of
from lab_utils.studies.study import Cell, Picture, Table, named

if TYPE_CHECKING:
    import pandas as pd

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1d232b; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #d7dce1; vertical-align: top; }
.stand-in { background: #a84300; color: white; font-size: 1.6rem; font-weight: 700; padding: 1rem; }
.agrees { color: #00704f; } .differs { color: #a84300; } .none { color: #56606b; }
.agrees, .none { white-space: nowrap; }
pre { background: #f3f5f7; padding: .6rem; white-space: pre-wrap; } img { width: 100%; }
"""

HEAD = (
    "<table><thead><tr><th></th><th></th><th>printed</th><th>own mean [95 % interval]</th><th>seeds</th>"
    "<th>verdict</th></tr></thead>"
)


def verdict(cell: Cell) -> str:
    """Say "agrees" if the printed number lies in the 95 % interval of the own mean, else "differs", or why neither."""
    if not (cell.values or cell.effect):
        return "not run"
    if cell.printed is None:
        return "nothing printed"
    if _seeds(cell) < 2:
        return "one seed: no interval"
    _, low, high = cell.effect[0] if cell.effect else mean_interval(cell.values)
    return "agrees" if low <= cell.printed <= high else "differs"


def _seeds(cell: Cell) -> int:
    return cell.effect[1] if cell.effect else len(cell.values)


def write_report(task: Task, command: str) -> tuple[Path, Path]:
    """Write report.html and runs.csv beside the finished runs; return both.

    Args:
        task: the study on its data.
        command: how it was called, for the reader.
    """
    import pandas as pd

    rows = finished(task)
    runs = pd.DataFrame(rows)
    page, table = task.keep / "report.html", task.keep / "runs.csv"
    write_text(page, page_of(task, runs, command))
    flat = [{key: value for key, value in row.items() if np.ndim(value) == 0} for row in rows]
    flat = [{**row, "kept": row["kept"].name} for row in flat]
    write_text(table, pd.DataFrame(flat).to_csv(index=False))
    return page, table


def page_of(task: Task, runs: pd.DataFrame, command: str) -> str:
    """The page as text."""
    study, configs = named(task.study), configs_of(task)
    say = html.escape
    parts = [f"<h1>{say(study.title)}</h1><p>{say(study.source)}</p>"]
    if not (task.data or study.drawn):
        parts.append('<p class="stand-in">STAND-INS: phantoms in place of the real images. These numbers prove that '
                     "the study runs, and nothing about the source.</p>")  # fmt: skip
    elif not task.whole:
        parts.append('<p class="stand-in">SMOKE: the small recipe. These numbers prove that the study runs.</p>')
    parts.append(f"<p><b>{len(runs)} of {len(configs)} runs are done.</b> Own numbers are means over seeds with 95 % "
                 "intervals (Student's t); a printed number <i>agrees</i> if it lies in the interval.</p>")  # fmt: skip
    if "missing" in runs:
        for why, part in runs.dropna(subset="missing").groupby("missing"):
            parts.append(f"<p>{len(part)} of them could not be done: {say(str(why))}.</p>")
    for part in study.tables(runs):
        parts.append(_table(part, real=task.whole))
    for picture in study.curves(runs) if study.curves is not None and len(runs) else []:
        if any(np.isfinite(np.asarray(y, dtype=float)).any() for _, y in picture.curves.values()):
            parts.append(f"<h2>{say(picture.title)}</h2>{_drawn(picture)}")
    changed = "".join(f"<li>{say(sentence)}</li>" for sentence in study.changed)
    parts.append(f"<h2>Changed from the source's recipe</h2><ul>{changed}</ul>")
    parts.append(f"<h2>How it was made</h2><pre>{say(_made(task, runs, command))}</pre>")
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{say(study.title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _table(table: Table, *, real: bool) -> str:
    lines = [f"<h2>{html.escape(table.title)}</h2><p>{html.escape(table.unit)}</p>", HEAD]
    for row, cells in ((row, list(cells)) for row, cells in groupby(table.cells, lambda cell: cell.row)):
        head = f'<th rowspan="{len(cells)}">{html.escape(row)}</th>'
        for cell in cells:
            said = verdict(cell) if real or not (cell.values or cell.effect) else "not judged"
            kind = said if said in ("agrees", "differs") else "none"
            said += f"; {cell.effect[2]}" if real and cell.effect else ""
            lines.append(
                f"<tr>{head}<td>{html.escape(cell.column)}</td><td>{_printed(cell)}</td><td>{_own(cell)}</td>"
                f'<td>{_seeds(cell) or ""}</td><td class="{kind}">{said}</td></tr>'
            )
            head = ""
    return "".join([*lines, "</table>"])


def _printed(cell: Cell) -> str:
    if cell.printed is None:
        return ""
    form = ".4g" if abs(cell.printed) >= 2 else ".3f"
    return f"{cell.printed:{form}}" + ("" if cell.spread is None else f" ± {cell.spread:{form}}")


def _own(cell: Cell) -> str:
    if not (cell.values or cell.effect):
        return ""
    mean, low, high = cell.effect[0] if cell.effect else mean_interval(cell.values)
    digits = 2 if abs(mean) >= 2 else 3
    own = f"{mean:.{digits}f}"
    return own if _seeds(cell) < 2 else f"{own} [{low:.{digits}f}, {high:.{digits}f}]"


def _drawn(picture: Picture) -> str:
    """The mean over seeds, and each seed as a thin line; as SVG inside of the page."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(8, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    names: list[str] = []
    looks = zip(cycle(sns.color_palette("colorblind", 10)), cycle("osD^vPX"))
    for (name, (x, values)), (colour, marker) in zip(picture.curves.items(), looks, strict=False):
        y = np.atleast_2d(np.asarray(values, dtype=float))
        seen = ~np.isnan(y).all(axis=0)
        if not seen.any():
            continue
        place = np.asarray(x)
        if place.dtype.kind not in "iuf":
            names, place = list(map(str, x)), np.arange(len(x))
        ax.plot(place[seen], np.nanmean(y[:, seen], axis=0), marker=marker, ms=4, color=colour, label=name)
        ax.plot(place[seen], y[:, seen].T, color=colour, lw=0.6, marker=".", ms=2, alpha=0.5)
    ax.set(xlabel=picture.xlabel, ylabel=textwrap.fill(picture.ylabel, 30), xscale="log" if picture.log else "linear")
    if names:  # turned where they would run into each other
        ax.set_xticks(range(len(names)), names, rotation=60 if len("".join(names)) > 60 else 0)
    elif not picture.log:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(fontsize=9, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), title="thin: each seed")
    file = io.BytesIO()
    figure.savefig(file, format="svg")
    svg = base64.b64encode(file.getvalue()).decode("ascii")
    return f'<img alt="{html.escape(picture.title)}" src="data:image/svg+xml;base64,{svg}">'


def _made(task: Task, runs: pd.DataFrame, command: str) -> str:
    device = default_device()
    seconds = float(runs["seconds"].sum()) if len(runs) else 0.0
    lines: list[str] = [command, f"kit {lab_utils.__version__}, torch {torch.__version__}, {platform.platform()}"]
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    took = f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
    lines.append(f"on {device.type} ({card}), in {precision_for(device)}; all runs together took {took}")
    for name in named(task.study).sets:
        if name in task.data or not task.data:
            kind = "drawn" if named(task.study).drawn else "real" if name in task.data else "stand-in"
            lines.append(f"{name}: {kind}, {side_of(task)} px, fingerprint {fingerprint(task, name)[:16]}")
        else:
            lines.append(f"{name}: not given (--data {name}=FOLDER), its runs are left out")
    return "\n".join(lines)


def _processor() -> str:
    """The name of the processor, where Linux tells it, and how many of it there are."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        name = found[1] if found else name
    return f"{name}, {os.cpu_count()} of it"
