"""How well we know when a commit was there, and what looks odd about a history.

Author and committer dates are texts that two environment variables set, so a date alone proves nothing. From best to
worst:

- ``seen``: our ledger had this commit, as the end of a branch or before it, at or before the deadline.
- ``pushed``: the host's record says when it received this commit, or one that builds on it.
- ``bounded``: the commit's own date, but no earlier than the last fetch of ours that did not find it: what a fetch did
  not see was not there.
- ``claimed``: only the commit's own committer date.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from lab_utils.staff.collecting.deadline import utc
from lab_utils.staff.collecting.ledger import Sighting
from lab_utils.staff.collecting.mirror import Commit

SKEW = timedelta(minutes=5)  # that clocks may differ
APART = timedelta(days=1)  # between author and committer date, that a rebase on the same evening does not reach
NAMED = 3  # commits that a sentence names
MOST_LATER = 4  # later commits that are graded beside the one in time


@dataclass(frozen=True)
class Known:
    """When a commit counts as handed in, and how we know: "seen", "pushed", "bounded" or "claimed"."""

    at: datetime
    evidence: str


def known(
    commit: Commit,
    seen: Mapping[str, datetime],
    pushed: Mapping[str, datetime],
    cutoff: datetime,
    now: datetime,
    looks: Sequence[tuple[datetime, datetime]] = (),
) -> Known:
    """Return when a commit counts as handed in, from the best evidence.

    Args:
        commit: the commit.
        seen: commit to the first time that we saw it.
        pushed: commit to the time at which the host received it.
        cutoff: the last moment that is on time.
        now: the time of this fetch; nothing was handed in after it.
        looks: when each fetch of this repository began and when it was complete.
    """
    first = min(seen.get(commit.sha, now), now)
    if first <= cutoff:
        return Known(first, "seen")
    if commit.sha in pushed:
        return Known(min(pushed[commit.sha], first), "pushed")
    claim = min(commit.committer or first, first)
    missed = max((began for began, complete in looks if complete < first), default=claim)
    return Known(missed, "bounded") if missed > claim else Known(claim, "claimed")


def choose(
    branches: Sequence[Sequence[Commit]],
    counts: Callable[[Commit], bool],
    when: Callable[[Commit], Known],
    cutoff: datetime,
) -> Commit | None:
    """Return the newest commit at the deadline, else the newest late one, else None.

    Args:
        branches: commits, newest first: the default branch as it is, then as we saw it before it was rewritten.
        counts: whether a commit holds any work on the homework.
        when: when it counts as handed in.
        cutoff: the last moment that is on time.
    """
    for branch in branches:
        for commit in branch:
            if when(commit).at <= cutoff and counts(commit):
                return commit
    return next((commit for branch in branches for commit in branch if counts(commit)), None)


def later_ones(
    branches: Sequence[Sequence[Commit]],
    chosen: Commit,
    counts: Callable[[Commit], bool],
    cost: Callable[[Commit], float],
    is_late: Callable[[Commit], bool],
) -> list[Commit]:
    """Return the late commits that may be better than the chosen one: the newest of each penalty, or `MOST_LATER`.

    Args:
        branches: as of `choose`.
        chosen: what `choose` returned.
        counts: whether a commit holds any work on the homework.
        cost: the penalty of a commit, in [0, 1]; what costs everything is never better.
        is_late: whether a commit came after the last moment that is on time.
    """
    newest: dict[float, Commit] = {}
    for commit in (commit for branch in branches for commit in branch if commit.sha != chosen.sha and is_late(commit)):
        penalty = cost(commit)
        if penalty < 1 and penalty not in newest and counts(commit):
            newest[penalty] = commit
    lowest = {chosen.tree: cost(chosen)}  # what a tree costs at least: the same files again are no other work
    found = []
    for penalty in sorted(newest):
        if penalty < lowest.get(newest[penalty].tree, 2.0):
            lowest[newest[penalty].tree] = penalty
            found.append(newest[penalty])
    return found if len(found) <= MOST_LATER else [*found[: MOST_LATER - 1], found[-1]]


def time_flags(commit: Commit, how: Known, first: datetime, deadline: datetime) -> list[str]:
    """Say how weak the evidence for the time of the graded commit is.

    Args:
        commit: the graded commit.
        how: when it counts as handed in.
        first: when we first saw it.
        deadline: the student's.
    """
    if how.evidence == "bounded":
        claim = f"claims {utc(commit.committer)}" if commit.committer else "has no date"
        return [
            f"The commit {claim}, but a fetch that began at {utc(how.at)} did not find it: it counts as of then. The "
            "host's push records, or a penalty of 0% in the roster, lift this."
        ]
    if how.evidence != "claimed":
        return []
    if commit.committer is None:
        return [f"The commit has no date that can be read; it counts as of {utc(first)}, when it was first seen."]
    if how.at > deadline:
        return [f"The time is the commit's own claim; the commit was first seen at {utc(first)}."]
    return [
        f"The commit claims {utc(how.at)}, before the deadline, but was first seen after it, at {utc(first)}. "
        "Dates of commits can be set at will."
    ]


def date_flags(commit: Commit, branch: Sequence[Commit], release: datetime, seen: Mapping[str, datetime]) -> list[str]:
    """Say which dates of the graded commit, and of those that it builds on, cannot be right or are strange.

    Args:
        commit: the graded commit.
        branch: it, and what it builds on.
        release: of the homework.
        seen: commit to the first time that we saw it.
    """
    flags = []
    dates = [date for date in (commit.author, commit.committer) if date is not None]
    if dates and min(dates) < release:
        flags.append(f"The commit is dated {utc(min(dates))}, before the homework was released.")
    by_sha = {entry.sha: entry for entry in branch}
    line = _ancestors(commit, by_sha)
    if future := [c for c in line if c.sha in seen and _latest(c) > seen[c.sha] + SKEW]:
        flags.append(f"Dated later than it was first seen: {_names(future)}.")
    older = [
        child
        for child in line
        for parent in (by_sha[sha] for sha in child.parents if sha in by_sha)
        if child.committer is not None and parent.committer is not None and child.committer < parent.committer
    ]
    if older:
        flags.append(f"Dated before the commit that it builds on: {_names(older)}.")
    apart = [c for c in line if _gap(c) > APART and c.committer is not None and c.committer >= release]
    if apart:
        flags.append(f"Author and committer date are more than a day apart: {_names(apart)}.")
    return flags


def history_flags(sightings: Sequence[Sighting], holds: Mapping[str, datetime]) -> list[str]:
    """Say whether the default branch lost commits that an earlier fetch saw, or the link changed.

    Args:
        sightings: the student's fetches that succeeded, in the order of time.
        holds: every commit of the branches as they are now.
    """
    flags = []
    lost = {s.tip: s.seen_at for s in sightings[:-1] if s.tip and s.tip not in holds}
    for sha, moment in lost.items():
        flags.append(f"The history was rewritten: commit {sha[:10]}, seen at {utc(moment)}, is no longer in it.")
    links = list(dict.fromkeys(s.url for s in sightings))
    if len(links) > 1:
        flags.append(f"The link changed; before it was {', '.join(links[:-1])}.")
    return flags


def _ancestors(commit: Commit, by_sha: Mapping[str, Commit]) -> list[Commit]:
    """Return the commit and everything that it builds on."""
    found: dict[str, Commit] = {}
    todo = [commit.sha]
    while todo:
        sha = todo.pop()
        if sha in by_sha and sha not in found:
            found[sha] = by_sha[sha]
            todo += by_sha[sha].parents
    return list(found.values())


def _latest(commit: Commit) -> datetime:
    dates = [date for date in (commit.author, commit.committer) if date is not None]
    return max(dates, default=datetime.min.replace(tzinfo=timezone.utc))


def _gap(commit: Commit) -> timedelta:
    if commit.author is None or commit.committer is None:
        return timedelta(0)
    return abs(commit.author - commit.committer)


def _names(found: Sequence[Commit]) -> str:
    """Name the commits of a sentence."""
    unique = list(dict.fromkeys(commit.sha[:10] for commit in found))
    rest = f" and {len(unique) - NAMED} more" if len(unique) > NAMED else ""
    return f"commit{'s' if len(unique) > 1 else ''} {', '.join(unique[:NAMED])}{rest}"
