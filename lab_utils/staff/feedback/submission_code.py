"""The code of a submission, read as text and never run."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from lab_utils.staff.grading.limits import read_json
from lab_utils.text_files import decoded

LARGEST_FILE = 50 << 20  # bytes
MOST_VALUES = 4_000_000  # of the JSON of a notebook
MOST_FILES = 60
MOST_CODE = 4_000_000  # characters per student: as many as grading reads in one notebook


class Code(NamedTuple):
    """The code of a student: the cells of the graded notebook, those of all else, and whether that is not all."""

    graded: list[str]
    rest: list[str]
    cut: bool = False


def read_code(folder: Path, graded: str = "", kit: Path | None = None) -> Code:
    """Return the code of the notebooks and modules in a student's folder, as text.

    What is a link or is no notebook counts as empty.

    Args:
        folder: with the submission.
        graded: path in it of the notebook that was graded, which is read first.
        kit: the course: modules that are as there are not the student's.
    """
    paths = [path for path in folder.rglob("*") if path.suffix.lower() in (".ipynb", ".py") and not path.is_symlink()]
    paths = [path for path in paths if path.is_file() and ".ipynb_checkpoints" not in path.parts]
    paths = [path for path in paths if path.suffix.lower() == ".ipynb" or not _is_of_kit(path, folder, kit)]
    paths.sort(key=lambda path: (path.relative_to(folder).as_posix() != graded, path.suffix.lower() == ".py", path))
    code = Code([], [])
    room, cut = MOST_CODE, len(paths) > MOST_FILES
    for path in paths[:MOST_FILES]:
        own = code.graded if path.relative_to(folder).as_posix() == graded else code.rest
        cells = read_cells(path) if path.suffix.lower() == ".ipynb" else [decoded(path.read_bytes(), errors="replace")]
        cut |= path.stat().st_size > LARGEST_FILE
        for source in cells if path.stat().st_size <= LARGEST_FILE else ():
            cut |= len(source) > room
            own.append(source[:room])
            room -= len(own[-1])
    return code._replace(cut=cut)


def _is_of_kit(path: Path, folder: Path, kit: Path | None) -> bool:
    if kit is None or not (same := kit / path.relative_to(folder)).is_file():
        return False
    return hashlib.sha256(same.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()


def read_cells(path: Path) -> list[str]:
    """Return the code cells of a notebook of format 3 or 4; none if it is not one, or too large to be read here."""
    try:
        text = decoded(path.read_bytes(), errors="replace").encode("utf-8", "replace")
        table = read_json(text, most_bytes=LARGEST_FILE, most_values=MOST_VALUES)
        sheets = [table, *table.get("worksheets", ())]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", ()) if cell.get("cell_type") == "code"]
        sources = [cell.get("source", cell.get("input", "")) for cell in cells]
        return ["".join(source) for source in sources]
    except (OSError, ValueError, TypeError, AttributeError):
        return []
