"""The sheet of all figures of the labs that have run: build/figures.html, which `run` writes.

The pictures are those of the executed notebooks; nothing is drawn again. Printed, the sheet shows each one as wide as
half a page, on the screen as wide as in a notebook.
"""

import base64
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode

from lab_utils.atomic import write_text
from lab_utils.staff.course.bootstrap import TITLE

FOLDER = "figures"  # below build/: a folder of pictures for each lab, with what the sheet says about them
PART = "figures.html"
ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}

_ATTACHED = re.compile(r"!\[([^\]]*)\]\(attachment:([^)\s]+)\)")
_STYLE = """
body { font: 16px sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
figure { margin: 0 0 2.5rem; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { color: #444; font-size: 14px; margin-top: .3rem; }
@media print { figure { display: inline-block; width: 8.5cm; margin: 0 .4cm .8cm 0; vertical-align: top; }
  figure img { width: 100%; } figcaption { font-size: 8pt; } }
"""


class Figure(NamedTuple):
    """A picture of a notebook.

    Attributes:
        cell: number of its cell, from 1, code and text counted together.
        caption: the heading above it and the title of its cell, or the words that stand for the picture.
        data: what is in the file.
        ending: of the file's name: png, jpg or svg.
        pixels: width on a page, None where the notebook does not say.
    """

    cell: int
    caption: str
    data: bytes
    ending: str
    pixels: float | None


def figures(notebook: NotebookNode) -> list[Figure]:
    """Every picture of an executed notebook in order: of texts, of outputs, and the first one of each widget."""
    found, heading = [], ""
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type == "markdown":
            found += [Figure(number, words, data, ending, None) for words, data, ending in _attached(cell)]
            headings = re.findall(r"^#{2,} +(.+)$", cell.source, flags=re.MULTILINE)
            heading = headings[-1] if headings else heading
        first = cell.source.split("\n", 1)[0]
        title = first.removeprefix(TITLE) if first.startswith(TITLE) else ""
        caption = ": ".join(part for part in (heading, title) if part)
        found += [Figure(number, caption, *made) for made in _of_outputs(cell.get("outputs", ()))]
    return found


def write_figures(notebook: NotebookNode, lab: str, build: Path) -> None:
    """Put the pictures of a lab that has just run into build/figures/<lab>/, in place of older ones."""
    folder = build / FOLDER / lab
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    lines = [f'<h2 id="{lab}"><a href="{lab}.html">{lab}</a></h2>']
    for number, figure in enumerate(figures(notebook), start=1):
        name = f"{number:02d}_cell{figure.cell}.{figure.ending}"
        (folder / name).write_bytes(figure.data)
        width = f' width="{figure.pixels:.0f}"' if figure.pixels else ""
        words = escape(figure.caption)
        lines.append(
            f'<figure><img src="{FOLDER}/{lab}/{name}"{width} alt="{words}" loading="lazy">'
            f"<figcaption>{lab}, cell {figure.cell}. {words}</figcaption></figure>"
        )
    write_text(folder / PART, "\n".join(lines) + "\n")


def write_sheet(build: Path) -> Path:
    """Write build/figures.html: the pictures of all labs that are there, also of those that ran earlier."""
    parts = sorted((build / FOLDER).glob(f"*/{PART}"))
    links = " · ".join(f'<a href="#{part.parent.name}">{part.parent.name}</a>' for part in parts)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Figures of the labs</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Figures of the labs</h1>\n<p>{links}</p>\n"
    )
    sheet = build / "figures.html"
    write_text(sheet, page + "".join(part.read_text("utf-8") for part in parts) + "</body></html>\n")
    return sheet


def _attached(cell: NotebookNode) -> Iterator[tuple[str, bytes, str]]:
    """Words, bytes and ending of each picture that a text shows."""
    for words, name in _ATTACHED.findall(cell.source):
        for _, data, ending in _picture(cell.get("attachments", {}).get(name, {})):
            yield words, data, ending


def _of_outputs(outputs: Sequence[NotebookNode]) -> Iterator[tuple[bytes, str, float | None]]:
    """Bytes, ending and width of each picture that a cell has drawn."""
    for output in outputs:
        for kind, data, ending in _picture(output.get("data", {})):
            yield data, ending, output.get("metadata", {}).get(kind, {}).get("width")


def _picture(bundle: Mapping[str, str | Sequence[str]]) -> Iterator[tuple[str, bytes, str]]:
    """Kind, bytes and ending of the picture among the forms of one thing, if there is one."""
    for kind, ending in ENDINGS.items():
        if kind in bundle:
            text = "".join(bundle[kind])
            yield kind, text.encode("utf-8") if ending == "svg" else base64.b64decode(text), ending
            return
