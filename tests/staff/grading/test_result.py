"""A result comes back as it was written, whatever a student wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_utils.staff.grading.result import (
    CRASHED,
    GRADED,
    MISSING,
    NOT_ATTEMPTED,
    PASSED,
    WRONG,
    CaseResult,
    QuestionResult,
    Result,
    case_points,
    question_result,
    read_result,
    write_result,
)


@pytest.mark.parametrize("text", ["plain", "\u9673 \U0001f600", "half \ud800", "\x00 \u202e </script>", ""])
def test_texts_of_students_come_back(tmp_path, text):
    question = QuestionResult("A1", 1.5, 2, GRADED, (CaseResult(text, 1, WRONG, text, text),), text, text)
    result = Result("s1", "x", text, GRADED, (question,), {"c": {"auroc": 0.5}}, {"A2": text})
    write_result(tmp_path / "s1.json", result)
    assert read_result(tmp_path / "s1.json") == result


@pytest.mark.parametrize(
    ("statuses", "points", "status"),
    [
        ((PASSED, PASSED), 6.0, GRADED),
        ((PASSED, WRONG), 2.0, GRADED),
        ((CRASHED, PASSED), 4.0, GRADED),
        ((CRASHED, CRASHED), 0.0, CRASHED),
        ((NOT_ATTEMPTED, NOT_ATTEMPTED), 0.0, NOT_ATTEMPTED),
        ((MISSING, WRONG), 0.0, GRADED),
    ],
)
def test_points_are_in_proportion_to_the_weight_of_what_passed(statuses, points, status):
    cases = tuple(CaseResult("c", weight, kind) for weight, kind in zip((1, 2), statuses, strict=True))
    result = question_result("B1", 6, cases)
    assert (result.points, result.status) == (points, status)


@pytest.mark.parametrize(
    ("out_of", "weights", "passed", "worth"),
    [
        (15, (1, 1, 2, 1, 1, 2), "yyyyyy", [1.88, 1.88, 3.75, 1.87, 1.87, 3.75]),  # shares of 1.875
        (15, (1, 1, 2, 1, 1, 2), "ynnnnn", [1.88, 1.88, 3.75, 1.87, 1.87, 3.75]),
        (5, (1, 1, 1), "yyn", [1.67, 1.66, 1.67]),  # 3.33 points of 5
        (5, (1, 1, 1), "nyn", [1.67, 1.67, 1.66]),
        (4, (2, 1, 1), "nnn", [2, 1, 1]),
        (4, (), "", []),
    ],
)
def test_what_cases_are_worth_is_shown_in_hundredths(out_of, weights, passed, worth):
    status_of = {"y": PASSED, "n": WRONG}
    cases = [CaseResult("c", weight, status_of[sign]) for weight, sign in zip(weights, passed, strict=True)]
    assert case_points(out_of, cases) == worth


@given(
    st.integers(1, 4000),
    st.lists(st.tuples(st.sampled_from([1, 2, 3, 0.5]), st.sampled_from([PASSED, WRONG, CRASHED])), min_size=1),
)
def test_what_is_shown_for_the_cases_adds_up_to_the_points_of_the_question(hundredths, drawn):
    out_of = hundredths / 100
    cases = tuple(CaseResult("c", weight, kind) for weight, kind in drawn)
    worth = [round(100 * value) for value in case_points(out_of, cases)]
    reached = [value for value, case in zip(worth, cases, strict=True) if case.status == PASSED]
    assert sum(worth) == hundredths
    assert sum(reached) == round(100 * question_result("B1", out_of, cases).points)
    exact = [hundredths * weight / sum(weight for weight, _ in drawn) for weight, _ in drawn]
    assert all(abs(value - right) < 1.5 for value, right in zip(worth, exact, strict=True))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"questions": [{}]}'])
def test_a_file_that_is_no_result_is_named(tmp_path, text):
    (tmp_path / "s1.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"s1\.json.*grade again"):
        read_result(tmp_path / "s1.json")
