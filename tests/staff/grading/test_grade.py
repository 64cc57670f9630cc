import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab_utils.staff.feedback.feedback import feedback, read_standings
from lab_utils.staff.grading import grade as grade_module
from lab_utils.staff.grading import yardstick as yardstick_module
from lab_utils.staff.grading.assignment import homework_folder, read_assignment
from lab_utils.staff.grading.grade import grade
from lab_utils.staff.grading.isolation import FULL, NONE, Isolation, isolation
from lab_utils.staff.grading.key import load_key
from lab_utils.staff.grading.lock import only_one
from lab_utils.staff.grading.place import place_of
from lab_utils.staff.grading.result import (
    GRADED,
    MISSING,
    PASSED,
    UNDECIDED,
    CaseResult,
    Result,
    question_result,
    read_result,
)
from tests.staff.grading.corpus import ATTACKS, HONEST
from tests.staff.grading.mini_course import points, write_collected, write_course, write_second

ROOT = Path(__file__).resolve().parents[3]
PRIVATE = "lab_utils/staff/homework5"
KILLS = 50
HOMEWORKS = ("homework5", "homework6")

needs_sandbox = pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")


@pytest.fixture
def course(tmp_path):
    """Return a course with three submissions: ada is perfect, ben half done, cleo wrong."""
    root = write_course(tmp_path)
    chosen = {"ada": HONEST["perfect"], "ben": HONEST["half_done"], "cleo": HONEST["wrong"]}
    write_collected(root / "grading", {name: submission.files for name, submission in chosen.items()})
    return root


def results(root):
    return {path.stem: path.read_bytes() for path in sorted((root / "grading/results").glob("*.json"))}


def times(root):
    return {path.stem: path.stat().st_mtime_ns for path in (root / "grading/results").glob("*.json")}


def edit_collected(root, change):
    path = root / "grading/collected.json"
    collected = json.loads(path.read_text())
    change({entry["student"]: entry for entry in collected["students"]})
    path.write_text(json.dumps(collected))


