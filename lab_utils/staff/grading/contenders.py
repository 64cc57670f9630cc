"""Of several commits of a student the best counts: which of them still can be the best."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lab_utils.staff.grading.assignment import Assignment
from lab_utils.staff.grading.collected import Collected, attempts, result_file
from lab_utils.staff.grading.result import UNDECIDED, WAITING, Result, read_result


class Contender(NamedTuple):
    """A commit that may count, and what grading found in it; None if it was not graded yet."""

    collected: Collected
    result: Result | None


def contenders(entry: Collected, results: Path, assignment: Assignment) -> tuple[Contender, ...]:
    """Return the commits of a student of which the best counts, the first that came first.

    One whose points cannot exceed those that another one has already, whatever its texts get, is left out: nobody needs
    to mark it. What a person marked plays no part in this, so that no mark lets an answer appear or vanish.

    Args:
        entry: of collected.json.
        results: the folder.
        assignment: the questions.

    Raises:
        ValueError: if a file is no result.
    """
    found = graded(entry, results)
    if len(found) == 1 or any(one.result is None for one in found):
        return found
    bounds = [_bounds(one, assignment) for one in found]
    best = max(least for least, _ in bounds)
    first = next(place for place, (least, _) in enumerate(bounds) if least == best)
    return tuple(one for place, one in enumerate(found) if place == first or bounds[place][1] > best)


def graded(entry: Collected, results: Path) -> tuple[Contender, ...]:
    """Return all commits of a student of which the best counts, the one in time first, also those that cannot be it."""
    return tuple(Contender(one, _read(result_file(results, one))) for one in attempts(entry))


def split(
    standing: Mapping[str, Sequence[Contender]],
) -> tuple[dict[str, Result], dict[str, tuple[Result, ...]]]:
    """Return, by student, the result of the first commit that may count, where there is one, and of the others."""
    first = {name: found[0].result for name, found in standing.items() if found and found[0].result is not None}
    later = {name: tuple(one.result for one in found[1:] if one.result is not None) for name, found in standing.items()}
    return first, {name: results for name, results in later.items() if results}


def _read(path: Path) -> Result | None:
    return read_result(path) if path.is_file() else None


def _bounds(one: Contender, assignment: Assignment) -> tuple[float, float]:
    """Return the points that a commit gets at least and at most, its penalty taken off."""
    assert one.result is not None
    worth = {question.name: question.points for question in assignment.questions}
    open_ = {q.name for q in one.result.questions if q.status in (WAITING, UNDECIDED)}
    least = math.fsum(q.points for q in one.result.questions if q.name not in open_)
    most = least + math.fsum(worth.get(name, 0.0) for name in open_)
    share = 1 - one.collected.penalty
    return round(share * least, 2), round(share * most, 2)
