"""A homework with one function of each kind of trouble, NumPy only, so that a submission is graded in half a second."""

import json
from pathlib import Path

import numpy as np

from lab_utils.staff.grading.result import Result

QUESTIONS = """
name = "homework5"
title = "A small homework"

[[question]]
name = "M1"
title = "Scale"
points = 4
kind = "function"
function = "scale"

[[question]]
name = "M2"
title = "AUROC"
points = 6
kind = "function"
function = "auroc"

[[question]]
name = "M3"
title = "Predictions"
points = 8
kind = "predictions"
columns = ["model_1_fine_tuned"]

[[question]]
name = "M4"
title = "In words"
points = 5
kind = "written"
rubric = ["5: says why"]
"""

CASES = """
import numpy as np

from lab_utils.checks.wrong import Wrong
from lab_utils.staff.grading.cases import Case
from lab_utils.metrics import auroc


def _scale(student, rng, shift):
    x = rng.normal(size=8) * 5 + shift
    found = np.asarray(student(x), dtype=float)
    if found.shape != x.shape or not np.abs(found - (x - x.min()) / np.ptp(x)).max() < 1e-9:
        raise Wrong("Expected the smallest value at 0 and the largest at 1.")


def _constant(student, rng):
    found = np.asarray(student(np.full(5, rng.normal())), dtype=float)
    if found.shape != (5,) or (found != 0).any():
        raise Wrong("What is 0 / 0?")


def _integers(student, rng):
    x = rng.permutation(9)
    if not np.abs(np.asarray(student(x), dtype=float) - x / 8).max() < 1e-9:
        raise Wrong("Whole numbers went in.")


def _auroc(student, rng, ties):
    labels = rng.permutation([0, 1] * 8)
    scores = rng.normal(size=16).round(0 if ties else 9)
    scores[:2] = 0
    if not abs(float(student(labels, scores)) - auroc(labels, scores)) < 1e-9:
        raise Wrong("Equal scores count one half." if ties else "Count the pairs.")


CASES = {
    "scale": (
        Case("values", 1, lambda s, r: _scale(s, r, 0)),
        Case("negative values", 1, lambda s, r: _scale(s, r, -50)),
        Case("a constant", 1, _constant),
        Case("whole numbers", 1, _integers),
    ),
    "auroc": (Case("order", 2, lambda s, r: _auroc(s, r, False)), Case("ties", 1, lambda s, r: _auroc(s, r, True))),
}
"""

FORM = """
from lab_utils.checks.predictions_file import PredictionsFile
from lab_utils.staff.grading.predictions import Column, Predictions

FORM = PredictionsFile("homework5", ("model_1_fine_tuned",))
COLUMNS = {"model_1_fine_tuned": Column("model 1, fine-tuned", 0.8, "Was it trained?")}
PREDICTIONS = Predictions(FORM.file, COLUMNS, "normal", FORM.read, None)
"""

LABELS = np.arange(40) % 2
PATIENTS = np.arange(40) // 2

IMPORTS = "import numpy as np"
SCALE = """\
def scale(x):
    x = np.asarray(x, dtype=float)
    span = x.max() - x.min()
    return (x - x.min()) / span if span > 0 else np.zeros_like(x)"""
AUROC = """\
def auroc(labels, scores):
    p, n = scores[labels == 1][:, None], scores[labels == 0]
    return np.mean((p > n) + 0.5 * (p == n))"""
