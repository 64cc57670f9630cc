"""Fetch every student's repository, choose the commit that counts, and write its files: ``collect ROSTER.csv``.

The rules are those of `deadline.py`. Collect often, above all shortly before and after the deadline: each fetch writes
into the ledger what was there, and that is the best evidence there is.
"""

import json
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from tqdm import tqdm

from lab_utils.atomic import write_text
from lab_utils.staff.collecting import ledger
from lab_utils.staff.collecting.collect_one import COLLECTED, Clock, Job, collect_one
from lab_utils.staff.collecting.released import read_released
from lab_utils.staff.collecting.roster import Student, read_pushes, read_roster
from lab_utils.staff.course.settings import homework_of, local_times, read_course
from lab_utils.staff.grading.collected import FILE, Collected
from lab_utils.staff.grading.lock import only_one


def collect(
    root: Path,
    roster: Path,
    folder: Path,
    *,
    homework: str | None = None,
    push_records: Path | None = None,
    workers: int = 4,
    seconds: float = 120.0,
    most_mib: int = 500,
    now: Clock = lambda: datetime.now(timezone.utc),
) -> list[Collected]:
    """Collect a class and write collected.json; return its entries, sorted by student.

    Args:
        root: the course: course.toml, labs/.
        roster: a CSV, see `read_roster`.
        folder: the instructor's working folder.
        homework: its name; None: the only one of course.toml.
        push_records: the host's records of pushes, a CSV, see `read_pushes`.
        workers: how many repositories are fetched side by side.
        seconds: time limit for one repository.
        most_mib: size limit for one repository, compressed.
        now: the clock.

    Raises:
        FileNotFoundError: if roster, push records or course.toml are missing.
        ValueError: if one of them is wrong, another collect is at work, or git is missing.
    """
    if shutil.which("git") is None:
        raise ValueError("Expected git on this machine, found none. Install it from https://git-scm.com.")
    settings = homework_of(read_course(root / "course.toml"), homework)
    students = read_roster(roster)
    pushes = read_pushes(push_records) if push_records is not None else []
    with only_one(folder, "collect"):
        past, damaged = ledger.read_ledger(folder / "ledger.jsonl")
        if damaged:
            tqdm.write(f"{folder / 'ledger.jsonl'}: {damaged} damaged lines were passed over")
        for leftover in (folder / "submissions").glob(".*.tmp"):
            shutil.rmtree(leftover, ignore_errors=True)
        released = read_released(root, folder, settings.name)
        lock = threading.Lock()
        job = Job(root, folder, settings, released, pushes, past, seconds, most_mib << 20, now, lock)
        records = sorted(_with_doubles(_collect_all(students, job, workers)), key=lambda record: record.student)
        table = {"homework": settings.name, "students": [asdict(record) for record in records]}
        write_text(folder / FILE, json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    return records


def _collect_all(students: Sequence[Student], job: Job, workers: int) -> list[Collected]:
    """Collect side by side, with a progress bar."""
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(students), desc="collect", unit="student") as bar:
        futures = [pool.submit(collect_one, student, job) for student in students]
        for future in as_completed(futures):
            bar.update()
            bar.set_postfix_str(future.result().student)
        return [future.result() for future in futures]


def summary(records: Sequence[Collected]) -> str:
    """Return what was collected as text, times at the course's offset: a line for each student, their flags below."""
    zone = datetime.fromisoformat(records[0].due).tzinfo
    width = max(len(record.student) for record in records)
    lines = []
    for record in records:
        by = timedelta(seconds=record.late_seconds)
        late = f"{by} late" if by else "on time"
        if by or record.by_hand:
            late += f", {record.penalty:.0%} off{' by hand' if record.by_hand else ''}"
        what = f"{record.sha[:10]}  {local_times(record.submitted, zone)}  {record.evidence:<7}  {late}"
        lines.append(f"{record.student:<{width}}  {what if record.sha else record.status}")
        lines += [
            f"{'':{width}}  + {other.sha[:10]}  {local_times(other.submitted, zone)}  {other.evidence}  "
            f"{timedelta(seconds=other.late_seconds)} late, {other.penalty:.0%} off: graded, too, the better one counts"
            for other in record.others
        ]
        lines += [f"{'':{width}}  - {local_times(flag, zone)}" for flag in record.flags]
    count = sum(record.status == COLLECTED for record in records)
    lines.append(f"{count} of {len(records)} collected")
    lost = [r.student for r in records if r.open and any("could not be fetched" in flag for flag in r.flags)]
    if lost:
        names = ", ".join(lost[:10]) + (f" and {len(lost) - 10} more" if len(lost) > 10 else "")
        lines.append(f"Not reached since the deadline, so not final: {names}. Collect again, or decide in the roster.")
    if still := sum(record.open and record.student not in lost for record in records):
        lines.append(f"The deadline of {still} is not over yet: collect again after it, then grade.")
    return "\n".join(lines)


def _with_doubles(records: Sequence[Collected]) -> list[Collected]:
    """Flag students who hand in the same repository or the same commit."""
    return [replace(record, flags=(*record.flags, *_doubles_of(record, records))) for record in records]


def _doubles_of(record: Collected, records: Sequence[Collected]) -> list[str]:
    flags = []
    for field, words in (("url", "link"), ("sha", "commit")):
        mine = getattr(record, field)
        others = [other.student for other in records if other is not record and mine and getattr(other, field) == mine]
        if others:
            flags.append(f"The same {words} as {', '.join(sorted(others)[:5])}.")
    return flags
