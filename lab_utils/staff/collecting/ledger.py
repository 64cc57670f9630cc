"""The ledger: what we saw in which repository, and when, by our own clock.

grading/ledger.jsonl is only ever appended to, one line for each fetch of each student. A line is on the disk before
anything is decided from it. A process that dies while it writes leaves half a line, which is passed over.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from lab_utils.staff.collecting.deadline import utc
from lab_utils.staff.course.settings import read_time

LONGEST = timedelta(minutes=10)  # that a fetch took, where nobody noted its beginning


@dataclass(frozen=True)
class Sighting:
    """One fetch of one repository.

    Attributes:
        student: the roster's identifier.
        url: the link that was fetched.
        seen_at: our clock when the fetch was complete, so that nothing is said to be seen too early.
        head: the default branch, or "".
        tip: the last commit of the default branch, or "".
        tips: branch to commit.
        error: why the fetch failed, or "".
        began_at: our clock before the fetch: what it did not find came later. None in lines of older versions.
    """

    student: str
    url: str
    seen_at: datetime
    head: str = ""
    tip: str = ""
    tips: dict[str, str] = field(default_factory=dict)
    error: str = ""
    began_at: datetime | None = None

    @property
    def began(self) -> datetime:
        """The latest moment at which all that was there was found."""
        return self.began_at or self.seen_at - LONGEST

    @property
    def shas(self) -> set[str]:
        """Every commit that was the end of a branch."""
        return {sha for sha in (self.tip, *self.tips.values()) if sha}


def append(path: Path, sighting: Sighting) -> None:
    """Add one line, and return when the disk holds it."""
    times = {"seen_at": utc(sighting.seen_at), "began_at": sighting.began_at and utc(sighting.began_at)}
    line = json.dumps(asdict(sighting) | times, ensure_ascii=False, sort_keys=True) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell() and _last_byte(path) != b"\n":
            line = "\n" + line  # behind half a line that a killed process left
        file.write(line.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())


def read_ledger(path: Path) -> tuple[list[Sighting], int]:
    """Return what the ledger holds, in the order of time, and how many lines could not be read."""
    sightings, damaged = [], 0
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines:
        if not line.strip():
            continue
        try:
            entry = json.loads(line.decode("utf-8"))
            times = {name: read_time(entry[name], name) for name in ("seen_at", "began_at") if entry.get(name)}
            sightings.append(Sighting(**entry | {"seen_at": times["seen_at"], "began_at": times.get("began_at")}))
        except (ValueError, TypeError, KeyError, AttributeError):
            damaged += 1
    return sorted(sightings, key=lambda sighting: sighting.seen_at), damaged


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)
