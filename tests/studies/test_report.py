"""The report of a study: verdicts, figures and their points, and whose machine it names."""

import base64
import html
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest

import lab_utils
from lab_utils.studies import drawings, engine, report
from lab_utils.studies.machine import machine
from lab_utils.studies.study import Cell, Picture, named


@pytest.mark.parametrize(
    ("printed", "values", "said"),
    [
        (80.0, (), "not run"),
        (None, (1.0, 2.0), "nothing printed"),
        (80.0, (80.0,), "one seed: no interval"),
        (80.0, (79.0, 80.0, 81.0), "agrees"),  # 80 +- 2.48
        (82.4, (79.0, 80.0, 81.0), "agrees"),
        (82.6, (79.0, 80.0, 81.0), "differs"),
    ],
)
def test_a_number_agrees_if_it_lies_in_the_interval(printed, values, said):
    assert report.verdict(Cell("row", "column", printed, None, values)) == said


def test_a_printed_number_keeps_its_last_digits():
    assert report._printed(Cell("row", "column", 0.9, 0.0, ())) == "0.900 ± 0.000"
    assert report._printed(Cell("row", "column", 96.4, 0.05, ())) == "96.4 ± 0.05"
    assert report._printed(Cell("row", "column", -132.0, None, ())) == "-132"
    assert report._printed(Cell("row", "column", None, None, ())) == ""


@pytest.mark.parametrize("x", [[1, 2, 3], ["stem", "block1", "block2"]])
def test_a_picture_leaves_out_what_has_not_run(x):
    curves = {"half done": (x, [[1.0, np.nan, np.nan], [2.0, 3.0, np.nan]]), "not begun": (x, [[np.nan] * 3])}
    text = drawings.drawn(Picture("title", "x", "y", curves))
    assert "<!-- half done -->" in text  # what is written, as a comment beside its letters
    assert "not begun" not in text
    points = [tuple(row.values())[1:] for row in drawings.points([Picture("", "", "", curves)])]
    assert points == [("half done", 0, x[0], 1.0), ("half done", 1, x[0], 2.0), ("half done", 1, x[1], 3.0)]


def test_a_figure_is_written_beside_the_page_and_leaves_the_style_alone(tmp_path, monkeypatch):
    pictures = [Picture("AUROC: by depth!", "x", "AUROC", {"one": ([1, 2], [0.5, 0.6])})]
    study = replace(named("family"), curves=lambda _: pictures)
    monkeypatch.setattr(report, "named", lambda _: study)
    row = {**named("family").grid(False)[0], "seconds": 60.0, "kept": tmp_path / "abc.json"}
    monkeypatch.setattr(report, "finished", lambda _: [{**row, "made": {"began": 0.0, "ended": 60.0, **machine()}}])
    monkeypatch.setattr(report, "fingerprint", lambda *_: "of no images")
    before = matplotlib.rcParams.copy()
    (tmp_path / "figure02-of-a-report-before.svg").touch()
    page, table, curves, figure = report.write_report(engine.task_of("family", {}, {}, tmp_path), "command")
    assert matplotlib.rcParams.copy() == before
    assert [path.name for path in tmp_path.glob("*.svg")] == [figure.name]
    assert figure.name == "figure01-auroc-by-depth.svg"
    assert figure.read_text("utf-8").lstrip().startswith("<?xml")
    assert curves.read_text("utf-8").splitlines()[1] == "AUROC: by depth!,one,0,1,0.5"
    assert pd.read_csv(table)["kept"].tolist() == ["abc.json"]
    assert {"device", "torch", "host"} <= set(pd.read_csv(table))
    assert base64.b64encode(figure.read_bytes()).decode() in page.read_text("utf-8")


def test_the_report_names_the_machines_of_the_runs_and_not_its_own(tmp_path):
    made = {"kit": "0.4", "torch": "2.1", "device": "cuda", "precision": "bf16", "host": "node7", "processor": "Z80",
            "card": "H100", "began": 0.0, "ended": 60.0}  # fmt: skip
    task = engine.task_of("transfusion", {}, {}, tmp_path)
    config = engine.configs_of(task)[0]
    runs = pd.DataFrame([{**config, "seconds": 60.0, "made": made}, {**config, "seconds": 60.0, "made": {}}])
    text = html.unescape(report.page_of(task, runs, "command"))
    assert "1 runs with kit 0.4 and torch 2.1 on cuda in bf16: node7 (H100, Z80)" in text
    assert "1 runs do not say where they were done" in text
    assert "all runs together took 2.0 minutes, in 1.0 minutes in which at least one ran" in text
    assert f"kit {lab_utils.__version__}" not in text


def test_the_time_of_runs_side_by_side_counts_once():
    assert report.covered([(0, 10), (5, 20), (6, 7), (30, 31)]) == 21
    assert report.covered([]) == 0
