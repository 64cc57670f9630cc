"""Mirrors keep what was there, and what is read from them is whole."""

import pytest

from lab_utils.staff.collecting.git import GitError
from lab_utils.staff.collecting.mirror import blobs, commits, fetch, files, first_times, present, resolve
from tests.staff.collecting import repositories
from tests.staff.collecting.repositories import LIMITS, commit, tree_commit


def test_a_tree_that_unfolds_without_end_is_stopped(repo, mirror):
    """Ten entries in each of twelve levels: a repository of a few kB with 10^12 files."""
    blob = repositories.git(repo, "hash-object", "-w", "--stdin", stdin=b"x")
    lines = "".join(f"100644 blob {blob}\t{i}\0" for i in range(10))
    for _ in range(11):
        tree = repositories.git(repo, "mktree", "-z", stdin=lines.encode())
        lines = "".join(f"040000 tree {tree}\t{i}\0" for i in range(10))
    tree_commit(repo, [("40000", str(i), tree) for i in range(10)])
    tip = fetch(mirror, str(repo), **LIMITS).tip
    with pytest.raises(GitError, match="printed more than 64 MiB"):
        files(mirror, commits(mirror, tip)[0].tree)


def test_old_commits_stay_in_the_mirror_when_the_branch_is_rewritten(repo, mirror):
    old = commit(repo, "a.txt", "a")
    fetch(mirror, str(repo), **LIMITS)
    repositories.git(repo, "commit", "--amend", "--quiet", "-m", "again", date="2026-11-06T13:00:00+08:00")
    repositories.git(repo, "reflog", "expire", "--expire=now", "--all")
    repositories.git(repo, "gc", "--quiet", "--prune=now")
    new = fetch(mirror, str(repo), **LIMITS)
    assert new.tip != old
    assert present(mirror, [new.tip, old, "0" * 40]) == [new.tip, old]
    assert resolve(mirror, old[:8]) == old
    assert resolve(mirror, "0000000") == ""
    assert resolve(mirror, "--all") == ""


def test_an_old_branch_that_stands_in_the_way_of_a_new_one_is_no_obstacle(repo, mirror):
    commit(repo, "a.txt", "a")
    repositories.git(repo, "branch", "topic")
    fetch(mirror, str(repo), **LIMITS)
    repositories.git(repo, "branch", "-m", "topic", "topic/one")
    assert set(fetch(mirror, str(repo), **LIMITS).tips) == {"main", "topic/one"}


def test_the_first_time_of_a_commit_is_that_of_the_first_descendant_that_was_seen(repo, mirror):
    shas = [commit(repo, "a.txt", str(i)) for i in range(4)]
    fetch(mirror, str(repo), **LIMITS)
    found = first_times(mirror, [(30, [shas[3]]), (10, [shas[1]]), (20, ["0" * 40, shas[0]])])
    assert found == {shas[0]: 10, shas[1]: 10, shas[2]: 30, shas[3]: 30}


@pytest.mark.parametrize("date", [b"0 +0000", b"99999999999999999999 +0000", b"-5 +0000", b"now"])
def test_dates_that_are_none_do_no_harm(repo, mirror, date):
    commit(repo, "a.txt", "a")
    tree = repositories.git(repo, "rev-parse", "HEAD^{tree}")
    text = b"tree %s\nauthor A <a@b> %s\ncommitter A <a@b> %s\n\nx\n" % (tree.encode(), date, date)
    sha = repositories.git(repo, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", stdin=text)
    repositories.git(repo, "update-ref", "refs/heads/main", sha)
    found = fetch(mirror, str(repo), **LIMITS)
    (only,) = commits(mirror, found.tip)
    assert only.sha == sha


def test_contents_come_back_whole_and_in_order(repo, mirror):
    contents = [b"", b"no end of line", b"two\nlines\n", bytes(range(256)) * 5000]
    shas = [repositories.git(repo, "hash-object", "-w", "--stdin", stdin=content) for content in contents]
    tree_commit(repo, [("100644", str(i), content) for i, content in enumerate(contents)])
    fetch(mirror, str(repo), **LIMITS)
    assert list(blobs(mirror, [*shas, shas[0]])) == [*contents, b""]
    with pytest.raises(GitError, match="got none"):
        list(blobs(mirror, ["0" * 40]))


def test_what_a_killed_fetch_left_is_no_obstacle(repo, mirror):
    commit(repo, "a.txt", "a")
    fetch(mirror, str(repo), **LIMITS)
    for name in ("refs/tips/main.lock", "refs/default.lock", "packed-refs.lock", "objects/pack/tmp_pack_1"):
        (mirror / name).touch()
    new = commit(repo, "a.txt", "b")
    assert fetch(mirror, str(repo), **LIMITS).tip == new
    (mirror / "HEAD").unlink()
    assert fetch(mirror, str(repo), **LIMITS).tip == new


def test_a_clone_without_its_history_is_refused_in_words(repo, mirror, tmp_path):
    for i in range(3):
        commit(repo, "a.txt", str(i))
    repositories.git(tmp_path, "clone", "--quiet", "--depth=1", repo.as_uri(), "shallow")
    with pytest.raises(GitError):
        fetch(mirror, str(tmp_path / "shallow"), **LIMITS)
