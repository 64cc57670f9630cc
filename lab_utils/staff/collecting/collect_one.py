"""Collect one student: fetch, choose the commit that counts, write its files, and say what was found."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from lab_utils.staff.collecting import deadline, elsewhere, evidence, ledger
from lab_utils.staff.collecting.export import export, remove
from lab_utils.staff.collecting.git import GitError
from lab_utils.staff.collecting.ledger import Sighting
from lab_utils.staff.collecting.mirror import Commit, commits, fetch, files, first_times, present, resolve
from lab_utils.staff.collecting.released import Released
from lab_utils.staff.collecting.roster import Push, Student, link_error
from lab_utils.staff.course.settings import Homework
from lab_utils.staff.grading.collected import Attempt, Collected
from lab_utils.staff.grading.flags import ranked

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
    )
    mirror = job.folder / "mirrors" / f"{student.student}.git"
    flags: list[str] = []
    try:
        sighting = _look(student, mirror, job)
        cutoff = deadline.cutoff(job.homework, student.extension)
        if sighting.seen_at <= cutoff and student.extension is not None:
            flags.append(f"The student's own deadline, {deadline.utc(student.extension)}, is not over yet.")
        sightings = [s for s in job.past if s.student == student.student and not s.error]
        if sighting.error:
            flags.append(f"The repository could not be fetched: {sighting.error}")
        else:
            sightings.append(sighting)
        # A fetch that fails says nothing about what came since the last one that did not, unless a person decides.
        last = sightings[-1].began if sightings else sighting.seen_at
        decided = student.penalty is not None or bool(student.commit)
        record = replace(record, open=last <= cutoff and (sighting.seen_at <= cutoff or not decided))
        if sightings:
            record = replace(record, status=NO_COMMIT)
            record = _decide(student, mirror, sightings, sighting.seen_at, job, record, flags)
    except Exception as error:  # an odd repository must not stop the class
        record = replace(record, status=NO_COMMIT)
        flags.append(f"The commit could not be taken out: {type(error).__name__}: {error}.")
    if not record.folder:
        remove(job.folder / "submissions" / student.student)
    _forget_others(job.folder / "late" / student.student, record)
    return replace(record, flags=tuple(ranked(flags)))


def _forget_others(folder: Path, record: Collected) -> None:
    """Take away the files of later commits that do not count any more."""
    kept = {Path(other.folder).name for other in record.others}
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in kept:
            remove(path)


def _due(student: Student, job: Job) -> datetime:
    """Return the student's own deadline, at the offset of the course."""
    return deadline.due(job.homework, student.extension).astimezone(job.homework.deadline.tzinfo)


def _look(student: Student, mirror: Path, job: Job) -> Sighting:
    """Fetch, and write into the ledger what was there."""
    began = job.now().replace(microsecond=0)
    error, found = link_error(student.url, job.root, job.folder), None
    if not error:
        try:
            found = fetch(mirror, student.url, seconds=job.seconds, most_bytes=job.most_bytes)
        except (GitError, OSError) as failure:
            error = f"{failure}."
    now = job.now().replace(microsecond=0)
    sighting = Sighting(student.student, student.url, now, error=error, began_at=min(began, now))
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
    when = _times(student, mirror, seen, now, sightings, job)
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
    aside = elsewhere.on_branches(mirror, current.tips, current.head, holds, counts, when)
    flags += aside
    if chosen is None:
        inside = elsewhere.in_files(files(mirror, current.tip) if current.tip in holds else [], job.homework.name)
        flags += inside
        return replace(record, left_out=(*aside, *inside))

    def cost(commit: Commit) -> float:
        return deadline.penalty(deadline.late_seconds(when(commit).at, due), job.homework.late)

    later: list[Commit] = []
    if job.homework.counts == "better" and not student.commit and student.penalty is None:
        later = evidence.later_ones(branches, chosen, counts, cost, lambda commit: when(commit).at > cutoff)
    for commit in (chosen, *later):
        flags += evidence.time_flags(commit, when(commit), seen.get(commit.sha, now), due)
    newest = max((chosen, *later), key=lambda commit: when(commit).at)
    flags += evidence.date_flags(chosen, commits(mirror, chosen.sha), job.homework.release, seen)
    flags += _later(newest, branches[0] if current.tip in holds else [], when, counts)
    first = _attempt(chosen, when(chosen), f"submissions/{student.student}", mirror, due, job, flags)
    others = [
        _attempt(commit, when(commit), f"late/{student.student}/{commit.sha[:12]}", mirror, due, job, flags)
        for commit in later
    ]
    seconds = int(first.late_seconds)
    record = replace(record, **vars(first), status=COLLECTED, others=tuple(others))
    return replace(record, penalty=_penalty(student, seconds, job, flags))


def _attempt(
    commit: Commit, how: evidence.Known, folder: str, mirror: Path, due: datetime, job: Job, flags: list[str]
) -> Attempt:
    """Write the files of a commit and return what is known of it; `flags` grows."""
    late = deadline.late_seconds(how.at, due)
    found, lost = export(mirror, commit.tree, job.folder / folder)
    flags += [sentence for sentence in found if sentence not in flags]
    entries = files(mirror, commit.tree)
    if not any(entry.path.lower().endswith(b".ipynb") and entry.sha not in job.released.shas for entry in entries):
        lost += elsewhere.in_files(entries, job.homework.name)
    cost = deadline.penalty(late, job.homework.late)
    return Attempt(commit.sha, how.evidence, deadline.utc(how.at), late, cost, folder, tuple(lost))


def _times(
    student: Student,
    mirror: Path,
    seen: Mapping[str, datetime],
    now: datetime,
    sightings: Sequence[Sighting],
    job: Job,
) -> Callable[[Commit], evidence.Known]:
    """Return what tells when a commit counts as handed in."""
    pushes = [(push.pushed_at, [push.sha]) for push in job.pushes if push.student == student.student]
    pushed = first_times(mirror, pushes)
    cutoff = deadline.cutoff(job.homework, student.extension)
    # Of this link alone: what an earlier, wrong one did not hold says nothing.
    looks = [(sighting.began, sighting.seen_at) for sighting in sightings if sighting.url == sightings[-1].url]
    return lambda commit: evidence.known(commit, seen, pushed, cutoff, now, looks)


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
