"""Written answers are found where students write them, and whoever wrote nothing has no answer."""

import json

import pytest

from lab_utils.staff.grading.inside_answers import ANYWHERE, BY_NAME, BY_PLACE, LONGEST, find_answers
from tests.checks.notebook_functions import ROOT

NAMES = ["A2", "D3", "E3", "E4"]
NOTEBOOK = json.loads((ROOT / "labs/homework4.ipynb").read_text("utf-8"))
RELEASED = [("code" if c["cell_type"] == "code" else "text", "".join(c["source"])) for c in NOTEBOOK["cells"]]
WORDS = {name: f"Hospital B takes flatter pictures than hospital A does; {name} asks for that." for name in NAMES}


def with_answers(change):
    """Return the released notebook in which the cell of each answer is what `change` gives, a list of cells."""
    cells = []
    for kind, source in RELEASED:
        name = source[9:11] if source.startswith("**Answer ") else ""
        cells += change(name, source) if name else [(kind, source)]
    return cells


def test_the_released_notebook_holds_no_answer_and_each_certain_one_is_found():
    assert find_answers(RELEASED, NAMES, RELEASED) == {}
    cells = with_answers(lambda name, source: [("text", f"**Answer {name}**\n\n{WORDS[name]}")])
    assert find_answers(cells, NAMES, RELEASED) == {name: (WORDS[name], "") for name in NAMES}


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        (lambda name, source: [("text", f"**{name}**\n\n{WORDS[name]}")], BY_NAME),
        (lambda name, source: [("text", f"Answer to {name}: {WORDS[name]}")], BY_NAME),
        (lambda name, source: [("text", f"### {name})\n"), ("text", WORDS[name])], BY_NAME),
        (lambda name, source: [("code", f"# {name}\n# {WORDS[name]}")], BY_NAME),
        (lambda name, source: [("text", WORDS[name])], BY_PLACE),
        (lambda name, source: [("text", source), ("code", f'answer = """{WORDS[name]}"""')], BY_PLACE),
        (lambda name, source: [("code", WORDS[name]), ("text", source)], BY_PLACE),
    ],
)
def test_each_answer_is_found_for_its_own_question_and_is_said_to_be_doubtful(change, doubt):
    found = find_answers(with_answers(change), NAMES, RELEASED)
    assert found == {name: (WORDS[name], doubt.format(name=name)) for name in NAMES}


def test_one_cell_with_all_answers_gives_each_question_its_own():
    together = "\n\n".join(f"**Answer {name}**\n\n{WORDS[name]}" for name in NAMES)
    assert find_answers([*RELEASED, ("text", together)], NAMES, RELEASED) == {n: (WORDS[n], "") for n in NAMES}


def test_what_belongs_to_one_question_is_not_shown_for_another_that_is_empty():
    cells = with_answers(lambda name, source: [("text", source + WORDS[name] if name == "A2" else source)])
    assert find_answers(cells, NAMES, RELEASED) == {"A2": (WORDS["A2"], "")}


def test_a_text_that_may_belong_anywhere_is_shown_for_every_question_that_is_empty():
    text = "All in one: " + WORDS["A2"]
    found = find_answers([*RELEASED, ("text", text)], NAMES, RELEASED)
    assert found["A2"] == (text, ANYWHERE.format(name="A2"))
    assert set(found) == set(NAMES)


def test_code_is_no_answer():
    solved = [
        (kind, source.replace("# YOUR CODE HERE", "# the shares of the positive images, in both hospitals"))
        for kind, source in RELEASED
    ]
    more = [
        ("code", "x = 3  # a note that is long enough to be an answer, and is none"),
        ("code", "!pip install torch"),
    ]
    assert find_answers([*solved, *more], NAMES, RELEASED) == {}


@pytest.mark.parametrize(
    "source", ["**Answer A2**", "A2", "*", "Answer A", "x = 1", "(" * 3000, "# A2\n" * 50, " " * 5000]
)
def test_many_cells_are_looked_through_in_linear_time(source):
    kind = "code" if "=" in source or "(" in source else "text"
    found = find_answers([(kind, source)] * (50_000 if len(source) < 100 else 800), NAMES, RELEASED)
    assert all(len(text) <= LONGEST for text, _ in found.values())
