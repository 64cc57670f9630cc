"""Pages go into a branch of their own, and nowhere else."""

import pytest

from lab_utils.staff.collecting.collect import collect
from lab_utils.staff.collecting.push_pages import in_words, push_pages
from lab_utils.staff.course.settings import read_time
from tests.staff.collecting.repositories import commit, course, git, repository, roster

NOW = read_time("2026-11-09T10:00:00+08:00", "now")


@pytest.fixture
def desk(tmp_path):
    """Ann has handed in, Bob's repository is not there; both have a page."""
    root = course(tmp_path / "course")
    repo = repository(tmp_path / "ann")
    commit(repo)
    folder = root / "grading/homework4"
    path = roster(tmp_path / "roster.csv", {"student": "ann", "url": repo}, {"student": "bob", "url": tmp_path / "bob"})
    records = collect(root, path, folder, now=lambda: NOW)
    (folder / "feedback").mkdir()
    for name in ("ann", "bob"):
        (folder / "feedback" / f"{name}.html").write_text(f"<p>{name}</p>")
    return root, folder, repo, records


def push(desk, really):
    return {p.student: p.what for p in push_pages(desk[1], desk[0], "homework4", desk[3], really=really)}


def branches(repo):
    return git(repo, "for-each-ref", "--format=%(refname:short)").split()


def test_a_dry_run_tells_and_touches_nothing(desk):
    _, _, repo, _ = desk
    head = git(repo, "rev-parse", "HEAD")
    assert push(desk, False)["ann"] == "new"
    assert branches(repo) == ["main"]
    assert git(repo, "rev-parse", "HEAD") == head


def test_a_page_is_one_file_in_a_branch_of_its_own_and_goes_on_top_of_the_last(desk):
    _, folder, repo, _ = desk
    head = git(repo, "rev-parse", "HEAD")
    found = push(desk, True)
    assert (found["ann"], found["bob"]) == ("new", "not pushed: nothing was collected (unreachable)")
    assert git(repo, "ls-tree", "-r", "--name-only", "feedback-homework4") == "homework4.html"
    assert git(repo, "show", "feedback-homework4:homework4.html") == "<p>ann</p>"
    assert push(desk, True)["ann"] == "same as it is there"
    (folder / "feedback/ann.html").write_text("<p>more</p>")
    assert push(desk, False)["ann"] == "changed"
    assert push(desk, True)["ann"] == "changed"
    assert git(repo, "rev-list", "--count", "feedback-homework4") == "2"
    assert git(repo, "rev-parse", "main") == head
    assert git(repo, "status", "--porcelain") == ""


def test_what_others_would_read_stays_here(desk):
    root, folder, repo, (ann, bob) = desk
    both = [ann, type(ann)(**{**vars(bob), "url": ann.url, "status": "collected"})]
    found = push_pages(folder, root, "homework4", both, really=True)
    assert [p.what for p in found] == ["not pushed: others have the same link, and would read it"] * 2
    assert branches(repo) == ["main"]
    assert "2 pages stay here" in in_words(found, "homework4", really=True)


def test_the_dry_run_asks_who_can_read_it(desk):
    found = push_pages(desk[1], desk[0], "homework4", desk[3], really=False)
    assert "are all of them private? Then: feedback --push now" in in_words(found, "homework4", really=False)
    assert "private" not in in_words(found, "homework4", really=True)


def test_a_later_collect_does_not_take_the_page_for_work(desk, tmp_path):
    root, folder, repo, (ann, _) = desk
    push(desk, True)
    (again,) = collect(root, roster(tmp_path / "r.csv", {"student": "ann", "url": repo}), folder, now=lambda: NOW)
    assert (again.sha, again.flags) == (ann.sha, ann.flags)
