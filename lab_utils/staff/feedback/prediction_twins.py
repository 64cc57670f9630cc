"""Predictions that rank the images alike: between students, and between the columns of one student.

A hint to read both, as for code: the same network, seed and code give the same predictions. Only ranks are compared, so
that no rescaling hides anything.

Rankings that are the same are always reported, as a group. Where the class is large enough it also says what is
unusual: two columns of one student are, if they are more alike than one such column and the other of another student,
in 95 of 100 random pairings of the class; two students are, if the same column of theirs is more alike than different
columns of any two students, and than is usual for the nearest neighbours of that column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from lab_utils.staff.grading.predictions import SAME, ranks

CLASS = 8  # students from which on the class says what is unusual
PAIRINGS = 1000
LEVEL = 0.95
FAR = 3.5  # robust standard deviations above the median, in Fisher's z

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Twins:
    """Students, or one student, whose predictions rank the images alike.

    Attributes:
        students: in the order of the roster.
        columns: of the file, those that are alike.
        correlation: Spearman's, of the two that are least alike.
        usual: the correlation up to which it is not unusual; None where the rankings are the same.
    """

    students: tuple[str, ...]
    columns: tuple[str, ...]
    correlation: float
    usual: float | None = None


def find_twins(tables: Mapping[str, Mapping[str, Floats]]) -> tuple[Twins, ...]:
    """Return whose predictions are alike, the same rankings first, then by correlation.

    Args:
        tables: student to column to probabilities, (images,).
    """
    keys = [(student, column) for student, table in tables.items() for column, p in table.items() if np.ptp(p) > 0]
    if len(keys) < 2:
        return ()
    vectors = np.stack([ranks(tables[student][column]) for student, column in keys])
    alike = np.clip(vectors @ vectors.T, -1, 1)
    same = _same(keys, alike)
    found = {pair for twins in same for pair in combinations(twins.students, 2)}
    students = list(tables)
    odd = [] if len({student for student, _ in keys}) < CLASS else [*_columns(keys, alike), *_students(keys, alike)]
    odd = [twins for twins in odd if tuple(sorted(twins.students, key=students.index)) not in found]
    return (*same, *sorted(odd, key=lambda twins: -twins.correlation))


def _same(keys: Sequence[tuple[str, str]], alike: Floats) -> list[Twins]:
    """Return the groups of students with the same ranking."""
    group_of: dict[str, set[str]] = {}
    for i, j in np.argwhere(np.triu(alike >= SAME, 1)).tolist():
        if keys[i][0] != keys[j][0]:
            merged = group_of.get(keys[i][0], {keys[i][0]}) | group_of.get(keys[j][0], {keys[j][0]})
            group_of |= dict.fromkeys(merged, merged)
    order = list(dict.fromkeys(student for student, _ in keys))
    groups = sorted({tuple(sorted(group, key=order.index)) for group in group_of.values()})
    twins = []
    for group in groups:
        places = [i for i, (student, _) in enumerate(keys) if student in group]
        pairs = [(i, j) for i, j in combinations(places, 2) if keys[i][0] != keys[j][0] and alike[i, j] >= SAME]
        columns = tuple(dict.fromkeys(keys[i][1] for pair in pairs for i in pair))
        twins.append(Twins(group, columns, float(min(alike[i, j] for i, j in pairs))))
    return sorted(twins, key=lambda group: -len(group.students))


def _columns(keys: Sequence[tuple[str, str]], alike: Floats) -> list[Twins]:
    """Return the students two of whose own columns are unusually alike, as permutations of the class say."""
    place = {key: i for i, key in enumerate(keys)}
    draw = np.random.default_rng(0)  # the same pages for the same class
    found = []
    for first, second in combinations(dict.fromkeys(column for _, column in keys), 2):
        own = [s for s in dict.fromkeys(s for s, _ in keys) if (s, first) in place and (s, second) in place]
        if len(own) < CLASS:
            continue
        table = alike[np.ix_([place[s, first] for s in own], [place[s, second] for s in own])]
        largest = []
        for _ in range(PAIRINGS):
            shuffled = draw.permutation(len(own))
            others = shuffled != np.arange(len(own))
            largest.append(table[np.arange(len(own)), shuffled][others].max())
        usual = float(np.quantile(largest, LEVEL))
        found += [
            Twins((s,), (first, second), float(r), usual) for s, r in zip(own, np.diag(table), strict=True) if r > usual
        ]
    return found


def _students(keys: Sequence[tuple[str, str]], alike: Floats) -> list[Twins]:
    """Return the pairs of students one of whose columns is unusually alike."""
    students, columns = (np.array([key[place] for key in keys]) for place in (0, 1))
    different = students[:, None] != students[None]
    across = alike[different & (columns[:, None] != columns[None]) & (alike < SAME)]
    found = []
    for column in dict.fromkeys(columns.tolist()):
        rows = np.flatnonzero(columns == column)
        if len(rows) < CLASS:
            continue
        table = alike[np.ix_(rows, rows)] - 2 * np.eye(len(rows))
        nearest = np.arctanh(np.clip(table.max(axis=1), -0.999999, 0.999999))
        spread = 1.4826 * np.median(np.abs(nearest - np.median(nearest)))
        usual = max(float(across.max(initial=-1)), float(np.tanh(np.median(nearest) + FAR * spread)))
        for i, j in np.argwhere(np.triu(table > usual, 1) & (table < SAME)).tolist():
            pair = (str(students[rows[i]]), str(students[rows[j]]))
            found.append(Twins(pair, (column,), float(table[i, j]), usual))
    return found
