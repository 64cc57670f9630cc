"""Solution marks in a notebook cell: find the marked regions, and put a stub in their place.

The marks are nbgrader's: ``### BEGIN SOLUTION`` ... ``### END SOLUTION``, and the same with ``HIDDEN TESTS``.
"""

import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

STUB = ("# YOUR CODE HERE", 'raise NotImplementedError("your code goes here")')
WORDS_STUB = "*Your answer, in your own words.*"

_MARK = re.compile(r"\s*### (BEGIN|END) (SOLUTION|HIDDEN TESTS)\s*")
_ALMOST = re.compile(r"\s*#+\s*(begin|end)[\s_-]*(solution|hidden[\s_-]*test)s?\b.*", re.IGNORECASE)


@dataclass(frozen=True)
class Region:
    """Lines start .. stop - 1 of a cell, marks included."""

    kind: str  # "SOLUTION" or "HIDDEN TESTS"
    start: int
    stop: int


def regions(source: str) -> list[Region]:
    """Return the marked regions of a cell, top to bottom.

    Raises:
        ValueError: if marks are misspelt, nested or without their other half.
    """
    found: list[Region] = []
    open_kind, open_line = "", 0
    for number, line in enumerate(source.splitlines()):
        mark = _MARK.fullmatch(line)
        if mark is None:
            if _ALMOST.fullmatch(line):
                raise ValueError(f"line {number + 1} looks like a mark but is not written as one: {line.strip()!r}")
            continue
        edge, kind = mark.groups()
        if edge == "BEGIN" and open_kind:
            raise ValueError(f"line {number + 1} begins {kind} before the END of line {open_line + 1}'s {open_kind}")
        if edge == "END" and kind != open_kind:
            raise ValueError(f"line {number + 1} ends {kind}, but no BEGIN {kind} is open there")
        if edge == "BEGIN":
            open_kind, open_line = kind, number
        else:
            found.append(Region(kind, open_line, number + 1))
            open_kind = ""
    if open_kind:
        raise ValueError(f"line {open_line + 1} begins {open_kind}, and the cell has no END for it")
    return found


def student_source(source: str, *, code: bool) -> str:
    """Return a cell as students get it: stubs for solutions, hidden tests gone.

    Raises:
        ValueError: for bad marks (see `regions`), and for code that is not inside a function: its stub would
            stop the lab there.
    """
    lines = source.splitlines()
    kept: list[str] = []
    position = 0
    for region in regions(source):
        kept += lines[position : region.start]
        if region.kind == "SOLUTION":
            kept += _code_stub(lines, region) if code else [WORDS_STUB]
        position = region.stop
    if not position:
        return source
    return "\n".join([*kept, *lines[position:]]).strip("\n")


def split_solution(source: str) -> tuple[list[str], list[str]]:
    """Return the lines inside the marked regions and the lines outside, marks left out."""
    lines = source.splitlines()
    inside: list[str] = []
    outside: list[str] = []
    position = 0
    for region in regions(source):
        outside += lines[position : region.start]
        inside += lines[region.start + 1 : region.stop - 1]
        position = region.stop
    return inside, outside + lines[position:]


def _code_stub(lines: list[str], region: Region) -> list[str]:
    """Return the stub with the indentation of the region's first line of code.

    Inside brackets, where no statement may stand, the stub is ``...``.
    """
    body = [line for line in lines[region.start + 1 : region.stop - 1] if line.strip()]
    first = (body or [lines[region.start]])[0]
    indent = first[: len(first) - len(first.lstrip())]
    if _inside_brackets("\n".join(lines[: region.start]) + "\n"):
        return [indent + STUB[0], indent + "..."]
    if not indent:
        raise ValueError(
            f"the solution at line {region.start + 1} is not inside a function, so its stub would stop the lab; "
            "keep the line with `def` above the mark and the solution below it"
        )
    return textwrap.indent("\n".join(STUB), indent).splitlines()


def _inside_brackets(prefix: str) -> bool:
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(prefix).readline):
            if token.type == tokenize.OP:
                depth += (token.string in "([{") - (token.string in ")]}")
    except (tokenize.TokenError, SyntaxError):
        pass  # the prefix ends in the middle of something, or holds a magic: what was counted so far holds
    return depth > 0
