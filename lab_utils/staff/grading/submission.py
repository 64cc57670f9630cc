"""Grade one submission: find its notebook, put its functions to the cases, score its predictions, take out its texts.

Verdicts are reached here, outside of the sandbox, from plain values that came back.
"""

import hashlib
import os
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lab_utils.checks.answers import answer_below
from lab_utils.checks.wrong import Wrong
from lab_utils.names import nearest
from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.cases import Case
from lab_utils.staff.grading.key import Key
from lab_utils.staff.grading.predictions import score_predictions
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
from lab_utils.text_files import decoded

PER_CALL = 10.0  # seconds of processor time
PATIENCE = 2  # cases of a question that may time out; then the others are not tried
PER_SUBMISSION = 900.0  # seconds on the clock; what is left then is not decided
NOTEBOOKS = 40  # read at most
READING = 900.0  # seconds on the clock for all of them together
LARGEST_PREDICTIONS = 4 * 2**20  # bytes

_STATUS = {NotAttempted: status.NOT_ATTEMPTED, Crashed: status.CRASHED, TimedOut: status.TIMED_OUT}
_STATUS |= {Missing: status.MISSING, Unusable: status.WRONG, Undecided: status.UNDECIDED}


class Found(NamedTuple):
    """The notebook that counts: its path in the submission and what `inside.py` read in it."""

    path: str
    content: dict[str, Any]


def grade_submission(
    folder: Path, student: str, sha: str, key: Key, sandbox: Sandbox, only: Collection[str] = ()
) -> Result:
    """Grade the files in `folder`, or only these questions of them.

    Every failure of the student's work becomes a status, not an error.
    """
    wanted = [question.function for question in key.assignment.of_kind("function")]
    try:
        found, problem = find_notebook(folder, key.assignment.name, wanted, sandbox)
        kind = status.GRADED if found else status.INVALID if problem else status.MISSING
    except Undecided as busy:
        found, problem, kind = None, str(busy), status.UNDECIDED
    message = "" if found else problem or "There is no notebook of the homework among the files that were collected."
    content = found.content if found else {"modules": [], "texts": []}
    sandbox.preload(content["modules"])
    end = time.monotonic() + PER_SUBMISSION
    file, why = find_predictions(folder, found.path if found else "", key)
    table, lack, why = _predictions(folder / file, key) if file else ({}, status.MISSING, why)
    answers = {q.name: answer_below(content["texts"], q.name) or "" for q in key.assignment.of_kind("written")}
    questions: list[QuestionResult] = []
    metrics: dict[str, dict[str, float]] = {}
    for question in key.assignment.questions:
        if only and question.name not in only:
            continue
        if question.kind == "predictions":  # they count with or without a notebook
            cases, numbers = _grade_predictions(question, table, lack, why, key)
            questions.append(question_result(question.name, question.points, cases))
            metrics |= numbers
        elif found is None:
            questions.append(QuestionResult(question.name, 0.0, question.points, kind, hint=message))
        elif question.kind == "function":
            questions.append(_grade_function(question, found, (student, sha), key, sandbox, end))
        else:
            questions.append(_unmarked(question, answers[question.name]))
    return Result(
        student=student,
        sha=sha,
        notebook=found.path if found else "",
        predictions=file,
        status=kind,
        questions=tuple(questions),
        metrics=metrics,
        answers={name: text for name, text in answers.items() if text},
        message=message,
    )


def empty_result(student: str, sha: str, assignment: Assignment, kind: str, message: str) -> Result:
    """Return the result of a submission in which there is nothing to grade."""
    questions = tuple(QuestionResult(q.name, 0.0, q.points, kind, hint=message) for q in assignment.questions)
    return Result(student, sha, "", kind, questions, message=message)


