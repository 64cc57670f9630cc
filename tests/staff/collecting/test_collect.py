"""A class is collected: which commit counts, what it costs, what is flagged."""

import json
import os
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from lab_utils.staff.collecting import collect as module
from lab_utils.staff.collecting.collect import collect, summary
from lab_utils.staff.collecting.ledger import read_ledger
from lab_utils.staff.course.settings import read_time
from lab_utils.staff.grading.collected import read_collection
from tests.staff.collecting.repositories import NOTEBOOK, commit, course, git, repository, roster
from tests.staff.grading.mini_course import QUESTIONS

BEFORE = read_time("2026-11-06T23:50:00+08:00", "before")
DEADLINE = read_time("2026-11-06T23:59:00+08:00", "deadline")
AFTER = read_time("2026-11-09T10:00:00+08:00", "after")
ON_TIME, LATE = "2026-11-06T22:00:00+08:00", "2026-11-07T01:30:00+08:00"


@pytest.fixture
def desk(tmp_path):
    """A course, and a function that collects students at a time and returns their records by name."""
    root = course(tmp_path / "course")

    def run(*students, at=AFTER, **options):
        path = roster(tmp_path / "roster.csv", *students)
        records = collect(root, path, root / "grading", now=lambda: at, **options)
        assert read_collection(root / "grading").students == tuple(records)
        return {record.student: record for record in records}

    run.root = root
    run.repositories = tmp_path / "repositories"
    return run


def ann(desk, **columns):
    return {"student": "ann", "name": "Ann", "email": "ann@example.org", "url": desk.repositories / "ann"} | columns


@pytest.fixture
def repo(desk):
    return repository(desk.repositories / "ann")


def exported(desk, name="labs/homework4.ipynb"):
    return (desk.root / "grading" / "submissions" / "ann" / name).read_text("utf-8")


def test_the_newest_commit_at_the_deadline_counts_and_its_files_are_written(desk, repo):
    commit(repo, content="first", date="2026-11-05T12:00:00+08:00")
    wanted = commit(repo, content="second", date=ON_TIME)
    commit(repo, content="third", date=LATE)
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.status, record.evidence) == (wanted, "collected", "claimed")
    assert (record.submitted, record.late_seconds, record.penalty) == ("2026-11-06T14:00:00Z", 0, 0.0)
    assert record.folder == "submissions/ann"
    assert exported(desk) == "second"
    (later,) = record.others  # the newest late commit, 91 minutes late, is graded beside it
    assert (later.late_seconds, later.penalty, later.folder) == (5460, 0.2, f"late/ann/{later.sha[:12]}")
    assert (desk.root / "grading" / later.folder / "labs/homework4.ipynb").read_text() == "third"


@pytest.mark.parametrize(("second", "late", "cost"), [("23:59:00", 0, 0.0), ("23:59:01", 1, 0.1)])
def test_the_second_of_the_deadline_is_on_time_and_the_next_is_late(desk, repo, second, late, cost):
    commit(repo, date=f"2026-11-06T{second}+08:00")
    record = desk(ann(desk))["ann"]
    assert (record.late_seconds, record.penalty) == (late, cost)


@pytest.mark.parametrize(("second", "counts"), [("23:59:00", True), ("23:59:01", False)])
def test_a_commit_of_the_second_of_the_deadline_is_the_newest_in_time(desk, repo, second, counts):
    earlier = commit(repo, content="a", date=ON_TIME)
    last = commit(repo, content="b", date=f"2026-11-06T{second}+08:00")
    assert desk(ann(desk))["ann"].sha == (last if counts else earlier)


def test_the_grace_period_is_as_good_as_in_time(desk, repo):
    settings = desk.root / "course.toml"
    settings.write_text(settings.read_text() + "grace_minutes = 10\n")
    commit(repo, content="a", date=ON_TIME)
    wanted = commit(repo, content="b", date="2026-11-07T00:09:00+08:00")
    commit(repo, content="c", date="2026-11-07T00:09:01+08:00")
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.late_seconds, record.penalty) == (wanted, 600, 0.0)


def test_nothing_is_final_before_the_grace_period_is_over(desk, repo):
    settings = desk.root / "course.toml"
    settings.write_text(settings.read_text() + "grace_minutes = 10\n")
    commit(repo, date=ON_TIME)
    assert desk(ann(desk), at=DEADLINE + timedelta(minutes=10))["ann"].open
    assert not desk(ann(desk), at=DEADLINE + timedelta(minutes=10, seconds=1))["ann"].open


