"""Grade one submission: find its notebook, put its functions to the cases, score its predictions, take out its texts.

Verdicts are reached here, outside of the sandbox, from plain values that came back.
"""

import hashlib
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.checks.wrong import Wrong
from lab_utils.names import nearest
from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.cases import Case
from lab_utils.staff.grading.key import Key
from lab_utils.staff.grading.notebooks import Answer, Found, find_notebook
from lab_utils.staff.grading.predictions import score_predictions
from lab_utils.staff.grading.predictions_file import find_predictions, read_predictions
from lab_utils.staff.grading.remote import (
    Crashed,
    Failure,
    Missing,
    NotAttempted,
    Remote,
    Sandbox,
    TimedOut,
    Undecided,
    Unusable,
)
from lab_utils.staff.grading.result import CaseResult, QuestionResult, Result, question_result
from lab_utils.staff.grading.safe_text import shorten

PER_CALL = 10.0  # seconds of processor time
PATIENCE = 2  # cases of a question that may time out; then the others are not tried
LONGEST_HINT = 1000  # characters; what a student's function returned may stand in it
PER_SUBMISSION = 900.0  # seconds on the clock; what is left then is not decided

_STATUS = {NotAttempted: status.NOT_ATTEMPTED, Crashed: status.CRASHED, TimedOut: status.TIMED_OUT}
_STATUS |= {Missing: status.MISSING, Unusable: status.WRONG, Undecided: status.UNDECIDED}


def grade_submission(
    folder: Path, student: str, sha: str, key: Key, sandbox: Sandbox, only: Collection[str] = ()
) -> Result:
    """Grade the files in `folder`, or only these questions of them.

    Every failure of the student's work becomes a status, not an error.
    """
    try:
        found, answers, problem = find_notebook(folder, key, sandbox)
        kind = status.GRADED if found else status.INVALID if problem else status.MISSING
    except Undecided as busy:
        found, answers, problem, kind = None, {}, str(busy), status.UNDECIDED
    message = "" if found else problem or "There is no notebook of the homework among the files that were collected."
    sandbox.preload(found.content["modules"] if found else [])
    end = time.monotonic() + PER_SUBMISSION
    file, why = find_predictions(folder, found.path if found else "", key)
    table, lack, why = read_predictions(folder / file, key) if file else ({}, status.MISSING, why)
    questions: list[QuestionResult] = []
    metrics: dict[str, dict[str, float]] = {}
    for question in key.assignment.questions:
        if only and question.name not in only:
            continue
        if question.kind == "predictions":  # they count with or without a notebook
            cases, numbers = _grade_predictions(question, table, lack, why, key)
            questions.append(question_result(question.name, question.points, cases))
            metrics |= numbers
        elif question.name in answers or (found and question.kind == "written"):
            questions.append(_unmarked(question, answers.get(question.name)))
        elif found is None:
            questions.append(QuestionResult(question.name, 0.0, question.points, kind, hint=message))
        else:
            questions.append(_grade_function(question, found, (student, sha), key, sandbox, end))
    return Result(
        student=student,
        sha=sha,
        notebook=found.path if found else "",
        predictions=file,
        status=kind,
        questions=tuple(questions),
        metrics=metrics,
        answers={name: answer.text for name, answer in answers.items()},
        doubtful={name: answer.doubt for name, answer in answers.items() if answer.doubt},
        message=message,
    )


def empty_result(student: str, sha: str, assignment: Assignment, kind: str, message: str) -> Result:
    """Return the result of a submission in which there is nothing to grade."""
    questions = tuple(QuestionResult(q.name, 0.0, q.points, kind, hint=message) for q in assignment.questions)
    return Result(student, sha, "", kind, questions, message=message)


