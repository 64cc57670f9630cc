"""Find the written answers of a notebook inside a sandbox: also those whose heading is not as it was handed out.

Under the line **Answer A2** an answer is certain. Elsewhere it is only likely: under a line that names the question in
other words, in a code cell, at the place where the released notebook has the answer, or anywhere in the notebook. Such
a text is handed on with a sentence about where it was found, for a person to decide: nobody gets 0 for a heading.
"""

import ast
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

from lab_utils.checks.answers import STUB, answer_below

Cells = Sequence[Sequence[str]]  # (kind, source): "code" or "text"
LONGEST = 50_000  # characters of an answer
FEWEST = 40  # letters of a text that may be an answer although it stands anywhere
MOST_CELLS = 2000  # of a notebook in which places are compared
LIKE = 0.7  # share of the words of two lines that are the same, from which on one is the other with a change
COMPARED = 2000  # lines at most that are compared word by word

HEADING = "The line `**Answer {name}**` is not there as it was handed out"
BY_NAME = HEADING + "; this stands under another line that names the question. Is it the answer?"
BY_PLACE = HEADING + ", or nothing stands below it; this stands at its place in the notebook. Is it the answer?"
ANYWHERE = HEADING + ", or nothing stands below it; this is what else was written in the notebook. Is it the answer?"


class Fresh(NamedTuple):
    """What a student wrote in a cell, the released lines taken away: the number of the cell, and the text."""

    cell: int
    text: str


def find_answers(cells: Cells, names: Sequence[str], released: Cells) -> dict[str, tuple[str, str]]:
    """Return question to (text, sentence about where it was found); the sentence is "" for what is certain.

    Args:
        cells: (kind, source) of the notebook, kind "code" or "text"; anything may stand in them.
        names: of the written questions.
        released: the cells as they were handed out; none if that is not known.
    """
    texts = [source for kind, source in cells if kind == "text"]
    found = {name: (text[:LONGEST], "") for name in names if (text := answer_below(texts, name))}
    open_ = [name for name in names if name not in found]
    if not open_:
        return found
    left = _unclaimed(_fresh(cells, released), [text for text, _ in found.values()])
    for name in open_:
        if text := _named(left, name, names):
            found[name] = (text[:LONGEST], BY_NAME.format(name=name))
    left = _unclaimed(left, [text for text, _ in found.values()])
    for name in (name for name in open_ if name not in found):
        if text := _at_its_place(left, name, cells, released):
            found[name] = (text[:LONGEST], BY_PLACE.format(name=name))
    left = _unclaimed(left, [text for text, _ in found.values()])
    anything = "\n\n".join(_without_headings(entry.text, names) for entry in left).strip()
    if sum(map(str.isalpha, anything)) >= FEWEST:
        found |= {n: (anything[:LONGEST], ANYWHERE.format(name=n)) for n in open_ if n not in found}
    return {name: found[name] for name in names if name in found}


def _fresh(cells: Cells, released: Cells) -> list[Fresh]:
    """Return the prose that was not handed out: in text cells, and in code cells that hold nothing but prose."""
    known = {_plain(line) for _, source in released for line in source.splitlines()} | {_plain(STUB), ""}
    words = [frozenset(line.split()) for line in known if len(line.split()) > 3]
    compared = 0
    fresh = []
    for number, (kind, source) in enumerate(cells):
        lines = (source if kind == "text" else _prose(source)).replace(STUB, "").splitlines()
        own = []
        for line in lines:
            plain = _plain(line)
            if plain in known and plain:
                continue
            compared += len(plain.split()) > 3
            if not plain or compared > COMPARED or not _is_like(frozenset(plain.split()), words):
                own.append(line)
        text = "\n".join(own).strip()
        if re.search(r"\w", text):
            fresh.append(Fresh(number, text))
    return fresh