def test_without_a_commit_in_time_the_newest_late_one_counts_with_its_penalty(desk, repo):
    commit(repo, content="late", date="2026-11-07T00:30:00+08:00")
    wanted = commit(repo, content="later", date=LATE)  # 91 minutes: two started hours
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.late_seconds, record.penalty) == (wanted, 5460, 0.2)


def test_commits_that_leave_the_homework_as_released_do_not_count(desk, repo):
    commit(repo, content=NOTEBOOK, date="2026-10-02T00:00:00Z")
    commit(repo, "labs/00_a.ipynb", "work on another lab", date=ON_TIME)
    commit(repo, "notes.txt", "plans", date=ON_TIME)
    assert desk(ann(desk))["ann"].flags == ("No commit changes the homework.",)
    wanted = commit(repo, date=LATE)
    assert desk(ann(desk))["ann"].sha == wanted


@pytest.mark.parametrize("name", ["my answers.ipynb", "labs/homework4_predictions.csv"])
def test_a_renamed_notebook_or_predictions_alone_are_work(desk, repo, name):
    commit(repo, content=NOTEBOOK, date="2026-10-02T00:00:00Z")
    wanted = commit(repo, name, date=ON_TIME)
    assert desk(ann(desk))["ann"].sha == wanted


def test_a_commit_that_we_fetched_before_the_deadline_is_seen(desk, repo):
    first = commit(repo, content="a", date=ON_TIME)
    wanted = commit(repo, content="b", date=ON_TIME)
    assert desk(ann(desk), at=BEFORE)["ann"].evidence == "seen"
    commit(repo, content="c", date=LATE)
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.evidence, record.submitted) == (wanted, "seen", "2026-11-06T15:50:00Z")
    assert desk(ann(desk, commit=first))["ann"].evidence == "seen"  # as an ancestor of what was seen


def test_a_fetch_in_the_second_of_the_deadline_is_in_time_and_one_second_later_is_not(desk, repo):
    commit(repo, date=LATE)
    assert desk(ann(desk), at=DEADLINE + timedelta(seconds=1))["ann"].evidence == "claimed"
    assert desk(ann(desk), at=DEADLINE + timedelta(microseconds=900_000))["ann"].evidence == "seen"


def test_dates_that_no_fetch_contradicts_are_taken_at_their_word_but_flagged(desk, repo):
    forged = commit(repo, content="b", date=ON_TIME)
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.evidence, record.penalty) == (forged, "claimed", 0.0)
    assert any("was first seen after it, at 2026-11-09T02:00:00Z" in flag for flag in record.flags)


def test_a_commit_that_a_fetch_did_not_see_came_after_it_whatever_its_date(desk, repo):
    honest = commit(repo, content="a", date="2026-11-05T12:00:00+08:00")
    desk(ann(desk), at=DEADLINE + timedelta(minutes=61))
    forged = commit(repo, content="b", date=ON_TIME)
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.penalty) == (honest, 0.0)
    (later,) = record.others
    assert (later.sha, later.evidence, later.late_seconds, later.penalty) == (forged, "bounded", 3660, 0.2)
    assert "claims 2026-11-06T14:00:00Z, but a fetch that began at 2026-11-06T17:00:00Z" in record.flags[0]  # ranked


def test_the_host_or_the_instructor_lift_what_a_fetch_did_not_see(desk, repo, tmp_path):
    commit(repo, content="a", date="2026-11-05T12:00:00+08:00")
    desk(ann(desk), at=DEADLINE + timedelta(minutes=61))
    pushed = commit(repo, content="b", date=ON_TIME)
    pushes = tmp_path / "pushes.csv"
    pushes.write_text(f"student,sha,pushed_at\nann,{pushed},2026-11-06T14:00:00Z\n")
    record = desk(ann(desk), push_records=pushes)["ann"]
    assert (record.sha, record.evidence, record.penalty, record.others) == (pushed, "pushed", 0.0, ())
    record = desk(ann(desk, commit=pushed, penalty="0%", reason="Seen on the student's machine."))["ann"]
    assert (record.sha, record.penalty, record.by_hand) == (pushed, 0.0, True)