def _grade_function(
    question: Question, found: Found, who: tuple[str, str], key: Key, sandbox: Sandbox, end: float
) -> QuestionResult:
    name, content = question.function, found.content
    cases = key.cases[name]
    secret = key.secret + key.yardsticks[question.name].encode()
    if name in content["broken"] and name not in content["names"]:
        failure: Failure = Crashed(f"The cell with `{name}` is no Python: {str(content['broken'][name])[:300]}")
        return question_result(question.name, question.points, tuple(_failed(case, failure) for case in cases))
    if name in content["stubs"]:
        failure = NotAttempted(f"`{name}` still holds the stub: replace its `raise` by your code.")
        return question_result(question.name, question.points, tuple(_failed(case, failure) for case in cases))
    folder = Path(found.path).parent.as_posix()
    results: list[CaseResult] = []
    remote = Remote(sandbox, content["sources"], name, "" if folder == "." else folder, seconds=PER_CALL)
    for number, case in enumerate(cases):
        before = [result.status for result in results]
        if before.count(status.TIMED_OUT) >= PATIENCE:
            results.append(_failed(case, TimedOut(f"Not tried: {PATIENCE} other cases did not finish.")))
        elif status.UNDECIDED in before or time.monotonic() > end:
            results.append(_failed(case, Undecided("Not tried: another case, or the submission, took too long.")))
        else:
            results.append(run_case(case, remote, _generator(secret, *who, name, str(number))))
        if results[-1].status == status.MISSING:
            failure = Missing(_suggest(name, content, key.cases))
            return question_result(question.name, question.points, tuple(_failed(case, failure) for case in cases))
    found_out = question_result(question.name, question.points, tuple(results))
    if name in content["split"] and found_out.points < question.points:
        hint = (
            f"`{name}` stands in two cells: the second begins indented, so it is no part of the function. Put both "
            "into one cell (Edit, Merge Selected Cells)."
        )
        return replace(found_out, hint=hint)
    return found_out


def run_case(case: Case, student: Any, generator: np.random.Generator) -> CaseResult:
    """Put a student's function to one case."""
    try:
        case.run(student, generator)
    except Wrong as wrong:
        return CaseResult(case.name, case.weight, status.WRONG, shorten(wrong.hint, LONGEST_HINT))
    except Failure as failure:
        return _failed(case, failure)
    except Exception as error:  # a value of a kind that the case did not think of
        hint = f"The function returned something that cannot be compared ({type(error).__name__}). "
        return CaseResult(case.name, case.weight, status.WRONG, hint + "Which type and shape does the text ask for?")
    return CaseResult(case.name, case.weight, status.PASSED)


def _failed(case: Case, failure: Failure) -> CaseResult:
    return CaseResult(case.name, case.weight, _STATUS[type(failure)], str(failure), failure.line)


def _suggest(name: str, content: Mapping[str, Any], asked: Iterable[str]) -> str:
    if name in content["in_texts"]:
        return f"`{name}` stands in a text cell, which is not run. Make it a code cell: click beside it, press Y."
    near = nearest(name, sorted(set(map(str, content["functions"])) - set(asked)))
    return f"There is no function `{name}`." + (f" There is `{near[0][:80]}`: is it meant?" if near else "")


def _generator(secret: bytes, *what: str) -> np.random.Generator:
    """Return random numbers that are the same whenever this commit is graded, and unknown to the student.

    Another commit gets others: an error message of the student's may have shown the inputs of the last grading.
    """
    digest = hashlib.sha256(b"\0".join([secret, *(word.encode() for word in what)])).digest()
    return np.random.default_rng(list(digest))


def _grade_predictions(
    question: Question, table: dict[str, Any], kind: str, problem: str, key: Key
) -> tuple[tuple[CaseResult, ...], dict[str, dict[str, float]]]:
    if key.predictions is None or not set(question.columns) & set(table):
        hint = problem or f"The predictions file has no column {' or '.join(question.columns)}."
        return tuple(CaseResult(f"column {column}", 1.0, kind, hint) for column in question.columns), {}
    return score_predictions(question, table, key.predictions, key.labels, key.groups)


def _unmarked(question: Question, answer: Answer | None) -> QuestionResult:
    if answer is not None:
        return QuestionResult(question.name, 0.0, question.points, status.WAITING, hint=answer.told)
    hint = f"There is no text below the line `**Answer {question.name}**`."
    return QuestionResult(question.name, 0.0, question.points, status.NOT_ATTEMPTED, hint=hint)
