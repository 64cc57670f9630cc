"""What `collect` found, as the later commands read it: collected.json."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

FILE = "collected.json"  # in the instructor's folder
UNSAFE = set('/\\:*?"<>|\0')


@dataclass(frozen=True)
class Attempt:
    """Another commit that may count instead: late, and better than the work in time. Attributes as of `Collected`."""

    sha: str
    evidence: str
    submitted: str
    late_seconds: float
    penalty: float
    folder: str
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Collected:
    """One student of collected.json, as `collect` writes it and the later commands read it.

    Attributes:
        status: "collected", "no commit" or "unreachable".
        evidence: "seen", "pushed", "bounded", "claimed" or "".
        submitted: ISO 8601 in UTC, or "".
        penalty: fraction in [0, 1] of the points reached that is taken off.
        by_hand: whether a person set the penalty, in the roster.
        reason: for an exception in the roster, for the student, or "".
        due: the student's own deadline, ISO 8601 with its offset, or "".
        open: whether the student's deadline, and the grace period after it, were not over.
        flags: sentences for the instructor.
        left_out: sentences for the student: notebooks and tables of the commit that were not taken, and why.
        folder: of the exported files, below the working folder, or "".
        others: later commits of which the best counts instead, if it gets more points after its penalty.
    """

    student: str
    name: str = ""
    email: str = ""
    url: str = ""
    sha: str = ""
    status: str = "collected"
    evidence: str = ""
    submitted: str = ""
    late_seconds: float = 0.0
    penalty: float = 0.0
    by_hand: bool = False
    reason: str = ""
    due: str = ""
    open: bool = False
    flags: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    folder: str = ""
    others: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Collection:
    """All of collected.json: the name of the homework, and its students in the order of the roster."""

    homework: str
    students: tuple[Collected, ...]


def attempts(entry: Collected) -> tuple[Collected, ...]:
    """Return the commits of a student of which the best counts, each as if it were the only one."""
    alone = replace(entry, others=())
    return alone, *(replace(alone, **vars(other)) for other in entry.others)


def result_file(results: Path, entry: Collected) -> Path:
    """Return where the result of one of the `attempts` is kept: results/<student>.json, later ones in late/."""
    is_other = entry.folder.startswith("late/")
    return (
        results / "late" / f"{entry.student}.{entry.sha[:12]}.json" if is_other else results / f"{entry.student}.json"
    )


def read_collection(folder: Path) -> Collection:
    """Read what was collected into the instructor's folder.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is not what `collect` writes, or a student's identifier cannot be the name of a file.
    """
    path = folder / FILE
    if not path.is_file():
        raise FileNotFoundError(f"Expected {path}, found no file. Run first: python -m lab_utils collect ROSTER.csv")
    try:
        found = msgspec.convert(json.loads(path.read_text("utf-8")), Collection)
    except (ValueError, msgspec.ValidationError) as error:
        raise ValueError(f"Expected {path} as `collect` writes it, got: {error}. Collect again.") from error
    seen: set[str] = set()
    for entry in found.students:
        name = entry.student.casefold()
        if not name or name in seen or name == "class" or name[0] == "." or set(name) & UNSAFE or len(name) > 100:
            raise ValueError(
                f"Expected in {path} identifiers of students that can be names of files, each once and none of them "
                f"'class', got {entry.student!r}. Change it in the roster and collect again."
            )
        for penalty in (entry.penalty, *(other.penalty for other in entry.others)):
            if not 0 <= penalty <= 1:
                raise ValueError(f"Expected penalties from 0 to 1 in {path}, got {penalty} for {entry.student!r}.")
        seen.add(name)
    return found
