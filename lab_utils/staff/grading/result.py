"""What grading found in one submission, and the file it is kept in: results/<student>.json.

Nothing in it depends on when or where it was graded, so that grading again gives the same file, byte for byte.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from lab_utils.atomic import write_text
from lab_utils.staff.grading.limits import read_json

# Of a question or a case. A failed run is never a bare 0: the status says which failure it was.
GRADED = "graded"  # verdicts were reached, right or wrong
NOT_ATTEMPTED = "not attempted"  # the stub is still there
CRASHED = "crashed"  # the student's code raised, or its process died
TIMED_OUT = "timed out"
UNDECIDED = "not decided"  # the grader's machine was too busy, or the code waits for something: nobody knows the points
INVALID = "invalid notebook"  # cannot be read as a notebook
MISSING = "missing"  # no function, file or answer of that name; no submission at all
WAITING = "to be marked"  # a written answer that a person has not marked yet
PASSED = "passed"  # of a case
WRONG = "wrong"  # of a case
LARGEST, MOST_VALUES = 16 * 2**20, 500_000  # of a file of results: bytes, values


@dataclass(frozen=True)
class CaseResult:
    """One case of a question.

    Attributes:
        name: what the case holds the answer to, in words for the student.
        weight: its share of the question, relative to the other cases.
        status: PASSED, WRONG, NOT_ATTEMPTED, CRASHED, TIMED_OUT, UNDECIDED or MISSING.
        hint: for the student; never a probe's input, never the right answer.
        line: the student's own line where it went wrong, or "".
    """

    name: str
    weight: float
    status: str
    hint: str = ""
    line: str = ""


@dataclass(frozen=True)
class QuestionResult:
    """One question: points reached, and why."""

    name: str
    points: float
    out_of: float
    status: str
    cases: tuple[CaseResult, ...] = ()
    hint: str = ""
    line: str = ""


@dataclass(frozen=True)
class Result:
    """One submission.

    Attributes:
        student: the roster's identifier.
        sha: the graded commit, or "".
        notebook: path of the graded notebook inside the repository, or "".
        status: GRADED, INVALID, MISSING or UNDECIDED.
        questions: one for each question of the homework, in order.
        metrics: column of the predictions file to {"auroc": 0.81, "accuracy": 0.74, ...}.
        answers: written question to the student's text, for the marker.
        doubtful: written question to where its text was found, in words for the marker, if not where it belongs.
        message: why the submission as a whole was not graded, or "".
        predictions: path of the graded file of predictions inside the repository, or "".
    """

    student: str
    sha: str
    notebook: str
    status: str
    questions: tuple[QuestionResult, ...]
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    message: str = ""
    predictions: str = ""
    doubtful: dict[str, str] = field(default_factory=dict)


def question_result(name: str, out_of: float, cases: tuple[CaseResult, ...]) -> QuestionResult:
    """Add up the cases of a question: points in proportion to weight, to a hundredth of a point.

    The status is UNDECIDED as long as one case is; else GRADED as soon as one case reached a verdict; else that of the
    first case. Hint and line are those of the first case that did not pass.
    """
    undecided = any(case.status == UNDECIDED for case in cases)
    failed = next((case for case in cases if case.status != PASSED), None)
    reached = any(case.status in (PASSED, WRONG) for case in cases)
    return QuestionResult(
        name=name,
        points=points_of(out_of, cases),
        out_of=out_of,
        status=UNDECIDED if undecided else GRADED if reached or failed is None else failed.status,
        cases=cases,
        hint=failed.hint if failed else "",
        line=failed.line if failed else "",
    )


def undecided(result: Result) -> list[str]:
    """Return the questions of which nobody knows the points yet."""
    return [question.name for question in result.questions if question.status == UNDECIDED]


def points_of(out_of: float, cases: Sequence[CaseResult]) -> float:
    """Return the points of the cases that passed, to a hundredth of a point."""
    share = sum(case.weight for case in cases if case.status == PASSED) / sum(case.weight for case in cases)
    return round(out_of * share, 2)


def case_points(out_of: float, cases: Sequence[CaseResult]) -> list[float]:
    """Return what each case is worth: hundredths of a point, of which those that passed add up to `points_of`, and all
    to `out_of`.
    """
    if not cases:
        return []
    worth: dict[int, float] = {}
    reached = points_of(out_of, cases)
    for passed, total in ((True, reached), (False, out_of - reached)):
        places = [place for place, case in enumerate(cases) if (case.status == PASSED) is passed]
        worth |= zip(places, _shared(total, [cases[place].weight for place in places]), strict=True)
    return [worth[place] for place in range(len(cases))]


def _shared(total: float, weights: Sequence[float]) -> list[float]:
    """Share a total out by weight, in hundredths that add up to it: the largest remainders are rounded up."""
    exact = [100 * total * weight / (math.fsum(weights) or 1.0) for weight in weights]
    shares = [math.floor(value + 1e-9) for value in exact]
    left = round(100 * total) - sum(shares)
    for place in sorted(range(len(exact)), key=lambda place: round(shares[place] - exact[place], 6))[:left]:
        shares[place] += 1
    return [share / 100 for share in shares]


def write_result(path: Path, result: Result) -> None:
    """Write a result, whole or not at all."""
    # ASCII: half characters, which a notebook may hold as escapes, have no UTF-8
    write_text(path, json.dumps(asdict(result), indent=1, sort_keys=True) + "\n")


def read_result(path: Path) -> Result:
    """Read what `write_result` wrote.

    Raises:
        ValueError: if the file is not a result.
    """
    try:
        return msgspec.convert(read_json(path.read_bytes(), most_bytes=LARGEST, most_values=MOST_VALUES), Result)
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"Expected a grading result in {path}, got: {error}. Delete it and grade again.") from error
