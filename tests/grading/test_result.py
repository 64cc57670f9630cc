"""A result comes back as it was written, whatever a student wrote."""

import pytest

from lab_utils.grading.result import (
    CRASHED,
    GRADED,
    MISSING,
    NOT_ATTEMPTED,
    PASSED,
    WRONG,
    CaseResult,
    QuestionResult,
    Remark,
    Result,
    question_result,
    read_result,
    write_result,
)


@pytest.mark.parametrize("text", ["plain", "\u9673 \U0001f600", "half \ud800", "\x00 \u202e </script>", ""])
def test_texts_of_students_come_back(tmp_path, text):
    question = QuestionResult("A1", 1.5, 2, GRADED, (CaseResult(text, 1, WRONG, text, text),), text, text)
    result = Result(
        "s1", "x", text, GRADED, (question,), {"c": {"auroc": 0.5}}, (Remark(text, text, text),), {"A2": text}
    )
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


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"questions": [{}], "remarks": []}'])
def test_a_file_that_is_no_result_is_named(tmp_path, text):
    (tmp_path / "s1.json").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"s1\.json.*grade again"):
        read_result(tmp_path / "s1.json")
