"""Collect one student: fetch, choose the commit that counts, write its files, and say what was found."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from lab_utils.staff.collecting import deadline, evidence, ledger
from lab_utils.staff.collecting.export import export, remove
from lab_utils.staff.collecting.git import GitError
from lab_utils.staff.collecting.ledger import Sighting
from lab_utils.staff.collecting.mirror import Commit, commits, fetch, first_times, present, resolve
from lab_utils.staff.collecting.released import Released
from lab_utils.staff.collecting.roster import Push, Student, link_error
from lab_utils.staff.course.settings import Homework
from lab_utils.staff.grading.collected import Collected

COLLECTED, NO_COMMIT, UNREACHABLE = "collected", "no commit", "unreachable"

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class Job:
    """What is the same for all students."""

    root: Path
    folder: Path
    homework: Homework
    released: Released
    pushes: Sequence[Push]
    past: Sequence[Sighting]
    seconds: float
    most_bytes: int
    now: Clock
    writing: threading.Lock


def collect_one(student: Student, job: Job) -> Collected:
    """Collect one student; whatever goes wrong stays with this student."""
    record = Collected(
        student=student.student,
        name=student.name,
        email=student.email,
        url=student.url,
        status=UNREACHABLE,
        penalty=student.penalty or 0.0,
        by_hand=student.penalty is not None,
        reason=student.reason,
        due=_due(student, job).isoformat(),
        lms_id=student.lms_id,
        members=student.members,
    )
    mirror = job.folder / "mirrors" / f"{student.student}.git"
    flags: list[str] = []
    try:
        sighting = _look(student, mirror, job)
        record = replace(record, open=sighting.seen_at <= deadline.cutoff(job.homework, student.extension))
        if record.open and student.extension is not None:
            flags.append(f"The student's own deadline, {deadline.utc(student.extension)}, is not over yet.")
        sightings = [s for s in job.past if s.student == student.student and not s.error]
        if sighting.error:
            flags.append(f"The repository could not be fetched: {sighting.error}")
        else:
            sightings.append(sighting)
        if sightings:
            record = replace(record, status=NO_COMMIT)
            record = _decide(student, mirror, sightings, sighting.seen_at, job, record, flags)
    except Exception as error:  # an odd repository must not stop the class
        record = replace(record, status=NO_COMMIT)
        flags.append(f"The commit could not be taken out: {type(error).__name__}: {error}.")
    if not record.folder:
        remove(job.folder / "submissions" / student.student)
    return replace(record, flags=tuple(flags))


def _due(student: Student, job: Job) -> datetime:
    """Return the student's own deadline, at the offset of the course."""
    return deadline.due(job.homework, student.extension).astimezone(job.homework.deadline.tzinfo)


def _look(student: Student, mirror: Path, job: Job) -> Sighting:
    """Fetch, and write into the ledger what was there."""
    error, found = link_error(student.url, job.root, job.folder), None
    if not error:
        try:
            found = fetch(mirror, student.url, seconds=job.seconds, most_bytes=job.most_bytes)
        except (GitError, OSError) as failure:
            error = f"{failure}."
    sighting = Sighting(student.student, student.url, job.now().replace(microsecond=0), error=error)
    if found is not None:
        sighting = replace(sighting, head=found.head, tip=found.tip, tips=found.tips)
    with job.writing:
        ledger.append(job.folder / "ledger.jsonl", sighting)
    return sighting


def _decide(
    student: Student,
    mirror: Path,
    sightings: Sequence[Sighting],
    now: datetime,
    job: Job,
    record: Collected,
    flags: list[str],
) -> Collected:
    """Choose the commit, write its files, and return the record with what was found; `flags` grows."""
    current = sightings[-1]
    due, cutoff = deadline.due(job.homework, student.extension), deadline.cutoff(job.homework, student.extension)
    seen = first_times(mirror, [(s.seen_at, s.shas) for s in sightings])
    when = _times(student, mirror, seen, now, job)
    holds = first_times(mirror, [(now, {current.tip} - {""})])
    flags += evidence.history_flags(sightings, holds)
    if current.tip and not current.head:
        flags.append("The repository names no default branch; taken is the commit that its HEAD holds.")
    counts = job.released.counts(mirror, job.seconds)
    before = [s.tip for s in reversed(sightings) if s.seen_at <= cutoff and s.tip not in holds]
    branches = [commits(mirror, tip) for tip in present(mirror, [current.tip, *before])]
    chosen = evidence.choose(branches, counts, when, cutoff)
    if student.commit:
        chosen = _named(mirror, student.commit, flags)
    elif chosen is None:
        flags.append("No commit changes the homework." if current.tip else "The repository is empty.")
    if chosen is None:
        return record
    how = when(chosen)
    late = deadline.late_seconds(how.at, due)
    fetches = [s.seen_at for s in sightings]
    flags += evidence.time_flags(chosen, how, seen.get(chosen.sha, now), fetches, due)
    flags += evidence.date_flags(chosen, commits(mirror, chosen.sha), job.homework.release, seen)
    flags += _later(chosen, branches[0] if current.tip in holds else [], when, counts)
    found, lost = export(mirror, chosen.tree, job.folder / "submissions" / student.student)
    flags += found
    return replace(
        record,
        sha=chosen.sha,
        status=COLLECTED,
        evidence=how.evidence,
        submitted=deadline.utc(how.at),
        late_seconds=late,
        penalty=_penalty(student, late, job, flags),
        folder=f"submissions/{student.student}",
        left_out=tuple(lost),
    )


def _times(
    student: Student, mirror: Path, seen: Mapping[str, datetime], now: datetime, job: Job
) -> Callable[[Commit], evidence.Known]:
    """Return what tells when a commit counts as handed in."""
    names = {student.student, *(member.student for member in student.members)}
    pushes = [(push.pushed_at, [push.sha]) for push in job.pushes if push.student in names]
    pushed = first_times(mirror, pushes)
    cutoff = deadline.cutoff(job.homework, student.extension)
    return lambda commit: evidence.known(commit, seen, pushed, cutoff, now)


def _penalty(student: Student, late: int, job: Job, flags: list[str]) -> float:
    """Return the penalty of the late policy, or the one that the roster sets."""
    cost = deadline.penalty(late, job.homework.late)
    if student.penalty is None:
        return cost
    set_to, by_rule = (f"{100 * share:.4g} %" for share in (student.penalty, cost))
    flags.append(f"The roster sets the penalty to {set_to}, the late policy to {by_rule}: {student.reason}")
    return student.penalty


def _named(mirror: Path, name: str, flags: list[str]) -> Commit | None:
    """Return the commit that the roster names."""
    sha = resolve(mirror, name)
    flags.append(f"The roster names commit {name}{'' if sha else ', but there is no such commit'}.")
    return commits(mirror, sha)[0] if sha else None


def _later(
    chosen: Commit, branch: Sequence[Commit], when: Callable[[Commit], evidence.Known], counts: Callable[[Commit], bool]
) -> list[str]:
    """Say that there is newer work on the branch than the graded commit."""
    position = next((i for i, commit in enumerate(branch) if commit.sha == chosen.sha), 0)
    newer = [commit for commit in branch[:position] if counts(commit)]
    if not newer:
        return []
    last = f"{newer[0].sha[:10]} of {deadline.utc(when(newer[0]).at)}"
    return [f"Newer work is not graded: {len(newer)} commit{'s' if len(newer) > 1 else ''}, the last one {last}."]