def test_what_a_wrong_link_did_not_hold_says_nothing_about_the_right_one(desk, repo):
    commit(repository(desk.repositories / "other"), content="x", date="2026-11-05T12:00:00+08:00")
    wanted = commit(repo, content="a", date=ON_TIME)
    desk(ann(desk, url=desk.repositories / "other"), at=DEADLINE + timedelta(hours=1))
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.evidence, record.penalty) == (wanted, "claimed", 0.0)


def test_of_each_penalty_the_newest_late_commit_is_graded_beside_the_one_in_time(desk, repo):
    first = commit(repo, content="half", date=ON_TIME)
    commit(repo, content="more", date="2026-11-07T00:10:00+08:00")
    cheap = commit(repo, content="all", date="2026-11-07T00:50:00+08:00")
    dear = commit(repo, content="all, and a comma", date="2026-11-07T04:00:00+08:00")
    commit(repo, "", date="2026-11-07T05:00:00+08:00")  # the same files again
    commit(repo, content="worth nothing", date="2026-11-07T12:00:00+08:00")
    record = desk(ann(desk))["ann"]
    assert record.sha == first
    assert [(other.sha, other.penalty) for other in record.others] == [(cheap, 0.1), (dear, 0.5)]
    settings = desk.root / "course.toml"
    settings.write_text(settings.read_text() + 'counts = "on time"\n')
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.others) == (first, ())
    assert not list((desk.root / "grading/late/ann").iterdir())


def test_many_late_commits_are_not_all_graded(desk, repo):
    shas = [commit(repo, content=str(hour), date=f"2026-11-07T0{hour}:30:00+08:00") for hour in range(8)]
    record = desk(ann(desk))["ann"]
    assert record.sha == shas[-1]  # the newest, as there is none in time
    assert [other.sha for other in record.others] == [*shas[:3], shas[-2]]


def test_a_released_notebook_that_was_merely_run_and_saved_is_no_work(desk, repo):
    saved = json.loads((desk.root / "labs/homework4.ipynb").read_text()) | {"metadata": {"kernelspec": {"name": "x"}}}
    released = json.loads(NOTEBOOK)
    released["cells"] = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": ["a = 1\n", "b"], "id": "x"}]
    (desk.root / "labs/homework4.ipynb").write_text(json.dumps(released))
    saved["cells"] = [
        {
            "cell_type": "code",
            "metadata": {"tags": []},
            "outputs": [{"text": "1"}],
            "execution_count": 3,
            "source": "a = 1\nb",
        },
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": ""},
    ]
    commit(repo, content=json.dumps(saved), date=ON_TIME)
    assert desk(ann(desk))["ann"].status == "no commit"
    saved["cells"][1]["source"] = "work"
    wanted = commit(repo, content=json.dumps(saved), date=LATE)
    assert desk(ann(desk))["ann"].sha == wanted


def test_work_on_another_branch_in_a_submodule_or_an_archive_was_seen_and_the_student_reads_where(desk, repo):
    commit(repo, content=NOTEBOOK, date="2026-10-02T00:00:00Z")
    git(repo, "switch", "--quiet", "--create", "my-work")
    work = commit(repo, content="work", date=ON_TIME)
    git(repo, "switch", "--quiet", "main")
    commit(repo, "labs/homework4.zip", "PK", date=ON_TIME)
    git(repo, "update-index", "--add", "--cacheinfo", f"160000,{work},homework")
    git(repo, "commit", "--quiet", "-m", "a submodule", date=ON_TIME)
    record = desk(ann(desk))["ann"]
    assert record.status == "no commit"
    branch, module, archive = record.left_out
    assert f"branch my-work, commit {work[:10]} of 2026-11-06T14:00:00Z" in branch
    assert module.startswith("homework was seen: it is a submodule")
    assert archive.startswith("labs/homework4.zip was seen: it is an archive")
    assert set(record.left_out) <= set(record.flags)


def test_nothing_is_final_when_the_last_fetch_that_got_through_was_before_the_deadline(desk, repo):
    commit(repo, date=ON_TIME)
    desk(ann(desk), at=BEFORE)
    repo.rename(repo.with_name("elsewhere"))
    assert desk(ann(desk))["ann"].open
    assert not desk(ann(desk, penalty="0%", reason="Deleted; graded as seen."))["ann"].open
    repo.with_name("elsewhere").rename(repo)
    assert not desk(ann(desk))["ann"].open


