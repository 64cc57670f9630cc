"""Nothing of a repository runs, and no limit is passed."""

import gc
import os
import subprocess
import sys
import time

import pytest

from lab_utils.staff.collecting import git as module
from lab_utils.staff.collecting.git import GitError, environment, git
from lab_utils.staff.collecting.mirror import fetch
from tests.staff.collecting import repositories
from tests.staff.collecting.repositories import LIMITS, commit, take

MIB = 1 << 20


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


def test_a_repository_that_is_too_large_is_stopped(repo, mirror):
    (repo / "noise.bin").write_bytes(os.urandom(3 * MIB))
    commit(repo, "a.txt", "a")
    with pytest.raises(GitError, match="larger than 1 MiB"):
        fetch(mirror, str(repo), seconds=20.0, most_bytes=MIB)


def test_a_repository_that_comes_between_two_looks_is_too_large_all_the_same(repo, mirror, monkeypatch):
    monkeypatch.setattr(module, "_guard", lambda *_: None)
    (repo / "noise.bin").write_bytes(os.urandom(3 * MIB))
    commit(repo, "a.txt", "a")
    with pytest.raises(GitError, match="larger than 1 MiB"):
        fetch(mirror, str(repo), seconds=20.0, most_bytes=MIB)


def test_files_that_go_while_they_are_counted_hide_no_others(tmp_path):
    for i in range(20):
        (tmp_path / f"gone{i}").symlink_to(tmp_path / "nowhere")  # fails as a file that has just got another name
        (tmp_path / f"here{i}").write_bytes(bytes(10))
    assert module._bytes_in(tmp_path) == 200
    gc.collect()  # a folder that stays open is a warning, at any later moment
    assert module._bytes_in(tmp_path / "nowhere") == 0


def test_a_server_that_does_not_answer_is_given_up_with_everything_that_was_started(mirror, tmp_path, monkeypatch):
    """A stand-in for git that starts a child and waits for ever."""
    stand_in, pid = tmp_path / "bin" / "git", tmp_path / "pid"
    stand_in.parent.mkdir()
    stand_in.write_text(f"#!/bin/sh\nsleep 600 &\necho $! > {pid}\nwait\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    mirror.mkdir(parents=True)
    with pytest.raises(GitError, match="no answer within 4 s"):
        git(mirror, "fetch", seconds=4.0)  # time for the stand-in to start, on any machine
    child = int(pid.read_text())
    for _ in range(600):
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


def test_git_gets_no_variable_that_it_does_not_need(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "x")
    assert "SECRET_TOKEN" not in environment(tmp_path)