@needs_sandbox
def test_everybody_gets_a_result_and_what_is_done_is_not_done_again(course, capsys):
    assert grade(course / "grading", course, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["graded_now"] == 3
    found = {name: points(read_result(course / f"grading/results/{name}.json")) for name in ("ada", "ben", "cleo")}
    assert found == {"ada": [4, 6, 8], "ben": [4, 0, 8], "cleo": [0, 6, 8]}
    before = times(course)
    assert grade(course / "grading", course, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["graded_now"] == 0
    assert times(course) == before


@needs_sandbox
def test_a_new_commit_and_a_torn_file_are_graded_again_and_a_named_student_alone(course, capsys):
    grade(course / "grading", course)
    whole, before = results(course), times(course)
    edit_collected(course, lambda entries: entries["ada"].update(sha="f" * 40))
    torn = course / "grading/results/ben.json"
    torn.write_bytes(torn.read_bytes()[:100])
    before = times(course)
    grade(course / "grading", course, students=["cleo"])  # and nobody else
    assert {name for name in before if times(course)[name] > before[name]} == {"cleo"}
    grade(course / "grading", course)
    assert all(times(course)[name] > before[name] for name in before)
    assert {name: text for name, text in results(course).items() if name != "ada"} == {
        name: text for name, text in whole.items() if name != "ada"
    }
    assert read_result(course / "grading/results/ada.json").sha == "f" * 40


@needs_sandbox
def test_one_changed_case_is_graded_again_for_everyone_and_nothing_else_is(course, capsys, monkeypatch):
    grade(course / "grading", course)
    before = {name: json.loads(text) for name, text in results(course).items()}
    cases = course / PRIVATE / "cases.py"
    cases.write_text(cases.read_text().replace('Case("ties", 1,', 'Case("ties", 4,'))
    asked, told = [], []
    working = grade_module.grade_submission

    def watched(folder, student, sha, key, sandbox, only):
        told.append(capsys.readouterr().err)
        assert "M2 AUROC (3)" in told[0]  # said first
        asked.append((student, only))
        return working(folder, student, sha, key, sandbox, only)

    monkeypatch.setattr(grade_module, "grade_submission", watched)
    grade(course / "grading", course, workers=1)
    assert sorted(asked) == [(name, frozenset({"M2"})) for name in ("ada", "ben", "cleo")]
    after = {name: json.loads(text) for name, text in results(course).items()}
    for name in before:
        assert after[name]["questions"][1]["cases"][1]["weight"] == 4
        for now in (before[name], after[name]):
            del now["questions"][1], now["yardsticks"]["M2"]
    assert after == before


@needs_sandbox
def test_another_wording_of_a_rubric_grades_nothing_again(course, capsys):
    grade(course / "grading", course)
    before = times(course)
    capsys.readouterr()
    questions = course / PRIVATE / "questions.toml"
    questions.write_text(questions.read_text().replace("5: says why", "5: says why, and how much"))
    assert grade(course / "grading", course, as_json=True) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["graded_now"] == 0
    assert "again" not in told.err
    assert times(course) == before


def test_whatever_changes_a_grade_changes_what_it_is_graded_against_and_nothing_else_does(
    course, monkeypatch, tmp_path
):
    private, kit = course / PRIVATE, tmp_path / "kit"
    modules = [
        kit / "lab_utils" / name
        for name in ("staff/grading/one.py", "checks/lab/two.py", "data/three.py", "metrics.py")
    ]
    for path in modules:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(yardstick_module, "KIT", kit)
    questions, cases, labels = (private / name for name in ("questions.toml", "cases.py", "labels.csv"))
    all_of_them = {"M1", "M2", "M3", "M4"}

    def changed(path, old, new):
        before = load_key(course / "grading", course, "homework5").yardsticks
        text = path.read_text() if path.is_file() else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text + new)
        now = load_key(course / "grading", course, "homework5").yardsticks
        return {name for name in now if now[name] != before[name]}

    for path in (*modules, private / "helper.py"):
        assert changed(path, "", "# another\n") == all_of_them
    assert changed(cases, "- x / 8", "- x / 8.0") == {"M1"}
    assert changed(cases, "labels = rng.permutation([0, 1] * 8)", "labels = rng.permutation([0, 1] * 8) * 1") == {"M2"}
    assert changed(cases, "import numpy as np\n", "import numpy as np\nnp.seterr()\n") == {"M1", "M2"}
    assert changed(cases, "\nCASES", "\n# a remark\nCASES") == set()
    assert changed(cases, "CASES = {", "CASES = {} | {") == {"M1", "M2"}
    assert changed(questions, 'title = "Scale"', 'title = "Scaled"') == set()
    assert changed(questions, "says why", "says where") == set()
    assert changed(questions, "points = 4", "points = 3") == {"M1"}
    assert changed(questions, "points = 5", "points = 6") == set()  # of a written answer
    assert changed(private / "predictions.py", "0.8", "0.7") == {"M3"}
    assert changed(labels, "", "40,1,20\n") == {"M3"}
    for name in (
        "feedback/page.py",
        "commands.py",
        "homework4/questions.toml",
        "homework4/cases.py",
    ):  # these change no grade here
        assert changed(kit / "lab_utils/staff" / name, "", "# another") == set()


def test_a_grader_without_its_own_code_is_an_error_not_another_key(course, monkeypatch, tmp_path):
    (tmp_path / "lab_utils/staff/grading").mkdir(parents=True)
    monkeypatch.setattr(yardstick_module, "KIT", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no folder checks, data"):
        load_key(course / "grading", course, "homework5")


def test_work_that_could_not_be_collected_is_missing_and_says_why(course, monkeypatch, capsys):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(FULL, "as if", ""))
    edit_collected(course, lambda e: [entry.update(folder="", status="unreachable") for entry in e.values()])
    assert grade(course / "grading", course) == 0
    result = read_result(course / "grading/results/ada.json")
    assert result.status == MISSING
    assert "unreachable" in result.message
    assert [question.status for question in result.questions] == [MISSING] * 4


@needs_sandbox
def test_an_error_of_the_grader_costs_no_student_a_point_and_stops_nobody_else(course, monkeypatch, capsys):
    working = grade_module.grade_submission

    def failing(folder, student, *args):
        if student == "ben":
            raise RuntimeError("the disk is gone")
        return working(folder, student, *args)

    monkeypatch.setattr(grade_module, "grade_submission", failing)
    assert grade(course / "grading", course) == 1
    assert set(results(course)) == {"ada", "cleo"}
    assert "THE GRADER FAILED on ben: RuntimeError: the disk is gone" in capsys.readouterr().out
    monkeypatch.undo()
    assert grade(course / "grading", course) == 0
    assert set(results(course)) == {"ada", "ben", "cleo"}


@pytest.mark.parametrize("busy", [1, 2], ids=["once", "always"])
def test_what_is_not_decided_is_graded_again_alone_and_costs_no_point(course, monkeypatch, capsys, busy):
    """`scale` of ben meets the backstop: once, and the second try counts; always, and the points are unknown."""
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(FULL, "as if", ""))
    tried = []

    def fake(folder, student, sha, key, sandbox, only):
        tried.append(student)
        met = student == "ben" and tried.count("ben") <= busy
        kind = UNDECIDED if met else GRADED
        questions = [question_result(q.name, q.points, (CaseResult("c", 1, PASSED),)) for q in key.assignment.questions]
        questions[0] = question_result("M1", 4, (CaseResult("c", 1, UNDECIDED if met else PASSED),))
        assert questions[0].status == kind
        return Result(student, sha, "n", GRADED, tuple(questions))

    monkeypatch.setattr(grade_module, "grade_submission", fake)
    assert grade(course / "grading", course) == busy - 1
    assert sorted(tried[:3]) == ["ada", "ben", "cleo"]
    assert tried[3:] == ["ben"]
    assert ("NOT DECIDED on ben: M1." in capsys.readouterr().out) == (busy == 2)
    assignment = read_assignment(homework_folder(course, "homework5"))
    found = read_standings(course / "grading", assignment)
    ben = {a.question.name: a.points for a in next(entry for entry in found if entry.student == "ben").answered}
    assert ben["M1"] == (None if busy == 2 else 4)
    assert grade(course / "grading", course) == 0  # who was not decided is tried again
    assert tried[4:] == ["ben"] * (busy - 1)


