"""Cheats gain nothing and honest work loses nothing."""

import os
import subprocess
import sys

import pytest

from lab_utils.staff.grading import submission
from lab_utils.staff.grading.isolation import FULL, Limits, isolation
from lab_utils.staff.grading.key import load_key
from lab_utils.staff.grading.remote import Sandbox
from lab_utils.staff.grading.result import read_result, write_result
from tests.staff.grading.corpus import ATTACKS, CORPUS, DROPPED, RAN, TIMED_OUT, WITHOUT_CODE
from tests.staff.grading.mini_course import points, statuses, write_course, write_submission

pytestmark = pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    root = write_course(tmp_path_factory.mktemp("course"))
    return root, load_key(root / "grading", root, "homework5")


# Seconds for a call. Where nothing is to time out, nothing does on the busiest machine; loops are to end some time.
PATIENCE, FOR_LOOPS = 120.0, 6.0
LOOPS = ("loop_in_the_function", "loop_for_one_input")


# What the student reads where the work is not what it should be.
WORDS = {
    "pointer_of_git_lfs": "Git LFS pointer",
    "function_in_two_cells": "Merge Selected Cells",
    "function_in_a_text_cell": "Make it a code cell",
}


# Where the answer does not stand where it belongs: a person sees it, and is told so.
DOUBTFUL = {name for name in CORPUS if name.startswith(("heading_", "answer_"))}
DOUBTFUL -= {"answer_in_a_cell_of_its_own", "answer_of_stars_alone"}


def test_every_submission_that_is_to_time_out_is_known_as_a_loop():
    assert {name for name, found in CORPUS.items() if TIMED_OUT in found.statuses} <= set(LOOPS) <= set(CORPUS)


@pytest.fixture
def busy():
    """Keep every core busy four times over."""
    burning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    yield
    for process in burning:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", CORPUS)
def test_every_submission_gets_the_grade_that_is_right(name, course, monkeypatch):
    monkeypatch.setattr(submission, "PER_CALL", FOR_LOOPS if name in LOOPS else PATIENCE)
    check(name, *course)


def check(name, root, key):
    """Grade a submission of the corpus and hold the result to what is right."""
    files, right_points, right_statuses = CORPUS[name]
    folder = root / "grading/submissions" / name
    if not folder.is_dir():
        folder.mkdir(parents=True)
        write_submission(folder, files)
    ledger = root / "grading/ledger.jsonl"
    ledger.write_text("as it was")
    with Sandbox(folder, limits=Limits(memory=2 * 2**30)) as sandbox:
        result = submission.grade_submission(folder, name, "0" * 40, key, sandbox)
        proof = name in ATTACKS and has_run(sandbox)
    assert proof == (name in set(ATTACKS) - DROPPED - WITHOUT_CODE)
    assert points(result) == list(right_points), result
    assert statuses(result) == list(right_statuses), result
    assert not (words := WORDS.get(name)) or words in " ".join([result.message, *(q.hint for q in result.questions)])
    assert ledger.read_text() == "as it was"
    assert set(result.doubtful) == ({"M4"} if name in DOUBTFUL else set())
    assert name not in DOUBTFUL or "hospital" in result.answers["M4"] or "report.pdf" in result.answers["M4"]
    write_result(root / "result.json", result)
    assert read_result(root / "result.json") == result


def has_run(sandbox):
    """Say whether an attack has left its file, or has ended the sandbox with the file in it."""
    if sandbox._starts > 1 or sandbox._process is None:
        return True
    sandbox.open([f"import os\ndef ran():\n    return os.path.exists({RAN!r})"], "ran", "", seconds=60.0)
    return sandbox.call("ran", (), None, seconds=60.0)


def test_replies_that_are_forged_in_every_pipe_give_the_same_result_every_time(course, tmp_path):
    _, key = course
    folder = write_submission(tmp_path, CORPUS["forged_replies"].files)
    found = []
    for _ in range(5):
        with Sandbox(folder) as sandbox:
            found.append(submission.grade_submission(folder, "forger", "0" * 40, key, sandbox))
    assert all(result == found[0] for result in found)


# One of each kind that time could change: honest work, loops, processes that end or stay.
UNDER_LOAD = (
    *("perfect", "torch_by_way_of_the_kit", "loop_in_the_function"),
    *("loop_for_one_input", "sys_exit", "outlives_its_call"),
)


def test_a_busy_machine_finds_the_same_grades(course, monkeypatch, busy):
    """Longer on the clock than the seconds of a call, and neither honest work nor a loop gets another grade."""
    monkeypatch.setattr(submission, "PER_CALL", 2.0)
    for name in UNDER_LOAD:
        check(name, *course)
