"""What grading costs: seconds per submission of a perfect homework 4, one sandbox at a time.

    python benchmarks/bench_grading.py 200 --workers 2     a class; also prints how much memory the grader holds

The aim is the student's own code plus 3 s on one core. The student's own code is what the same cases take when the
functions are called without a sandbox.
"""

import argparse
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil

from lab_utils.checks import slices
from lab_utils.staff.grading.cases import Local
from lab_utils.staff.grading.grade import grade
from lab_utils.staff.grading.hidden_set import read_labels
from lab_utils.staff.grading.key import Key, load_key
from lab_utils.staff.grading.submission import run_case

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("model_1_fine_tuned", "model_1_fixed", "model_2_fine_tuned", "model_2_fixed")


def make_class(folder: Path, students: int) -> None:
    """Write `students` perfect submissions as `collect` would leave them."""
    labels, _ = read_labels(ROOT / "lab_utils/staff/homework4/labels.csv")
    entries = []
    for number in range(students):
        name = f"s{number:03d}"
        labs = folder / "submissions" / name / "labs"
        labs.mkdir(parents=True)
        shutil.copy(ROOT / "solutions/homework4.ipynb", labs)
        scores = np.clip(
            labels[:, None] * 0.4 + np.random.default_rng(number).normal(0.3, 0.15, (len(labels), 4)), 0, 1
        )
        rows = [f"{i}," + ",".join(f"{p:.4f}" for p in row) for i, row in enumerate(scores)]
        (labs / "homework4_predictions.csv").write_text(
            "\n".join(["image," + ",".join(COLUMNS), *rows]) + "\n", "utf-8"
        )
        entry = {"student": name, "sha": f"{number:040x}", "status": "collected", "folder": f"submissions/{name}"}
        entries.append(entry | {"name": name, "email": "", "url": "", "evidence": "seen", "submitted": ""})
        entries[-1] |= {"late_seconds": 0, "penalty": 0.0, "flags": []}
    (folder / "collected.json").write_text(json.dumps({"homework": "homework4", "students": entries}), "utf-8")


def own_seconds(key: Key) -> float:
    """Seconds that the student's own code takes: every case, with no sandbox."""
    cells = nbformat.read(ROOT / "solutions/homework4.ipynb", as_version=4).cells
    program = slices.read_program([cell.source for cell in cells if cell.cell_type == "code"])
    functions = []
    for question in key.assignment.of_kind("function"):
        space = slices.new_space()
        slices.run(slices.needed(program, question.function), space)
        functions.append((question.function, Local(space[question.function])))
    for _ in range(2):  # the first time also imports what the cases need
        begin = time.perf_counter()
        for name, function in functions:
            for number, case in enumerate(key.cases[name]):
                run_case(case, function, np.random.default_rng(number))
        seconds = time.perf_counter() - begin
    return seconds


def main(argv: list[str] | None = None) -> None:
    """Grade a made-up class and print what one submission costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("students", type=int, nargs="?", default=10)
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_class(folder, arguments.students)
        own = own_seconds(load_key(folder, ROOT, "homework4"))  # the grader's own imports happen here
        begin, before = time.perf_counter(), psutil.Process().memory_info().rss
        if grade(folder, ROOT, workers=arguments.workers):
            sys.exit("the grader failed")
        seconds = (time.perf_counter() - begin) * arguments.workers / arguments.students
        grown = (psutil.Process().memory_info().rss - before) / 2**20
        moments = sorted(path.stat().st_mtime for path in (folder / "results").glob("*.json"))
        gaps = [b - a for a, b in itertools.pairwise(moments)] or [seconds]
        print(
            f"grading       {seconds:7.2f}   s per submission and worker ({arguments.students} submissions, "
            f"{arguments.workers} workers; from result to result {statistics.median(gaps):.2f}, {min(gaps):.2f} ... "
            f"{max(gaps):.2f}); aim: own code ({own:.2f} s) + 3; the grader grew by {grown:.0f} MiB"
        )


if __name__ == "__main__":
    main()
