"""The page that a student gets back."""

import math
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from lab_utils.staff.course.settings import written_out
from lab_utils.staff.feedback.pages import EVIDENCE, render, shown, shown_question
from lab_utils.staff.feedback.standing import Answered, Standing
from lab_utils.staff.grading.assignment import Assignment
from lab_utils.staff.grading.result import PASSED, case_points

# Metrics in the order and the words of the page; others follow under their own names.
_METRICS = {"auroc": "AUROC", "accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity"}


def student_page(
    assignment: Assignment,
    standing: Standing,
    due: datetime | None = None,
    *,
    rule: str = "",
    show_rubrics: bool = False,
) -> bytes:
    """Return the page of one student. It shows what the student did and what to look at, never what was asked of it.

    Args:
        assignment: the questions.
        standing: the student's.
        due: the student's own deadline; its offset is that of all times on the page. None: not known.
        rule: of lateness, in words.
        show_rubrics: beside the marks of written answers. A rubric tells what the answer is: only when nobody can hand
            in any more.
    """
    return render(
        "student.html.j2",
        assignment=assignment,
        standing=standing,
        collected=standing.collected,
        due="" if due is None else written_out(due),
        zone=None if due is None else due.tzinfo,
        rule=rule,
        evidence=EVIDENCE.get(standing.collected.evidence, ""),
        tasks=[
            _task(letter, list(answers), show_rubrics)
            for letter, answers in groupby(standing.answered, key=lambda answer: answer.question.task)
        ],
        metrics=_metrics(standing),
    )


def _task(letter: str, answers: Sequence[Answered], show_rubrics: bool) -> dict[str, Any]:
    return {
        "letter": letter,
        "points": sum(answer.points or 0.0 for answer in answers),
        "out_of": sum(answer.question.points for answer in answers if not answer.question.extra),
        "extra": sum(answer.question.points for answer in answers if answer.question.extra),
        "open": any(answer.points is None for answer in answers),
        "questions": [_question(answer, show_rubrics) for answer in answers],
    }


def _question(answer: Answered, show_rubrics: bool) -> dict[str, Any]:
    found = answer.found
    tried = found.cases if found is not None else ()
    cases = [
        {
            "name": case.name,
            "hint": case.hint,
            "line": case.line,
            "shown": shown(case.status),
            "points": worth if case.status == PASSED else 0.0,
            "out_of": worth,
        }
        for case, worth in zip(tried, case_points(answer.question.points, tried), strict=True)
    ]
    told = [(case["hint"], case["line"]) for case in cases if case["hint"] or case["line"]]
    once = len(told) > 1 and len(set(told)) == 1  # several cases say the same: said once, above them
    if once:
        cases = [case | {"hint": "", "line": ""} for case in cases]
    hint, line = ("", "") if found is None or (told and not once) else (found.hint, found.line)
    return {
        "question": answer.question,
        "points": answer.points,
        "shown": shown_question(answer),
        "cases": cases,
        "hint": hint,
        "line": line,
        "by_hand": by_hand(answer),
        "comment": answer.comment,
        "rubric": answer.question.rubric if show_rubrics and answer.marked else (),
    }


def by_hand(answer: Answered) -> bool:
    """Return whether a person gave other points than grading did."""
    graded = 0.0 if answer.found is None else answer.found.points
    return answer.question.kind != "written" and answer.points not in (None, graded)


def _metrics(standing: Standing) -> dict[str, Any]:
    """Return the table of metrics: names of columns, and a row for each column of the predictions file."""
    table = standing.result.metrics if standing.result is not None else {}
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    names.sort(key=lambda name: list(_METRICS).index(name) if name in _METRICS else len(_METRICS))
    rows = {
        column: [f"{row[name]:.3f}" if name in row and math.isfinite(row[name]) else "\u2013" for name in names]
        for column, row in table.items()
    }
    return {"names": [_METRICS.get(name, name) for name in names], "rows": rows}
