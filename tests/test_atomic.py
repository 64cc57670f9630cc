import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab_utils import atomic
from lab_utils.atomic import remove_quietly, write_whole


def test_a_file_appears_with_its_folders_and_replaces_the_one_before(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    for text in ("first", "second"):
        write_whole(path, lambda unfinished, text=text: unfinished.write_text(text))
        assert path.read_text() == text
    assert os.listdir(path.parent) == ["file.txt"]


def test_the_name_is_given_only_when_all_is_written(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write(unfinished: Path) -> None:
        assert unfinished.parent == path.parent  # a rename across disks would copy
        unfinished.write_text("new")
        assert path.read_text() == "old"

    write_whole(path, write)
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("wrong"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write(unfinished: Path) -> None:
        unfinished.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_whole(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_what_is_renamed_is_on_the_disk(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda number: calls.append("fsync"))
    monkeypatch.setattr(os, "replace", lambda source, target: calls.append("replace"))
    write_whole(tmp_path / "file.txt", lambda unfinished: unfinished.write_text("new"))
    assert calls == ["fsync", "replace"]


def test_what_a_killed_process_left_is_cleared_and_what_one_at_work_writes_is_not(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    names = {
        "killed": f".set.bin.{ended.pid}.aa.tmp",
        "at work": f".set.bin.{os.getpid()}.aa.tmp",
        "too old": f".set.bin.{os.getpid()}.bb.tmp",
        "of another file": f".other.bin.{ended.pid}.aa.tmp",
    }
    for name in names.values():
        (tmp_path / name).write_bytes(b"half")
    long_ago = time.time() - 2 * atomic.STALE_AFTER
    os.utime(tmp_path / names["too old"], (long_ago, long_ago))
    write_whole(tmp_path / "set.bin", lambda unfinished: unfinished.write_bytes(b"whole"))
    assert set(os.listdir(tmp_path)) == {"set.bin", names["at work"], names["of another file"]}


def test_what_is_not_there_is_removed_without_a_word(tmp_path):
    remove_quietly(tmp_path / "nothing")
    remove_quietly(tmp_path / "no folder" / "nothing")
