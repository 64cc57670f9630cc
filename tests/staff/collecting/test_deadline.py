"""The late policy at its edges; all values are worked out by hand."""

from datetime import datetime, timedelta, timezone

import pytest

from lab_utils.staff.collecting.deadline import cutoff, due, late_seconds, penalty, utc
from lab_utils.staff.course.settings import Homework, Late, read_time

DEADLINE = read_time("2026-11-06T23:59:00+08:00", "deadline")
HOUR, DAY = 3600, 86400


def seconds_late(text):
    return late_seconds(read_time(text, "submitted"), DEADLINE)


@pytest.mark.parametrize(
    ("submitted", "expected"),
    [
        ("2026-11-06T23:58:59+08:00", 0),
        ("2026-11-06T23:59:00+08:00", 0),  # the second of the deadline is on time
        ("2026-11-06T23:59:01+08:00", 1),
        ("2026-11-07T00:59:00+08:00", 3600),
        ("2026-11-06T15:59:00Z", 0),  # the same second elsewhere
        ("2026-11-06T15:59:01Z", 1),
        ("2026-11-06T21:29:01+05:30", 1),
        ("2026-11-06T08:59:01-07:00", 1),
        ("2026-11-06T23:59:00Z", 8 * HOUR),  # the deadline's digits with another offset
        ("2020-01-01T00:00:00Z", 0),
    ],
)
def test_the_second_of_the_deadline_is_on_time_and_the_next_is_late_in_every_offset(submitted, expected):
    assert seconds_late(submitted) == expected


def test_a_part_of_the_deadlines_second_is_on_time():
    assert late_seconds(DEADLINE + timedelta(microseconds=999_999), DEADLINE) == 0


def test_the_end_of_summer_time_changes_no_length():
    """23:30 before and after Europe's clocks go back on 25 October 2026 are 25 hours apart."""
    before = read_time("2026-10-24T23:30:00+02:00", "x")
    assert late_seconds(read_time("2026-10-25T23:30:00+01:00", "x"), before) == 25 * HOUR


def test_a_time_without_an_offset_is_refused():
    with pytest.raises(ValueError, match="offset"):
        late_seconds(datetime(2026, 11, 6, 23, 59), DEADLINE)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, 0.0), (1, 0.1), (HOUR, 0.1), (HOUR + 1, 0.2), (9 * HOUR + 1, 1.0), (10 * HOUR + 1, 1.0), (10**9, 1.0)],
)
def test_ten_percent_per_started_hour(seconds, expected):
    assert penalty(seconds, Late("percent", 10, "hour")) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, 0.0), (1, 0.25), (DAY, 0.25), (DAY + 1, 0.5), (3 * DAY + 1, 1.0), (9 * DAY, 1.0)]
)
def test_a_quarter_per_started_day(seconds, expected):
    assert penalty(seconds, Late("percent", 25, "day")) == expected


def test_percentages_that_binary_fractions_miss_come_out_exact():
    assert penalty(3 * HOUR, Late("percent", 10, "hour")) == 0.3


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0.0), (1, 1.0), (DAY, 1.0)])
def test_zero_counts_nothing_from_the_first_second(seconds, expected):
    assert penalty(seconds, Late("zero")) == expected


@pytest.mark.parametrize("seconds", [0, 1, 100 * DAY])
def test_none_costs_nothing_ever(seconds):
    assert penalty(seconds, Late("none")) == 0.0


@pytest.mark.parametrize(
    "late", [Late("zero", grace=timedelta(minutes=10)), Late("percent", 100, "day", timedelta(minutes=10))]
)
def test_the_last_second_of_the_grace_period_is_free_and_the_next_is_not(late):
    assert penalty(600, late) == 0.0
    assert penalty(601, late) == 1.0


def test_beyond_the_grace_period_lateness_counts_from_the_deadline():
    """61 minutes late with 10 minutes of grace: two started hours, not one."""
    assert penalty(61 * 60, Late("percent", 10, "hour", timedelta(minutes=10))) == 0.2


def test_an_extension_replaces_the_deadline_and_keeps_the_grace_period():
    homework = Homework("h", DEADLINE - timedelta(days=9), DEADLINE, Late("zero", grace=timedelta(minutes=5)))
    extension = read_time("2026-11-08T12:00:00Z", "extension")
    assert due(homework) == DEADLINE
    assert due(homework, extension) == extension
    assert cutoff(homework) == DEADLINE + timedelta(minutes=5)
    assert cutoff(homework, extension) == datetime(2026, 11, 8, 12, 5, tzinfo=timezone.utc)


def test_times_are_written_in_utc():
    assert utc(DEADLINE) == "2026-11-06T15:59:00Z"
