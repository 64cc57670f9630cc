"""Text files as other programs save them: a mark at the start, UTF-16, other line ends, other separators."""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from pathlib import Path

GZIP = b"\x1f\x8b"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = (",", ";", "\t")  # of columns: Excel writes semicolons where the comma is the decimal sign


def decoded(data: bytes, *, errors: str = "strict") -> str:
    """Return the text of a file: UTF-8, with or without marks at its start, or UTF-16 with one (Notepad, PowerShell).

    Raises:
        UnicodeDecodeError: if the bytes are something else, and `errors` is "strict".
    """
    text = data.decode("utf-16" if data.startswith(UTF16_MARKS) else "utf-8", errors)
    return text.lstrip("\ufeff")  # a script that adds the mark to a file that has it leaves two


def unpacked(path: Path) -> bytes:
    """Return the bytes of a file, or what is packed in it if it is a gzip file.

    Raises:
        ValueError: if it is one that is cut short or damaged.
    """
    data = path.read_bytes()
    if not data.startswith(GZIP):
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"Expected a whole gzip file in {path}, got: {error}. Copy it again.") from error


def read_lines(path: Path, *, strict: bool = False, packed: bool = False) -> list[tuple[int, list[str]]]:
    """Read a csv file as spreadsheets save it: commas, semicolons or tabs; any line ends; UTF-8 or UTF-16.

    The first line tells the separator. Lines without any text, and Excel's line ``sep=;``, are left out.

    Args:
        path: the file.
        strict: refuse a quote that is not closed, which swallows the lines after it.
        packed: unpack it if it is a gzip file. Not for files of people who may mean harm: a small one can hold much.

    Returns:
        (line in the file, cells) of each line.

    Raises:
        ValueError: if the bytes are no text, or the text is no table; the message says how to save it.
        PermissionError: if another program keeps the file to itself.
    """
    try:
        text = decoded(unpacked(path) if packed else path.read_bytes())
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected {path} in UTF-8, got other bytes ({error}). Open it where it was saved, and save it as "
            "'CSV UTF-8': any other kind of CSV loses letters."
        ) from error
    except PermissionError as error:
        raise held(path, "read", error) from error
    if "\0" in text:
        raise ValueError(f"Expected text in {path}, got bytes that are 0. Save it as 'CSV UTF-8', not as a workbook.")
    skipped = 0
    first, end, rest = text.partition("\n")
    if first.strip().strip('"').lower() in {f"sep={separator}" for separator in SEPARATORS}:
        text, skipped = rest, len(end)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text), strict=strict)
    found, line = [], 1 + skipped
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((line, cells))
            line = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise ValueError(
            f"Expected a table in {path}, got at line {reader.line_num + skipped}: {error}. A cell that begins with a "
            "quote must end with one."
        ) from error
    return found


def header_of(lines: Sequence[tuple[int, list[str]]], path: Path) -> list[str]:
    """Return the names of the columns, in small letters.

    Raises:
        ValueError: if a spreadsheet has put whole lines into one cell, as Excel does where it expects semicolons.
    """
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    inside = [separator for separator in SEPARATORS if len(header) == 1 and separator in header[0]]
    if inside:
        raise ValueError(
            f"Expected the columns of {path} in cells of their own, but its first line is one cell, {header[0]!r}. A "
            "spreadsheet has read whole lines as one cell. Take the file as it was before; in Excel open it with "
            "Data > From Text/CSV and choose the separator."
        )
    return header


def held(path: Path, verb: str, error: OSError) -> PermissionError:
    """Return the error to raise where the system does not let us at a file: on Windows, most often Excel has it."""
    return PermissionError(
        error.errno,
        f"Expected to {verb} {path}, but the system refuses it ({error.strerror or error}). If it is open in another "
        "program, such as Excel, close it there and do the same again; else you need the right to "
        f"{verb} it, or its folder",
    )


def _separator(text: str) -> str:
    """Return what makes the most cells of the first line that is not empty; a comma if nothing does."""
    first = next((line for line in io.StringIO(text, newline=None) if line.strip()), "")
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([first], delimiter=separator), [])))
