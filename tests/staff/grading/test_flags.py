"""What contradicts a claim stands first, and no sentence that `collect` writes is without a group."""

import ast
import re

from lab_utils.staff.grading.flags import GROUPS, OTHER, group_of, grouped, ranked
from tests.checks.notebook_functions import ROOT

BOUNDED = (
    "The commit claims 2026-11-06T14:59:00Z, but a fetch that began at X did not find it: it counts as of then. The"
)
CLAIMED = "The commit claims X, before the deadline, but was first seen after it. Dates of commits can be set at will."


TOLD = ("git lfs untrack", "are not graded: clear", "Put your work into a folder", "renamed")  # to the student alone


def sentences(name):
    """Yield the texts of a module of collecting that begin and end as sentences do, values as X; no docstrings."""
    tree = ast.parse((ROOT / f"lab_utils/staff/collecting/{name}.py").read_text())
    inside = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.Expr) for part in ast.walk(node)
    }
    inside -= {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    for node in ast.walk(tree):
        values = node.values if isinstance(node, ast.JoinedStr) else [] if id(node) in inside else [node]
        text = "".join(str(v.value) if isinstance(v, ast.Constant) else "X" for v in values)
        if re.fullmatch(r"[A-Z].{15,}[.]", text) and not any(word in text for word in (*TOLD, "Expected")):
            yield text


def test_every_sentence_that_collect_can_write_has_a_group():
    found = [text for name in ("collect_one", "evidence", "elsewhere", "export") for text in sentences(name)]
    assert len(found) > 15
    assert [text for text in found if group_of(text) == OTHER] == []


def test_the_most_serious_comes_first_and_the_ordinary_last():
    flags = [CLAIMED, "Newer work is not graded: 1 commit", "odd", "The same link as bob.", BOUNDED, CLAIMED]
    assert ranked(flags) == [BOUNDED, "The same link as bob.", "Newer work is not graded: 1 commit", CLAIMED, "odd"]


def test_a_group_holds_the_sentences_of_each_of_its_students_and_empty_groups_are_left_out():
    found = grouped({"ann": [CLAIMED], "bob": [CLAIMED, BOUNDED]})
    assert found == {GROUPS[0][0]: {"bob": [BOUNDED]}, GROUPS[-1][0]: {"ann": [CLAIMED], "bob": [CLAIMED]}}
    assert list(found) == [GROUPS[0][0], GROUPS[-1][0]]
