"""The sheet of figures: every picture of the labs that have run, in order, with its cell and what it shows."""

import base64
import io
import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from lab_utils.staff.course import figures
from lab_utils.staff.course.run import run


def picture(shade):
    """The bytes of a PNG of one grey level."""
    file = io.BytesIO()
    Image.new("L", (4, 2), shade).save(file, format="png")
    return file.getvalue()


def text(data):
    return base64.b64encode(data).decode("ascii")


def shown(bundle, **metadata):
    return new_output("display_data", data=bundle, metadata=metadata)


@pytest.fixture
def notebook():
    """Pictures 1 to 4: beside words, two in one cell, one that a widget carries; and outputs that are none."""
    top = new_markdown_cell("# Lab 1\n\n![a < b](attachment:top.png)")
    top.attachments = {"top.png": {"image/png": text(picture(1))}}
    two = [
        shown({"image/png": text(picture(2))}, **{"image/png": {"width": 350.5}}),
        shown({"image/svg+xml": "<svg/>"}),
    ]
    widget = {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "knob", "image/png": text(picture(4))}
    cells = [
        top,
        new_markdown_cell("## 2 Data\n\n### Two hospitals"),
        new_code_cell("# @title Draws both\nplot()", outputs=two),
        new_code_cell("print(1)", outputs=[new_output("stream", name="stdout", text="1")]),
        new_code_cell("explore()", outputs=[shown(widget)]),
    ]
    return new_notebook(cells=cells)


def test_every_picture_is_found_in_order_with_its_cell_and_words(notebook):
    found = figures.figures(notebook)
    assert [(figure.cell, figure.caption) for figure in found] == [
        (1, "a < b"),
        (3, "Two hospitals: Draws both"),
        (3, "Two hospitals: Draws both"),
        (5, "Two hospitals"),
    ]
    assert [figure.data for figure in found] == [picture(1), picture(2), b"<svg/>", picture(4)]
    assert [figure.ending for figure in found] == ["png", "png", "svg", "png"]
    assert [figure.pixels for figure in found] == [None, 350.5, None, None]


def test_the_sheet_shows_files_that_are_there_and_escapes_words(notebook, tmp_path):
    figures.write_figures(notebook, "01_a", tmp_path)
    sheet = figures.write_sheet(tmp_path).read_text("utf-8")
    sources = re.findall(r'src="([^"]+)"', sheet)
    assert [(tmp_path / source).read_bytes() for source in sources] == [
        figure.data for figure in figures.figures(notebook)
    ]
    assert "01_a, cell 1. a &lt; b" in sheet
    assert 'href="01_a.html"' in sheet


def test_a_lab_that_runs_again_replaces_its_figures_and_leaves_those_of_others(notebook, tmp_path):
    figures.write_figures(notebook, "02_b", tmp_path)
    figures.write_figures(notebook, "01_a", tmp_path)
    notebook.cells = notebook.cells[:1]
    figures.write_figures(notebook, "01_a", tmp_path)
    sheet = figures.write_sheet(tmp_path).read_text("utf-8")
    assert re.findall(r'src="figures/(\w+)/\d', sheet) == ["01_a"] + 4 * ["02_b"]
    assert len(list((tmp_path / "figures" / "01_a").glob("*.png"))) == 1


def test_a_run_of_one_lab_writes_the_sheet_of_all_that_have_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_PROFILE", "quick")
    monkeypatch.setattr("lab_utils.staff.course.run.measure_pace", lambda: {})
    (tmp_path / "bands.json").write_text('{"schema": 1, "labs": {}}')
    (tmp_path / "solutions").mkdir()
    code = "from PIL import Image\nfrom IPython.display import display\ndisplay(Image.new('L', (9, 9), {}))"
    for lab, shade in (("01_a", 10), ("02_b", 20)):
        cells = [new_code_cell(code.format(shade))]
        nbformat.write(new_notebook(cells=cells), tmp_path / "solutions" / f"{lab}.ipynb")
    build = tmp_path / "build"
    for lab in ("01", "02"):
        run(tmp_path / "solutions", build, [lab])
    assert str(build / "figures.html") in capsys.readouterr().out
    sources = re.findall(r'src="([^"]+)"', (build / "figures.html").read_text("utf-8"))
    assert [Image.open(build / source).getpixel((0, 0)) for source in sources] == [10, 20]
