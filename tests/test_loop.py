"""The whole loop, as README tells it: build, release, twenty repositories, collect, grade, marks, feedback."""

import csv
import datetime
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import numpy as np
import pytest

from lab_utils.__main__ import main
from lab_utils.staff.collecting.collect import collect
from lab_utils.staff.grading.hidden_set import read_labels
from lab_utils.staff.grading.isolation import FULL, isolation

KIT = Path(__file__).resolve().parents[1]
COURSE = ("solutions", "labs", "lab_utils", "data/bands.json", "data/results", "data/weights", "requirements.txt")
COURSE += (".gitattributes", "constraints.txt", "pyproject.toml", "course.toml")
RELEASED = datetime.datetime(2026, 3, 2, 8, 0, tzinfo=datetime.timezone.utc)
DEADLINE = datetime.datetime(2026, 3, 16, 15, 59, tzinfo=datetime.timezone.utc)  # 23:59 at +08:00
COLUMNS = ("model_1_fine_tuned", "model_1_fixed", "model_2_fine_tuned", "model_2_fixed")
PREDICTED = 20  # points of the predictions
AUTOMATIC = 45 + PREDICTED  # points of functions and predictions; 35 are for texts


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """Return a course of one's own: a copy of what the loop needs, with its own dates."""
    root = tmp_path_factory.mktemp("course")
    for name in COURSE:
        source, target = KIT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    settings = root / "course.toml"
    text = re.sub(r"^release = .*$", 'release = "2026-03-02T16:00:00+08:00"', settings.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^deadline = .*$", 'deadline = "2026-03-16T23:59:00+08:00"', text, flags=re.MULTILINE)
    settings.write_text(text)
    return root


def git(folder, *words, date=None):
    when = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date} if date else {}
    people = {f"GIT_{who}_{what}": "x@y.z" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, env=os.environ | people | when | plain)


class Repository:
    """A student's repository: the release as its first commit, then what the student does."""

    def __init__(self, folder: Path, release: Path) -> None:
        self.folder = folder
        (folder / "labs").mkdir(parents=True)
        shutil.copy(release / "labs/homework4.ipynb", folder / "labs")
        git(folder, "init", "-q", "-b", "main")
        self.commit(RELEASED)

    def commit(self, when: datetime.datetime, **files) -> None:
        for name, content in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-q", "--allow-empty", "-m", "work", date=when.isoformat())


def solved(changes=(), without=()) -> str:
    """Return the solved notebook as a student has it: no marks; `without` some functions, with `changes` in others."""
    notebook = nbformat.read(KIT / "solutions/homework4.ipynb", as_version=4)
    lab = nbformat.read(KIT / "labs/homework4.ipynb", as_version=4)
    stubs = {m[1]: c.source for c in lab.cells if (m := re.match(r"def (\w+)", c.source))}
    for cell in notebook.cells:
        cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE)
        if (found := re.match(r"def (\w+)", cell.source)) and found[1] in without:
            cell.source = stubs[found[1]]
        for old, new in changes:
            cell.source = cell.source.replace(old, new)
    return nbformat.writes(notebook)


def predictions(labels, seed, signal=2.5) -> str:
    """Return probabilities that rank the test images well, as of a trained network."""
    logits = signal * (2 * labels[:, None] - 1) + np.random.default_rng(seed).normal(size=(len(labels), 4)) * 1.2
    rows = [f"{i}," + ",".join(f"{p:.4f}" for p in row) for i, row in enumerate(1 / (1 + np.exp(-logits)))]
    return "\n".join(["image," + ",".join(COLUMNS), *rows]) + "\n"


MISTAKES = (
    ("return (images.float() / 255 - offset) / scale", "return images.float() / 255 + 0 * offset"),
    ("return min(1.0, 2 * ways / 2**n)", "return ways / 2**n"),  # one side only: right for no image at all
)
RENAMED = (("offset", "shift_"), ("scale", "spread_"), ("right_a", "ok_first"), ("right_b", "ok_second"))


