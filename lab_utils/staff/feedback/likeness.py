"""Submissions whose code looks alike, as a hint to read both: it proves nothing.

The code of the notebooks and modules is read as text and never run. Names that students choose become one token,
comments, layout, magics and texts in triple quotes go, so that renaming and reformatting hide nothing. What remains is
cut into shingles of `SHINGLE` tokens; the shingles of the released notebook and those that many students share are
taken away; of each `WINDOW` neighbouring ones the smallest hash is kept.

The notebook that was graded is looked for in all code of every other student: other files beside it, or a long piece of
code in front of it, hide no copy. Whose code is the same but for what was released are reported as a group, also if it
is that of many.

References:
    Schleimer, S., Wilkerson, D. S., Aiken, A. (2003). Winnowing: local algorithms for document fingerprinting. SIGMOD.
"""

import builtins
import keyword
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab_utils.staff.feedback.submission_code import Code

SHINGLE = 14  # tokens; a shorter match is no match
WINDOW = 6  # a shared run of SHINGLE + WINDOW - 1 tokens is always seen
FEWEST = 12  # fingerprints that a pair must share: about 50 tokens
CONTAINED = 0.4  # share of the smaller one that must be in the other
CLASS = 6  # students from which on code can be common
COMMON = 1 / 3  # code of more students than this share is the class's, not a pair's
SAME = 0.9  # share of all fingerprints of two, what was released aside, from which on their code is the same

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
        others: further students whose code is the same as that of these two.
    """

    first: str
    second: str
    containment: float
    jaccard: float
    shared: int
    example: str
    others: tuple[str, ...] = ()

    @property
    def students(self) -> tuple[str, ...]:
        """All of them."""
        return self.first, self.second, *self.others


class Prints(NamedTuple):
    """Fingerprints: of the graded notebook, of all code, and of the notebook before common code was taken away."""

    own: frozenset[int]
    all: frozenset[int]
    full: frozenset[int]


@dataclass(frozen=True)
class Shingles:
    """The shingles of one notebook cell: a hash each, and where each begins in the cell."""

    hashes: Hashes
    starts: NDArray[np.int64]
    source: str


def find_alike(codes: Mapping[str, Code | Sequence[str]], released: Sequence[str] = ()) -> tuple[Alike, ...]:
    """Return the pairs that look alike, those with the largest containment first; groups of the same code before them.

    Args:
        codes: student to the code, or to the code cells of a single notebook.
        released: the code cells that everybody was given; they never make a pair.
    """
    read = {name: code if isinstance(code, Code) else Code(list(code), []) for name, code in codes.items()}
    texts = {*released, *(cell for code in read.values() for cell in (*code.graded, *code.rest))}
    known = {source: shingles(source) for source in texts}
    cells = {name: [known[source] for source in (*code.graded, *code.rest)] for name, code in read.items()}
    given = _union(known[source].hashes for source in released)
    taken_away = np.union1d(given, _common([_union(cell.hashes for cell in own) for own in cells.values()]))
    prints = {}
    for name, code in read.items():
        graded = cells[name][: len(code.graded)] or cells[name]
        own, full = _fingerprints(graded, taken_away), _fingerprints(graded, given)
        prints[name] = Prints(own, _fingerprints(cells[name], taken_away), full)
    groups = _groups(prints)
    together = {name: group for group in groups for name in group}
    pairs = []
    for first, second in combinations(prints, 2):
        if together.get(first) is None or together.get(first) is not together.get(second):
            pairs += _pair(first, second, prints, cells)
    pairs.sort(key=lambda pair: (-pair.containment, -pair.shared))
    return (*(_as_group(group, prints, cells) for group in groups), *pairs)


def _pair(first: str, second: str, prints: Mapping[str, Prints], cells: Mapping[str, list[Shingles]]) -> list[Alike]:
    """Return the pair if what was graded of one is to a good part in the code of the other; else nothing."""
    a, b = prints[first], prints[second]
    found = max((len(x.own & y.all) / max(len(x.own), FEWEST), len(x.own & y.all)) for x, y in ((a, b), (b, a)))
    if found[1] < FEWEST or found[0] < CONTAINED:
        return []
    shared = (a.own & b.all) | (a.all & b.own)
    jaccard = len(a.own & b.own) / len(a.own | b.own)
    return [Alike(first, second, found[0], jaccard, found[1], _example(cells[first], shared))]


def _groups(prints: Mapping[str, Prints]) -> list[tuple[str, ...]]:
    """Return the groups of students whose graded code is the same, but for little: of each with one of the others."""
    group_of: dict[str, list[str]] = {}
    for first, second in combinations(prints, 2):
        a, b = prints[first].full, prints[second].full
        if min(len(a), len(b)) >= FEWEST and len(a & b) >= SAME * len(a | b):
            merged = list(dict.fromkeys([*group_of.get(first, [first]), *group_of.get(second, [second])]))
            group_of |= dict.fromkeys(merged, merged)
    order = {name: place for place, name in enumerate(prints)}
    groups = {tuple(sorted(group, key=order.__getitem__)) for group in group_of.values()}
    return sorted(groups, key=lambda group: (-len(group), order[group[0]]))


def _as_group(group: Sequence[str], prints: Mapping[str, Prints], cells: Mapping[str, list[Shingles]]) -> Alike:
    first, second, *others = group
    a, b = prints[first].full, prints[second].full
    shared = frozenset.intersection(*(prints[name].full for name in group))
    contained, jaccard = len(a & b) / min(len(a), len(b)), len(a & b) / len(a | b)
    return Alike(first, second, contained, jaccard, len(shared), _example(cells[first], shared), tuple(others))


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


def _fingerprints(cells: Sequence[Shingles], taken_away: Hashes) -> frozenset[int]:
    """Return the hashes that winnowing keeps of what is left."""
    kept: set[int] = set()
    for cell in cells:
        left = cell.hashes[~_within(cell.hashes, taken_away)]
        if len(left):
            width = min(WINDOW, len(left))
            kept.update(np.lib.stride_tricks.sliding_window_view(left, width).min(axis=1).tolist())
    return frozenset(kept)


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
