"""Write the files of one commit into a folder: regular files with ordinary names, nothing else.

A tree can hold symbolic links to anywhere, submodules, names like ``../../x`` or ``.git/hooks``, and files without
number or end. What is not written is named, so that nobody wonders where it went.
"""

import filecmp
import os
import re
import shutil
import unicodedata
import uuid
from collections.abc import Sequence
from pathlib import Path

from lab_utils.staff.collecting.mirror import Entry, blobs, files

MOST_FILES = 2000
MOST_FILE_BYTES = 50 << 20
MOST_BYTES = 250 << 20
NAMED = 5  # files left out that the flag names
GRADED, CODE = (b".ipynb", b".csv"), b".py"  # written in this order, before the limits are reached
# Parts of a path that nobody's work lies below, and those that come last: environments and caches under a usual name.
GENERATED = {b"node_modules", b"site-packages", b"__pycache__"}
LAST = {b"venv", b".venv", b"env", b".env", b".tox", b".cache", b".ipynb_checkpoints"}
GENERATED_REASON = "it lies in an environment or a cache"
ADVICE = f"More than {MOST_FILE_BYTES >> 20} MiB are not graded: clear the outputs of the notebook, save, commit, push."
LFS_ADVICE = "Commit the file itself: git lfs untrack FILE, git add --renormalize ., git commit, git push."

_RENAMED = "{} is written as {}: some systems do not tell its name from that of another file."
_FORBIDDEN = '\\:*?"<>|' if os.name == "nt" else "\\"
_KINDS = {"120000": "symbolic link", "160000": "submodule"}


def export(mirror: Path, tree: str, folder: Path) -> tuple[list[str], list[str]]:
    """Replace `folder` by the files of a tree, whole or not at all.

    A folder that holds just these files is left alone: a grader may be at work on it.

    Returns:
        What was left out or is odd, as sentences for the instructor, and those of them that a student must know:
        which notebooks and tables were not taken, why, and what to do.

    Raises:
        GitError: if the object store cannot be read.
        OSError: if the disk is full, and so on.
    """
    chosen, left_out = select(files(mirror, tree))
    fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    renamed = [(entry.path.decode("utf-8"), path) for entry, path in chosen if entry.path != path.encode()]
    flags = [_RENAMED.format(*names) for names in renamed[:NAMED]]
    lost = [_untaken(path, reason) for path, reason in left_out if path.lower().endswith(GRADED)][:NAMED]
    try:
        fresh.mkdir(parents=True)
        contents = blobs(mirror, [entry.sha for entry, _ in chosen])
        for (_, path), content in zip(chosen, contents, strict=True):
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file:  # x: never through a name that is there
                file.write(content)
            if content.startswith(b"version https://git-lfs.github.com/spec/"):
                flags.append(f"{path} is a Git LFS pointer: its content is not in the repository.")
                lost += [f"{flags[-1]} {LFS_ADVICE}"] if path.lower().encode().endswith(GRADED) else []
        if not _same(folder, fresh):
            remove(folder)
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return _sentence(left_out) + flags, lost


def remove(folder: Path) -> None:
    """Take away what an earlier export left."""
    if folder.exists():
        trash = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
        folder.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)


def select(entries: Sequence[Entry]) -> tuple[list[tuple[Entry, str]], list[tuple[bytes, str]]]:
    """Return (entry, path) of what is written, and (path, reason) of what is not."""
    chosen: list[tuple[Entry, str]] = []
    left_out: list[tuple[bytes, str]] = []
    taken: set[str] = set()
    parents: set[str] = set()
    total = 0
    environments = _environments(entries)
    for entry in sorted(entries, key=lambda entry: _rank(entry.path, environments)):
        reason = _KINDS.get(entry.mode, "" if entry.mode in ("100644", "100755", "100664") else "no regular file")
        path = _free(_path(entry.path), taken)
        key = _key(path)
        folders = {key[:i] for i, character in enumerate(key) if character == "/"}
        if not reason and not path:
            reason = "odd name"
        elif not reason and (key in taken or key in parents or folders & taken):
            reason = "a name that another file has on some systems"
        elif not reason and GENERATED.intersection(entry.path.split(b"/")[:-1]):
            reason = GENERATED_REASON
        elif not reason and entry.size > MOST_FILE_BYTES:
            reason = f"{entry.size >> 20} MiB"
        elif not reason and (len(chosen) >= MOST_FILES or total + entry.size > MOST_BYTES):
            reason = "too many files"
        if reason:
            left_out.append((entry.path, reason))
            continue
        taken.add(key)
        parents |= folders
        total += entry.size
        chosen.append((entry, path))
    return chosen, left_out


def _environments(entries: Sequence[Entry]) -> tuple[bytes, ...]:
    """Return the folders, each with its slash, that hold an environment of Python or conda under whatever name."""
    return tuple(
        {
            entry.path[: found.start()]
            for entry in entries
            if (found := re.search(rb"(?<![^/])(pyvenv\.cfg$|conda-meta/)", entry.path))
        }
    )


def _rank(path: bytes, environments: tuple[bytes, ...]) -> tuple[int, bool, bool, bytes]:
    """Sort what is graded first, then code, then the rest; environments and caches behind all of them.

    Small letters come before capitals, so that of two names that are one on some systems the usual one stays.
    """
    folders = set(path.split(b"/")[:-1])
    aside = bool(folders & (GENERATED | LAST)) or path.startswith(environments)
    name = path.lower()
    return aside, not name.endswith(GRADED), not name.endswith(CODE), path.swapcase()


def _free(path: str, taken: set[str]) -> str:
    """Return a path, or one beside it if another file has the same on systems that do not tell capitals apart."""
    stem, suffix = os.path.splitext(path)
    beside = (f"{stem} ({number}){suffix}" for number in range(2, 10))
    return next((other for other in (path, *beside) if _key(other) not in taken), path)


def _path(raw: bytes) -> str:
    """Return a path that is safe below any folder, or ""."""
    try:
        path = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    parts = path.split("/")
    odd = any(
        part in ("", ".", "..")
        or part.startswith("-")  # would be an option to a program that is given the name
        or _key(part).split("~")[0] == ".git"
        or len(part.encode()) > 200
        for part in parts
    )
    bad = any(unicodedata.category(character) in ("Cc", "Cs") or character in _FORBIDDEN for character in path)
    return "" if odd or bad or len(raw) > 1000 else path


def _key(path: str) -> str:
    """Return what a file system without case, or with one form of accents, makes of a path."""
    bare = "".join(character for character in path if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", bare).casefold()


def _untaken(path: bytes, reason: str) -> str:
    advice = ADVICE if reason.endswith(" MiB") else "Put your work into a folder of its own, under an ordinary name."
    return f"{path[:200].decode('utf-8', 'replace')} is in the repository and was not taken: {reason}. {advice}"


def _sentence(left_out: Sequence[tuple[bytes, str]]) -> list[str]:
    if not left_out:
        return []
    named = [f"{path[:80].decode('utf-8', 'replace')!a} ({reason})" for path, reason in left_out[:NAMED]]
    rest = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return [f"Files left out: {', '.join(named)}{rest}."]


def _same(folder: Path, fresh: Path) -> bool:
    old, new = ({path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (folder, fresh))
    return folder.is_dir() and old == new and all(filecmp.cmp(folder / p, fresh / p, shallow=False) for p in new)
