"""Work that was seen but does not count: on another branch, in a submodule, in an archive, in another format.

Nobody shall read "nothing was pushed" whose work is there, in the wrong place.
"""

from collections.abc import Callable, Container, Mapping
from pathlib import Path, PurePosixPath

from lab_utils.staff.collecting.deadline import utc
from lab_utils.staff.collecting.evidence import Known
from lab_utils.staff.collecting.mirror import Commit, Entry, commits

ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz")
OTHER_FORMATS = (".py", ".html", ".pdf", ".docx", ".txt")
MOST = 5  # sentences of a kind
MOST_BRANCHES = 20  # that are looked into


def on_branches(
    mirror: Path,
    tips: Mapping[str, str],
    head: str,
    holds: Container[str],
    counts: Callable[[Commit], bool],
    when: Callable[[Commit], Known],
) -> list[str]:
    """Return sentences about branches with work on the homework that the default branch does not hold.

    Args:
        mirror: the repository.
        tips: branch to its last commit.
        head: the default branch, or "".
        holds: every commit of the default branch.
        counts: whether a commit holds any work.
        when: when a commit counts as handed in.
    """
    found = []
    for name, tip in list(sorted(tips.items()))[:MOST_BRANCHES]:
        if tip in holds:
            continue
        newest = next((c for c in commits(mirror, tip) if c.sha not in holds and counts(c)), None)
        if newest is not None:
            found.append(
                f"Work on the homework was seen on the branch {name[:80]}, commit {newest.sha[:10]} of "
                f"{utc(when(newest).at)}. Only the default branch{f', {head[:80]},' if head else ''} counts: merge the "
                "branch into it and push."
            )
    return found[:MOST]


def in_files(entries: list[Entry], homework: str) -> list[str]:
    """Return sentences about submodules, archives and other formats in a tree, that may hold the work."""
    found = []
    for entry in entries:
        path = PurePosixPath(entry.path.decode("utf-8", "replace"))
        shown = str(path)[:120]
        if entry.mode == "160000":
            found.append(
                f"{shown} was seen: it is a submodule, a link to another repository, whose files are not in this one. "
                "Delete the folder .git in it, then git rm --cached and git add the folder, commit and push."
            )
        elif path.suffix.lower() in ARCHIVES:
            found.append(f"{shown} was seen: it is an archive, which is not opened. Commit the files that are in it.")
        elif path.stem.lower().startswith(homework.lower()) and path.suffix.lower() in OTHER_FORMATS:
            found.append(f"{shown} was seen: the homework is graded as a notebook. Commit {homework}.ipynb, too.")
    return found[:MOST]
