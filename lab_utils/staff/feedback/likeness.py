"""Submissions whose code looks alike, as a hint to read both: it proves nothing.

The code of the notebooks is read as text and never run. Names that students choose become one token, comments, layout,
magics and texts in triple quotes go, so that renaming and reformatting hide nothing. What remains is cut into shingles
of `SHINGLE` tokens; the shingles of the released notebook and those that many students share are taken away; of each
`WINDOW` neighbouring ones the smallest hash is kept.

References:
    Schleimer, S., Wilkerson, D. S., Aiken, A. (2003). Winnowing: local algorithms for document fingerprinting. SIGMOD.
"""

import builtins
import json
import keyword
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SHINGLE = 14  # tokens; a shorter match is no match
WINDOW = 6  # a shared run of SHINGLE + WINDOW - 1 tokens is always seen
FEWEST = 12  # fingerprints that a pair must share: about 50 tokens
CONTAINED = 0.4  # share of the smaller one that must be in the other
CLASS = 6  # students from which on code can be common
COMMON = 1 / 3  # code of more students than this share is the class's, not a pair's
LARGEST_FILE = 20_000_000  # bytes
MOST_FILES = 20
MOST_CODE = 400_000  # characters per student

Hashes = NDArray[np.uint64]

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*|\\\n|(?:[rRbBuUfF]{0,2})(?:'{3}[\s\S]*?(?:'{3}|\Z)|"{3}[\s\S]*?(?:"{3}|\Z)))"""
    r"""|(?P<text>[rRbBuUfF]{0,2}(?:"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?))"""
    r"""|(?P<number>(?:\d[\w.]*|\.\d[\w]*))"""
    r"""|(?P<name>[^\W\d]\w*)"""
    r"""|(?P<sign>\*\*=?|//=?|->|:=|[-+*/%&|^<>=!@]=|<<|>>|.)"""
)
_KEPT = frozenset(keyword.kwlist) | frozenset(name for name in dir(builtins) if not name.startswith("_"))


@dataclass(frozen=True)
class Alike:
    """Two submissions that look alike.

    Attributes:
        first: the student whose identifier comes first in the roster.
        second: the other.
        containment: share of the smaller one's fingerprints that the other has too, in [0, 1].
        jaccard: share of all fingerprints of both that both have, in [0, 1].
        shared: number of fingerprints that both have.
        example: the line of the first where the first shared passage begins.
    """

    first: str
    second: str
    containment: float
    jaccard: float
    shared: int
    example: str


@dataclass(frozen=True)
class Shingles:
    """The shingles of one notebook cell: a hash each, and where each begins in the cell."""

    hashes: Hashes
    starts: NDArray[np.int64]
    source: str


def find_alike(codes: Mapping[str, Sequence[str]], released: Sequence[str] = ()) -> tuple[Alike, ...]:
    """Return the pairs that look alike, those with the largest containment first.

    Args:
        codes: student to the code cells of the submission.
        released: the code cells that everybody was given; they never make a pair.
    """
    known = {source: shingles(source) for source in {*released, *(cell for own in codes.values() for cell in own)}}
    cells = {student: [known[source] for source in sources] for student, sources in codes.items()}
    given = _union(known[source].hashes for source in released)
    taken_away = np.union1d(given, _common([_union(cell.hashes for cell in own) for own in cells.values()]))
    prints = {student: _fingerprints(own, taken_away) for student, own in cells.items()}
    order = {student: place for place, student in enumerate(codes)}
    holders: defaultdict[int, list[str]] = defaultdict(list)
    for student, own in prints.items():
        for value in own:
            holders[value].append(student)
    shared: defaultdict[tuple[str, str], int] = defaultdict(int)
    for students in holders.values():
        for pair in combinations(students, 2):
            shared[pair] += 1
    pairs = []
    for (first, second), n in shared.items():
        sizes = len(prints[first]), len(prints[second])
        if n >= FEWEST and n / min(sizes) >= CONTAINED:
            example = _example(cells[first], prints[first].keys() & prints[second].keys())
            pairs.append(Alike(first, second, n / min(sizes), n / (sum(sizes) - n), n, example))
    return tuple(sorted(pairs, key=lambda pair: (-pair.containment, -pair.shared, order[pair.first])))


def shingles(source: str) -> Shingles:
    """Return the shingles of a cell.

    Args:
        source: Python, or what a student takes for it.
    """
    tokens, places = [], []
    before = ""
    for match in _TOKEN.finditer(_without_magics(source)):
        kind = match.lastgroup
        if kind == "skip":
            continue
        token = match.group()
        if kind == "name" and token not in _KEPT and before != ".":
            token = "name"
        elif kind in ("text", "number"):
            token = str(kind)
        before = token
        tokens.append(zlib.crc32(token.encode("utf-8", "replace")))
        places.append(match.start())
    if len(tokens) < SHINGLE:
        return Shingles(np.empty(0, np.uint64), np.empty(0, np.int64), source)
    hashes = np.zeros(len(tokens) - SHINGLE + 1, np.uint64)
    values = np.array(tokens, np.uint64)
    for offset in range(SHINGLE):  # a polynomial in the tokens, modulo 2 ** 64
        hashes = hashes * np.uint64(0x100000001B3) + values[offset : offset + len(hashes)]
    hashes = (hashes ^ (hashes >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)  # spread, so that minima are fair
    return Shingles(hashes ^ (hashes >> np.uint64(32)), np.array(places[: len(hashes)], np.int64), source)


def read_code(folder: Path) -> list[str]:
    """Return the code cells of the notebooks in a student's folder, as text.

    What is too large, is a link, or is no notebook counts as empty.
    """
    cells: list[str] = []
    room, weight = MOST_CODE, 0
    for path in sorted(folder.rglob("*.ipynb"))[:MOST_FILES]:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_FILE:
            continue
        weight += path.stat().st_size
        if ".ipynb_checkpoints" in path.parts or weight > 2 * LARGEST_FILE:
            continue
        for source in read_cells(path):
            cells.append(source[:room])
            room -= len(cells[-1])
            if room <= 0:
                return cells
    return cells


def read_cells(path: Path) -> list[str]:
    """Return the code cells of a notebook of format 3 or 4; none if it is not one."""
    try:
        table = json.loads(path.read_bytes())
        sheets = [table, *table.get("worksheets", ())]
        cells = [cell for sheet in sheets for cell in sheet.get("cells", ()) if cell.get("cell_type") == "code"]
        sources = [cell.get("source", cell.get("input", "")) for cell in cells]
        return ["".join(source) for source in sources]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []


def _without_magics(source: str) -> str:
    return re.sub(r"^[ \t]*[%!][^\n]*", lambda match: " " * len(match.group()), source, flags=re.MULTILINE)


def _union(many: Iterable[Hashes]) -> Hashes:
    arrays = list(many)
    return np.unique(np.concatenate(arrays)) if arrays else np.empty(0, np.uint64)


def _common(students: Sequence[Hashes]) -> Hashes:
    """Return the hashes that more than `COMMON` of the class has; none in a small class."""
    if len(students) < CLASS:
        return np.empty(0, np.uint64)
    values, counts = np.unique(np.concatenate(students), return_counts=True)
    return values[counts > COMMON * len(students)]


def _fingerprints(cells: Sequence[Shingles], taken_away: Hashes) -> dict[int, None]:
    """Return the hashes that winnowing keeps of what is left, in the order of the cells."""
    kept: dict[int, None] = {}
    for cell in cells:
        left = cell.hashes[~_within(cell.hashes, taken_away)]
        if len(left):
            width = min(WINDOW, len(left))
            smallest = np.lib.stride_tricks.sliding_window_view(left, width).min(axis=1)
            kept.update(dict.fromkeys(smallest.tolist()))
    return kept


def _within(values: Hashes, ordered: Hashes) -> NDArray[np.bool_]:
    """Say which values are among `ordered`, which is sorted."""
    if not len(ordered):
        return np.zeros(len(values), np.bool_)
    places = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    found: NDArray[np.bool_] = ordered[places] == values
    return found


def _example(cells: Sequence[Shingles], shared: Iterable[int]) -> str:
    values = np.array(list(shared), np.uint64)
    for cell in cells:
        found = np.flatnonzero(np.isin(cell.hashes, values))
        if len(found):
            place = int(cell.starts[found[0]])
            start = cell.source.rfind("\n", 0, place) + 1
            return cell.source[start:].split("\n", 1)[0].strip()
    return ""
