"""The page of the class, for the instructor."""

from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo

from lab_utils.staff.feedback.class_numbers import FEWEST, common_mistakes, question_numbers, waiting
from lab_utils.staff.feedback.class_plots import draw_questions, draw_totals, picture
from lab_utils.staff.feedback.gradebook import STALE, question_status
from lab_utils.staff.feedback.likeness import Alike
from lab_utils.staff.feedback.pages import render
from lab_utils.staff.feedback.prediction_twins import Twins
from lab_utils.staff.feedback.standing import UNCOLLECTED, Standing
from lab_utils.staff.grading.assignment import Assignment
from lab_utils.staff.grading.flags import grouped
from lab_utils.staff.grading.result import GRADED

MOST_MISTAKES = 25  # of the list of common mistakes


def class_page(
    assignment: Assignment,
    standings: Sequence[Standing],
    alike: Sequence[Alike],
    zone: tzinfo | None = None,
    cut: Sequence[str] = (),
    twins: Sequence[Twins] = (),
) -> bytes:
    """Return the page of the class: how it went, what was hard, what to look at; times are those of `zone`."""
    graded = [standing for standing in standings if standing.status == GRADED]
    numbers = question_numbers(assignment, standings)
    mistakes = common_mistakes(standings)
    late = [standing for standing in standings if standing.collected.late_seconds > 0 or standing.collected.penalty > 0]
    flagged = {
        standing.student: [*standing.collected.flags, *([STALE] if standing.stale else [])]
        for standing in standings
        if standing.collected.flags or standing.stale
    }
    return render(
        "class.html.j2",
        assignment=assignment,
        standings=sorted(standings, key=lambda standing: standing.status != UNCOLLECTED),
        graded=graded,
        complete=sum(standing.complete for standing in graded),
        statuses=Counter(standing.status for standing in standings),
        evidence=Counter(standing.collected.evidence for standing in standings if standing.collected.evidence),
        totals=picture(draw_totals([standing.total for standing in graded], assignment.points)),
        questions=picture(draw_questions(numbers)),
        numbers=numbers,
        fewest=FEWEST,
        mistakes=mistakes[:MOST_MISTAKES],
        more_mistakes=max(len(mistakes) - MOST_MISTAKES, 0),
        late=late,
        flagged=grouped(flagged),
        unreached=[standing.student for standing in standings if standing.status == UNCOLLECTED],
        alike=alike,
        cut=cut,
        twins=twins,
        waiting=waiting(graded),
        question_status=question_status,
        zone=zone,
    )