def find_notebook(folder: Path, name: str, wanted: list[str], sandbox: Sandbox) -> tuple[Found | None, str]:
    """Return the notebook of the homework, and why there is none.

    It is found by the functions it defines, not by its name: among those with at least half of the wanted functions
    (the other labs have some of them, too), the one in which most are attempted. A tie goes to the file that is called
    as the homework, then to the first by path.

    Raises:
        Undecided: if not all of them could be read in time.
    """
    # Jupyter's own copies are older versions; `collect` does not count them either.
    files = (p for p in folder.rglob("*") if p.suffix.lower() == ".ipynb" and ".ipynb_checkpoints" not in p.parts)
    paths = [path.relative_to(folder).as_posix() for path in files if _is_own_file(path, folder)]
    paths = sorted(paths, key=lambda path: (Path(path).stem != name, path.count("/"), path))[:NOTEBOOKS]
    found: list[tuple[int, Found]] = []
    problem = ""
    end = time.monotonic() + READING
    for path in paths:
        if time.monotonic() > end:
            raise Undecided("There was no time to read all notebooks of the repository.")
        content = sandbox.read(path, wanted)
        if "invalid" in content:
            problem = problem or f"{path} cannot be read as a notebook: {str(content['invalid'])[:300]}"
            continue
        defined = set(wanted) & (set(content["names"]) | set(content["broken"]))
        if 2 * len(defined) >= len(wanted) or Path(path).stem == name:
            attempted = len(defined - set(content["stubs"]))
            found.append((attempted, Found(path, content)))
    if not found:
        return None, problem
    return max(found, key=lambda entry: entry[0])[1], ""  # the first of the largest


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
            failure = Missing(_suggest(name, content))
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
        return CaseResult(case.name, case.weight, status.WRONG, wrong.hint)
    except Failure as failure:
        return _failed(case, failure)
    except Exception as error:  # a value of a kind that the case did not think of
        hint = f"The function returned something that cannot be compared ({type(error).__name__}). "
        return CaseResult(case.name, case.weight, status.WRONG, hint + "Which type and shape does the text ask for?")
    return CaseResult(case.name, case.weight, status.PASSED)


def _failed(case: Case, failure: Failure) -> CaseResult:
    return CaseResult(case.name, case.weight, _STATUS[type(failure)], str(failure), failure.line)


def _suggest(name: str, content: Mapping[str, Any]) -> str:
    if name in content["in_texts"]:
        return f"`{name}` stands in a text cell, which is not run. Make it a code cell: click beside it, press Y."
    near = nearest(name, map(str, content["functions"]))
    return f"There is no function `{name}`." + (f" There is `{near[0][:80]}`: is it meant?" if near else "")


def _generator(secret: bytes, *what: str) -> np.random.Generator:
    """Return random numbers that are the same whenever this commit is graded, and unknown to the student.

    Another commit gets others: an error message of the student's may have shown the inputs of the last grading.
    """
    digest = hashlib.sha256(b"\0".join([secret, *(word.encode() for word in what)])).digest()
    return np.random.default_rng(list(digest))


def find_predictions(folder: Path, notebook: str, key: Key) -> tuple[str, str]:
    """Return the path of the file of predictions in the submission, or "" and why there is none.

    That beside the notebook counts, then the first of this name. Without any, the only one of nearly this name does:
    browsers and systems call a second copy "name (1).csv".
    """
    if key.predictions is None:
        return "", ""
    name = key.predictions.file
    files = [path for path in sorted(folder.rglob("*")) if _is_own_file(path, folder)]
    named = [path for path in (folder / Path(notebook).parent / name, *files) if path.name == name and path in files]
    stem, suffix = (part.lower() for part in os.path.splitext(name))
    ours = (path for path in files if ".ipynb_checkpoints" not in path.parts)
    like = [path for path in ours if path.name.lower().startswith(stem) and path.suffix.lower() == suffix]
    if named or len(like) == 1:
        return (named or like)[0].relative_to(folder).as_posix(), ""
    if not like:
        return "", f"There is no file {name} in the repository."
    several = ", ".join(path.name[:80] for path in like[:5])
    return "", f"There is no file {name}, and more than one of nearly this name: {several}. Keep one, and rename it."


def _predictions(path: Path, key: Key) -> tuple[dict[str, Any], str, str]:
    """Return the columns of the predictions file; or none, the status that this means, and why."""
    assert key.predictions is not None
    if path.stat().st_size > LARGEST_PREDICTIONS:
        return {}, status.WRONG, f"{path.name} is larger than {LARGEST_PREDICTIONS // 2**20} MiB."
    try:
        text = decoded(path.read_bytes(), errors="replace")
        return key.predictions.read(text, len(key.labels)), status.MISSING, ""
    except ValueError as error:
        return {}, status.WRONG, str(error)


def _is_own_file(path: Path, folder: Path) -> bool:
    """Say whether a path is a file of the submission, and not a link to anywhere."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve()) and not path.is_symlink()


def _grade_predictions(
    question: Question, table: dict[str, Any], kind: str, problem: str, key: Key
) -> tuple[tuple[CaseResult, ...], dict[str, dict[str, float]]]:
    if key.predictions is None or not set(question.columns) & set(table):
        hint = problem or f"The predictions file has no column {' or '.join(question.columns)}."
        return tuple(CaseResult(f"column {column}", 1.0, kind, hint) for column in question.columns), {}
    return score_predictions(question, table, key.predictions, key.labels, key.groups)


def _unmarked(question: Question, answer: str) -> QuestionResult:
    if answer:
        return QuestionResult(question.name, 0.0, question.points, status.WAITING)
    hint = f"There is no text below the line `**Answer {question.name}**`."
    return QuestionResult(question.name, 0.0, question.points, status.NOT_ATTEMPTED, hint=hint)