def test_the_hosts_record_overrules_the_dates_of_the_commits(desk, repo, tmp_path):
    on_time = commit(repo, content="a", date=ON_TIME)
    late = commit(repo, content="b", date=ON_TIME)  # forged
    pushes = tmp_path / "pushes.csv"
    pushes.write_text(f"student,sha,pushed_at\nann,{on_time},2026-11-06T15:00:00Z\nann,{late},2026-11-06T17:00:00Z\n")
    record = desk(ann(desk), push_records=pushes)["ann"]
    assert (record.sha, record.evidence, record.submitted) == (on_time, "pushed", "2026-11-06T15:00:00Z")
    record = desk(ann(desk, commit=late), push_records=pushes)["ann"]
    assert (record.evidence, record.late_seconds, record.penalty) == ("pushed", 3660, 0.2)


def test_what_we_saw_in_time_counts_although_the_history_was_rewritten(desk, repo):
    wanted = commit(repo, content="a", date=ON_TIME)
    desk(ann(desk), at=BEFORE)
    git(repo, "commit", "--amend", "--quiet", "-m", "again", date=LATE)
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.evidence, record.penalty) == (wanted, "seen", 0.0)
    assert any(f"rewritten: commit {wanted[:10]}, seen at 2026-11-06T15:50:00Z" in flag for flag in record.flags)
    assert exported(desk) == "a"


def test_an_extension_moves_the_deadline_of_one_student(desk, repo):
    wanted = commit(repo, date="2026-11-08T11:59:59Z")
    assert desk(ann(desk))["ann"].penalty == 1.0
    record = desk(ann(desk, extension="2026-11-08T12:00:00Z"))["ann"]
    assert (record.sha, record.late_seconds, record.penalty) == (wanted, 0, 0.0)


@pytest.mark.parametrize(("cell", "cost"), [("0%", 0.0), ("5%", 0.05), ("", 0.2)])
def test_a_penalty_in_the_roster_outranks_the_late_policy_and_changes_no_commit(desk, repo, cell, cost):
    late = commit(repo, date=LATE)  # 91 minutes: two started hours
    record = desk(ann(desk, penalty=cell, reason="Doctor's note." if cell else ""))["ann"]
    assert (record.sha, record.late_seconds, record.penalty) == (late, 5460, cost)
    assert record.by_hand == bool(cell)
    said = f"The roster sets the penalty to {cell[:1]} %, the late policy to 20 %: Doctor's note."
    assert (said in record.flags) == bool(cell)
    assert (f"1:31:00 late, {cost:.0%} off{' by hand' if cell else ''}\n") in summary([record])


def test_a_penalty_can_be_set_for_work_in_time(desk, repo):
    commit(repo, date=ON_TIME)
    record = desk(ann(desk, penalty="10%", reason="The date is not true."))["ann"]
    assert (record.late_seconds, record.penalty, record.reason) == (0, 0.1, "The date is not true.")
    assert "on time, 10% off by hand" in summary([record])


def test_the_commit_that_the_roster_names_counts_with_the_penalty_of_its_time(desk, repo):
    commit(repo, content="in time", date=ON_TIME)
    late = commit(repo, content="late", date="2026-11-07T00:59:00+08:00")
    record = desk(ann(desk, commit=late[:9]))["ann"]
    assert (record.sha, record.late_seconds, record.penalty) == (late, 3600, 0.1)
    assert exported(desk) == "late"
    record = desk(ann(desk, commit="0123456789"))["ann"]
    assert (record.status, record.folder) == ("no commit", "")
    assert any("there is no such commit" in flag for flag in record.flags)
    assert not (desk.root / "grading" / "submissions" / "ann").exists()


def test_a_student_whose_repository_is_gone_is_graded_from_what_was_fetched(desk, repo):
    wanted = commit(repo, date=ON_TIME)
    desk(ann(desk), at=BEFORE)
    repo.rename(repo.with_name("elsewhere"))
    record = desk(ann(desk))["ann"]
    assert (record.sha, record.status, record.evidence) == (wanted, "collected", "seen")
    assert any("could not be fetched" in flag for flag in record.flags)


