"""Points nobody knows are not 0, marks outrank, penalties come off what was reached."""

import pytest

from lab_utils.staff.feedback.standing import UNCOLLECTED, UNGRADED, read_results, stand
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Collected
from lab_utils.staff.grading.result import (
    CRASHED,
    GRADED,
    INVALID,
    MISSING,
    NOT_ATTEMPTED,
    WAITING,
    QuestionResult,
    Result,
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
    [("no commit", "nothing was pushed"), ("on the moon", "on the moon")],
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
        read_results(tmp_path, (Collected("s1"), Collected("s2")))


def test_before_the_own_deadline_is_over_nothing_is_final():
    found = result(QuestionResult("A1", 3, 4, GRADED), QuestionResult("A2", 0, 6, NOT_ATTEMPTED))
    assert stand(Collected("s1", sha="x"), found, {}, HOMEWORK).complete
    assert not stand(Collected("s1", sha="x", open=True), found, {}, HOMEWORK).complete
