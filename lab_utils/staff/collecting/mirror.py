"""The mirrors: what students' repositories held, fetched into bare repositories and read from the object store."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from lab_utils.staff.collecting.git import GitError, git, running, text

MOST_BRANCHES = 200  # that are written down; more are no course work
MOST_COMMITS = 5000  # of a branch that are looked at, newest first


@dataclass(frozen=True)
class Fetched:
    """What a repository held when it was fetched.

    Attributes:
        head: the default branch, such as "main"; "" if HEAD names no branch that exists.
        tip: the commit that counts as the end of the default branch, or "" if there is none.
        tips: branch to commit.
    """

    head: str
    tip: str
    tips: dict[str, str]


@dataclass(frozen=True)
class Commit:
    """One commit; a date that cannot be read is None."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: datetime | None
    committer: datetime | None


@dataclass(frozen=True)
class Entry:
    """One file of a tree: Git's mode such as "100644", the size in bytes, the path as Git holds it."""

    mode: str
    sha: str
    size: int
    path: bytes


def fetch(mirror: Path, url: str, *, seconds: float, most_bytes: int) -> Fetched:
    """Fetch every branch into a bare mirror, which is made if it is not there.

    What was fetched before stays in the mirror, also where the branch was rewritten since.

    Args:
        mirror: the bare repository; its parent holds the configuration.
        url: has passed `link_error`.
        seconds: for the whole fetch.
        most_bytes: of compressed objects in the mirror.

    Raises:
        GitError: if the repository cannot be reached, is too large or too slow.
    """
    end = time.monotonic() + seconds
    mirror.mkdir(parents=True, exist_ok=True)
    _clear_leftovers(mirror)
    git(mirror, "init", "--quiet", "--bare", "--template=", "--initial-branch=main", ".")
    head, has_head = _default_branch(git(mirror, "ls-remote", "--symref", "--", url, "HEAD", seconds=seconds))
    wanted = ["+refs/heads/*:refs/tips/*", *(["+HEAD:refs/default"] if has_head else [])]
    options = ["--quiet", "--force", "--prune", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]
    packs = (mirror / "objects" / "pack", most_bytes)
    git(mirror, "fetch", *options, "--", url, *wanted, seconds=max(end - time.monotonic(), 1.0), packs=packs)
    tips = _tips(mirror)
    if not has_head:
        head = _only_branch(tips)
    tip = text(git(mirror, "rev-parse", "--verify", "refs/default^{commit}")) if has_head else tips.get(head, "")
    kept = {sha for sha in (tip, *tips.values()) if sha}
    git(mirror, "update-ref", "--stdin", stdin="".join(f"update refs/seen/{sha} {sha}\n" for sha in kept).encode())
    return Fetched(head, tip, tips if len(tips) <= MOST_BRANCHES else {head: tip})


def commits(mirror: Path, tip: str) -> list[Commit]:
    """Return the commits up to `tip`, children before parents, then newest first; at most `MOST_COMMITS`."""
    options = ("--date-order", f"--max-count={MOST_COMMITS}", "--no-patch", "--no-decorate")
    printed = git(mirror, "log", *options, "--format=%H,%T,%P,%at,%ct", tip, "--")
    found = []
    for line in printed.decode("ascii", "replace").splitlines():
        sha, tree, parents, author, committer = line.split(",")
        found.append(Commit(sha, tree, tuple(parents.split()), _moment(author), _moment(committer)))
    return found


def files(mirror: Path, tree: str) -> list[Entry]:
    """Return every entry of a tree and the trees in it; a submodule has size 0."""
    entries = []
    for line in git(mirror, "ls-tree", "-r", "-z", "-l", "--full-tree", tree).split(b"\0")[:-1]:
        about, _, path = line.partition(b"\t")
        mode, _, sha, size = about.decode("ascii").split()
        entries.append(Entry(mode, sha, int(size) if size.isdecimal() else 0, path))
    return entries


def blobs(mirror: Path, shas: Sequence[str]) -> Iterator[bytes]:
    """Yield the content of each blob, in order; one at a time is in memory."""
    with running(mirror, "cat-file", "--batch", stdin="".join(f"{sha}\n" for sha in shas).encode()) as output:
        for sha in shas:
            about = output.readline().split()
            if about[:2] != [sha.encode(), b"blob"]:
                raise GitError(f"expected the file {sha[:10]} in the object store, got none")
            content = output.read(int(about[2]))
            output.read(1)  # the end of the line
            yield content


def resolve(mirror: Path, name: str) -> str:
    """Return the commit that (the beginning of) a SHA names, or "" if there is none, or more than one."""
    try:
        return text(git(mirror, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"))
    except GitError:
        return ""


def first_times(mirror: Path, sightings: Iterable[tuple[datetime, Iterable[str]]]) -> dict[str, datetime]:
    """Map every commit to the first time at which it was there, itself or as an ancestor of what was.

    Args:
        mirror: the repository.
        sightings: (time, commits there); commits that the mirror does not hold are passed over.
    """
    first: dict[str, datetime] = {}
    tips: set[str] = set()
    for moment, shas in sorted(sightings, key=lambda sighting: sighting[0]):
        new = present(mirror, sorted({sha for sha in shas if sha not in first}))
        if new:
            wanted = "".join(f"{sha}\n" for sha in new) + "".join(f"^{sha}\n" for sha in sorted(tips))
            for sha in git(mirror, "rev-list", "--stdin", stdin=wanted.encode()).decode("ascii").split():
                first.setdefault(sha, moment)
            tips |= set(new)
    return first


def present(mirror: Path, shas: Iterable[str]) -> list[str]:
    """Return those of the commits that the mirror holds, in the order given, each once."""
    asked = [sha for sha in dict.fromkeys(shas) if sha]
    if not asked:
        return []
    printed = git(mirror, "cat-file", "--batch-check", stdin="".join(f"{sha}\n" for sha in asked).encode())
    kinds = [line.split() for line in printed.decode("ascii", "replace").splitlines()]
    return [sha for sha, kind in zip(asked, kinds, strict=True) if kind[1] == "commit"]


def _clear_leftovers(mirror: Path) -> None:
    """Remove what a killed fetch left; whoever collects holds the folder's lock, so no other fetch is at work."""
    for leftover in [*mirror.rglob("*.lock"), *mirror.glob("objects/pack/tmp_*")]:
        leftover.unlink(missing_ok=True)


def _default_branch(printed: bytes) -> tuple[str, bool]:
    """Return what HEAD names ("" if detached or unknown) and whether it is a commit, from ls-remote --symref."""
    head, exists = "", False
    for line in printed.decode("utf-8", "replace").splitlines():
        left, _, name = line.partition("\t")
        if name != "HEAD":
            continue
        if left.startswith("ref: refs/heads/"):
            head = left.removeprefix("ref: refs/heads/")
        elif not left.startswith("ref:"):
            exists = True
    return head, exists


def _tips(mirror: Path) -> dict[str, str]:
    printed = git(mirror, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tips/")
    lines: Sequence[str] = printed.decode("utf-8", "replace").splitlines()
    return {name.removeprefix("refs/tips/"): sha for sha, _, name in (line.partition(" ") for line in lines)}


def _only_branch(tips: dict[str, str]) -> str:
    """Return the branch that stands in for a missing default branch, or ""."""
    if len(tips) == 1:
        return next(iter(tips))
    return next((name for name in ("main", "master") if name in tips), "")


def _moment(seconds: str) -> datetime | None:
    """Return a date of a commit; anything may stand there."""
    try:
        return datetime.fromtimestamp(int(seconds), timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
