"""Write the files of one commit into a folder: regular files with ordinary names, nothing else.

A tree can hold symbolic links to anywhere, submodules, names like ``../../x`` or ``.git/hooks``, and files without
number or end. What is not written is named, so that nobody wonders where it went.
"""

import filecmp
import os
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
FIRST = (".ipynb", ".csv", ".py")  # written before the limits are reached

_FORBIDDEN = '\\:*?"<>|' if os.name == "nt" else "\\"
_KINDS = {"120000": "symbolic link", "160000": "submodule"}


def export(mirror: Path, tree: str, folder: Path) -> list[str]:
    """Replace `folder` by the files of a tree, whole or not at all; return what was left out, as sentences.

    A folder that holds just these files is left alone: a grader may be at work on it.

    Raises:
        GitError: if the object store cannot be read.
        OSError: if the disk is full, and so on.
    """
    chosen, left_out = select(files(mirror, tree))
    fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.tmp")
    flags = []
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
        if not _same(folder, fresh):
            remove(folder)
            fresh.rename(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return _sentence(left_out) + flags


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
    for entry in sorted(entries, key=lambda e: (not e.path.lower().endswith(tuple(s.encode() for s in FIRST)), e.path)):
        reason = _KINDS.get(entry.mode, "" if entry.mode in ("100644", "100755", "100664") else "no regular file")
        path = _path(entry.path)
        key = _key(path)
        folders = {key[:i] for i, character in enumerate(key) if character == "/"}
        if not reason and not path:
            reason = "odd name"
        elif not reason and (key in taken or key in parents or folders & taken):
            reason = "a name that another file has on some systems"
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


def _sentence(left_out: Sequence[tuple[bytes, str]]) -> list[str]:
    if not left_out:
        return []
    named = [f"{path[:80].decode('utf-8', 'replace')!a} ({reason})" for path, reason in left_out[:NAMED]]
    rest = f" and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return [f"Files left out: {', '.join(named)}{rest}."]


def _same(folder: Path, fresh: Path) -> bool:
    old, new = ({path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (folder, fresh))
    return folder.is_dir() and old == new and all(filecmp.cmp(folder / p, fresh / p, shallow=False) for p in new)
