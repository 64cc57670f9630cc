"""What a homework asks and what each answer is worth: solutions/<homework>.toml."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_utils.text_files import decoded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

KINDS = ("function", "predictions", "written")


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: "B1"; the letter is the task.
        title: a few words for pages and tables.
        points: above 0.
        kind: one of `KINDS`: a function that students define, columns of the predictions file, or a text that a
            person marks.
        function: its name; "" for other kinds.
        columns: of the predictions file; empty for other kinds.
        rubric: one line per criterion, for the marker; empty for other kinds.
    """

    name: str
    title: str
    points: float
    kind: str
    function: str = ""
    columns: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()

    @property
    def task(self) -> str:
        """The letter of the task that the question belongs to."""
        return self.name[0]


@dataclass(frozen=True)
class Assignment:
    """A homework: its questions in the order of the notebook."""

    name: str
    title: str
    questions: tuple[Question, ...]

    @property
    def points(self) -> float:
        """What a perfect submission gets."""
        return sum(question.points for question in self.questions)

    def of_kind(self, kind: str) -> tuple[Question, ...]:
        """Return the questions of one kind, in order."""
        return tuple(question for question in self.questions if question.kind == kind)


def read_assignment(path: Path) -> Assignment:
    """Read the questions of a homework.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if this is no TOML, a question is incomplete, is asked twice, or has a kind that there is not.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the questions of a homework in {path}, found no file. Restore it from the repository."
        )
    try:
        table = tomllib.loads(decoded(path.read_bytes()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected {path} in TOML, UTF-8, but {error}. Correct it there.") from error
    questions = tuple(_question(entry, path) for entry in table.get("question", []))
    names = [question.name for question in questions]
    if not questions or len(set(names)) < len(names):
        raise ValueError(f"Expected {path} to hold [[question]] tables, each name once, got the names {names}.")
    return Assignment(str(table["name"]), str(table["title"]), questions)


def _question(entry: dict[str, Any], path: Path) -> Question:
    try:
        question = Question(
            name=str(entry["name"]),
            title=str(entry["title"]),
            points=float(entry["points"]),
            kind=str(entry["kind"]),
            function=str(entry.get("function", "")),
            columns=tuple(map(str, entry.get("columns", ()))),
            rubric=tuple(map(str, entry.get("rubric", ()))),
        )
    except KeyError as missing:
        raise ValueError(f"Expected a {missing} in every [[question]] of {path}, got {entry}.") from missing
    detail = {"function": question.function, "predictions": question.columns, "written": question.rubric}
    if not detail.get(question.kind) or not question.points > 0 or not question.name:
        raise ValueError(
            f"Expected question {question.name!r} of {path} to have points above 0 and a kind with its detail: "
            f"function with function, predictions with columns, written with rubric; got {entry}."
        )
    return question