def test_untrusted_work_is_refused_where_nothing_isolates_it(course, monkeypatch):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(NONE, "this is a Mac", "Use a container."))
    with pytest.raises(ValueError, match=r"this is a Mac(.|\n)*not run(.|\n)*Use a container"):
        grade(course / "grading", course)
    assert not results(course)


def test_trusted_work_is_graded_without_isolation(course, monkeypatch):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(NONE, "this is a Mac", ""))
    assert grade(course / "grading", course, trust=True) == 0
    assert points(read_result(course / "grading/results/ada.json")) == [4, 6, 8]


def test_two_graders_do_not_share_a_folder(course, monkeypatch):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(FULL, "as if", ""))
    with only_one(course / "grading", "grade"), pytest.raises(ValueError, match="Another grade is at work"):
        grade(course / "grading", course)
    assert not results(course)


def test_labels_that_everybody_knows_are_told(course, capsys):
    load_key(course / "grading", course, "homework5")
    assert "which are public" in capsys.readouterr().err
    shutil.copy(course / PRIVATE / "labels.csv", course / "grading/homework5_labels.csv")
    load_key(course / "grading", course, "homework5")
    assert not capsys.readouterr().err


def test_a_misspelt_name_costs_no_results(course, monkeypatch):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(FULL, "as if", ""))
    edit_collected(course, lambda e: [entry.update(folder="", status="unreachable") for entry in e.values()])
    grade(course / "grading", course)
    with pytest.raises(ValueError, match="got dora"):
        grade(course / "grading", course, students=["dora"])
    assert set(results(course)) == {"ada", "ben", "cleo"}


