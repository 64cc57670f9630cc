"""The ledger survives kills, and two processes do not mix."""

from datetime import datetime, timezone

import pytest

from lab_utils.staff.collecting.ledger import Sighting, append, read_ledger


def sighting(student="ann", minute=0, **about):
    moment = datetime(2026, 11, 6, 15, minute, tzinfo=timezone.utc)
    return Sighting(student, "https://example.org/a", moment, **about)


def test_what_is_appended_is_read_back(tmp_path):
    path = tmp_path / "ledger.jsonl"
    entries = [
        sighting(head="main", tip="a" * 40, tips={"main": "a" * 40, "übung": "b" * 40}),
        sighting("bob", minute=1, error="no\nanswer"),
    ]
    for entry in entries:
        append(path, entry)
    assert read_ledger(path) == (entries, 0)
    assert len(path.read_bytes().splitlines()) == 2


def test_a_ledger_that_is_not_there_is_empty(tmp_path):
    assert read_ledger(tmp_path / "ledger.jsonl") == ([], 0)


@pytest.mark.parametrize("kept", range(1, 140, 12))
def test_a_kill_in_the_middle_of_a_line_costs_this_line_alone(tmp_path, kept):
    path = tmp_path / "ledger.jsonl"
    first, second, third = (sighting(minute=minute, head="é") for minute in range(3))
    append(path, first)
    whole = path.read_bytes()
    append(path, second)
    torn = path.read_bytes()[len(whole) :][:kept]
    path.write_bytes(whole + torn)
    append(path, third)
    assert read_ledger(path) == ([first, third], 1)
    assert path.read_bytes().startswith(whole + torn)  # nothing that was written is changed


@pytest.mark.parametrize("line", ["null", "[]", "{}", '{"student": "x", "unknown": 1}', '{"seen_at": "tonight"}'])
def test_lines_that_are_no_sightings_are_counted(tmp_path, line):
    path = tmp_path / "ledger.jsonl"
    path.write_text(line + "\n")
    assert read_ledger(path) == ([], 1)


def test_sightings_come_in_the_order_of_time_also_after_the_clock_went_back(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for minute in (5, 3, 4):
        append(path, sighting(minute=minute))
    assert [entry.seen_at.minute for entry in read_ledger(path)[0]] == [3, 4, 5]
