"""Repositories that attack whoever collects them, made with Git itself."""

import os
import subprocess
import sys
import time

import pytest

from lab_utils.grading.export import MOST_FILES, export, select
from lab_utils.grading.git import GitError, environment, git
from lab_utils.grading.mirror import Entry, blobs, commits, fetch, files, first_times, present, resolve
from tests.grading import repositories
from tests.grading.repositories import commit, repository, tree_commit

LIMITS = {"seconds": 20.0, "most_bytes": 50 << 20}
MIB = 1 << 20


@pytest.fixture
def repo(tmp_path):
    return repository(tmp_path / "repo")


@pytest.fixture
def mirror(tmp_path):
    return tmp_path / "mirrors" / "ann.git"


def written(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def take(repo, mirror, tmp_path):
    """Fetch and export; return the names of the files and the flags."""
    tip = fetch(mirror, str(repo), **LIMITS).tip
    flags = export(mirror, commits(mirror, tip)[0].tree, tmp_path / "out" / "ann")
    return written(tmp_path / "out" / "ann"), flags


def alarm(tmp_path):
    """A program that leaves a mark when it is run, and the mark."""
    program, mark = tmp_path / "alarm.sh", tmp_path / "pwned"
    program.write_text(f"#!/bin/sh\ntouch {mark}\ncat\n")
    program.chmod(0o755)
    return program, mark


def test_no_hook_filter_or_command_of_the_repository_runs(repo, mirror, tmp_path):
    program, mark = alarm(tmp_path)
    commit(repo, ".gitattributes", "* filter=evil diff=evil export-ignore\n*.txt export-subst\n")
    commit(repo, "answer.txt", "$Format:%H$\n")
    for hook in ("post-checkout", "post-update", "reference-transaction", "pre-receive", "post-merge", "fsmonitor"):
        target = repo / ".git" / "hooks" / hook
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(program.read_bytes())
        target.chmod(0o755)
    settings = {
        "filter.evil.smudge": program,
        "filter.evil.process": program,
        "core.fsmonitor": program,
        "core.sshCommand": program,
        "core.gitProxy": program,
        "core.pager": program,
        "core.editor": program,
        "core.alternateRefsCommand": program,
        "uploadpack.packObjectsHook": program,
        "gpg.program": program,
        "diff.evil.textconv": program,
        "core.hooksPath": repo / ".git" / "hooks",
    }
    for name, value in settings.items():
        repositories.git(repo, "config", name, str(value))
    names, flags = take(repo, mirror, tmp_path)
    assert not mark.exists()
    assert names == {".gitattributes", "answer.txt"}  # export-ignore hides nothing
    assert (tmp_path / "out" / "ann" / "answer.txt").read_text() == "$Format:%H$\n"
    assert flags == []


def test_a_partial_clone_does_not_fetch_the_rest_through_a_command_of_its_own(repo, mirror, tmp_path):
    program, mark = alarm(tmp_path)
    commit(repo, "a.txt", "a")
    blob = repositories.git(repo, "rev-parse", "HEAD:a.txt")
    (repo / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name, value in {
        "core.repositoryFormatVersion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": str(repo),
        "remote.origin.uploadpack": str(program),
    }.items():
        repositories.git(repo, "config", name, value)
    with pytest.raises(GitError):
        fetch(mirror, str(repo), **LIMITS)
    assert not mark.exists()


def test_the_settings_of_whoever_collects_do_not_act(repo, mirror, tmp_path, monkeypatch):
    program, mark = alarm(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(f"[core]\n hooksPath = {tmp_path}\n[uploadpack]\n packObjectsHook = {program}\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "uploadpack.packObjectsHook")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(program))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    commit(repo, "a.txt", "a")
    assert take(repo, mirror, tmp_path) == ({"a.txt"}, [])
    assert not mark.exists()
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch {}'", "git://127.0.0.1/x", "ssh://127.0.0.1/x", "http://127.0.0.1:9/"]
)
def test_git_itself_refuses_other_protocols_should_one_come_through(mirror, tmp_path, url):
    mark = tmp_path / "pwned"
    with pytest.raises(GitError, match="not allowed"):
        fetch(mirror, url.format(mark), **LIMITS)
    assert not mark.exists()


def test_links_submodules_and_odd_names_stay_behind_and_are_named(repo, mirror, tmp_path):
    tree_commit(
        repo,
        [
            ("100644", "good.ipynb", b"good"),
            ("100755", "run.sh", b"echo"),
            ("120000", "passwords", b"/etc/passwd"),
            ("120000", "out", b"../../.."),
            ("160000", "module", "1" * 40),
            ("100644", "-rf", b"x"),
            ("100644", "two\nlines", b"x"),
            ("100644", b"latin-\xe9", b"x"),
            ("100644", "back\\slash", b"x"),
            ("100644", "Übung 4, réponse 答え.txt", b"unicode"),
        ],
    )
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"good.ipynb", "run.sh", "Übung 4, réponse 答え.txt"}
    (flag,) = flags
    assert "(odd name)" in flag
    assert "and 2 more" in flag
    assert "\n" not in flag
    assert not any(path.is_symlink() for path in (tmp_path / "out" / "ann").iterdir())


def entry(path, mode="100644", size=1):
    return Entry(mode, "0" * 40, size, path if isinstance(path, bytes) else path.encode())


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./a",
        ".git/hooks/post-checkout",
        "a/.GIT/config",
        ".g\u200cit/config",
        ".git~1/config",
        "a/-x",
        "a\x1b[2J",
        "a\x7f",
        "x" * 201,
        "/".join(["y" * 100] * 11),
        "",
    ],
)
def test_a_path_that_leaves_the_folder_or_means_something_to_git_is_refused(path):
    chosen, left_out = select([entry(path), entry("fine.txt")])
    assert [name for _, name in chosen] == ["fine.txt"]
    assert left_out == [(path.encode(), "odd name")]


