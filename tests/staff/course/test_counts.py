"""Counts of a notebook that were made by hand, and the aims that the labs are held to."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from lab_utils.__main__ import main
from lab_utils.staff.course.bootstrap import FIRST_LINE
from lab_utils.staff.course.counts import count, count_notebook, table

SOLUTIONS = Path(__file__).resolve().parents[3] / "solutions"
REWORKED = sorted(path.stem for path in SOLUTIONS.glob("0*.ipynb"))

EXERCISE = '''\
@decorated
def double(
    x,
):
    """Twice a number.

    Two more words.
    """
    factor = 2  # given to you
    ### BEGIN SOLUTION
    # a comment of the solution
    text = """

    """
    return factor * x
    ### END SOLUTION'''
CELLS = [
    new_code_cell(f"{FIRST_LINE}\nimport os"),
    new_markdown_cell("# Lab 9. A title\n\nRead [this page](https://example.org/a/b) in 3 minutes -- or 5."),
    new_code_cell("# @title Draws a curve\nfor x in range(3):\n    draw(x)\n"),
    new_code_cell("%matplotlib inline\n\nx = [\n    1,\n]  # three lines"),
    new_markdown_cell("## Exercise 1: `double`\n*Difficulty 1 of 3 · importance 3 of 3 · about 10 minutes*"),
    new_code_cell(EXERCISE),
    new_markdown_cell("## More (optional)\n```\n# no heading\n```\n### Exercise 2: `again`"),
    new_code_cell("def again():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"),
    new_markdown_cell("### BEGIN SOLUTION\nAn answer in words.\n### END SOLUTION\n## The end"),
    new_code_cell("again()"),
]


@pytest.fixture
def counts():
    return count_notebook(new_notebook(cells=CELLS), "09_made_up")


def test_lines_are_those_counted_by_hand(counts):
    # shown: 4 of the third cell, 8 of `double` (4 signature, 1 given, 3 solution), 2 of `again`, 1 at the end
    assert (counts.shown, counts.student, counts.given, counts.folded) == (15, 4, 6, 2)


def test_words_are_those_that_a_student_reads(counts):
    texts = [
        "Lab 9. A title Read this page in 3 minutes or 5.",
        "Exercise 1: double Difficulty 1 of 3 importance 3 of 3 about 10 minutes",
        "More (optional) no heading Exercise 2: again The end",
        "three lines Twice a number. Two more words. given to you",  # comments, a docstring
    ]
    assert counts.words == sum(len(text.split()) for text in texts) == 46


def test_an_optional_heading_holds_down_to_the_next_of_its_level(counts):
    # 46 words, 7 of them optional; 11 lines that are given, signatures among them, one of them optional
    minutes = {"core": 39 / 120 + 10 / 15 + 10, "optional": 7 / 120 + 1 / 15, "writing": 0}
    assert counts.minutes == pytest.approx(minutes)


def test_a_question_is_read_with_its_answers_and_the_reason_of_one_also_where_it_is_folded():
    asked = new_code_cell("# @title Question\nmultiple_choice(lab06_questions.CENSORED)")
    counts = count_notebook(new_notebook(cells=[asked]), "09_made_up")
    # words of the question; of its four answers; of the reason of the right one
    assert counts.words == 28 + 8 + 10 + 15 + 10 + 17
    assert counts.minutes == pytest.approx({"core": counts.words / 120, "optional": 0, "writing": 0})


def test_a_question_that_is_nowhere_is_told():
    cells = [new_code_cell("multiple_choice(lab06_questions.NOWHERE)")]
    with pytest.raises(ValueError, match=r"got lab06_questions\.NOWHERE"):
        count_notebook(new_notebook(cells=cells), "09_made_up")


def test_answers_in_words_take_time_of_their_own_where_they_are_not_optional():
    answer = "### BEGIN SOLUTION\nAn answer in words.\n### END SOLUTION"
    cells = [new_markdown_cell(answer), new_markdown_cell("## More (optional)"), new_markdown_cell(answer)]
    counts = count_notebook(new_notebook(cells=cells), "09_made_up")
    assert counts.minutes == pytest.approx({"core": 0, "optional": 2 / 120, "writing": 4 / 20})
    assert table([counts]).splitlines()[0].endswith("core min optional min writing min")


def test_an_exercise_without_its_line_is_named(counts):
    assert counts.exercises == ["Exercise 1: `double`", "Exercise 2: `again`"]
    assert counts.without_line == ["Exercise 2: `again`"]


def test_missed_aims_are_told_and_a_homework_has_none():
    cells = [new_markdown_cell("word " * 12001), new_code_cell("x = 1\n" * 121)]
    counts = count_notebook(new_notebook(cells=cells), "09_made_up")
    assert [words.split(",")[0] for words in counts.missed] == [
        "the student writes 0%",
        "121 lines are given",
        "core takes 108 minutes",
    ]
    assert all(f"    {words}" in table([counts]).splitlines() for words in counts.missed)
    assert count_notebook(new_notebook(cells=cells), "homework9").missed == []


def test_the_command_prints_the_counts_and_fails_where_an_aim_is_missed(tmp_path, capsys):
    (tmp_path / "solutions").mkdir()
    nbformat.write(new_notebook(cells=CELLS), tmp_path / "solutions" / "09_made_up.ipynb")
    assert main(["count", "--root", str(tmp_path), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["student"], found["missed"]) == (4, [
        "the student writes 27%, aim: a third", "no line with difficulty and minutes: Exercise 2: `again`",
    ])  # fmt: skip
    assert main(["count", "--root", str(tmp_path / "solutions")]) == 1
    assert "found none" in capsys.readouterr().err


@pytest.mark.parametrize("name", REWORKED)
def test_a_reworked_lab_meets_the_aims(name):
    (found,) = [counts for counts in count(SOLUTIONS) if counts.name == name]
    assert found.missed == []


@pytest.mark.parametrize("path", sorted(SOLUTIONS.glob("0[0-7]*.ipynb")), ids=lambda path: path.stem)
def test_what_comes_after_your_numbers_and_ours_is_optional(path):
    sections = [
        line
        for cell in nbformat.read(path, 4).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("## ")
    ]
    (numbers,) = (place for place, title in enumerate(sections) if title.endswith("Your numbers and ours"))
    assert sections[numbers + 1].endswith("Now on real data (optional)")
    assert all(title.endswith(" (optional)") for title in sections[numbers + 1 :])


@pytest.mark.parametrize("path", sorted(SOLUTIONS.glob("0[0-7]*.ipynb")), ids=lambda path: path.stem)
def test_a_lab_says_how_long_it_takes_as_it_is_counted(path):
    notebook = nbformat.read(path, 4)
    minutes = count_notebook(notebook, path.stem).minutes
    line = r"\*\*Time:\*\* about (\d+) minutes for you, and (\d+) more for the answers in your own words"
    core, writing = map(int, re.search(line, notebook.cells[0].source).groups())
    assert minutes["core"] <= core <= minutes["core"] + 8
    assert abs(writing - minutes["writing"]) <= 4
