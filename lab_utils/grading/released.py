"""What students were given: files that are still as released are no work."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab_utils.atomic import write_text
from lab_utils.grading.mirror import Commit, files

FILE = "released.json"


@dataclass(frozen=True)
class Released:
    """The notebooks of all releases of a course.

    Attributes:
        homework: its name.
        paths: of the notebooks, such as "labs/homework4.ipynb".
        shas: of their contents, as Git names them.
    """

    homework: str
    paths: frozenset[str]
    shas: frozenset[str]

    def counts(self, mirror: Path) -> Callable[[Commit], bool]:
        """Return whether a commit of `mirror` holds work on the homework: a notebook or predictions not as released."""
        known: dict[str, bool] = {}

        def holds_work(commit: Commit) -> bool:
            if commit.tree not in known:
                entries = files(mirror, commit.tree)
                known[commit.tree] = any(self._is_work(entry.path, entry.sha) for entry in entries)
            return known[commit.tree]

        return holds_work

    def _is_work(self, raw: bytes, sha: str) -> bool:
        path = raw.decode("utf-8", "replace")
        if sha in self.shas or ".ipynb_checkpoints/" in path:
            return False
        if path in self.paths and path != f"labs/{self.homework}.ipynb":
            return False  # work on another lab
        return path.lower().endswith(".ipynb") or path.endswith(f"{self.homework}_predictions.csv")


def read_released(root: Path, folder: Path, homework: str) -> Released:
    """Return what earlier releases noted, and the labs as they are now.

    Raises:
        ValueError: if the notes cannot be read.
    """
    notes = _notes(folder)
    for path in sorted((root / "labs").glob("*.ipynb")):
        notes.setdefault(f"labs/{path.name}", []).append(blob_name(path.read_bytes()))
    return Released(homework, frozenset(notes), frozenset(sha for shas in notes.values() for sha in shas))


def note_release(release: Path, folder: Path) -> None:
    """Add the notebooks of a release to the notes in the instructor's folder."""
    notes = _notes(folder)
    for path in sorted((release / "labs").glob("*.ipynb")):
        name = f"labs/{path.name}"
        notes[name] = sorted({*notes.get(name, []), blob_name(path.read_bytes())})
    write_text(folder / FILE, json.dumps(notes, indent=1) + "\n")


def blob_name(content: bytes) -> str:
    """Return the name that Git gives to a file of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _notes(folder: Path) -> dict[str, list[str]]:
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        return {str(name): list(map(str, shas)) for name, shas in json.loads(path.read_text("utf-8")).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"Expected the notes of a release in {path}, got {error}. Release again.") from error
