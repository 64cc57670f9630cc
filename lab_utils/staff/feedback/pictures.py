"""The pictures of a written answer, made fit to be shown: decoded, made small, and written anew.

Nothing of the student's file is shown as it is: a picture is decoded by Pillow, as one of four common types, with
limits on bytes and pixels, and what is shown is a new PNG. Nothing is fetched.
"""

import base64
import html
import io
import json
import re
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image

from lab_utils.staff.grading.safe_text import shorten

TYPES = ("PNG", "JPEG", "GIF", "WEBP")
MOST = 8  # pictures of an answer
LARGEST = 8 * 2**20  # bytes of a picture
LARGEST_NOTEBOOK = 20_000_000  # bytes, as for `likeness`
MOST_PIXELS = 30_000_000
SIDE = 900  # pixels of what is shown

_REFERENCE = re.compile(
    r"!\[[^\]\n]{0,300}\]\(\s{0,5}<?(?P<mark>[^)\s>]{1,500})|<img\b[^>]{0,300}?\bsrc\s{0,5}=\s{0,5}[\"']?(?P<tag>[^\"'>\s]{1,500})",
    re.IGNORECASE,
)


def pictures_html(submission: Path, notebook: str, answer: str, *, numbered: bool = False) -> str:
    """Return the pictures that an answer refers to as HTML, each with its name, or why it is not shown.

    Args:
        submission: the folder with the student's files.
        notebook: path of the graded notebook in it, or "".
        answer: the text; pictures are attached to its cell, or lie beside the notebook.
        numbered: call them 1, 2, ...: the name of a file may tell whose it is.
    """
    names = list(dict.fromkeys(match["mark"] or match["tag"] for match in _REFERENCE.finditer(answer)))
    attached = _attachments(submission / notebook, answer) if notebook and names else {}
    parts = [
        _figure(str(number) if numbered else name, *_picture(name, attached, submission, notebook))
        for number, name in enumerate(names[:MOST], start=1)
    ]
    if len(names) > MOST:
        parts.append(f"<p>... and {len(names) - MOST} more, which are not shown.</p>")
    return "".join(parts)


def _figure(name: str, uri: str, problem: str) -> str:
    caption = html.escape(shorten(name, 100))
    if problem:
        return f"<p><i>Picture {caption} is not shown: {html.escape(problem)}.</i></p>"
    return (
        f"<figure style='margin:.5em 0;max-width:52em'>"
        f"<img src='{uri}' alt='' style='max-width:100%;border:1px solid #d7dce1'>"
        f"<figcaption style='color:#56606b;font-size:.85em;overflow-wrap:anywhere'>{caption}</figcaption></figure>"
    )


def _picture(name: str, attached: dict[str, Any], submission: Path, notebook: str) -> tuple[str, str]:
    """Return a picture as a data URI, or "" and why there is none."""
    if name.lower().startswith(("http:", "https:", "//")):
        return "", "it is on the web, and nothing is fetched"
    if name.lower().startswith("attachment:"):
        encoded = attached.get(unquote(name.partition(":")[2]))
        if not isinstance(encoded, str):
            return "", "the cell has no such attachment"
        if len(encoded) > LARGEST * 4 // 3:
            return "", f"it is larger than {LARGEST >> 20} MiB"
        try:
            return small_png(base64.b64decode(encoded, validate=False)), ""
        except ValueError as error:
            return "", str(error)
    path = (submission / notebook).parent / unquote(name)
    try:
        if path.is_symlink() or not path.resolve().is_relative_to(submission.resolve()) or not path.is_file():
            return "", "there is no such file in the repository"
        if path.stat().st_size > LARGEST:
            return "", f"it is larger than {LARGEST >> 20} MiB"
        return small_png(path.read_bytes()), ""
    except (OSError, ValueError) as error:
        return "", str(error)


def small_png(data: bytes) -> str:
    """Return a picture as the data URI of a PNG of at most `SIDE` pixels.

    Raises:
        ValueError: if it is none of the types, is damaged, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow's own words for what may be an attack
            with Image.open(io.BytesIO(data), formats=TYPES) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise ValueError(f"it has more than {MOST_PIXELS // 10**6} million pixels")
                picture.draft("RGB", (SIDE, SIDE))
                shown = picture.convert(
                    "RGBA" if "A" in picture.getbands() or "transparency" in picture.info else "RGB"
                )
        shown.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        shown.save(buffer, "PNG")
    except ValueError:
        raise
    except Exception as error:  # whatever a damaged file makes of a decoder
        raise ValueError(f"it cannot be read as one of {', '.join(TYPES)}") from error
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _attachments(notebook: Path, answer: str) -> dict[str, Any]:
    """Return name -> base64 of the attachments of the cells that the answer stands in.

    Jupyter calls the first picture of every cell image.png: where two cells have the same name, that cell counts which
    has more lines in common with the answer.
    """
    if notebook.is_symlink() or not notebook.is_file() or notebook.stat().st_size > LARGEST_NOTEBOOK:
        return {}
    lines = {line.strip() for line in answer.splitlines() if line.strip()}
    found: dict[str, Any] = {}
    try:
        cells = [cell for cell in json.loads(notebook.read_bytes())["cells"] if cell.get("attachments")]
        sources = ["".join(cell["source"]) for cell in cells]
        alike = [sum(line.strip() in lines for line in source.splitlines()) for source in sources]
        for place in sorted(range(len(cells)), key=lambda place: alike[place]):  # the most alike last
            for name, kinds in cells[place]["attachments"].items():
                found[str(name)] = next(iter(kinds.values()), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return found
    return found