def test_a_bad_link_stops_nobody_else_and_the_order_is_that_of_the_names(desk, repo):
    commit(repo, date=ON_TIME)
    nowhere = {"student": "Bob", "url": desk.repositories / "bob"}
    trick = {"student": "cy", "url": "ext::sh -c touch% /tmp/x"}
    records = desk(trick, nowhere, ann(desk), workers=2)
    assert {name: record.status for name, record in records.items()} == {
        "Bob": "unreachable",
        "ann": "collected",
        "cy": "unreachable",
    }
    assert list(records) == ["Bob", "ann", "cy"]
    assert "does not appear to be a git repository" in records["Bob"].flags[0] or "not exist" in records["Bob"].flags[0]
    assert "1 of 3 collected" in summary(list(records.values()))


def test_every_fetch_is_in_the_ledger_also_one_that_failed(desk, repo):
    sha = commit(repo, date=ON_TIME)
    desk(ann(desk), {"student": "bob", "url": "https://"}, at=BEFORE)
    desk(ann(desk))
    sightings, damaged = read_ledger(desk.root / "grading" / "ledger.jsonl")
    assert damaged == 0
    assert [(s.student, s.tip, bool(s.error)) for s in sightings] == [
        *sorted([("ann", sha, False), ("bob", "", True)], key=lambda s: [x.student for x in sightings].index(s[0])),
        ("ann", sha, False),
    ]
    assert sightings[0].seen_at == BEFORE


def test_the_summary_has_the_times_of_the_course_and_says_whose_deadline_is_to_come(desk, repo):
    commit(repo, date=LATE)  # 91 minutes after the deadline
    later = "2026-11-20T15:59:00Z"
    records = desk(ann(desk), {"student": "bob", "name": "Bob", "email": "", "url": repo, "extension": later})
    assert (records["ann"].due, records["ann"].open) == ("2026-11-06T23:59:00+08:00", False)
    assert (records["bob"].due, records["bob"].open) == ("2026-11-20T23:59:00+08:00", True)
    text = summary(list(records.values()))
    assert "2026-11-07 01:30:00 (UTC+08:00)  claimed  1:31:00 late" in text
    assert "The student's own deadline, 2026-11-20 23:59:00 (UTC+08:00), is not over yet." in text
    assert "Z" not in text
    assert "The deadline of 1 is not over yet: collect again after it" in text


def test_collecting_again_gives_the_same_file(desk, repo):
    commit(repo, date=ON_TIME)
    desk(ann(desk))
    first = (desk.root / "grading" / "collected.json").read_bytes()
    desk(ann(desk))
    assert (desk.root / "grading" / "collected.json").read_bytes() == first


def test_students_with_one_link_or_one_commit_are_flagged(desk, repo):
    commit(repo, date=ON_TIME)
    git(desk.repositories, "clone", "--quiet", str(repo), "copy")
    records = desk(ann(desk), ann(desk, student="bob"), {"student": "cy", "url": desk.repositories / "copy"})
    assert "The same link as bob." in records["ann"].flags
    assert "The same commit as ann, bob." in records["cy"].flags


@pytest.mark.parametrize("place", ["course", "course/grading/mirrors/bob.git", "course/solutions"])
def test_the_course_itself_and_the_mirrors_are_no_hand_ins(desk, place):
    folder = desk.root.parent / place
    record = desk(ann(desk, url=folder))["ann"]
    assert record.status == "unreachable"
    assert "belongs to the course" in record.flags[0]


def test_strange_dates_are_flagged(desk, repo):
    commit(repo, content="a", date="2026-11-06T20:00:00+08:00", author="2026-10-20T20:00:00+08:00")
    commit(repo, content="b", date="2026-11-06T19:00:00+08:00")
    flags = " ".join(desk(ann(desk))["ann"].flags)
    assert "Dated before the commit that it builds on" in flags
    assert "more than a day apart" in flags
    assert "later than it was first seen" not in flags
    commit(repo, content="c", date="2026-09-01T00:00:00Z")
    commit(repo, content="d", date="2026-09-02T00:00:00Z", author="2027-01-01T00:00:00Z")
    flags = " ".join(desk(ann(desk))["ann"].flags)
    assert "dated 2026-09-02T00:00:00Z, before the homework was released" in flags
    assert "Dated later than it was first seen" in flags


def test_honest_work_that_was_seen_in_time_has_no_flags(desk, repo):
    commit(repo, content="a", date="2026-11-05T12:00:00+08:00")
    commit(repo, content="b", date=ON_TIME)
    assert desk(ann(desk), at=BEFORE)["ann"].flags == ()


