"""course.toml: what is read, what is refused, and what students see of it."""

from datetime import datetime, timedelta, timezone

import pytest

from lab_utils.staff.course.bootstrap import STAMP, deadline_text, stamp_cell
from lab_utils.staff.course.settings import Course, Homework, Late, homework_of, local_times, read_course, read_time

COURSE = '[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n'
DATES = 'release = "2026-10-01T09:00:00+08:00"\ndeadline = "2026-11-06T23:59:00+08:00"\n'
SINGAPORE = timezone(timedelta(hours=8))


def read(tmp_path, text):
    (tmp_path / "course.toml").write_text(text, "utf-8")
    return read_course(tmp_path / "course.toml")


def test_a_homework_is_read_with_its_offset_and_late_policy(tmp_path):
    text = f'{COURSE}[homework4]\n{DATES}late = "percent"\npercent = 10\nper = "hour"\ngrace_minutes = 5\n'
    homework = homework_of(read(tmp_path, text), "homework4")
    assert homework.deadline == datetime(2026, 11, 6, 15, 59, tzinfo=timezone.utc)
    assert homework.deadline.utcoffset() == timedelta(hours=8)
    assert homework.late == Late("percent", 10.0, "hour", timedelta(minutes=5))


def test_lateness_costs_nothing_unless_the_file_says_so(tmp_path):
    assert read(tmp_path, f"{COURSE}[homework4]\n{DATES}").homeworks["homework4"].late == Late("none")


def test_a_native_date_of_toml_with_an_offset_is_taken(tmp_path):
    text = f"{COURSE}[homework4]\nrelease = 2026-10-01T09:00:00Z\ndeadline = 2026-11-06T23:59:00+08:00\n"
    deadline = read(tmp_path, text).homeworks["homework4"].deadline
    assert deadline == datetime(2026, 11, 6, 15, 59, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "deadline", ['"2026-11-06T23:59:00"', '"2026-11-06 23:59"', "2026-11-06T23:59:00", "2026-11-06", '"tonight"', "7"]
)
def test_a_date_without_an_offset_is_refused_and_the_right_form_shown(tmp_path, deadline):
    text = f'{COURSE}[homework4]\nrelease = "2026-10-01T09:00:00+08:00"\ndeadline = {deadline}\n'
    with pytest.raises(ValueError, match=r"\[homework4\] deadline .*2026-11-06T23:59:00\+08:00"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "hour", "second"),
    [
        ("2026-11-06T23:59:00+08:00", 15, 0),
        ("2026-11-06 23:59 +0800", 15, 0),  # eight hours, not 800 seconds
        ("2026-11-06T15:59:30Z", 15, 30),
        ("2026-11-06T15:59:30.999Z", 15, 30),
        ("2026-11-06T10:29-05:30", 15, 0),
    ],
)
def test_times_are_read_with_their_offset(text, hour, second):
    assert read_time(text, "x") == datetime(2026, 11, 6, hour, 59, second, tzinfo=timezone.utc)


def test_a_day_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="2026-02-31"):
        read_time("2026-02-31T23:59:00Z", "x")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('late = "half"', "late as one of none, zero, percent"),
        ('late = "percent"', "percent above 0"),
        ("percent = 10", "percent above 0"),
        ('late = "percent"\npercent = 101', "percent above 0 and up to 100"),
        ('late = "percent"\npercent = true', "percent above 0"),
        ('per = "week"', "per as one of hour, day"),
        ("grace_minutes = -1", "grace_minutes as a number from 0"),
        ("dedline = 3", "hold only .*got dedline"),
        ('release = "2027-01-01T00:00:00Z"', "deadline of .*after its release"),
    ],
)
def test_a_wrong_policy_is_refused_with_what_is_allowed(tmp_path, line, message):
    dates = DATES.splitlines()[1] if line.startswith("release") else DATES
    with pytest.raises(ValueError, match=message):
        read(tmp_path, f"{COURSE}[homework4]\n{dates}\n{line}\n")


def test_a_line_that_is_no_toml_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"course\.toml.*line 4"):
        read(tmp_path, COURSE + "[homework4\n")


def test_a_homework_without_dates_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"table \[homework5\]"):
        homework_of(read(tmp_path, COURSE), "homework5")


def test_the_only_homework_needs_no_name_and_one_of_several_does(tmp_path):
    assert homework_of(read(tmp_path, f"{COURSE}[hw]\n{DATES}")).name == "hw"
    with pytest.raises(ValueError, match=r"several in course\.toml: hw, two\. Add --homework NAME"):
        homework_of(read(tmp_path, f"{COURSE}[hw]\n{DATES}[two]\n{DATES}"))


@pytest.mark.parametrize("repository", ["https://github.com/u-1/labs.x.git", "https://github.com/u-1/labs.x"])
def test_a_repository_on_github_gives_a_colab_badge(repository):
    text = stamp_cell("00_a", Course(repository, "a", branch="work"))
    assert text.startswith(STAMP)
    assert "(https://colab.research.google.com/github/u-1/labs.x/blob/work/labs/00_a.ipynb)" in text


@pytest.mark.parametrize("repository", ["https://example.org/u/labs.git", "https://github.com.example.org/u/labs"])
def test_another_repository_gives_none(repository):
    assert stamp_cell("00_a", Course(repository, "a")) == ""


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (Late("none", grace=timedelta(minutes=5)), "Work that comes later counts in full."),
        (Late("zero"), "Work that comes later counts nothing."),
        (
            Late("percent", 12.5, "hour", timedelta(minutes=5)),
            "Every started hour after it costs 12.5 % of the points. A delay of up to 5 minutes costs nothing."
            " Of work in time and later work the better counts, after what lateness costs.",
        ),
    ],
)
def test_the_deadline_is_told_to_the_second_with_what_lateness_costs(late, expected):
    moment = datetime(2026, 11, 6, 23, 59, tzinfo=SINGAPORE)
    homework = Homework("homework4", datetime(2026, 10, 1, tzinfo=SINGAPORE), moment, late)
    assert deadline_text(homework) == f"**Due: Friday 6 November 2026, 23:59:00 (UTC+08:00).** {expected}"


def test_times_in_utc_are_written_out_for_the_zone_of_the_course_and_other_text_stays():
    text = "seen at 2026-11-06T18:59:00Z, not 2026-02-31T00:00:00Z; 2026-11-06T15:00:01.5+00:00"
    written = "seen at 2026-11-07 02:59:00 (UTC+08:00), not 2026-02-31T00:00:00Z; 2026-11-06 23:00:01 (UTC+08:00)"
    assert local_times(text, SINGAPORE) == written
    assert local_times("2026-11-06T18:59:00Z") == "2026-11-06 18:59:00 UTC"
    assert local_times("0001-01-01T00:00:00Z", timezone(timedelta(hours=-8))) == "0001-01-01T00:00:00Z"
