"""Points nobody knows are not 0, marks outrank, penalties come off what was reached."""

import pytest

from lab_utils.staff.feedback.standing import UNCOLLECTED, UNGRADED, best, stand
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Attempt, Collected, attempts, result_file
from lab_utils.staff.grading.contenders import contenders
from lab_utils.staff.grading.result import (
    CRASHED,
    GRADED,
    INVALID,
    MISSING,
    NOT_ATTEMPTED,
    WAITING,
    QuestionResult,
    Result,
    write_result,
)
from lab_utils.staff.grading.written import Mark

HOMEWORK = Assignment(
    "h", "H", (Question("A1", "one", 4, "function", function="f"), Question("A2", "two", 6, "written", rubric=("all",)))
)


def result(*questions, status=GRADED, sha="x"):
    return Result("s1", sha, "n", status, questions)


def test_known_points_add_up_and_the_penalty_comes_off_what_was_reached():
    found = result(QuestionResult("A1", 3, 4, GRADED), QuestionResult("A2", 0, 6, WAITING))
    standing = stand(Collected("s1", sha="x", penalty=0.15), found, {"A2": Mark("s1", "A2", "t", 4.5)}, HOMEWORK)
    assert (standing.raw, standing.lost, standing.total) == (7.5, 1.12, 6.38)
    assert standing.complete


def test_a_waiting_answer_has_no_points_and_the_total_is_not_complete():
    found = result(QuestionResult("A1", 3, 4, GRADED), QuestionResult("A2", 0, 6, WAITING))
    standing = stand(Collected("s1", sha="x"), found, {"A2": Mark("s1", "A2", "t", None, "later")}, HOMEWORK)
    assert [answer.points for answer in standing.answered] == [3, None]
    assert standing.answered[1].comment == "later"
    assert (standing.total, standing.complete, standing.known) == (3, False, True)


@pytest.mark.parametrize("status", [CRASHED, NOT_ATTEMPTED, MISSING])
def test_a_failed_run_keeps_its_status_and_a_mark_outranks_it(status):
    found = result(QuestionResult("A1", 0, 4, status), QuestionResult("A2", 0, 6, NOT_ATTEMPTED))
    first, second = stand(Collected("s1"), found, {}, HOMEWORK).answered
    assert (first.points, first.status, second.points, second.status) == (0, status, 0, NOT_ATTEMPTED)
    marks = {"A1": Mark("s1", "A1", points=1), "A2": Mark("s1", "A2", points=2)}  # shown in person, say
    first, second = stand(Collected("s1"), found, marks, HOMEWORK).answered
    assert (first.points, first.status, second.points, second.status) == (1, GRADED, 2, GRADED)


def test_collected_but_not_graded_is_not_zero():
    standing = stand(Collected("s1", sha="x", folder="submissions/s1"), None, {}, HOMEWORK)
    assert (standing.status, standing.known, standing.complete) == (UNGRADED, False, False)
    assert "not been graded" in standing.message
    assert [answer.points for answer in standing.answered] == [None, None]


@pytest.mark.parametrize(
    ("status", "words"),
    [("no commit", "no commit of the default branch changes"), ("on the moon", "on the moon")],
)
def test_nothing_collected_is_missing_and_says_why(status, words):
    standing = stand(Collected("s1", status=status), None, {}, HOMEWORK)
    assert (standing.status, standing.total, standing.complete) == (MISSING, 0, True)
    assert words in standing.message
    assert {answer.status for answer in standing.answered} == {MISSING}


@pytest.mark.parametrize("graded", [True, False])
def test_a_repository_that_was_never_reached_is_no_zero_until_the_roster_says_so(graded):
    nothing = tuple(QuestionResult(name, 0.0, out_of, MISSING) for name, out_of in (("A1", 4), ("A2", 6)))
    found = Result("s1", "", "", MISSING, nothing) if graded else None
    standing = stand(Collected("s1", status="unreachable"), found, {}, HOMEWORK)
    assert (standing.status, standing.known, standing.complete) == (UNCOLLECTED, False, False)
    assert "could not be fetched" in standing.message
    assert {answer.points for answer in standing.answered} == {None}
    final = stand(Collected("s1", status="unreachable", penalty=1.0, by_hand=True), found, {}, HOMEWORK)
    assert (final.status, final.total, final.complete) == (MISSING, 0, True)


def test_an_invalid_notebook_says_so_in_every_question():
    standing = stand(Collected("s1", sha="x"), Result("s1", "x", "", INVALID, (), message="no JSON"), {}, HOMEWORK)
    assert (standing.status, standing.message) == (INVALID, "no JSON")
    assert {answer.status for answer in standing.answered} == {INVALID}


