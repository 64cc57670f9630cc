"""Which commit counts, when it is late, and what that costs.

The newest commit of the default branch at the deadline counts, or at the student's own deadline where the roster has an
extension. A commit counts only if it holds work on the homework: a notebook or a predictions file that is not as
released: opening, running and saving it is no work. If there is none in time, the newest late one counts, with the
penalty of its time. A commit that the roster names counts instead of any other; its penalty is that of its time.

Who handed in on time and again later loses nothing by it: with `counts = "better"` in course.toml, which is what holds
where nothing is said, later commits are graded, too, for each penalty the newest, and the one that gets most after its
penalty counts. With `counts = "on time"` the work in time counts wherever there is any.

A penalty that the roster sets ("20%", or "0%" to lift it) outranks that of the time, and needs a reason, which the
student reads. It changes what the commit costs, not which commit counts: that is what an extension is for.

To the second: with a deadline of 23:59:00, work of 23:59:00 is on time (and so is all of that second), work of 23:59:01
is one second late. Lateness up to and with the grace period costs nothing, so a commit of the grace period is as good
as one in time. Lateness beyond it counts from the deadline, not from the end of the grace period. Under "percent",
every started hour or day costs: 1 second and exactly 3,600 seconds are one started hour, 3,601 seconds are two.

The time is that of the best evidence. "seen": a fetch of ours found the commit, at the end of a branch or before it,
when it was still in time. "pushed": the host's record says when it received the commit. "claimed": the commit's own
committer date; such a time is taken at its word and flagged, because two environment variables set it. "bounded": the
commit claims a time at which a fetch of ours did not find it; what a fetch did not see was not there, so the time of
that fetch counts. The host's record (`--push-records`) lifts this, and so does a penalty of 0% in the roster.
"""

import math
from datetime import datetime, timezone

from lab_utils.staff.course.settings import PERIODS, Homework, Late


def due(homework: Homework, extension: datetime | None = None) -> datetime:
    """Return the deadline that holds for one student: the extension if there is one."""
    return homework.deadline if extension is None else extension


def cutoff(homework: Homework, extension: datetime | None = None) -> datetime:
    """Return the last second at which work costs nothing: the deadline and the grace period after it."""
    return due(homework, extension) + homework.late.grace


def late_seconds(submitted: datetime, deadline: datetime) -> int:
    """Return how many whole seconds `submitted` lies after `deadline`, at least 0.

    Raises:
        ValueError: if one of the times has no offset from UTC.
    """
    for moment in (submitted, deadline):
        if moment.tzinfo is None:
            raise ValueError(f"Expected times with an offset from UTC, got {moment.isoformat()}. Add the offset.")
    return max(0, math.floor((submitted - deadline).total_seconds()))


def penalty(seconds: int, late: Late) -> float:
    """Return the fraction of the points that lateness takes off, in [0, 1].

    Args:
        seconds: after the deadline, from `late_seconds`.
        late: the rule.
    """
    if seconds <= late.grace.total_seconds() or late.rule == "none":
        return 0.0
    if late.rule == "zero":
        return 1.0
    started = math.ceil(seconds / PERIODS[late.per].total_seconds())
    return min(1.0, round(started * late.percent / 100, 6))


def utc(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC, to the second: 2026-11-06T15:59:00Z."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
