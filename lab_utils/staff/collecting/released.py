"""What students were given: files that are still as released are no work."""

import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab_utils.atomic import write_text
from lab_utils.staff.collecting.git import GitError
from lab_utils.staff.collecting.mirror import Commit, Entry, blobs, files
from lab_utils.staff.grading.assignment import homework_folder, read_assignment
from lab_utils.staff.grading.limits import read_json
from lab_utils.text_files import decoded

FILE = "released.json"
LARGEST = 64 * 2**20  # bytes of a notebook that is looked into; a larger one counts as work
MOST_VALUES = 4_000_000  # in it


@dataclass(frozen=True)
class Released:
    """The notebooks of all releases of a course.

    Attributes:
        homework: its name.
        paths: of the notebooks, such as "labs/homework4.ipynb".
        shas: of their contents, as Git names them and as `cells_name` does.
        functions: that the homework asks for.
    """

    homework: str
    paths: frozenset[str]
    shas: frozenset[str]
    functions: tuple[str, ...] = ()

    def counts(self, mirror: Path, seconds: float) -> Callable[[Commit], bool]:
        """Return whether a commit of `mirror` holds work on the homework: its notebook or predictions, not as released.

        The function that is returned raises a `GitError` when it is called later than `seconds` from now: nobody's
        history of huge folders holds up a class.
        """
        known: dict[str, bool] = {}
        end = time.monotonic() + seconds

        def holds_work(commit: Commit) -> bool:
            if time.monotonic() > end:
                raise GitError(f"looking through its history took more than {seconds:g} s")
            if commit.tree not in known:
                known[commit.tree] = any(self._is_work(entry, mirror, known) for entry in files(mirror, commit.tree))
            return known[commit.tree]

        return holds_work

    def _is_work(self, entry: Entry, mirror: Path, known: dict[str, bool]) -> bool:
        path = entry.path.decode("utf-8", "replace")
        if entry.sha in self.shas or ".ipynb_checkpoints/" in path:
            return False
        own = f"labs/{self.homework}.ipynb"
        if path in self.paths and path != own:
            return False  # it is work on another lab
        if path.endswith(f"{self.homework}_predictions.csv"):
            return True
        if not path.lower().endswith(".ipynb") or not (path == own or entry.mode.startswith("100")):
            return False
        named = path == own or Path(path).stem == self.homework
        key = f"{entry.sha} {named}"
        if key not in known:
            known[key] = self._holds_work(entry, mirror, named=named)
        return known[key]

    def _holds_work(self, entry: Entry, mirror: Path, *, named: bool) -> bool:
        """Say whether a notebook differs from the released ones, and is the homework.

        It is if it is named so, or, whatever its name, if it has at least half of the functions, as grading asks.
        """
        if entry.size > LARGEST or not entry.mode.startswith("100"):
            return True
        (content,) = blobs(mirror, [entry.sha])
        if not self.shas.isdisjoint({*spellings(content), cells_name(content)}):
            return False
        text = decoded(content, errors="replace")
        found = [name for name in self.functions if re.search(rf"\b{name}\b", text)]
        return named or 2 * len(found) >= len(self.functions)


def read_released(root: Path, folder: Path, homework: str) -> Released:
    """Return what earlier releases noted, and the labs as they are now.

    Raises:
        ValueError: if the notes cannot be read.
    """
    notes = _notes(folder)
    for path in sorted((root / "labs").glob("*.ipynb")):
        notes.setdefault(f"labs/{path.name}", []).extend(_names(path.read_bytes()))
    private = homework_folder(root, homework)
    functions = [q.function for q in read_assignment(private).of_kind("function")] if private.is_dir() else []
    shas = frozenset(sha for names in notes.values() for sha in names)
    return Released(homework, frozenset(notes), shas, tuple(functions))


def note_release(release: Path, folder: Path) -> None:
    """Add the notebooks of a release to the notes in the instructor's folder."""
    notes = _notes(folder)
    for path in sorted((release / "labs").glob("*.ipynb")):
        name = f"labs/{path.name}"
        notes[name] = sorted({*notes.get(name, []), *_names(path.read_bytes())})
    write_text(folder / FILE, json.dumps(notes, indent=1) + "\n")


def cells_name(content: bytes) -> str:
    """Return a name of what stands in the cells of a notebook, "" if it cannot be read.

    Opening, running and saving change outputs, counters and metadata, and are no work.
    """
    try:
        table = read_json(decoded(content, errors="replace").encode(), most_bytes=LARGEST, most_values=MOST_VALUES)
        cells = [(str(cell.get("cell_type")), "".join(cell.get("source", ""))) for cell in table["cells"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    lines = [(kind, [line.rstrip() for line in source.strip().splitlines()]) for kind, source in cells]
    return "cells " + hashlib.sha256(json.dumps([cell for cell in lines if cell[1]]).encode()).hexdigest()


def spellings(content: bytes) -> set[str]:
    """Return the names that Git gives to a text with either kind of line ends, with and without the last one.

    A checkout on Windows, or an editor, changes these, the mark at the start and UTF-8 itself; that is no work.
    """
    plain = decoded(content, errors="replace").encode("utf-8").replace(b"\r\n", b"\n").rstrip(b"\n")
    return {blob_name(text.replace(b"\n", end)) for text in (plain, plain + b"\n") for end in (b"\n", b"\r\n")}


def blob_name(content: bytes) -> str:
    """Return the name that Git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _names(content: bytes) -> list[str]:
    return [name for name in (blob_name(content), cells_name(content)) if name]


def _notes(folder: Path) -> dict[str, list[str]]:
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        return {str(name): list(map(str, shas)) for name, shas in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"Expected the notes of a release in {path}, got {error}. Release again.") from error
