"""The class in numbers: how hard each question was, how well it tells students apart, which mistakes are common."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab_utils.staff.feedback.standing import Standing
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.result import GRADED, UNDECIDED

FEWEST = 10  # students below which a correlation says nothing


@dataclass(frozen=True)
class QuestionNumbers:
    """One question over the class.

    Attributes:
        n: graded submissions whose points of this question are known.
        share: mean share of the points, in [0, 1]; None without any. Low is hard.
        discrimination: corrected item-total correlation in [-1, 1], or None.
        why_not: why there is no discrimination, or "".
        statuses: status to number of graded submissions.
    """

    question: Question
    n: int
    share: float | None
    discrimination: float | None
    why_not: str
    statuses: dict[str, int]


@dataclass(frozen=True)
class Mistake:
    """A hint that several students got."""

    where: str
    text: str
    students: tuple[str, ...]


def question_numbers(assignment: Assignment, standings: Sequence[Standing]) -> tuple[QuestionNumbers, ...]:
    """Return the numbers of each question over the submissions that were graded.

    Discrimination is the correlation of a question's points with the sum of the *other* questions, so that no question
    is correlated with itself. The sum holds those other questions whose points are known for every graded submission:
    a half-marked one would compare students by different sums.

    References:
        Nunnally, J. C., Bernstein, I. H. (1994). Psychometric Theory, 3rd edition, chapter 8.
    """
    graded = [standing for standing in standings if standing.status == GRADED]
    table = np.array(
        [[math.nan if answer.points is None else answer.points for answer in standing.answered] for standing in graded]
    ).reshape(len(graded), len(assignment.questions))
    known = ~np.isnan(table).any(axis=0)
    numbers = []
    for column, question in enumerate(assignment.questions):
        rows = ~np.isnan(table[:, column])
        points = table[rows, column]
        others = known & (np.arange(table.shape[1]) != column)
        value, why_not = discrimination(points, table[np.ix_(rows, others)].sum(axis=1))
        share = float(points.mean()) / question.points if len(points) else None
        statuses = Counter(standing.answered[column].status for standing in graded)
        numbers.append(QuestionNumbers(question, len(points), share, value, why_not, dict(sorted(statuses.items()))))
    return tuple(numbers)


def discrimination(points: np.ndarray, rest: np.ndarray) -> tuple[float | None, str]:
    """Return the correlation of a question's points with the points of the rest, or None and the reason.

    Args:
        points: shape (students,).
        rest: shape (students,), points of the other questions.
    """
    if len(points) == 0:
        return None, "no points yet"
    if len(points) < FEWEST:
        return None, f"only {len(points)} student{'s' if len(points) > 1 else ''}"
    if np.ptp(points) < 1e-9:
        return None, "all have the same points"
    if np.ptp(rest) < 1e-9:
        return None, "the other questions do not differ"
    return float(np.corrcoef(points, rest)[0, 1]), ""


_VALUE = re.compile(r"\b\d+\.\d+\b")


def common_mistakes(standings: Sequence[Standing]) -> tuple[Mistake, ...]:
    """Return the hints of graded submissions by the number of students who got them, the most common first.

    A student counts once for a hint, however many cases gave it. Hints that differ only in a measured value ("The
    AUROC is 0.61") are one; what is shown is the first of them, with the values left out.
    """
    found: defaultdict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for standing in standings:
        if standing.result is None or standing.status != GRADED:
            continue
        for answer in standing.answered:
            if answer.found is None or answer.status == UNDECIDED:  # nobody's mistake
                continue
            for hint in [case.hint for case in answer.found.cases] or [answer.found.hint]:
                if hint.strip():
                    found[answer.question.name, _VALUE.sub("...", " ".join(hint.split()))][standing.student] = None
    mistakes = [Mistake(where, text, tuple(students)) for (where, text), students in found.items()]
    return tuple(sorted(mistakes, key=lambda mistake: (-len(mistake.students), mistake.where, mistake.text)))


def waiting(standings: Sequence[Standing]) -> dict[str, int]:
    """Return how many answers of each written question still have no marks."""
    names = (
        answer.question.name
        for standing in standings
        for answer in standing.answered
        if answer.question.kind == "written" and answer.points is None
    )
    return dict(Counter(names))
