"""Count what a student reads and writes in each lab: ``python -m lab_utils count``.

Lines are lines of code: no blank ones, no comments, no docstrings. A folded cell is one whose first line is a title,
``# @title What it does``: it is neither read nor written. The minutes are those of someone who reads in a foreign
language: words (of texts, docstrings and comments that are shown, and of multiple-choice questions) at 120 a minute,
lines that are shown and given at 15 a minute, exercises as their own line says::

    *Difficulty 1 of 3 · importance 3 of 3 · about 10 minutes*

Answers in the student's own words are counted apart: as many words as the sample answer has, at 20 a minute.

A heading that ends in " (optional)" makes all below it optional, down to the next heading of its level.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from nbformat import NotebookNode

from lab_utils.notebook_file import read_notebook
from lab_utils.show import Question
from lab_utils.staff.course.bootstrap import FIRST_WORDS, STAMP, is_folded
from lab_utils.staff.course.marks import regions, split_solution

WORDS_A_MINUTE, LINES_A_MINUTE, WRITTEN_A_MINUTE = 120, 15, 20
LEAST_SHARE, MOST_GIVEN, MOST_MINUTES = 1 / 3, 120, 100  # the aims
LINE = re.compile(r"\*Difficulty [1-3] of 3 · importance [1-3] of 3 · about (\d+) minutes?\*")

_HEADING = re.compile(r"(#{1,6}) +(.*?) *")
_LAB = re.compile(r"\d\d_")
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass
class Counts:
    """What was counted in one notebook.

    Attributes:
        name: of the notebook.
        student: lines between the solution marks.
        shown: lines in cells that are not folded, the student's among them.
        given: shown lines that are neither the student's nor the signature of an exercise.
        folded: lines in folded cells; the first cell, which is the same in all labs, is left out.
        words: that a student reads.
        exercises: their headings, in order.
        without_line: headings of those exercises that do not say how long they take.
        minutes: core and optional, each for words, lines and exercises; writing, for answers in words in the core.
    """

    name: str
    student: int = 0
    shown: int = 0
    given: int = 0
    folded: int = 0
    words: int = 0
    exercises: list[str] = field(default_factory=list)
    without_line: list[str] = field(default_factory=list)
    minutes: dict[str, float] = field(default_factory=lambda: {"core": 0.0, "optional": 0.0, "writing": 0.0})

    @property
    def share(self) -> float:
        """The student's part of the lines shown, 0 to 1."""
        return self.student / self.shown if self.shown else 0.0

    @property
    def missed(self) -> list[str]:
        """The aims for labs that are not met, in words; a homework has none."""
        if not _LAB.match(self.name):
            return []
        aims = {
            f"the student writes {self.share:.0%}, aim: a third": self.share >= LEAST_SHARE,
            f"{self.given} lines are given, aim: at most {MOST_GIVEN}": self.given <= MOST_GIVEN,
            f"core takes {self.minutes['core']:.0f} minutes, aim: at most {MOST_MINUTES}": self.minutes["core"]
            <= MOST_MINUTES,
            f"no line with difficulty and minutes: {', '.join(self.without_line)}": not self.without_line,
        }
        return [words for words, met in aims.items() if not met]


def count(solutions: Path) -> list[Counts]:
    """Count every notebook of a folder of solved ones, in order.

    Raises:
        ValueError: if there is none, or one cannot be read.
    """
    paths = sorted(solutions.glob("*.ipynb"))
    if not paths:
        raise ValueError(f"Expected solved notebooks in {solutions}, found none. Run this in a clone of the course.")
    return [count_notebook(read_notebook(path), path.stem) for path in paths]


def count_notebook(notebook: NotebookNode, name: str) -> Counts:
    """Count one solved notebook, as `build` takes it."""
    counts, places = Counts(name), _Places()
    for cell in notebook.cells:
        if cell.source.startswith((*FIRST_WORDS, STAMP)):
            continue
        if cell.cell_type == "code":
            _count_code(cell.source, counts, places)
        elif cell.cell_type == "markdown":
            _count_text(cell.source, counts, places)
    counts.without_line = [title for title in counts.exercises if title not in places.timed]
    return counts


def table(found: Sequence[Counts]) -> str:
    """Return the counts as text, with a line for every aim that is missed."""
    width = max(len(counts.name) for counts in found)
    heads = ["writes", "shown", "share", "given", "folded", "words", "exercises"]
    heads += ["core min", "optional min", "writing min"]
    lines = [" ".join([f"{'lab':<{width}}", *(f"{head:>{len(head)}}" for head in heads)])]
    for counts in found:
        minutes = (f"{counts.minutes[part]:.0f}" for part in ("core", "optional", "writing"))
        values = (counts.student, counts.shown, f"{counts.share:.0%}", counts.given, counts.folded, counts.words)
        cells = [*values, len(counts.exercises), *minutes]
        row = (f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))
        lines += [" ".join([f"{counts.name:<{width}}", *row]), *(f"    {words}" for words in counts.missed)]
    return "\n".join(lines)


