"""Half done in time, finished an hour late: the better of both counts, after its penalty, and the page shows both."""

import csv
import json

import pytest

from lab_utils.staff.feedback.feedback import feedback
from lab_utils.staff.grading.grade import grade
from lab_utils.staff.grading.isolation import FULL, isolation
from tests.staff.grading.mini_course import (
    ANSWER,
    AUROC,
    HEAD,
    PERFECT,
    SCALE,
    STUBS,
    notebook,
    predictions,
    write_course,
    write_submission,
)

FILE = "labs/homework5_predictions.csv"
WHOLE = {"labs/homework5.ipynb": notebook(*PERFECT), FILE: predictions()}
HALF = {"labs/homework5.ipynb": notebook(*HEAD, SCALE, STUBS["auroc"])}
WORDS = {
    "labs/homework5.ipynb": notebook(*HEAD, SCALE, AUROC, ("markdown", ANSWER + " I said less.")),
    FILE: predictions(),
}
LATE = {"evidence": "claimed", "submitted": "2026-11-06T16:40:00Z", "late_seconds": 2460}


def write_class(folder, class_):
    """Write (files in time, files of a later commit, its penalty) of each student as `collect` would."""
    entries = []
    for student, (first, later, penalty) in class_.items():
        sha = f"{len(entries):040x}"
        write_submission(folder / "submissions" / student, first)
        write_submission(folder / "late" / student / "ffffffffffff", later)
        other = LATE | {"sha": "f" * 40, "penalty": penalty, "folder": f"late/{student}/ffffffffffff"}
        times = {"due": "2026-11-06T23:59:00+08:00", "submitted": "2026-11-06T14:00:00Z", "evidence": "seen"}
        entries.append({"student": student, "sha": sha, "folder": f"submissions/{student}", "others": [other], **times})
    (folder / "collected.json").write_text(json.dumps({"homework": "homework5", "students": entries}))


def book(folder):
    with (folder / "gradebook.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def mark_all(folder, points):
    with (folder / "written.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "written.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"points": points[row["student"], row["commit"]]} for row in rows)


@pytest.mark.skipif(isolation().level != FULL, reason=f"no isolation here: {isolation().reason}")
def test_the_better_commit_counts_and_the_page_shows_both(tmp_path):
    root = write_course(tmp_path)
    folder = root / "grading"
    class_ = {"done_late": (HALF, WHOLE, 0.1), "too_late": (WHOLE, WHOLE, 0.5), "in_words": (WORDS, WHOLE, 0.1)}
    write_class(folder, class_)
    assert grade(folder, root) == 0
    assert feedback(folder, root) == 0
    rows = book(folder)
    # in time 4; late 4 + 6 + 8 = 18, and 5 for the text to come, less 10 %
    assert (rows["done_late"]["sha"], rows["done_late"]["total"], rows["done_late"]["complete"]) == (
        "f" * 40,
        "16.2",
        "no",
    )
    assert (rows["too_late"]["total"], rows["too_late"]["penalty"]) == ("18", "0")
    with (folder / "written.csv").open(encoding="utf-8-sig", newline="") as file:
        to_mark = [(row["student"], row["commit"]) for row in csv.DictReader(file)]
    assert to_mark == [("done_late", ""), ("too_late", ""), ("in_words", ""), ("in_words", "f" * 12)]

    marks = {("done_late", ""): 5, ("too_late", ""): 5, ("in_words", ""): 1, ("in_words", "f" * 12): 5}
    mark_all(folder, marks)
    assert feedback(folder, root) == 0
    rows = book(folder)
    assert {name: (row["total"], row["complete"]) for name, row in rows.items()} == {
        "done_late": ("20.7", "yes"),  # 23 less 10 %
        "too_late": ("23", "yes"),
        "in_words": ("20.7", "yes"),  # 19 in time
    }
    page = (folder / "feedback/in_words.html").read_text()
    assert "The better one counts" in page
    assert "<code>0000000</code>" in page
    assert "<code>fffffff</code>" in page
    pruned = (folder / "feedback/done_late.html").read_text()  # the work in time cannot be better, and is shown as well
    assert "The better one counts" in pruned
    assert ">at most 9<" in pruned or '<td class="number">4</td>' in pruned
    mark_all(folder, marks | {("in_words", ""): 5})
    assert feedback(folder, root) == 0
    assert (book(folder)["in_words"]["total"], book(folder)["in_words"]["penalty"]) == ("23", "0")
    before = (folder / "gradebook.csv").read_bytes()
    assert grade(folder, root) == 0  # nothing is graded again
    assert feedback(folder, root) == 0
    assert (folder / "gradebook.csv").read_bytes() == before