def test_an_unknown_student_and_a_folder_without_a_class_are_named(course, monkeypatch, tmp_path):
    monkeypatch.setattr(grade_module, "isolation", lambda: Isolation(FULL, "as if", ""))
    with pytest.raises(ValueError, match="got dora"):
        grade(course / "grading", course, students=["dora"])
    with pytest.raises(FileNotFoundError, match="collect ROSTER"):
        grade(tmp_path / "nowhere", course)


@needs_sandbox
def test_two_workers_find_what_one_finds(course):
    grade(course / "grading", course, workers=1)
    one = results(course)
    grade(course / "grading", course, workers=2, students=["ada", "ben", "cleo"])
    assert results(course) == one


def _snapshot(root):
    folder = root / "grading"
    paths = [*folder.glob("*/gradebook.csv"), *folder.glob("*/written.csv"), *folder.glob("*/results/*.json")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@needs_sandbox
def test_graders_of_two_homeworks_killed_at_fifty_random_moments_end_with_the_same_gradebooks(tmp_path):
    kinds = ["perfect", "partly_right", "half_done", "renamed", "as_handed_out", "error_in_the_function"]
    submissions = {f"{kind}{i}": HONEST[kind].files for kind in kinds for i in range(2)}
    submissions["only_predictions"] = HONEST["only_predictions"].files
    submissions |= {name: ATTACKS[name].files for name in ("kills_everything", "segfault", "forged_replies")}
    roots = [write_course(tmp_path / name) for name in ("undisturbed", "killed")]
    for root in roots:
        write_second(root)
        for name in HOMEWORKS:
            write_collected(root / "grading" / name, submissions, name)
    undisturbed, killed = roots
    for name in HOMEWORKS:
        assert grade(undisturbed / "grading" / name, undisturbed) == 0
    line = [sys.executable, "-m", "lab_utils", "grade", "--root", str(killed), "--homework"]
    moments = random.Random(0)
    alive_after = 0
    for number in range(KILLS):
        name = HOMEWORKS[number % 2]
        with subprocess.Popen(
            [*line, name], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moments.uniform(0.2, 1.6))
            alive_after += process.poll() is None
            os.kill(process.pid, signal.SIGKILL)
        done = list((killed / "grading" / name / "results").glob("*.json"))
        if len(done) >= len(submissions) - 3:  # as good as done: begin anew, so that every kill meets work
            for path in done:
                path.unlink()
    assert alive_after > KILLS / 2
    for name in HOMEWORKS:
        assert subprocess.run([*line, name], cwd=ROOT, capture_output=True, check=False).returncode == 0
        for root in roots:
            feedback(root / "grading" / name, root)
    assert _snapshot(killed) == _snapshot(undisturbed)
    assert len(_snapshot(killed)) == 2 * (len(submissions) + 2)
    assert not list((killed / "grading").rglob("*.tmp"))


@needs_sandbox
def test_no_sandbox_outlives_a_killed_grader(course):
    write_second(course)  # and so course.toml
    place = place_of(course / "grading", "homework5")
    mark = str(place / "submissions")
    edit = place / "submissions/ada/labs/homework5.ipynb"
    edit.write_text(edit.read_text().replace("x = np.asarray", "while True: pass\\n    x = np.asarray"))
    line = [
        sys.executable,
        "-m",
        "lab_utils",
        "grade",
        "ada",
        "--root",
        str(course),
        "--homework",
        "homework5",
    ]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not _sandboxes(mark) and time.monotonic() < end:
            time.sleep(0.05)
        assert _sandboxes(mark)
        process.kill()
    end = time.monotonic() + 60
    while _sandboxes(mark) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _sandboxes(mark)


def _sandboxes(mark):
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            if line and line[0] == "bwrap" and any(mark in word for word in line):
                found.append(process.pid)
    return found
