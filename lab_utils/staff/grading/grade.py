"""Grade all that was collected: ``python -m lab_utils grade``.

Every submission gets a sandbox of its own and a result file that is written whole. So grading can be killed at any
moment and started again: what has a result is not graded twice, what has none is graded, and the end is the same. Each
result says what every question of it was graded against; where that changed, this question is graded again.
"""

import json
import queue
import sys
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from lab_utils.staff.grading.collected import FILE, Collected, attempts, read_collection, result_file
from lab_utils.staff.grading.contenders import Contender, contenders, split
from lab_utils.staff.grading.isolation import NONE, Limits, isolation
from lab_utils.staff.grading.key import Key, load_key
from lab_utils.staff.grading.lock import only_one
from lab_utils.staff.grading.remote import Sandbox
from lab_utils.staff.grading.result import MISSING, Result, read_result, undecided, write_result
from lab_utils.staff.grading.submission import empty_result, grade_submission
from lab_utils.staff.grading.written import update_written


def grade(
    folder: Path,
    root: Path,
    *,
    students: Sequence[str] = (),
    workers: int = 2,
    trust: bool = False,
    as_json: bool = False,
) -> int:
    """Grade the submissions in `folder`/collected.json that have no result yet.

    Args:
        folder: of the homework, in the instructor's folder.
        root: the course.
        students: grade these again, and nobody else, whatever results there are; a member stands for the team. None:
            all that have no result.
        workers: sandboxes at a time.
        trust: run work without isolation where there is none.
        as_json: print the summary as JSON.

    Returns:
        0 if every student has a result, 1 if the grader failed on one, or could not decide (its message names them).

    Raises:
        ValueError: if there is no isolation and the work is not trusted, a student is not in the roster, or another
            grade is at work.
        FileNotFoundError: if nothing was collected.
    """
    level = _level(trust)
    collection = read_collection(folder)
    known = {entry.student: entry for entry in collection.students}
    team_of = {person.student: entry.student for entry in collection.students for person in entry.people}
    if unknown := [name for name in students if name not in known and name not in team_of]:
        raise ValueError(f"Expected students of {folder / FILE}, got {', '.join(unknown)}. Correct the name.")
    named = {name if name in known else team_of[name] for name in students}
    results = folder / "results"
    with only_one(folder, "grade"):
        key = load_key(folder, root, collection.homework)
        all_ = [attempt for entry in known.values() for attempt in attempts(entry)]
        open_questions = {result_file(results, entry): _open(results, entry, key) for entry in all_}
        if named:
            asked = {result_file(results, entry) for entry in all_ if entry.student in named}
            if others := sum(bool(open_) for path, open_ in open_questions.items() if path not in asked):
                print(f"{others} others wait to be graded, and go on waiting: grade without names.", file=sys.stderr)
            open_questions = dict.fromkeys(asked, frozenset(key.yardsticks))
        else:
            for line in _changes(open_questions, key):
                print(line, file=sys.stderr)
        open_ones = [entry for entry in all_ if open_questions.get(result_file(results, entry))]
        problems = _grade_all(open_ones, Work(folder, key, level, open_questions), workers)
        standing = {name: _contenders(known[name], results, key) for name in sorted(known)}
        first, later = split(standing)
        found = [*first.values(), *(result for results_ in later.values() for result in results_)]
        update_written(folder, key.assignment, list(known), first, later)
    summary = {
        "homework": collection.homework,
        "isolation": level,
        "graded_now": len(open_ones) - len(problems),
        "status": dict(sorted(Counter(result.status for result in first.values()).items())),
        "problems": problems,
        "undecided": {r.student: open_ for r in found if (open_ := undecided(r))},
    }
    print(json.dumps(summary, indent=1, ensure_ascii=False) if as_json else _in_words(summary, results))
    return int(bool(problems or summary["undecided"]))


def _level(trust: bool) -> str:
    found = isolation()
    if found.level == NONE and not trust:
        raise ValueError(f"No isolation here: {found.reason}. Untrusted work was not run.\n{found.advice}")
    print(f"Isolation: {found.level}. {found.reason}.", file=sys.stderr)
    return found.level


class Work(NamedTuple):
    """The same for all: the homework's folder, the key, the isolation; file of a result -> its open questions."""

    folder: Path
    key: Key
    level: str
    questions: Mapping[Path, frozenset[str]]


def _open(results: Path, entry: Collected, key: Key) -> frozenset[str]:
    """Return the questions that are to be graded: all without a result of this commit, else those that changed."""
    found = _result_of(results, entry)
    if found is None or found.sha != entry.sha or undecided(found):
        return frozenset(key.yardsticks)
    return frozenset(name for name, now in key.yardsticks.items() if found.yardsticks.get(name) != now)


