"""The report of a study, also half done: one page with the source's numbers, the own ones, and a verdict for each."""

from __future__ import annotations

import base64
import html
import math
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab_utils.atomic import remove_whole, write_text
from lab_utils.metrics import mean_interval
from lab_utils.studies.drawings import drawn, file_of, has_points, points
from lab_utils.studies.engine import Task, configs_of, fingerprint, finished, of_other_versions, side_of
from lab_utils.studies.study import Cell, Picture, Row, Table, left_out, named

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


def write_report(task: Task, command: str) -> list[Path]:
    """Write the report beside the finished runs, each file whole or not at all.

    Args:
        task: the study on its data.
        command: how it was called, for the reader.

    Returns:
        report.html; runs.csv, a row for each run; and where there are pictures curves.csv, a row for each of their
        points, and each picture as an SVG file.
    """
    import pandas as pd

    study, rows = named(task.study), finished(task)
    runs = pd.DataFrame(rows)
    pictures = study.curves(runs) if study.curves is not None and rows else []
    drawings = [(picture, drawn(picture)) for picture in pictures if has_points(picture)]
    flat = [
        {**{key: value for key, value in row.items() if key != "made" and np.ndim(value) == 0}, **row["made"]}
        for row in rows
    ]
    flat = [{**row, "kept": row["kept"].name} for row in flat]
    files = {"report.html": page_of(task, runs, command, drawings)}
    files["runs.csv"] = pd.DataFrame(flat).to_csv(index=False)
    if drawings:
        files["curves.csv"] = pd.DataFrame(points([picture for picture, _ in drawings])).to_csv(index=False)
    files |= {file_of(number, picture): svg for number, (picture, svg) in enumerate(drawings, 1)}
    for old in task.keep.glob("figure[0-9][0-9]-*.svg"):
        if old.name not in files:  # its number or title is another one by now
            remove_whole(old)
    for name, text in files.items():
        write_text(task.keep / name, text)
    return [task.keep / name for name in files]


def page_of(task: Task, runs: pd.DataFrame, command: str, drawings: Sequence[tuple[Picture, str]] = ()) -> str:
    """The page as text, with its pictures as SVG."""
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
    notes = [*left_out(configs, task.weights), of_other_versions(task)]
    parts += [f"<p>{say(sentence)}</p>" for sentence in notes if sentence]
    for part in study.tables(runs):
        parts.append(_table(part, real=task.whole))
    for picture, svg in drawings:
        inside = base64.b64encode(svg.encode()).decode("ascii")
        parts.append(f'<h2>{say(picture.title)}</h2><img alt="{say(picture.title)}" '
                     f'src="data:image/svg+xml;base64,{inside}">')  # fmt: skip
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


def _made(task: Task, runs: pd.DataFrame, command: str) -> str:
    """The command, then what the runs say of themselves: whoever writes the report may have another machine."""
    lines: list[str] = [command]
    if len(runs):
        made = [row or {} for row in runs["made"]] if "made" in runs else [{}] * len(runs)
        lines += [f"{count} runs {words}" for words, count in Counter(map(_machine, made)).items()]
        times = [(row["began"], row["ended"]) for row in made if "began" in row]
        took = f"all runs together took {_hours(float(runs['seconds'].sum()))}"
        lines.append(f"{took}, in {_hours(covered(times))} in which at least one ran" if times else took)
    used = set(runs["data"]) if len(runs) else set()
    for name in named(task.study).sets:
        if name in task.data or not task.data:
            kind = "drawn" if named(task.study).drawn else "real" if name in task.data else "stand-in"
            of = f"fingerprint {fingerprint(task, name)[:16]}" if name in used else "no run of it is done"
            lines.append(f"{name}: {kind}, {side_of(task)} px, {of}")
        else:
            lines.append(f"{name}: not given (--data {name}=FOLDER), its runs are left out")
    return "\n".join(lines)


def _machine(made: Row) -> str:
    if not made:
        return "do not say where they were done"
    card = f"{made['card']}, " if "card" in made else ""
    return (
        f"with kit {made['kit']} and torch {made['torch']} on {made.get('device', 'cpu')} in "
        f"{made.get('precision', 'fp32')}: {made['host']} ({card}{made['processor']})"
    )


def covered(times: Sequence[tuple[float, float]]) -> float:
    """Seconds in which at least one of the runs ran, each from its first to its second time."""
    total, until = 0.0, -math.inf
    for began, ended in sorted(times):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.1f} minutes"
