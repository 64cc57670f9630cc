"""Every link inside a notebook or a page leads somewhere: to a heading there, to a file, to a picture of the cell."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from lab_utils.notebook_file import read_notebook

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = [path for folder in ("solutions", "labs") for path in sorted((ROOT / folder).glob("*.ipynb"))]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "lab_utils/staff/authoring/guide.md",
    *sorted((ROOT / "benchmarks").glob("*.md")),
]

LINK = re.compile(r"\]\(((?:[^()\s]|\([^()\s]*\))+)\)")  # a target may hold brackets: (#Words-(optional))
HEADING = re.compile(r"#{1,6} +(.*?) *")
CODE = re.compile(r"```.*?```|~~~.*?~~~", re.DOTALL)


def links(text: str) -> list[str]:
    return LINK.findall(re.sub(r"`[^`\n]*`", "", CODE.sub("", text)))


def headings(text: str) -> Iterator[str]:
    """The words of each heading, as they are shown."""
    for line in CODE.sub("", text).splitlines():
        if found := HEADING.fullmatch(line):
            yield re.sub(r"[`*]|\]\([^)]*\)|\[", "", found[1])


def of_jupyter(heading: str) -> str:
    return heading.replace(" ", "-")


def of_github(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def broken(text: str, anchors: set[str], folder: Path, attached: set[str]) -> list[str]:
    """The links that lead nowhere."""
    lost = []
    for link in links(text):
        if link.startswith("#"):
            there = unquote(link[1:]) in anchors
        elif link.startswith("attachment:"):
            there = link.removeprefix("attachment:") in attached
        else:
            there = re.match(r"[a-z]+:", link) is not None or (folder / unquote(link.split("#")[0])).exists()
        lost += [] if there else [link]
    return lost


def test_what_is_a_link_and_what_its_anchor() -> None:
    text = "[Words](#Words-(optional)), `[no](#a)`, [paper](https://a.org/b_(c)), [x](y.md)\n```\n[no](#z)\n# no\n```"
    assert links(text) == ["#Words-(optional)", "https://a.org/b_(c)", "y.md"]
    assert [*headings(f"# `fit`, *again*\n{text}\n## Words (optional)")] == ["fit, again", "Words (optional)"]
    assert of_jupyter("5 Which stage?") == "5-Which-stage?"
    assert of_github("A file of one's own (2)") == "a-file-of-ones-own-2"
    assert broken(text, {"Words"}, ROOT, set()) == ["#Words-(optional)", "y.md"]
    assert broken("![a](attachment:a.png) ![b](attachment:b.png)", set(), ROOT, {"a.png"}) == ["attachment:b.png"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_link_of_a_notebook_leads_somewhere(path: Path) -> None:
    cells = [cell for cell in read_notebook(path).cells if cell.cell_type == "markdown"]
    anchors = {of_jupyter(heading) for cell in cells for heading in headings(cell.source)}
    assert [
        link for cell in cells for link in broken(cell.source, anchors, path.parent, {*cell.get("attachments", {})})
    ] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    text = path.read_text("utf-8")
    assert broken(text, {of_github(heading) for heading in headings(text)}, path.parent, set()) == []
