"""Difficulty and discrimination against values worked out by hand and by another implementation."""

import numpy as np
import pytest
from scipy import stats

from lab_utils.staff.feedback.class_numbers import common_mistakes, discrimination, question_numbers, waiting
from lab_utils.staff.feedback.standing import stand
from lab_utils.staff.grading.assignment import Assignment, Question
from lab_utils.staff.grading.collected import Collected
from lab_utils.staff.grading.result import (
    CRASHED,
    GRADED,
    INVALID,
    PASSED,
    UNDECIDED,
    WAITING,
    WRONG,
    CaseResult,
    QuestionResult,
    Result,
)
from lab_utils.staff.grading.written import Mark

HOMEWORK = Assignment(
    "h",
    "H",
    (
        Question("A1", "first", 4, "function", function="f"),
        Question("A2", "second", 10, "written", rubric=("all",)),
        Question("B1", "third", 2, "function", function="g"),
    ),
)


def standing(number, a1, b1, a2=None, status=GRADED, **fields):
    questions = (
        QuestionResult("A1", a1, 4, GRADED),
        QuestionResult("A2", 0.0, 10, WAITING),
        QuestionResult("B1", b1, 2, fields.pop("b1_status", GRADED)),
    )
    name = f"s{number}"
    result = Result(name, "x", "n", status, questions, **fields)
    marks = {"A2": Mark(name, "A2", "text", a2)}
    return stand(Collected(name, sha="x"), result, marks, HOMEWORK)


def test_difficulty_is_the_mean_share_of_the_points():
    a1, a2, b1 = question_numbers(HOMEWORK, [standing(1, 4, 0, 5), standing(2, 1, 0), standing(3, 1, 1, 10)])
    assert (a1.n, a1.share) == (3, pytest.approx((1 + 0.25 + 0.25) / 3))
    assert (a2.n, a2.share) == (2, pytest.approx(0.75))  # of those that are marked
    assert b1.share == pytest.approx(1 / 6)
    assert a2.statuses == {GRADED: 2, WAITING: 1}


def test_discrimination_by_hand():
    points = np.array([0.0] * 5 + [1.0] * 5)
    rest = np.array([0.0, 0, 0, 0, 1, 0, 1, 1, 1, 1])
    # phi = (4 * 4 - 1 * 1) / sqrt(5 * 5 * 5 * 5) = 15 / 25
    assert discrimination(points, rest) == (pytest.approx(0.6), "")


def test_a_question_is_correlated_with_the_others_only():
    draw = np.random.default_rng(0)
    a1, b1, a2 = draw.integers(0, 5, 30), draw.integers(0, 3, 30), draw.integers(0, 11, 30)
    numbers = question_numbers(HOMEWORK, [standing(i, *row) for i, row in enumerate(zip(a1, b1, a2, strict=True))])
    for entry, (own, rest) in zip(numbers, ((a1, a2 + b1), (a2, a1 + b1), (b1, a1 + a2)), strict=True):
        assert entry.discrimination == pytest.approx(stats.pearsonr(own, rest).statistic)


def test_a_half_marked_question_is_no_part_of_the_rest():
    draw = np.random.default_rng(1)
    a1, b1 = draw.integers(0, 5, 20), draw.integers(0, 3, 20)
    a2 = [int(value) if i < 12 else None for i, value in enumerate(draw.integers(0, 11, 20))]
    one, two, _ = question_numbers(HOMEWORK, [standing(i, *r) for i, r in enumerate(zip(a1, b1, a2, strict=True))])
    assert (one.n, one.discrimination) == (20, pytest.approx(stats.pearsonr(a1, b1).statistic))
    assert (two.n, two.discrimination) == (12, pytest.approx(stats.pearsonr(a2[:12], (a1 + b1)[:12]).statistic))


@pytest.mark.parametrize(
    ("points", "rest", "reason"),
    [
        (np.arange(0.0), np.arange(0.0), "no points yet"),
        (np.arange(1.0), np.arange(1.0), "only 1 student"),
        (np.arange(9.0), np.arange(9.0), "only 9 students"),
        (np.ones(12), np.arange(12.0), "all have the same points"),
        (np.arange(12.0), np.ones(12), "the other questions do not differ"),
    ],
)
def test_no_number_where_there_is_none(points, rest, reason):
    assert discrimination(points, rest) == (None, reason)


def test_submissions_that_were_not_graded_do_not_make_a_question_harder():
    invalid = standing(3, 0, 0, status=INVALID)
    assert question_numbers(HOMEWORK, [standing(1, 4, 2), standing(2, 4, 2), invalid])[0].share == 1.0
    assert [entry.share for entry in question_numbers(HOMEWORK, [invalid])] == [None, None, None]
    assert question_numbers(HOMEWORK, [])[0].why_not == "no points yet"


def test_common_mistakes_count_students_and_the_most_common_comes_first():
    def failed(number, hints, status=GRADED, **fields):
        cases = tuple(CaseResult(f"case {i}", 1, WRONG if hint else PASSED, hint) for i, hint in enumerate(hints))
        question = QuestionResult("A1", 0, 4, GRADED, cases, hint=next(filter(None, hints), ""))
        result = Result(f"s{number}", "x", "n", status, (question,), **fields)
        return stand(Collected(f"s{number}", sha="x"), result, {}, HOMEWORK)

    class_ = [
        failed(1, ["twice", "twice", ""]),  # one student counts once
        failed(2, ["twice", "once"]),
        failed(3, [""]),
        failed(4, ["not collected"], status=INVALID),
        stand(Collected("s5"), None, {}, HOMEWORK),
    ]
    assert [(m.where, m.text, m.students) for m in common_mistakes(class_)] == [
        ("A1", "twice", ("s1", "s2")),
        ("A1", "once", ("s2",)),
    ]


def test_what_is_not_decided_yet_is_nobodys_mistake():
    case = CaseResult("case", 1, UNDECIDED, "The machine was busy.")
    result = Result("s1", "x", "n", GRADED, (QuestionResult("A1", 0, 4, UNDECIDED, (case,), hint=case.hint),))
    assert common_mistakes([stand(Collected("s1", sha="x"), result, {}, HOMEWORK)]) == ()


def test_hints_of_questions_without_cases_count_too():
    result = Result("s1", "x", "n", GRADED, (QuestionResult("A1", 0, 4, CRASHED, hint="no file"),))
    (mistake,) = common_mistakes([stand(Collected("s1", sha="x"), result, {}, HOMEWORK)])
    assert (mistake.where, mistake.text) == ("A1", "no file")


def test_answers_to_mark_are_counted_by_question():
    assert waiting([standing(1, 0, 0, 3), standing(2, 0, 0), standing(3, 0, 0)]) == {"A2": 2}


def test_hints_that_differ_only_in_a_measured_value_are_one_mistake():
    def low(number, value):
        hint = f"The AUROC is {value}; a trained network reaches 0.65."
        result = Result(f"s{number}", "x", "n", GRADED, (QuestionResult("A1", 0, 4, GRADED, hint=hint),))
        return stand(Collected(f"s{number}", sha="x"), result, {}, HOMEWORK)

    (mistake,) = common_mistakes([low(1, 0.61), low(2, 0.58)])
    assert mistake.text == "The AUROC is ...; a trained network reaches ...."
    assert mistake.students == ("s1", "s2")