def _result_of(results: Path, entry: Collected) -> Result | None:
    try:
        return read_result(result_file(results, entry))
    except (OSError, ValueError):
        return None


def _contenders(entry: Collected, results: Path, key: Key) -> tuple[Contender, ...]:
    """Return the commits that may count; none where a result cannot be read, which the next `grade` does anew."""
    try:
        return contenders(entry, results, key.assignment)
    except ValueError:
        return ()


def _changes(open_questions: Mapping[Path, frozenset[str]], key: Key) -> list[str]:
    """Say what changed since it was graded, so that nobody is surprised by other points."""
    again = [open_ for path, open_ in open_questions.items() if open_ and path.is_file()]
    counts = Counter(question for open_ in again if open_ < key.yardsticks.keys() for question in open_)
    whole = sum(open_ == key.yardsticks.keys() for open_ in again)
    lines = []
    if counts:
        named = ", ".join(f"{q.name} {q.title} ({counts[q.name]})" for q in key.assignment.questions if counts[q.name])
        lines.append(f"Changed since they were graded, and so graded again, for so many students each: {named}.")
    if whole:
        lines.append(
            f"{whole} results are graded again as a whole: another commit counts, it was not decided, or the grader "
            "changed."
        )
    return lines


def _grade_all(entries: list[Collected], work: Work, workers: int) -> dict[str, str]:
    """Grade side by side, then alone those not decided; return student to error for those the grader failed on."""
    again: list[Collected] = []
    problems = _side_by_side(entries, work, workers, again)
    return dict(sorted((problems | _side_by_side(again, work, 1, None)).items()))


def _side_by_side(entries: list[Collected], work: Work, workers: int, again: list[Collected] | None) -> dict[str, str]:
    """Grade, and write what was found; who was not decided goes to `again` instead, if there is such a list."""
    if not entries:
        return {}
    slots: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)

    def grade_entry(entry: Collected) -> None:
        slot = slots.get()
        try:
            result = _grade_one(entry, work, slot)
            if again is not None and undecided(result):
                again.append(entry)
            else:
                write_result(result_file(work.folder / "results", entry), result)
        finally:
            slots.put(slot)

    problems: dict[str, str] = {}
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(entries), desc="grade", unit="student") as bar:
        running = {pool.submit(grade_entry, entry): entry.student for entry in entries}
        try:
            for done in as_completed(running):
                if error := done.exception():
                    problems[running[done]] = f"{type(error).__name__}: {error}"
                    traceback.print_exception(error)
                bar.update()
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)  # those at work come to their end, nobody else begins
            raise
    return problems


def _grade_one(entry: Collected, work: Work, slot: int) -> Result:
    key, wanted = work.key, work.questions[result_file(work.folder / "results", entry)]
    if not entry.folder:
        reason = f"Nothing was collected ({entry.status})."
        found = empty_result(entry.student, entry.sha, key.assignment, MISSING, reason)
    else:
        with Sandbox(work.folder / entry.folder, slot=slot, limits=Limits(), level=work.level) as sandbox:
            found = grade_submission(work.folder / entry.folder, entry.student, entry.sha, key, sandbox, wanted)
        before = _result_of(work.folder / "results", entry)
        if wanted < key.yardsticks.keys() and before is not None:
            found = _joined(found, before, key)
    return replace(found, yardsticks=dict(key.yardsticks))


def _joined(found: Result, before: Result, key: Key) -> Result:
    """Return what was graded now, and of the questions that were not what was found before."""
    new, old = ({entry.name: entry for entry in result.questions} for result in (found, before))
    kept = [column for question in key.assignment.questions if question.name not in new for column in question.columns]
    metrics = {column: before.metrics[column] for column in kept if column in before.metrics}
    questions = tuple(new.get(q.name) or old[q.name] for q in key.assignment.questions)
    return replace(found, questions=questions, metrics=metrics | found.metrics)


def _in_words(summary: dict[str, Any], results: Path) -> str:
    lines = [f"{count} {kind}" for kind, count in summary["status"].items()]
    lines += [f"THE GRADER FAILED on {name}: {why}" for name, why in summary["problems"].items()]
    lines += [
        f"NOT DECIDED on {name}: {', '.join(names)}. This machine is too busy, or the code waits for something. Grade "
        f"again when it is idle, or give points in {results.parent / 'written.csv'}."
        for name, names in summary["undecided"].items()
    ]
    lines.append(
        f"{summary['graded_now']} graded now, results in {results}. Marks for texts: {results.parent / 'written.csv'}"
    )
    return "\n".join(lines)