def test_points_of_another_commit_are_not_complete():
    found = result(QuestionResult("A1", 3, 4, GRADED), QuestionResult("A2", 0, 6, NOT_ATTEMPTED), sha="old")
    assert stand(Collected("s1", sha="old"), found, {}, HOMEWORK).complete
    standing = stand(Collected("s1", sha="new"), found, {}, HOMEWORK)
    assert standing.stale
    assert not standing.complete


def test_a_question_that_the_result_does_not_know_is_not_graded_yet():
    standing = stand(Collected("s1", sha="x"), result(QuestionResult("A1", 3, 4, GRADED)), {}, HOMEWORK)
    assert (standing.answered[1].points, standing.answered[1].status) == (None, UNGRADED)


def test_a_broken_result_is_named(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "s1.json").write_text("{", "utf-8")
    with pytest.raises(ValueError, match=r"s1\.json"):
        contenders(Collected("s1"), tmp_path / "results", HOMEWORK)


def test_before_the_own_deadline_is_over_nothing_is_final():
    found = result(QuestionResult("A1", 3, 4, GRADED), QuestionResult("A2", 0, 6, NOT_ATTEMPTED))
    assert stand(Collected("s1", sha="x"), found, {}, HOMEWORK).complete
    assert not stand(Collected("s1", sha="x", open=True), found, {}, HOMEWORK).complete


LATE = Attempt("b" * 40, "claimed", "2026-11-06T16:40:00Z", 2460, 0.1, "late/s1/bbbbbbbbbbbb")
BOTH = Collected("s1", sha="a" * 40, folder="submissions/s1", others=(LATE,))


def graded(sha, a1, a2):
    """A result with points of A1, and A2 waiting for a mark if there is a text."""
    status = WAITING if a2 else NOT_ATTEMPTED
    questions = (QuestionResult("A1", a1, 4, GRADED), QuestionResult("A2", 0, 6, status))
    return Result("s1", sha, "n.ipynb", GRADED, questions, answers={"A2": a2} if a2 else {})


@pytest.mark.parametrize(
    ("on_time", "late", "left"),
    [
        ((4, "text"), (4, "text"), "ab"),  # the same text may be marked once only, but the marks are not known yet
        ((1, ""), (4, ""), "b"),  # 1 against 3.6
        ((4, ""), (4, ""), "a"),  # 4 against 3.6
        ((4, ""), (1, "text"), "ab"),  # 4 against at least 0.9 and at most 6.3
        ((1, "text"), (4, "text"), "ab"),
        ((3.6, ""), (4, ""), "a"),  # as many: the first counts
    ],
)
def test_of_two_commits_those_are_left_that_can_be_the_best_whatever_their_texts_get(tmp_path, on_time, late, left):
    for one, points in zip(attempts(BOTH), (on_time, late), strict=True):
        write_result(result_file(tmp_path, one), graded(one.sha, *points))
    found = "".join(one.collected.sha[0] for one in contenders(BOTH, tmp_path, HOMEWORK))
    assert found == left


def test_the_better_of_work_in_time_and_later_work_less_its_penalty_counts():
    first, later = attempts(BOTH)
    finished = stand(later, graded(later.sha, 4, ""), {}, HOMEWORK)
    half = stand(first, graded(first.sha, 1, ""), {}, HOMEWORK)
    chosen = best([half, finished])
    assert (chosen.collected.sha, chosen.total, chosen.complete) == (later.sha, 3.6, True)
    assert [one.total for one in chosen.considered] == [1.0, 3.6]
    better = stand(first, graded(first.sha, 3.7, ""), {}, HOMEWORK)
    assert best([better, finished]).collected.sha == first.sha


def test_as_long_as_a_text_of_one_commit_is_not_marked_nothing_is_final():
    first, later = attempts(BOTH)
    half = stand(first, graded(first.sha, 4, ""), {}, HOMEWORK)
    waiting = stand(later, graded(later.sha, 3, "text"), {}, HOMEWORK)
    assert not best([half, waiting]).complete
    bad = stand(later, graded(later.sha, 3, "text"), {"A2": Mark("s1", "A2", points=0)}, HOMEWORK)
    assert (best([half, bad]).collected.sha, best([half, bad]).complete) == (first.sha, True)
    good = stand(later, graded(later.sha, 3, "text"), {"A2": Mark("s1", "A2", points=6)}, HOMEWORK)
    assert (best([half, good]).collected.sha, best([half, good]).total) == (later.sha, 8.1)
