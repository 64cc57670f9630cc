"""Push times as hosts give them."""

import json
from datetime import datetime, timezone

import pytest

from lab_utils.staff.collecting.push_records import read_push_records

A, B = "a" * 40, "b" * 40
GITHUB = {
    "before": A,
    "after": B,
    "ref": "refs/heads/main",
    "timestamp": "2026-11-06T15:59:00Z",
    "activity_type": "push",
}
DELETED = GITHUB | {"after": "0" * 40, "activity_type": "branch_deletion"}
GITLAB = {"action_name": "pushed to", "created_at": "2026-11-06T23:59:00.123+08:00", "push_data": {"commit_to": B}}
GONE = {"action_name": "deleted", "created_at": "2026-11-06T23:59:00Z", "push_data": {"commit_to": None}}
TIME = datetime(2026, 11, 6, 15, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([GITHUB, DELETED]),
        json.dumps([GITLAB, GONE]),
        json.dumps([DELETED]) + json.dumps([GITHUB]) + "\n",  # pages behind each other, as gh --paginate writes them
        json.dumps([[GITHUB], [DELETED], []]),
        "\ufeff" + json.dumps([GITHUB]),
    ],
    ids=["github", "gitlab", "pages", "slurped", "marked"],
)
def test_what_the_hosts_give_is_read(tmp_path, text):
    (tmp_path / "ada.json").write_text(text, "utf-8")
    (tmp_path / "notes.txt").write_text("x")
    (push,) = read_push_records(tmp_path)
    assert (push.student, push.sha, push.pushed_at) == ("ada", B, TIME)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "JSON of the host's API in .*ada.json"),
        ("[" * 100_000, "JSON of the host's API"),
        ('[{"sha": "x"}]', "entry 1 of .*ada.json as the API"),
        (json.dumps([GITHUB, GITHUB | {"timestamp": "2026-11-06 15:59"}]), "time in entry 2 of .*offset"),
        ('{"message": "Not Found"}', "entry 1"),
        ("[1]", "entry 1"),
    ],
)
def test_what_is_none_is_named(tmp_path, text, words):
    (tmp_path / "ada.json").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_push_records(tmp_path)


def test_a_table_is_read_as_before(tmp_path):
    (tmp_path / "p.csv").write_text(f"student,sha,pushed_at\nada,{B},2026-11-06T15:59:00Z\n")
    assert [push.sha for push in read_push_records(tmp_path / "p.csv")] == [B]