def make_class(folder: Path, release: Path, labels) -> dict[str, Repository]:
    """Make twenty repositories, as they are at the deadline."""
    class_ = {f"s{i:02d}": Repository(folder / f"s{i:02d}", release) for i in range(1, 19)}
    on_time = DEADLINE - datetime.timedelta(days=1)
    whole, file = solved(), "labs__homework4_predictions.csv"

    def hand_in(name, notebook, when=on_time, path="labs__homework4.ipynb", scores=True):
        files = {path: notebook} | ({file: predictions(labels, int(name[1:]))} if scores else {})
        class_[name].commit(when, **files)

    for name in ("s01", "s02", "s03", "s04", "s05", "s06"):
        hand_in(name, whole)
    hand_in("s07", solved(without=("paired_difference", "explain_gap")))
    hand_in("s08", solved(MISTAKES))
    hand_in("s09", whole, DEADLINE)  # at exactly 23:59:00
    hand_in("s10", whole)  # and a broken version after the deadline
    hand_in("s13", whole, path="labs__Homework 4 final.ipynb")
    hand_in("s14", whole[: len(whole) // 2])  # a file cut short
    hand_in("s15", solved(RENAMED))
    hand_in("s16", whole, scores=False)
    # s11, s12, s17: nothing before the deadline; s18: the release as it was
    return class_


def after_the_deadline(class_: dict[str, Repository], labels) -> None:
    file = "labs__homework4_predictions.csv"
    class_["s10"].commit(DEADLINE + datetime.timedelta(hours=2), **{"labs__homework4.ipynb": "{}"})
    class_["s16"].commit(DEADLINE + datetime.timedelta(hours=1), **{file: predictions(labels, 16)})
    late = DEADLINE + datetime.timedelta(hours=30)  # two started days: 20 %
    class_["s11"].commit(late, **{"labs__homework4.ipynb": solved(), file: predictions(labels, 11)})
    class_["s12"].commit(late, **{"labs__homework4.ipynb": solved(), file: predictions(labels, 12)})  # has an extension
    forged = DEADLINE - datetime.timedelta(hours=1)  # pushed two days later
    class_["s17"].commit(forged, **{"labs__homework4.ipynb": solved(), file: predictions(labels, 17)})


def write_roster(path: Path, repositories: Path, names) -> Path:
    rows = [[name, f"Student {name}", f"{name}@example.org", str(repositories / name), ""] for name in names]
    rows[11][4] = "2026-03-18T23:59:00+08:00"  # s12
    rows.append(["s19", "Student s19", "s19@example.org", str(repositories / "no_such"), ""])
    rows.append(["s20", "=cmd()", "s20@example.org", f"file://{repositories / 's20'}", ""])
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["student", "name", "email", "url", "extension"], *rows])
    return path


def read_table(path: Path) -> dict[str, dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")
def test_the_whole_loop_gives_every_student_what_is_right(course, tmp_path, capsys):
    command = ["--root", str(course)]
    assert main(["build", *command]) == 0
    assert main(["build", "--check", *command]) == 0
    release = tmp_path / "release"
    assert main(["release", str(release), *command]) == 0
    assert not (release / "solutions").exists()
    grading = course / "grading/homework4"
    labels, _ = read_labels(grading / "homework4_labels.csv")
    assert not np.array_equal(labels, read_labels(course / "lab_utils/staff/homework4/labels.csv")[0])

    class_ = make_class(tmp_path / "class", release, labels)
    git(tmp_path / "class", "init", "-q", "s20")  # an empty repository
    roster = write_roster(tmp_path / "roster.csv", tmp_path / "class", class_)
    minute = datetime.timedelta(minutes=1)
    collect(course, roster, grading, now=lambda: DEADLINE)
    after_the_deadline(class_, labels)
    collect(course, roster, grading, now=lambda: DEADLINE + datetime.timedelta(days=3) + minute)
    capsys.readouterr()
    assert main(["grade", *command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["problems"] == {}
    assert summary["isolation"] == FULL
    assert main(["feedback", *command]) == 0

    collected = {entry["student"]: entry for entry in json.loads((grading / "collected.json").read_text())["students"]}
    found = {name: json.loads((grading / f"results/{name}.json").read_text()) for name in collected}
    automatic = {name: sum(q["points"] for q in result["questions"]) for name, result in found.items()}
    full = {"s01", "s02", "s03", "s04", "s05", "s06", "s09", "s10", "s11", "s12", "s13", "s15", "s17"}
    assert {name for name, points in automatic.items() if points == AUTOMATIC} == full
    assert automatic["s07"] == AUTOMATIC - 7 - 7
    assert automatic["s14"] == PREDICTED  # the predictions; the notebook cannot be read
    assert automatic["s16"] == AUTOMATIC - PREDICTED
    assert {name for name, points in automatic.items() if points == 0} == {"s18", "s19", "s20"}
    assert automatic["s08"] == AUTOMATIC - 4 - 8

    assert {name for name, entry in collected.items() if entry["penalty"]} == {"s11"}
    assert collected["s11"]["penalty"] == pytest.approx(0.2)
    assert collected["s09"]["evidence"] == "seen"
    assert collected["s17"]["evidence"] == "bounded"  # by the fetch at the deadline
    assert any("did not find it" in flag for flag in collected["s17"]["flags"])
    assert [other["penalty"] for other in collected["s16"]["others"]] == [pytest.approx(0.1)]
    assert collected["s19"]["status"] == "unreachable"

    book = read_table(grading / "gradebook.csv")
    assert len(book) == 20
    assert book["s20"]["name"].startswith("'=")
    assert len(list((grading / "feedback").glob("s*.html"))) == 20
    page = (grading / "feedback/s08.html").read_text()
    assert "normalis" in page
    assert "staff" not in page
    class_page = (grading / "class.html").read_text()
    assert "s15" in class_page

    give_full_marks(grading / "written.csv")
    assert main(["feedback", *command]) == 0
    book = read_table(grading / "gradebook.csv")
    assert float(book["s01"]["total"]) == 100
    assert float(book["s11"]["total"]) == pytest.approx(80)
    assert float(book["s12"]["total"]) == 100
    assert float(book["s10"]["total"]) == 100  # not the broken version after the deadline
    assert float(book["s16"]["total"]) == pytest.approx(90)  # its predictions came an hour late: 90 instead of 80
    assert "The better one counts" in (grading / "feedback/s16.html").read_text()


def give_full_marks(path: Path) -> None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["points"] = row["out_of"]
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
