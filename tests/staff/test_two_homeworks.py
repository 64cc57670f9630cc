"""Homework 4 and a new one go through everything an instructor does, side by side, from the command line."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lab_utils.staff.grading.hidden_set import read_labels
from lab_utils.staff.grading.isolation import FULL, isolation
from tests.staff.collecting.repositories import commit, git, repository

ROOT = Path(__file__).resolve().parents[2]
DATES = """
[{name}]
release = "2024-10-01T09:00:00+08:00"
deadline = "2024-11-0{day}T23:59:00+08:00"
late = "percent"
percent = 10
"""
ON_TIME, LATE = "2024-11-03T12:00:00+08:00", "2024-11-07T12:00:00+08:00"
COURSE = (".gitattributes", "CONTRIBUTING.md", "LICENSE", "constraints.txt", "pyproject.toml", "requirements.txt")


def run(course, *arguments, code=0):
    """Run a command of the course's own kit; return what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in ("LAB_DATA", "LAB_RESULTS")}
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=course,
        env=environment | {"PYTHONPATH": str(course), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of this course with a second homework, fresh from its command; built and released."""
    root = tmp_path_factory.mktemp("course")
    skipped = shutil.ignore_patterns("cache", "__pycache__", "*_predictions.csv", ".ipynb_checkpoints")
    for name in ("lab_utils", "solutions", "labs", "data", "tests/checks"):
        shutil.copytree(ROOT / name, root / name, ignore=skipped)
    for name in COURSE:
        shutil.copy(ROOT / name, root / name)
    (root / "tests/__init__.py").touch()
    (root / "tests/staff").mkdir()
    (root / "tests/staff/__init__.py").touch()
    shutil.copy(ROOT / "tests/staff/without_network.py", root / "tests/staff")
    told = run(root, "lab_utils", "new-homework", "homework5", "--title", "Homework 5: one network")
    assert "wrote solutions/homework5.ipynb" in told
    about = '[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n'
    dates = [DATES.format(name=name, day=day) for name, day in (("homework4", 5), ("homework5", 6))]
    (root / "course.toml").write_text(about + "".join(dates))
    run(root, "lab_utils", "build")
    run(root, "lab_utils", "release", "out/labs")
    return root


def hand_in(course, repo, name, date):
    """Commit a solution as a student would hand it in, with good predictions."""
    labels, _ = read_labels(course / "grading" / name / f"{name}_labels.csv")
    draw = np.random.default_rng(len(name))
    columns = {"homework4": 4, "homework5": 1}[name]
    heads = {
        "homework4": "model_1_fine_tuned,model_1_fixed,model_2_fine_tuned,model_2_fixed",
        "homework5": "network",
    }
    values = np.clip(0.2 + 0.6 * labels[:, None] + draw.normal(0, 0.15, (len(labels), columns)), 0, 1)
    rows = [f"{i}," + ",".join(f"{value:.6f}" for value in row) for i, row in enumerate(values)]
    (repo / "labs").mkdir(exist_ok=True)
    (repo / "labs" / f"{name}_predictions.csv").write_text("\n".join([f"image,{heads[name]}", *rows]) + "\n")
    commit(repo, f"labs/{name}.ipynb", (course / "solutions" / f"{name}.ipynb").read_text("utf-8"), date=date)


@pytest.fixture(scope="module")
def roster(course, tmp_path_factory):
    """Ada hands in both, homework 5 late; Ben and Chen are a team in homework 5 and hand in nothing else."""
    folder = tmp_path_factory.mktemp("students")
    for name in ("ada", "owls"):
        repo = repository(folder / name)
        shutil.copytree(course / "out/labs/labs", repo / "labs")
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "-m", "as released", date="2024-10-02T12:00:00+08:00")
    hand_in(course, folder / "ada", "homework4", ON_TIME)
    hand_in(course, folder / "ada", "homework5", LATE)
    hand_in(course, folder / "owls", "homework5", ON_TIME)
    path = folder / "roster.csv"
    lines = [
        "student,name,email,url,team,lms_id",
        f"ada,Ada Lovelace,ada@example.org,{folder / 'ada'},,11",
        f"ben,Ben Silva,ben@example.org,{folder / 'owls'},owls,12",
        "chen,Chen Wang,chen@example.org,,owls,13",
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_new_homework_passes_its_own_tests_and_its_lab_the_checks(course):
    run(course, "pytest", "-q", "-p", "no:cacheprovider", "tests/staff/homework5")
    run(course, "lab_utils", "build", "--check")
    told = json.loads(run(course, "lab_utils", "check", "labs/homework5.ipynb", "--json"))
    assert {row["name"]: row["status"] for row in told["outcomes"]} == dict.fromkeys(
        ("sensitivity", "homework5_predictions.csv", "answer W1"), "not attempted"
    )
    told = json.loads(run(course, "lab_utils", "check", "solutions/homework5.ipynb", "--json"))
    assert [row["status"] for row in told["outcomes"]] == ["correct", "not attempted"]  # no file beside it


def test_a_release_holds_both_and_nothing_hidden(course):
    out = course / "out/labs"
    workflow = (out / ".github/workflows/checks.yml").read_text()
    readme = (out / "README.md").read_text("utf-8")
    for name in ("homework4", "homework5"):
        assert (out / f"data/{name}_images.npz").is_file()
        assert f'check "labs/{name}.ipynb" --summary' in workflow
        assert f"## Hand in {name}" in readme
    text = b"".join(files(out).values())
    for secret in (
        b"threshold one half",
        b"of_the_positive",
        b"names what differs between the hospitals",
        b"staff/homework5",
    ):
        assert secret not in text, secret


@pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")
def test_both_are_collected_graded_marked_and_handed_back_and_neither_touches_the_other(course, roster):
    grading = course / "grading"
    for name, other in (("homework4", "homework5"), ("homework5", "homework4")):
        before = files(grading / other)
        which = ("--homework", name)
        told = run(course, "lab_utils", "collect", str(roster), *which)
        assert "Not collected: owls (no commit)" in told if name == "homework4" else "2 of 2 collected" in told
        run(course, "lab_utils", "grade", *which)
        marks = table(grading / name / "written.csv")
        assert {row["homework"] for row in marks} == {name}
        for row in marks:
            row["points"], row["comment"] = row["out_of"], "**Good.**"
        with (grading / name / "written.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(marks[0]))
            writer.writeheader()
            writer.writerows(marks)
        run(course, "lab_utils", "feedback", *which, "--also", "canvas", "moodle")
        assert files(grading / other) == before
    four, five = (
        {row["student"]: row for row in table(grading / n / "gradebook.csv")} for n in ("homework4", "homework5")
    )
    assert [four["ada"][key] for key in ("total", "out_of", "complete")] == ["100", "100", "yes"]
    assert [five["ada"][key] for key in ("raw_total", "penalty", "total", "out_of")] == ["16", "0.1", "14.4", "16"]
    assert [five[name]["total"] for name in ("ben", "chen")] == ["16", "16"]
    assert [four[name]["status"] for name in ("ben", "chen")] == ["missing", "missing"]
    canvas = table(grading / "homework5/gradebook_canvas.csv")
    assert [row["Homework 5: one network"] for row in canvas] == ["16", "14.4", "16", "16"]
    assert not (grading / "homework5/feedback/class.html").exists()
    for page in ("ada", "ben", "chen"):
        assert "<strong>Good.</strong>" in (grading / f"homework5/feedback/{page}.html").read_text("utf-8")
    before = files(grading)
    for name in ("homework4", "homework5"):
        assert json.loads(run(course, "lab_utils", "grade", "--homework", name, "--json"))["graded_now"] == 0
        run(course, "lab_utils", "feedback", "--homework", name, "--also", "canvas", "moodle")
    assert files(grading) == before