def test_the_default_branch_counts_whatever_its_name(desk):
    repo = repository(desk.repositories / "ann", branch="trunk")
    wanted = commit(repo, content="a", date=ON_TIME)
    git(repo, "switch", "--quiet", "--create", "main")
    commit(repo, content="b", date=ON_TIME)
    git(repo, "switch", "--quiet", "trunk")
    record = desk(ann(desk))["ann"]
    assert record.sha == wanted
    assert "Work on the homework was seen on the branch main" in record.flags[0]


def test_a_detached_head_counts_and_is_flagged(desk, repo):
    wanted = commit(repo, content="a", date=ON_TIME)
    commit(repo, content="b", date=ON_TIME)
    git(repo, "checkout", "--quiet", "--detach", wanted)
    record = desk(ann(desk))["ann"]
    assert record.sha == wanted
    assert any("names no default branch" in flag for flag in record.flags)


def test_the_only_branch_stands_in_for_a_head_that_names_none(desk, repo):
    git(repo, "switch", "--quiet", "--create", "work")
    wanted = commit(repo, date=ON_TIME)
    git(repo, "symbolic-ref", "HEAD", "refs/heads/nothing")
    assert desk(ann(desk))["ann"].sha == wanted


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to give files away")
def test_a_repository_of_another_user_of_this_machine_is_fetched(desk, repo):
    sha = commit(repo, date=ON_TIME)
    for path in [repo, *repo.rglob("*")]:
        os.chown(path, 12345, 12345)
    assert desk(ann(desk))["ann"].sha == sha


def test_empty_and_bare_repositories(desk, repo):
    record = desk(ann(desk))["ann"]
    assert (record.status, record.flags) == ("no commit", ("The repository is empty.",))
    sha = commit(repo, date=ON_TIME)
    git(desk.repositories, "clone", "--quiet", "--bare", str(repo), "bare.git")
    assert desk(ann(desk, url=(desk.repositories / "bare.git").as_uri()))["ann"].sha == sha


def test_two_collects_at_a_time_do_not_mix(desk, repo):
    commit(repo, date=ON_TIME)
    with (
        module.only_one(desk.root / "grading", "collect"),
        pytest.raises(ValueError, match="Another collect is at work"),
    ):
        desk(ann(desk))
    assert desk(ann(desk))["ann"].status == "collected"


def test_leftovers_of_a_killed_collect_are_cleared_away(desk, repo):
    commit(repo, date=ON_TIME)
    leftover = desk.root / "grading" / "submissions" / ".ann.0123.tmp"
    leftover.mkdir(parents=True)
    (leftover / "x").touch()
    desk(ann(desk))
    assert [path.name for path in leftover.parent.iterdir()] == ["ann"]


def test_times_without_our_clock_are_those_of_the_system(desk, repo):
    commit(repo, date=ON_TIME)
    path = roster(desk.root.parent / "roster.csv", ann(desk))
    collect(desk.root, path, desk.root / "grading")
    (sighting,), _ = read_ledger(desk.root / "grading" / "ledger.jsonl")
    assert abs(sighting.seen_at - datetime.now(timezone.utc)) < timedelta(minutes=5)


def test_a_notebook_of_another_kind_is_no_work_on_the_homework(desk, repo, tmp_path):
    questions = desk.root / "lab_utils/staff/homework4/questions.toml"
    questions.parent.mkdir(parents=True)
    questions.write_text(QUESTIONS)
    commit(repo, content=NOTEBOOK, date="2026-10-02T00:00:00Z")
    commit(repo, "notes.ipynb", "I can prepare dinner", date=ON_TIME)
    wanted = commit(repo, date=LATE)
    record = desk(ann(desk))["ann"]
    assert record.sha == wanted
    assert record.penalty > 0
    wanted = commit(repo, "mine.ipynb", "def scale(x): ...", date=ON_TIME)
    assert desk(ann(desk))["ann"].sha == wanted


def test_a_history_that_takes_too_long_stops_with_its_student(desk, repo, monkeypatch):
    commit(repo, date=ON_TIME)
    clock = iter(range(0, 10**9, 1000))
    own_time = SimpleNamespace(monotonic=lambda: next(clock))  # of that module alone: git has a clock, too
    monkeypatch.setattr("lab_utils.staff.collecting.released.time", own_time)
    record = desk(ann(desk))["ann"]
    assert record.status == "no commit"
    assert any("looking through its history took more than" in flag for flag in record.flags)
