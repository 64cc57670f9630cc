"""The web site: what students see, executed, in pages that need no network."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.staff.course.settings import read_course
from lab_utils.staff.course.site import index, settings, site

pytest.importorskip("sphinx_book_theme")

PICTURE = """\
# @title Shows a square
from PIL import Image
Image.new("L", (9, 9))"""
WIDGET = """\
from lab_utils.show import Question, multiple_choice
multiple_choice(Question("Which?", (("this answer", "no"), ("that answer", "yes")), 1))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("course")
    (root / "labs").mkdir()
    (root / "course.toml").write_text(
        '[course]\nname = "A course"\nrepository = "https://github.com/a/b.git"\nfolder = "b"\nbranch = "release"\n'
    )
    cells = [
        new_markdown_cell(
            "# Lab 1. Lines\n\nWhat a line is.\n\n[2 More, and more](#2-More,-and-more) "
            "[3 Last (optional)](#3-Last-(optional))."
        ),
        new_markdown_cell("With $x^2$ in it."),
        new_code_cell(PICTURE, metadata={"jupyter": {"source_hidden": True}}),
        new_markdown_cell("## 2 More, and more"),
        new_code_cell("print(6 * 7)"),
        new_code_cell(WIDGET),
        new_markdown_cell("## 3 Last (optional)"),
    ]
    nbformat.write(new_notebook(cells=cells), root / "labs" / "01_lines.ipynb")
    first = site(root / "labs", root / "build", root / "course.toml")
    return first.read_text("utf-8"), (first.parent / "labs" / "01_lines.html").read_text("utf-8")


def test_the_first_page_lists_the_labs_and_what_they_are_about(pages):
    assert "Lab 1. Lines" in pages[0]
    assert "What a line is." in pages[0]


def test_outputs_formulas_and_questions_are_there(pages):
    page = pages[1]
    assert re.search(r"<pre>.*42", page)
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in page
    assert "this answer" in page
    assert "_images/" in page


def test_a_folded_cell_is_folded_under_its_title(pages):
    assert re.search(r"<details.*?Show the code: Shows a square", pages[1], re.DOTALL)


def test_links_to_sections_lead_there(pages):
    assert re.search(r'<p><a class="[^"]*" href="#more-and-more">', pages[1])
    assert '<section id="more-and-more">' in pages[1]
    assert re.search(r'href="#last-optional">.*3 Last \(optional\).*</a>\.</p>', pages[1])
    assert '<section id="last-optional">' in pages[1]


def test_no_page_needs_a_network(pages):
    for page in pages:
        loaded = re.findall(r'<(?:script|img|link)[^>]*?(?:src|href)="([^"]+)"', page)
        assert loaded
        assert not [address for address in loaded if address.startswith(("http", "//"))]


def test_a_page_opens_its_own_notebook_on_colab(pages):
    assert "https://colab.research.google.com/github/a/b/blob/release/labs/01_lines.ipynb" in pages[1]


def test_a_course_that_is_not_on_github_has_no_button(tmp_path):
    (tmp_path / "course.toml").write_text('[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n')
    course = read_course(tmp_path / "course.toml")
    assert "colab" not in settings(course)
    assert index(course, {}).startswith("# Labs")


def test_a_lab_that_stops_makes_no_site(tmp_path):
    (tmp_path / "labs").mkdir()
    (tmp_path / "course.toml").write_text('[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n')
    cells = [new_markdown_cell("# A"), new_code_cell("raise KeyError('x')")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "labs" / "01_a.ipynb")
    with pytest.raises(ValueError, match="01_a: cell 2 failed: KeyError"):
        site(tmp_path / "labs", tmp_path / "build", tmp_path / "course.toml")
    assert not (tmp_path / "build" / "site").exists()
