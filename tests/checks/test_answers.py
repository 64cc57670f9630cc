"""A written answer is found where students write it, and a stub is no answer."""

import pytest

from lab_utils.checks.answers import STUB, answer_below
from lab_utils.staff.course.marks import WORDS_STUB

HEAD = "**Answer A2**\n\n"


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        ([HEAD + "Because."], "Because."),
        (["# Title", "some text\n" + HEAD + "Because."], "Because."),
        (["**Answer A2:** Because."], "Because."),
        (["## answer a2\nBecause."], "Because."),
        ([HEAD + STUB], ""),
        ([HEAD, "Because.", "And so on.", "**Answer B1**\n\nNo."], "Because.\n\nAnd so on."),
        ([HEAD + STUB, "Because.", "## The next task", "text"], "Because."),
        ([HEAD, "## The next task", "text"], ""),
        ([HEAD, HEAD + "Because."], "Because."),
        (["**Answer A21**\n\nNo.", "The answer A2 is below.\n"], None),
        ([], None),
    ],
)
def test_an_answer_is_found_in_its_cell_or_in_cells_of_its_own_behind_it(texts, answer):
    assert answer_below(texts, "A2") == answer


@pytest.mark.parametrize("text", ["*", "\n", " ", "* \n", "Answer A", "#", "\n*"])
def test_no_text_holds_up_the_grader(text):
    assert not answer_below([text * 10**6], "A2")  # takes hours if a pattern tries every pair of places


def test_the_stub_is_the_one_that_build_writes():
    assert STUB == WORDS_STUB