def test_of_two_names_that_are_one_on_some_systems_only_the_first_is_written():
    chosen, left_out = select([entry("A.txt"), entry("a.txt"), entry("b"), entry("B/c"), entry("d/e"), entry("D")])
    assert [name for _, name in chosen] == ["A.txt", "B/c", "D"]
    assert {path for path, _ in left_out} == {b"a.txt", b"b", b"d/e"}


def test_a_link_and_a_folder_of_one_name_do_not_lead_out(repo, mirror, tmp_path):
    """A tree that no honest Git writes: x is a link to the folder above, and a folder with a file."""
    inner = repositories.git(repo, "hash-object", "-w", "--stdin", stdin=b"evil")
    tree = repositories.git(repo, "mktree", "-z", stdin=f"100644 blob {inner}\tpwned\0".encode())
    tree_commit(repo, [("120000", "x", b".."), ("40000", "x", tree)])
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"x/pwned"}
    assert "symbolic link" in flags[0]
    assert not (tmp_path / "out" / "pwned").exists()


def test_limits_on_size_and_number_spare_the_notebook(monkeypatch):
    many = [entry(f"a/{i}.png") for i in range(MOST_FILES)]
    chosen, left_out = select([*many, entry("z.ipynb"), entry("huge.ipynb", size=51 * MIB)])
    assert len(chosen) == MOST_FILES
    assert chosen[0][1] == "z.ipynb"
    assert left_out[0] == (b"huge.ipynb", "51 MiB")
    assert left_out[1][1] == "too many files"
    chosen, _ = select([entry(f"{i}.bin", size=49 * MIB) for i in range(9)])
    assert len(chosen) == 5  # 245 of 250 MiB


def test_a_huge_file_that_packs_well_is_not_unpacked(repo, mirror, tmp_path):
    with (repo / "zeros.bin").open("wb") as file:
        file.truncate(60 * MIB)
    commit(repo, "work.ipynb", "work")
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"work.ipynb"}
    assert flags == ["Files left out: 'zeros.bin' (60 MiB)."]


def test_a_repository_that_is_too_large_is_stopped(repo, mirror):
    (repo / "noise.bin").write_bytes(os.urandom(3 * MIB))
    commit(repo, "a.txt", "a")
    with pytest.raises(GitError, match="larger than 1 MiB"):
        fetch(mirror, str(repo), seconds=20.0, most_bytes=MIB)


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


def test_a_server_that_does_not_answer_is_given_up_with_everything_that_was_started(mirror, tmp_path, monkeypatch):
    """A stand-in for git that starts a child and waits for ever."""
    stand_in, pid = tmp_path / "bin" / "git", tmp_path / "pid"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {pid}\nwait\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    mirror.mkdir(parents=True)
    with pytest.raises(GitError, match="no answer within 1 s"):
        git(mirror, "fetch", seconds=1.0)
    child = int(pid.read_text())
    for _ in range(100):
        if not os.path.exists(f"/proc/{child}") and sys.platform == "linux":
            break
        if subprocess.run(["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True).stdout[:1] in "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child is still there")


def test_a_command_that_talks_without_end_is_stopped(mirror, tmp_path, monkeypatch):
    stand_in = tmp_path / "bin" / "git"
    stand_in.parent.mkdir()
    stand_in.write_text("#!/bin/sh\nyes 'remote: hello' >&2\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    mirror.mkdir(parents=True)
    with pytest.raises(GitError, match="1 MiB of messages"):
        git(mirror, "fetch")


def test_the_message_of_git_is_one_line_without_control_characters(mirror, tmp_path):
    mirror.mkdir(parents=True)
    with pytest.raises(GitError) as caught:
        git(mirror, "fetch", "--", f"{tmp_path}/no\x1b[2Jthing")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


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


def test_an_export_that_fails_leaves_the_old_one(repo, mirror, tmp_path):
    commit(repo, "a.txt", "old")
    take(repo, mirror, tmp_path)
    with pytest.raises(GitError):
        export(mirror, "0" * 40, tmp_path / "out" / "ann")
    assert written(tmp_path / "out") == {"ann/a.txt"}


def test_a_pointer_to_a_large_file_elsewhere_is_told(repo, mirror, tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    commit(repo, "homework4.ipynb", pointer)
    names, flags = take(repo, mirror, tmp_path)
    assert names == {"homework4.ipynb"}
    assert flags == ["homework4.ipynb is a Git LFS pointer: its content is not in the repository."]


def test_git_gets_no_variable_that_it_does_not_need(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert "SECRET_TOKEN" not in environment(tmp_path)
