"""What the grader itself does with the texts of a submission, outside of any sandbox."""

import pytest

from lab_utils.course.marks import WORDS_STUB
from lab_utils.grading.submission import _answer

HEAD = "**Answer A2**\n\n"


@pytest.mark.parametrize(
    ("texts", "answer"),
    [
        ([HEAD + "Because."], "Because."),
        (["# Title", "some text\n" + HEAD + "Because."], "Because."),
        (["**Answer A2:** Because."], "Because."),
        (["## answer a2\nBecause."], "Because."),
        ([HEAD + WORDS_STUB], ""),
        ([HEAD, "Because.", "And so on.", "**Answer B1**\n\nNo."], "Because.\n\nAnd so on."),
        ([HEAD + WORDS_STUB, "Because.", "## The next task", "text"], "Because."),
        ([HEAD, "## The next task", "text"], ""),
        ([HEAD, HEAD + "Because."], "Because."),
        (["**Answer A21**\n\nNo.", "The answer A2 is below.\n"], ""),
        ([], ""),
    ],
)
def test_an_answer_is_found_in_its_cell_or_in_cells_of_its_own_behind_it(texts, answer):
    assert _answer(texts, "A2") == answer


@pytest.mark.parametrize("text", ["*", "\n", " ", "* \n", "Answer A", "#", "\n*"])
def test_no_text_holds_up_the_grader(text):
    assert _answer([text * 10**6], "A2") == ""  # takes hours if a pattern tries every pair of places