def _is_like(line: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    """Whether a line is one of the others with a word changed: a date, a spelling."""
    return len(line) > 3 and any(len(line & other) >= LIKE * len(line | other) for other in others)


def _plain(line: str) -> str:
    return " ".join(re.findall(r"\w+", line.casefold()))


def _prose(source: str) -> str:
    """Return what stands in a code cell that holds no code: comments, texts in quotes, or words that are no Python."""
    if re.search(r"^[ \t]*(?:def|class|import|from|for|while|with|return|[%!])\b", source, re.MULTILINE):
        return ""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        letters = sum(map(str.isalpha, source)) + sum(map(str.isspace, source))
        return source if len(source.split()) > 3 and letters > 0.8 * len(source) else _comments(source)
    said = [_said(node) for node in body]
    return "\n".join(text for text in [*said, _comments(source)] if text) if None not in said else ""


def _said(node: ast.stmt) -> str | None:
    """Return the text of a statement that is nothing but a text, alone or printed; else None."""
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(node, ast.Assign):
        value = node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and len(value.args) == 1:
        value = value.args[0]  # print, display, Markdown
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def _comments(source: str) -> str:
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line.lstrip("# ") for line in lines if line.startswith("#"))


def _unclaimed(fresh: Iterable[Fresh], claimed: Sequence[str]) -> list[Fresh]:
    """Leave out what stands in an answer that was found."""
    taken = [_plain(text) for text in claimed]
    lines = {_plain(line) for text in claimed for line in text.splitlines()}
    left = []
    for entry in fresh:
        if any(_plain(entry.text) in text for text in taken):
            continue
        text = "\n".join(line for line in entry.text.splitlines() if not _plain(line) or _plain(line) not in lines)
        if text.strip():
            left.append(Fresh(entry.cell, text.strip()))
    return left


@cache
def _heading(name: str) -> re.Pattern[str]:
    """A line that begins by naming the question: **A2**, Answer to A2, A 2), Task A.2:, A2 - why these two."""
    spelled = rf"{re.escape(name[0])}[ .\-]?{re.escape(name[1:])}"
    words = "my|the|our|answers?|ans|solution|response|reply|task|question|exercise|part|to|for|of|on"
    before = rf"(?:(?:{words})\b\W{{0,5}}){{0,5}}"
    return re.compile(rf"^[^\w\n]{{0,20}}{before}{spelled}(?![0-9])[^\w\n]{{0,20}}", re.MULTILINE | re.IGNORECASE)


def _named(fresh: Sequence[Fresh], name: str, names: Sequence[str]) -> str:
    """Return what stands under a line that names the question, to the next line that names one of the others."""
    others = [_heading(other) for other in names if other != name]
    for place, entry in enumerate(fresh):
        if not (found := _heading(name).search(entry.text)):
            continue
        ends = [match.start() for other in others if (match := other.search(entry.text, found.end()))]
        parts = [entry.text[found.end() : min(ends, default=None)].strip()]
        for before, behind in zip(fresh[place:], fresh[place + 1 :], strict=False):
            enough = sum(map(str.isalpha, parts[0])) >= FEWEST  # else it may be the rest of the heading
            if enough or behind.cell != before.cell + 1 or any(other.search(behind.text) for other in others):
                break
            parts.append(behind.text)
        if text := "\n\n".join(part for part in parts if part):
            return text
    return ""


def _at_its_place(fresh: Sequence[Fresh], name: str, cells: Cells, released: Cells) -> str:
    """Return what stands between the cells that surround the answer in the released notebook."""
    starts = [
        i for i, (kind, source) in enumerate(released) if kind == "text" and answer_below([source], name) is not None
    ]
    if not starts or len(cells) > MOST_CELLS:
        return ""
    place = starts[0]
    before = _last_found(cells, [released[i][1] for i in range(place - 1, -1, -1)], default=-1)
    after = _last_found(cells, [source for _, source in released[place + 1 :]], default=len(cells))
    if (before, after) == (-1, len(cells)):
        return ""
    between = [entry.text for entry in fresh if before <= entry.cell < after]
    return "\n\n".join(_without_headings(text, [name]) for text in between).strip()


def _last_found(cells: Cells, wanted: Iterable[str], default: int) -> int:
    """Return the cell that holds most lines of the first of the wanted ones that is still there."""
    held = [{_plain(line) for line in source.splitlines()[:COMPARED]} for _, source in cells]
    for source in wanted:
        lines = {_plain(line) for line in source.splitlines()} - {""}
        shares = [len(lines & own) for own in held]
        if lines and max(shares, default=0) * 2 >= len(lines):
            return shares.index(max(shares))
    return default


def _without_headings(text: str, names: Sequence[str]) -> str:
    """Take away lines that do nothing but name a question."""
    headings = [_heading(name) for name in names]
    lines = text.splitlines()
    return "\n".join(line for line in lines if not any((m := h.match(line)) and m.end() == len(line) for h in headings))
