"""Texts of students, made fit for a page or a table: they may hold anything.

Tables go to Excel and come back: no cell runs as a formula, and what Excel changes is understood again.
"""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from lab_utils.atomic import write_whole
from lab_utils.text_files import header_of, read_lines

Cell = str | int | float | None

# Control characters but for tab and newline, marks that turn the direction of writing, halves of characters.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
# Marks above and below a letter: three are a letter of some language, thirty lie over the lines around it.
_MARKS = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_STACKED = re.compile(f"({_MARKS}{{3}}){_MARKS}+")
_ENDS_OF_LINES = re.compile(r"\r\n|\r")
# What a spreadsheet takes for the start of a formula, the wide forms of Asian keyboards included. Where Excel expects
# another separator than ours, a formula may also begin after that separator or on a new line within a cell.
_STARTERS = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_START = re.compile(r"((?:^|[;\t\n])[\s\"]*)('?)")
LONGEST = 30_000  # characters in a cell; Excel cuts at 32,767


def visible(text: str) -> str:
    """Return the text with newlines as ends of lines, every character that hides or turns text as its code, and no more
    than three marks on a letter.
    """
    text = _STACKED.sub(r"\1", _ENDS_OF_LINES.sub("\n", text))
    return _UNSEEN.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def shorten(text: str, length: int) -> str:
    """Return the text made visible, and cut where it is longer than `length` characters."""
    text = visible(text[: length + 1]) if len(text) > length else visible(text)
    return text if len(text) <= length else text[:length].rstrip() + " ..."


def neutral(cell: Cell) -> str:
    """Return a cell as text that no spreadsheet runs: a ' goes before what would begin a formula.

    Numbers stay as they are, negative ones too; a text that looks like a negative number is a text. None is an empty
    cell.
    """
    if cell is None:
        return ""
    if isinstance(cell, int | float):
        return f"{cell:.10g}"
    text = visible(cell)
    if len(text) > LONGEST:
        text = text[:LONGEST] + " [cut]"
    guard = "'" if text[:1] in ("\t", "\n") else ""
    return guard + _START.sub(_guarded, text)


def restored(text: str) -> str:
    """Return the text that `neutral` guarded."""
    return _START.sub(_unguarded, text)


def _guarded(match: re.Match[str]) -> str:
    return match.group() + ("'" if match.string[match.end() : match.end() + 1] in _STARTERS else "")


def _unguarded(match: re.Match[str]) -> str:
    after = match.string[match.end() : match.end() + 1]
    return match[1] if after in _STARTERS or after in ("\t", "\n") else match.group()


def write_table(
    path: Path, header: Sequence[str], rows: Sequence[Sequence[Cell]], *, encoding: str = "utf-8-sig"
) -> None:
    """Write a table whole or not at all: UTF-8 with BOM (Excel asks for it), commas, every cell in quotes.

    A reader that takes the BOM for a part of the first cell, which then is no cell in quotes, is given "utf-8".
    """
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in (header, *rows):
        writer.writerow([neutral(cell) for cell in row])
    put(path, text.getvalue().encode(encoding))


def read_table(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read a table as ours, or as Excel or LibreOffice saved it: see `lab_utils.text_files.read_lines`.

    Returns:
        (line in the file, column -> restored text) for each row that is not empty. Names of columns are in small
        letters; cells that are missing at the end of a row are empty.

    Raises:
        ValueError: if the file is no such table, or a row has more cells than there are columns: its texts would come
            into wrong columns.
        PermissionError: if another program keeps the file to itself.
    """
    lines = read_lines(path)
    header = header_of(lines, path)
    rows = []
    for line, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise ValueError(
                f"Expected at most {len(header)} cells in line {line} of {path}, got {len(cells)}. Put a text that "
                "holds the separator of the columns between double quotes."
            )
        padded = [*cells, *[""] * (len(header) - len(cells))]
        rows.append((line, {name: restored(cell) for name, cell in zip(header, padded, strict=False)}))
    return rows


def put(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that holds these bytes already is left alone."""
    if not path.is_file() or path.read_bytes() != data:
        write_whole(path, lambda unfinished: unfinished.write_bytes(data))
