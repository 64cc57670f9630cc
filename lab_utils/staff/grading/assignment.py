"""What a homework asks and what each answer is worth: questions.toml in its folder."""

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lab_utils.text_files import decoded

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        name: "B1"; the letter is the task.
        title: a few words for pages and tables.
        points: above 0.
        kind: "function" that students define, columns of the file of "predictions", or a "written" text that a
            person marks.
        function: its name; "" for other kinds.
        columns: of the predictions file; empty for other kinds.
        rubric: one line per criterion, for the marker; empty for other kinds.
        extra: whether its points are extra credit: they count, and nobody needs them for full points.
    """

    name: str
    title: str
    points: float
    kind: str
    function: str = ""
    columns: tuple[str, ...] = ()
    rubric: tuple[str, ...] = ()
    extra: bool = False

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
        """What full points are: all but extra credit."""
        return sum(question.points for question in self.questions if not question.extra)

    @property
    def extra(self) -> float:
        """What can be reached beyond them."""
        return sum(question.points for question in self.questions if question.extra)

    def of_kind(self, kind: str) -> tuple[Question, ...]:
        """Return the questions of one kind, in order."""
        return tuple(question for question in self.questions if question.kind == kind)


def homework_folder(root: Path, homework: str) -> Path:
    """Return the private part of a homework in a course; see `lab_utils.staff.grading.key`."""
    return root / "lab_utils/staff" / homework


def read_assignment(private: Path) -> Assignment:
    """Read the questions of a homework from its folder.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if this is no TOML, a question is incomplete, is asked twice, or has a kind that there is not.
    """
    path = private / "questions.toml"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected the questions of a homework in {path}, found no file. Restore it from the repository."
        )
    try:
        table = msgspec.convert(tomllib.loads(decoded(path.read_bytes())), _File)
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"Expected the questions in {path}, TOML in UTF-8, got: {error}. Correct the line.") from error
    names = [question.name for question in table.question]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"Expected {path} to hold [[question]] tables, each name once, got the names {names}.")
    for question in table.question:
        detail = {"function": question.function, "predictions": question.columns, "written": question.rubric}
        if not detail.get(question.kind) or not question.points > 0 or not question.name:
            raise ValueError(
                f"Expected question {question.name!r} of {path} to have points above 0 and a kind with its detail: "
                f"function with function, predictions with columns, written with rubric; got {question}."
            )
    if all(question.extra for question in table.question):
        raise ValueError(
            f"Expected a question of {path} that is no extra credit, got none. Take `extra` away from one."
        )
    return Assignment(table.name, table.title, table.question)


@dataclass(frozen=True)
class _File:
    name: str
    title: str
    question: tuple[Question, ...] = ()
