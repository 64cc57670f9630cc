"""Find the notebook of a submission, and the written answers, wherever they stand."""

import re
import time
from pathlib import Path
from typing import Any, NamedTuple

from lab_utils.staff.grading.key import Key
from lab_utils.staff.grading.predictions_file import is_own_file
from lab_utils.staff.grading.remote import Sandbox, Undecided

NOTEBOOKS = 40  # read at most
READING = 900.0  # seconds on the clock for all of them together
LONGEST = 50_000  # characters of an answer
# Other files that may hold what was asked for in words: by their kind, and by kind and name.
DOCUMENTS = (".pdf", ".docx", ".doc", ".odt", ".rtf", ".tex", ".pages")
NOTES = re.compile(r"(?i)(answer|report|homework|written|solution|hw\d?).*\.(md|txt|html?)$")
TOLD = (
    "The line `**Answer {name}**` was not found with a text below it. A person looks at what stands elsewhere in your "
    "work and decides."
)


class Found(NamedTuple):
    """The notebook that counts: its path in the submission and what `inside_read.py` found in it."""

    path: str
    content: dict[str, Any]


class Answer(NamedTuple):
    """A written answer; for the marker where it was found, "" if it belongs there; what the student is told."""

    text: str
    doubt: str = ""
    told: str = ""


def find_notebook(folder: Path, key: Key, sandbox: Sandbox) -> tuple[Found | None, dict[str, Answer], str]:
    """Return the notebook of the homework, the written answers by question, and why there is no notebook.

    It is found by the functions it defines, not by its name: among those with at least half of the wanted functions
    (the other labs have some of them, too), the one in which most are attempted. A tie goes to the file that is called
    as the homework, then to the first by path.

    Raises:
        Undecided: if not all of them could be read in time.
    """
    wanted = [question.function for question in key.assignment.of_kind("function")]
    written = [question.name for question in key.assignment.of_kind("written")]
    name = key.assignment.name
    # Jupyter's own copies are older versions; `collect` does not count them either.
    files = (p for p in folder.rglob("*") if p.suffix.lower() == ".ipynb" and ".ipynb_checkpoints" not in p.parts)
    paths = [path.relative_to(folder).as_posix() for path in files if is_own_file(path, folder)]
    paths = sorted(paths, key=lambda path: (Path(path).stem != name, path.count("/"), path))[:NOTEBOOKS]
    found: list[tuple[int, Found]] = []
    texts: dict[str, Any] = {}
    problem = ""
    end = time.monotonic() + READING
    for path in paths:
        if time.monotonic() > end:
            raise Undecided("There was no time to read all notebooks of the repository.")
        content = sandbox.read(path, wanted, written, key.released)
        if "invalid" in content:
            problem = problem or f"{path} cannot be read as a notebook: {str(content['invalid'])[:300]}"
            continue
        texts[path] = content.pop("answers")
        defined = set(wanted) & (set(content["names"]) | set(content["broken"]))
        if 2 * len(defined) >= len(wanted) or Path(path).stem == name:
            attempted = len(defined - set(content["stubs"]))
            found.append((attempted, Found(path, content)))
    counts = max(found, key=lambda entry: entry[0])[1] if found else None  # the first of the largest
    documents = _documents(folder, key.given)
    answers = {q: answer for q in written if (answer := _answer(q, counts, texts, documents))}
    return counts, answers, "" if counts else problem


def _answer(question: str, counts: Found | None, texts: dict[str, Any], documents: list[str]) -> Answer | None:
    """Return the answer in the notebook that counts, else in another one, else a note that there are documents."""
    told = TOLD.format(name=question)
    own = texts.get(counts.path, {}) if counts else {}
    likely = None
    if question in own:
        text, doubt = (str(part) for part in own[question])
        if not doubt:
            return Answer(text[:LONGEST])
        likely = Answer(text[:LONGEST], doubt[:500], told)
    for path, others in texts.items():
        if question in others and not others[question][1] and others is not own:
            return Answer(str(others[question][0])[:LONGEST], f"This stands in another notebook, {path[:200]}.", told)
    if likely is None and documents:
        names = ", ".join(path[:100] for path in documents[:5])
        return Answer(f"(Not in the notebook. The repository holds: {names})", "Nothing stands in the notebook.", told)
    return likely


def _documents(folder: Path, given: frozenset[str]) -> list[str]:
    """Return the paths of documents that were not handed out and may hold answers."""
    files = [path for path in sorted(folder.rglob("*")) if is_own_file(path, folder)]
    named = [path for path in files if path.suffix.lower() in DOCUMENTS or NOTES.search(path.name)]
    paths = [path.relative_to(folder).as_posix() for path in named]
    return [path for path in paths if path not in given]
