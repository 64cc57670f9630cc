"""Find a written answer in the text cells of a notebook: what stands below **Answer A2**."""

import itertools
import re
from collections.abc import Sequence

STUB = "*Your answer, in your own words.*"  # what a lab holds in the place of an answer


def answer_below(texts: Sequence[str], name: str) -> str | None:
    """Return the answer in its cell, or in text cells of its own behind it; "" if it is empty.

    Args:
        texts: the sources of the text cells, in order; anything may stand in them.
        name: of the question, "A2".

    Returns:
        The text without the stub, or None if no cell has the line **Answer A2**.
    """
    # The grader calls this outside of its sandbox: patterns have limits, so that no text takes long.
    start = re.compile(rf"^[^\w\n]{{0,20}}Answer {re.escape(name)}\b[*: .]{{0,20}}", re.MULTILINE | re.IGNORECASE)
    end = re.compile(r"[^\w\n]{0,20}Answer [A-Z][0-9]|#{1,6} ", re.IGNORECASE)
    known = None
    for place, text in enumerate(texts):
        if found := start.search(text):
            known = ""
            behind = itertools.takewhile(lambda other: not end.match(other), texts[place + 1 :])
            for answer in (text[found.end() :], "\n\n".join(behind)):
                if stripped := answer.replace(STUB, "").strip():
                    return stripped
    return known


def written_below(cells: Sequence[tuple[str, str]], name: str) -> str:
    """Return what stands in the text cells below a question that begins with **A.**, "" where nothing does.

    Args:
        cells: (kind, source) of all cells, in order.
        name: of the question, "A".
    """
    question = re.compile(r"\*\*([A-Z][0-9]?)\.\*\*")
    place = next((i for i, (_, text) in enumerate(cells) if (m := question.match(text)) and m[1] == name), len(cells))
    below = itertools.takewhile(
        lambda cell: cell[0] == "markdown" and not question.match(cell[1]) and not cell[1].startswith("#"),
        cells[place + 1 :],
    )
    lines = (line for _, text in below for line in text.replace(STUB, "").splitlines())
    return "\n".join(line for line in lines if not line.startswith("### ")).strip()
