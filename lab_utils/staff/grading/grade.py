"""Grade all that was collected: ``python -m lab_utils grade``.

Every submission gets a sandbox of its own and a result file that is written whole. So grading can be killed at any
moment and started again: what has a result is not graded twice, what has none is graded, and the end is the same.
"""

import json
import queue
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lab_utils.atomic import write_text
from lab_utils.staff.grading.collected import FILE, Collected, attempts, read_collection, result_file
from lab_utils.staff.grading.contenders import contenders, split
from lab_utils.staff.grading.isolation import NONE, Limits, isolation
from lab_utils.staff.grading.key import Key, load_key
from lab_utils.staff.grading.lock import only_one
from lab_utils.staff.grading.remote import Sandbox
from lab_utils.staff.grading.result import MISSING, Result, read_result, undecided, write_result
from lab_utils.staff.grading.submission import empty_result, grade_submission
from lab_utils.staff.grading.written import update_written

KEY_FILE = "key.txt"  # in results/: what these results were graded against


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
        folder: the instructor's working folder.
        root: the course.
        students: grade these again, whatever results there are; none: all that have no result.
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
    if unknown := [name for name in students if name not in known]:
        raise ValueError(f"Expected students of {folder / FILE}, got {', '.join(unknown)}. Correct the name.")
    results = folder / "results"
    with only_one(folder, "grade"):
        key = load_key(folder, root, collection.homework)
        _forget_other_keys(results, key)
        all_ = [attempt for entry in known.values() for attempt in attempts(entry)]
        open_ones = [e for e in all_ if e.student in students or not _is_done(results, e)]
        problems = _grade_all(open_ones, folder, key, workers, level)
        standing = {name: contenders(known[name], results, key.assignment) for name in sorted(known)}
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


def _forget_other_keys(results: Path, key: Key) -> None:
    """Remove results that were graded against something else, so that no class has two yardsticks."""
    path, now = results / KEY_FILE, key.secret.hex()
    if path.is_file() and path.read_text("utf-8").strip() == now:
        return
    old = sorted([*results.glob("*.json"), *results.glob("late/*.json")])
    for result in old:
        result.unlink()
    if old:
        print(f"Questions, cases, labels or the grader changed: {len(old)} results are graded again.", file=sys.stderr)
    write_text(path, now + "\n")


def _is_done(results: Path, entry: Collected) -> bool:
    try:
        found = read_result(result_file(results, entry))
    except (OSError, ValueError):
        return False
    return found.sha == entry.sha and not undecided(found)


def _grade_all(entries: list[Collected], folder: Path, key: Key, workers: int, level: str) -> dict[str, str]:
    """Grade side by side, then alone those not decided; return student to error for those the grader failed on."""
    again: list[Collected] = []
    problems = _side_by_side(entries, folder, key, workers, level, again)
    return dict(sorted((problems | _side_by_side(again, folder, key, 1, level, None)).items()))


def _side_by_side(
    entries: list[Collected], folder: Path, key: Key, workers: int, level: str, again: list[Collected] | None
) -> dict[str, str]:
    """Grade, and write what was found; who was not decided goes to `again` instead, if there is such a list."""
    if not entries:
        return {}
    slots: queue.SimpleQueue[int] = queue.SimpleQueue()
    for slot in range(workers):
        slots.put(slot)

    def work(entry: Collected) -> None:
        slot = slots.get()
        try:
            result = _grade_one(entry, folder, key, slot, level)
            if again is not None and undecided(result):
                again.append(entry)
            else:
                write_result(result_file(folder / "results", entry), result)
        finally:
            slots.put(slot)

    problems: dict[str, str] = {}
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(entries), desc="grade", unit="student") as bar:
        running = {pool.submit(work, entry): entry.student for entry in entries}
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


def _grade_one(entry: Collected, folder: Path, key: Key, slot: int, level: str) -> Result:
    if not entry.folder:
        reason = f"Nothing was collected ({entry.status})."
        return empty_result(entry.student, entry.sha, key.assignment, MISSING, reason)
    with Sandbox(folder / entry.folder, slot=slot, limits=Limits(), level=level) as sandbox:
        return grade_submission(folder / entry.folder, entry.student, entry.sha, key, sandbox)


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
