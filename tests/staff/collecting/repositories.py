"""Small repositories for the tests, made with Git itself, and a course to collect them for."""

import json
import os
import subprocess

from lab_utils.staff.collecting.export import export
from lab_utils.staff.collecting.mirror import commits, fetch

LIMITS = {"seconds": 20.0, "most_bytes": 50 << 20}
NOTEBOOK = json.dumps({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}) + "\n"
COURSE = """\
[course]
repository = "https://example.org/a.git"
folder = "a"
[homework4]
release = "2026-10-01T09:00:00+08:00"
deadline = "2026-11-06T23:59:00+08:00"
late = "percent"
percent = 10
per = "hour"
"""


def git(repository, *arguments, date="2026-11-06T12:00:00+08:00", author=None, stdin=None):
    """Run Git as a student would, with dates of our choice; return what it printed."""
    done = subprocess.run(
        [
            "git",
            "-c",
            "user.name=Ann",
            "-c",
            "user.email=ann@example.org",
            "-c",
            "protocol.file.allow=always",
            *arguments,
        ],
        cwd=repository,
        env={
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_COMMITTER_DATE": date,
            "GIT_AUTHOR_DATE": author or date,
        },
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def repository(folder, branch="main"):
    """Make an empty repository."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", f"--initial-branch={branch}")
    return folder


def commit(folder, name="labs/homework4.ipynb", content="work", **dates):
    """Write one file and commit everything; return the SHA."""
    if name:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
        git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "work", **dates)
    return git(folder, "rev-parse", "HEAD")


def tree_commit(folder, entries, **dates):
    """Commit a tree of (mode, name, content or SHA) that no file system needs to hold; return the SHA."""
    lines = b""
    for mode, name, content in entries:
        if mode == "160000":
            kind, sha = "commit", content
        elif mode == "40000":
            kind, sha = "tree", content
        else:
            kind, sha = "blob", git(folder, "hash-object", "-w", "--stdin", stdin=content)
        raw = name if isinstance(name, bytes) else name.encode()
        lines += f"{mode} {kind} {sha}\t".encode() + raw + b"\0"
    tree = git(folder, "mktree", "-z", "--missing", stdin=lines)
    sha = git(folder, "commit-tree", tree, "-m", "a tree", **dates)
    git(folder, "update-ref", "refs/heads/main", sha)
    return sha


def course(root):
    """Make a course with one released notebook."""
    (root / "labs").mkdir(parents=True)
    (root / "labs" / "homework4.ipynb").write_text(NOTEBOOK)
    (root / "labs" / "00_a.ipynb").write_text(NOTEBOOK.replace("5", "4"))
    (root / "course.toml").write_text(COURSE)
    return root


def roster(path, *students):
    """Write a roster of dicts with student, url and perhaps more."""
    columns = ("student", "name", "email", "url", "extension", "commit", "penalty", "reason")
    rows = [",".join(str(s.get(c, "")) for c in columns) for s in students]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n", "utf-8")
    return path


def written(folder):
    """Return the names of all files in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def take(repo, mirror, tmp_path):
    """Fetch and export; return the names of the files and the flags."""
    tip = fetch(mirror, str(repo), **LIMITS).tip
    flags, _ = export(mirror, commits(mirror, tip)[0].tree, tmp_path / "out" / "ann")
    return written(tmp_path / "out" / "ann"), flags