STUBS = {
    "scale": 'def scale(x):\n    # YOUR CODE HERE\n    raise NotImplementedError("your code goes here")',
    "auroc": 'def auroc(labels, scores):\n    # YOUR CODE HERE\n    raise NotImplementedError("your code goes here")',
}
TRAINING = "import time\ntime.sleep(3600)  # an hour of training"
ANSWER = "**Answer M4**\n\nBecause the images come from another hospital."
# What was handed out, in the order of the notebook.
HEAD = (
    ("markdown", "# A small homework\n\n**Due: Friday 6 November 2026, 23:59:00 (UTC+08:00).** Do not be late."),
    IMPORTS,
)
ASKED = ("markdown", "## M4 In words\n\nWhy is the accuracy lower on the test images? Some sentences are enough.")
STUB = ("markdown", "**Answer M4**\n\n*Your answer, in your own words.*")
FOOT = ("markdown", "## Hand in\n\nCommit the notebook and the file of predictions, and push them.")
RELEASED = (*HEAD, *STUBS.values(), ASKED, STUB, FOOT)
PERFECT = (IMPORTS, SCALE, "homework5.check_scale(scale)", AUROC, TRAINING, ("markdown", ANSWER))


def write_course(root: Path) -> Path:
    """Write the course's side: the private part of a homework that the kit does not know."""
    private = root / "lab_utils/staff/homework5"
    private.mkdir(parents=True)
    (private / "questions.toml").write_text(QUESTIONS)
    (private / "cases.py").write_text(CASES)
    (private / "predictions.py").write_text(FORM)
    (root / "labs").mkdir()
    (root / "labs/homework5.ipynb").write_text(json.dumps(notebook(*RELEASED)))
    rows = [f"{i},{label},{patient}" for i, (label, patient) in enumerate(zip(LABELS, PATIENTS, strict=True))]
    (private / "labels.csv").write_text("\n".join(["image,label,patient", *rows]) + "\n")
    return root


def write_second(root: Path) -> None:
    """Write a second homework, which asks for no predictions, and the settings of a course with both."""
    private = root / "lab_utils/staff/homework6"
    private.mkdir(parents=True)
    parts = QUESTIONS.replace("homework5", "homework6").replace('"In words"', '"In other words"').split("[[question]]")
    (private / "questions.toml").write_text("[[question]]".join(part for part in parts if '"M3"' not in part))
    (private / "cases.py").write_text(CASES)
    dates = 'release = "2026-10-01T09:00:00Z"\ndeadline = "2026-11-06T23:59:00Z"\n'
    about = '[course]\nrepository = "https://example.org/a.git"\nfolder = "a"\n'
    (root / "course.toml").write_text(f"{about}[homework5]\n{dates}[homework6]\n{dates}")


def notebook(*cells, **extra) -> dict:
    """Return a notebook, format 4, from sources; ("markdown", text) for texts."""
    made = []
    for cell in cells:
        kind, source = cell if isinstance(cell, tuple) else ("code", cell)
        made.append({"cell_type": kind, "metadata": {}, "source": source})
        if kind == "code":
            made[-1] |= {"outputs": [], "execution_count": None}
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5} | extra


def predictions(values=None) -> str:
    """Return the predictions file; perfect ones unless values are given."""
    values = 0.1 + 0.8 * LABELS if values is None else values
    return "image,model_1_fine_tuned\n" + "".join(f"{i},{value}\n" for i, value in enumerate(values))


def write_submission(folder: Path, files: dict) -> Path:
    """Write files: path to notebook (a dict), text, bytes, or a function that writes the path."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, dict):
            path.write_text(json.dumps(content), "utf-8")
        elif isinstance(content, str):
            path.write_text(content, "utf-8", errors="surrogateescape")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)
    return folder


def write_collected(folder: Path, submissions: dict[str, dict], homework: str = "homework5") -> None:
    """Write submissions and what `collect` says of them: student to files."""
    entries = []
    for student, files in submissions.items():
        write_submission(folder / "submissions" / student, files)
        entries.append({"student": student, "sha": f"{len(entries):040x}", "folder": f"submissions/{student}"})
    (folder / "collected.json").write_text(json.dumps({"homework": homework, "students": entries}))


def points(result: Result) -> list[float]:
    """Return the points of M1, M2 and M3."""
    return [question.points for question in result.questions[:3]]


def statuses(result: Result) -> list[str]:
    """Return the status of each question."""
    return [question.status for question in result.questions]