class _Places:
    """Where in a notebook we are: the open headings, and the exercises that say how long they take."""

    def __init__(self) -> None:
        self.open: list[tuple[int, str]] = []
        self.timed: set[str] = set()

    def enter(self, level: int, title: str) -> None:
        self.open = [*((above, text) for above, text in self.open if above < level), (level, title)]

    @property
    def part(self) -> str:
        return "optional" if any(title.endswith("(optional)") for _, title in self.open) else "core"

    @property
    def title(self) -> str:
        return self.open[-1][1] if self.open else "before the first heading"


def _count_text(source: str, counts: Counts, places: _Places) -> None:
    """Words of a text cell, line by line, because headings stand in it; what students write themselves is left out."""
    lines = source.splitlines()
    hidden = {number for region in regions(source) for number in range(region.start, region.stop)}
    if places.part == "core":
        counts.minutes["writing"] += sum(map(_words, split_solution(source)[0])) / WRITTEN_A_MINUTE
    fenced = False
    for number, line in enumerate(lines):
        if number in hidden:
            continue
        fenced ^= line.lstrip().startswith("```")
        if (heading := _HEADING.fullmatch(line)) and not fenced:
            places.enter(len(heading[1]), heading[2])
        if minutes := LINE.fullmatch(line.strip()):
            places.timed.add(places.title)
            counts.minutes[places.part] += int(minutes[1])
        _add_words(line, counts, places)


def _count_code(source: str, counts: Counts, places: _Places) -> None:
    """Lines of a code cell; the number of the first is 1."""
    source = "\n".join("magic" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    tree = ast.parse(source)
    docstrings = dict(_docstrings(tree))
    code = _lines_of_code(source) - {number for numbers in docstrings for number in numbers}
    for question in _questions(tree):
        texts = (question.text, *(answer for answer, _ in question.options), question.options[question.correct][1])
        _add_words(" ".join(texts), counts, places)
    if is_folded(source):
        counts.folded += len(code)
        return
    marked = [set(range(region.start + 1, region.stop + 1)) for region in regions(source)]
    own = {number for numbers in marked for number in numbers} & code
    headers = {number for numbers in marked for number in _header(tree, min(numbers))} & code
    counts.student += len(own)
    counts.shown += len(code)
    given = code - own
    counts.given += len(given - headers)
    counts.minutes[places.part] += len(given) / LINES_A_MINUTE
    if own and places.title not in counts.exercises:
        counts.exercises.append(places.title)
    comments = (text for number, text in _comments(source) if not any(number in numbers for numbers in marked))
    for text in (*docstrings.values(), *comments):
        _add_words(text, counts, places)


def _add_words(text: str, counts: Counts, places: _Places) -> None:
    words = _words(text)
    counts.words += words
    counts.minutes[places.part] += words / WORDS_A_MINUTE


def _words(text: str) -> int:
    visible = re.sub(r"\]\([^)]*\)|https?://\S+|<[^>]*>", " ", text)  # where a link leads is not read
    return sum(any(character.isalnum() for character in word) for word in visible.split())


def _questions(tree: ast.Module) -> Iterator[Question]:
    """The multiple-choice questions that a cell asks: ``multiple_choice(lab00_questions.SCALE)``.

    Raises:
        ValueError: if there is no such question in `lab_utils.checks`.
    """
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and ast.unparse(node.func) == "multiple_choice" and node.args):
            continue
        module, _, name = (called := ast.unparse(node.args[0])).rpartition(".")
        try:
            question = getattr(import_module(f"lab_utils.checks.{module}"), name)
        except (ImportError, AttributeError):
            question = None
        if not isinstance(question, Question):
            raise ValueError(f"Expected a question of lab_utils.checks, as lab00_questions.SCALE is, got {called}.")
        yield question


def _tokens(source: str) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(source + "\n").readline)


def _lines_of_code(source: str) -> set[int]:
    lines = source.splitlines()
    covered = {
        number
        for token in _tokens(source)
        if token.type not in _NO_CODE
        for number in range(token.start[0], token.end[0] + 1)
    }
    return {number for number in covered if number <= len(lines) and lines[number - 1].strip()}


def _comments(source: str) -> Iterator[tuple[int, str]]:
    return ((token.start[0], token.string) for token in _tokens(source) if token.type == tokenize.COMMENT)


def _docstrings(tree: ast.Module) -> Iterator[tuple[range, str]]:
    """Yield the lines and the text of the docstring of every function and class."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            text := ast.get_docstring(node)
        ):
            first = node.body[0]
            yield range(first.lineno, (first.end_lineno or first.lineno) + 1), text


def _header(tree: ast.Module, line: int) -> range:
    """Return the lines of the signature of the innermost function around a line."""
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not around:
        return range(0)
    inner = max(around, key=lambda node: node.lineno)
    return range(min([inner.lineno, *(line.lineno for line in inner.decorator_list)]), inner.body[0].lineno)
