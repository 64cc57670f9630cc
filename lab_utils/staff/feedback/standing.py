"""Where each student stands: what was collected, what grading found and what was marked by hand, put together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Collected
from lab_utils.staff.grading.result import (
    GRADED,
    INVALID,
    MISSING,
    UNDECIDED,
    WAITING,
    QuestionResult,
    Result,
)
from lab_utils.staff.grading.written import Mark

UNGRADED = "not graded yet"  # collected, but `grade` has not been there
NOT_FETCHED = "The repository could not be fetched. Is the link right, and is it open to the course?"
UNCOLLECTED = "not collected"  # the repository was never reached: perhaps for want of a network here


@dataclass(frozen=True)
class Answered:
    """One question of one student; points is None as long as nobody knows them. marked: whether a person gave them."""

    question: Question
    points: float | None
    status: str
    found: QuestionResult | None = None
    comment: str = ""
    note: str = ""
    marked: bool = False

    @property
    def share(self) -> float | None:
        """Points reached of the points to reach, in [0, 1]."""
        return None if self.points is None else self.points / self.question.points


@dataclass(frozen=True)
class Standing:
    """One student.

    Attributes:
        status: GRADED, INVALID, MISSING, UNDECIDED, UNGRADED or UNCOLLECTED.
        message: why the submission as a whole was not graded, or "".
        stale: whether another commit was graded than the one collected.
        considered: every commit that might have counted, this one included; none if there was no choice.
        waits: whether points of another commit are still to come, which may make it the better one.
    """

    collected: Collected
    result: Result | None
    status: str
    message: str
    answered: tuple[Answered, ...]
    stale: bool = False
    considered: "tuple[Standing, ...]" = ()
    waits: bool = False

    @property
    def student(self) -> str:
        """The roster's identifier."""
        return self.collected.student

    @property
    def complete(self) -> bool:
        """Whether the deadline is over, and all points of the commit that was collected are known."""
        known = all(answer.points is not None for answer in self.answered)
        return known and not (self.stale or self.waits or self.collected.open)

    @property
    def known(self) -> bool:
        """Whether any points are known: else a total of 0 would say something that nobody knows."""
        return any(answer.points is not None for answer in self.answered)

    @property
    def raw(self) -> float:
        """Points so far, before the penalty."""
        return round(math.fsum(answer.points or 0.0 for answer in self.answered), 2)

    @property
    def lost(self) -> float:
        """Points that the late penalty takes off."""
        return round(self.raw * self.collected.penalty, 2)

    @property
    def most(self) -> float:
        """Points that there can be in the end, after the penalty."""
        open_ = math.fsum(answer.question.points for answer in self.answered if answer.points is None)
        return round((self.raw + open_) * (1 - self.collected.penalty), 2)

    @property
    def total(self) -> float:
        """Points so far, after the penalty."""
        return round(self.raw - self.lost, 2)


def stand(collected: Collected, result: Result | None, marks: Mapping[str, Mark], assignment: Assignment) -> Standing:
    """Put together what is known of one student.

    Args:
        collected: from collected.json.
        result: from grading, or None.
        marks: question -> what a person gave; it outranks what grading found.
        assignment: the questions.
    """
    result = None if _out_of_reach(collected) else result
    status, message = _status(collected, result)
    found = {entry.name: entry for entry in result.questions} if result is not None else {}
    answered = tuple(
        _answered(question, found.get(question.name), marks.get(question.name), status)
        for question in assignment.questions
    )
    stale = result is not None and bool(collected.sha) and result.sha != collected.sha
    return Standing(collected, result, status, message, answered, stale)


def best(standings: Sequence[Standing], every: Sequence[Standing] = ()) -> Standing:
    """Return that of the commits of a student that counts: the one with most points after its penalty.

    As long as points are missing it is the one that may get most. Of two with as many, the first counts.

    Args:
        standings: of the commits that may count, the first that came first.
        every: of all that were graded; those that cannot be the best are shown, and nobody marks their texts.
    """
    chosen = max(standings, key=lambda standing: standing.most)  # the first of the largest
    if len(standings) == 1 and len(every) < 2:
        return chosen
    waits = len(standings) > 1 and any(not standing.complete for standing in standings)
    return replace(chosen, considered=tuple(every or standings), waits=waits)


def _out_of_reach(collected: Collected) -> bool:
    """Whether nobody can know what there is: no fetch got through, and the roster does not say what follows."""
    return collected.status == "unreachable" and not collected.by_hand


def _status(collected: Collected, result: Result | None) -> tuple[str, str]:
    if result is not None:
        return result.status, result.message
    if collected.status == "collected":
        return UNGRADED, "The submission was collected, but it has not been graded yet."
    if _out_of_reach(collected):
        return UNCOLLECTED, f"{NOT_FETCHED} Nothing is final until it was."
    reasons = {
        "no commit": "There is no commit that counts: no commit of the default branch changes the homework.",
        "unreachable": NOT_FETCHED,
    }
    return MISSING, reasons.get(collected.status, f"Nothing was collected: {collected.status}.")


def _answered(question: Question, found: QuestionResult | None, mark: Mark | None, status: str) -> Answered:
    comment, note = (mark.comment, mark.note) if mark is not None else ("", "")
    if mark is not None and mark.points is not None:
        return Answered(question, mark.points, GRADED, found, comment, note, marked=True)
    if found is not None:
        waits = found.status == WAITING or (question.kind == "written" and found.status == GRADED)
        points = None if waits or found.status == UNDECIDED else found.points
        return Answered(question, points, WAITING if waits else found.status, found, comment, note)
    if status in (MISSING, INVALID):
        return Answered(question, 0.0, status, comment=comment, note=note)
    return Answered(question, None, status if status == UNCOLLECTED else UNGRADED, comment=comment, note=note)
