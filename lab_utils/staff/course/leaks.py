"""What must not be read in a release: lines of solutions, of hidden cases, of rubrics; labels of the test images."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lab_utils.notebook_file import read_notebook
from lab_utils.staff.course.build import SHORTEST_LEAK, squeeze, texts_of
from lab_utils.staff.course.guide import FOLDER, is_homework
from lab_utils.staff.course.marks import split_solution
from lab_utils.staff.course.settings import read_course

STAFF = "staff"  # the folder of lab_utils that students never get
FORBIDDEN = (STAFF, "solutions", "tests", "__pycache__")
PRIVATE = ("questions.toml", "cases.py", "labels.csv")  # ends of the names of files of a homework's private part
MOST_NAMED = 20  # lines that the error shows
BINARY = (".safetensors", ".npz", ".png")


def tree_leaks(root: Path, tree: Path) -> list[str]:
    """Return what the released files show and should not, in words.

    A line counts if it has at least `SHORTEST_LEAK` characters and is not public anyway: in the notebooks outside of
    the solution marks, in the released package, or among the solutions that the course lets students open. The public
    checks of a homework make no line of a solution public: they are where one would slip through. They share lines with
    the hidden cases, which call them.

    Args:
        root: the course, with solved notebooks in solutions/, and the private parts of homeworks in lab_utils/staff/.
        tree: the release.
    """
    shown = {path: squeeze("\n".join(_texts(path))) for path in sorted(tree.rglob("*")) if path.is_file()}
    hidden = _hidden_lines(root, {path.relative_to(tree): text for path, text in shown.items()})
    found = [f"{path.relative_to(tree)}: must not be in a release" for path in shown if _is_forbidden(path, tree)]
    everything = "\n".join(shown.values())
    for line, source in sorted(hidden.items()):
        if line in everything:
            where = next(path for path, text in shown.items() if line in text)
            found.append(f"{where.relative_to(tree)}: shows this line of {source}: {line!r}")
    return [*found[:MOST_NAMED], *([f"... and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else [])]


def _hidden_lines(root: Path, released: dict[Path, str]) -> dict[str, str]:
    """Map every line that must stay hidden to the file that it stands in."""
    answers: dict[str, str] = {}
    cases: dict[str, str] = {}
    outside: list[str] = []
    homeworks = [path.parent for path in sorted((root / "lab_utils" / STAFF).glob("*/questions.toml"))]
    for path in sorted(path for folder in (root / "solutions", *homeworks) for path in folder.iterdir()):
        source = path.relative_to(path.parents[1]).as_posix()
        if path.suffix == ".ipynb":
            for cell in read_notebook(path).cells:
                inside, shown = split_solution(cell.source)
                answers.update(dict.fromkeys(map(squeeze, inside), source))
                outside += shown
        elif path.suffix in (".py", ".toml", ".csv", ".md", ".json"):
            lines = dict.fromkeys(map(squeeze, path.read_text("utf-8").splitlines()), source)
            (cases if path.suffix == ".py" else answers).update(lines)
    kit = {path: text for path, text in released.items() if path.parts[0] == "lab_utils"}
    names = tuple(folder.name for folder in homeworks)  # the public part of each begins so
    checks = [path for path in kit if path.parts[1] == "checks" and path.parts[2].startswith(names)]
    shown_text = squeeze("\n".join([*outside, *_opened(root)]))
    known = "\n".join([shown_text, *(text for path, text in kit.items() if path not in checks)])
    known_to_cases = "\n".join([known, *(kit[path] for path in checks)])
    hidden = {line: name for line, name in cases.items() if line not in known_to_cases}
    hidden |= {line: name for line, name in answers.items() if line not in known}
    return {line: name for line, name in hidden.items() if len(line) >= SHORTEST_LEAK}


def _opened(root: Path) -> Iterator[str]:
    """Yield the solutions of labs that students may open; of a homework there are none."""
    for path in sorted((root / FOLDER).glob("*.json")):
        if not is_homework(path.stem, read_course(root / "course.toml")):
            yield from texts_of(json.loads(path.read_bytes()))


def _is_forbidden(path: Path, tree: Path) -> bool:
    parts = path.relative_to(tree).parts
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as opened:
            if "labels.npy" in opened.namelist():
                return True
    return bool(set(parts) & set(FORBIDDEN)) or path.name.endswith(PRIVATE)


def _texts(path: Path) -> Iterator[str]:
    """Yield every text in a file; a notebook's are those of its source, outputs and metadata."""
    if path.suffix == ".ipynb":
        yield from texts_of(read_notebook(path))
    elif path.suffix not in BINARY:
        yield path.read_text("utf-8", "replace")
