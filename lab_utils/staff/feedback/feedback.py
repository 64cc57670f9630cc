"""``feedback``: a page per student, a page of the class, the gradebook."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from tqdm import tqdm

from lab_utils.staff.course.bootstrap import deadline_text
from lab_utils.staff.course.settings import Homework, read_course, read_time
from lab_utils.staff.feedback.class_numbers import waiting
from lab_utils.staff.feedback.class_page import class_page
from lab_utils.staff.feedback.gradebook import write_gradebook, write_nbgrader
from lab_utils.staff.feedback.likeness import Alike, find_alike
from lab_utils.staff.feedback.prediction_twins import Twins, find_twins
from lab_utils.staff.feedback.standing import UNCOLLECTED, Standing, best, stand
from lab_utils.staff.feedback.student_page import by_hand, student_page
from lab_utils.staff.feedback.submission_code import read_cells, read_code
from lab_utils.staff.grading.assignment import Assignment, homework_folder, read_assignment
from lab_utils.staff.grading.collected import FILE, Collected, read_collection
from lab_utils.staff.grading.contenders import Contender, contenders, graded, split
from lab_utils.staff.grading.hidden_set import labels_file, read_labels
from lab_utils.staff.grading.key import load_predictions
from lab_utils.staff.grading.predictions_file import read_column_table
from lab_utils.staff.grading.result import GRADED
from lab_utils.staff.grading.safe_text import put
from lab_utils.staff.grading.written import NAME, Mark, marks_of, update_written

_TOLD = {
    "not_reached": "nothing is final, these were never reached",
    "by_hand": "points given by a person instead of the grader",
    "left_over": "pages of people who are not in the class any more, delete them",
}


def feedback(folder: Path, root: Path, *, nbgrader: bool = False, as_json: bool = False) -> int:
    """Write the pages and the gradebook from what was collected, graded and marked.

    Writing again with the same input gives the same files, byte for byte.

    Args:
        folder: the instructor's working folder, with collected.json, results/ and written.csv.
        root: the course.
        nbgrader: also write gradebook_nbgrader.csv, with the columns of nbgrader's export.
        as_json: print a summary as JSON, and nothing else.

    Returns:
        0: all was written.

    Raises:
        FileNotFoundError: if nothing was collected, or the questions are missing.
        ValueError: if a file cannot be used; the message names it and the line.
    """
    assignment = read_assignment(homework_folder(root, read_collection(folder).homework))
    standings = read_standings(folder, assignment)
    dates = _dates(root, assignment.name)
    rule = "" if dates is None else deadline_text(dates).partition("** ")[2]
    dues = {standing.student: _due(standing.collected) for standing in standings}
    alike, cut = look_alike(folder, root, assignment.name, standings)
    twins = prediction_twins(folder, root, assignment.name, standings)
    over = not any(standing.collected.open for standing in standings)
    for standing in tqdm(standings, desc="feedback", unit="page", leave=False, disable=True if as_json else None):
        page = student_page(assignment, standing, dues[standing.student], rule=rule, show_rubrics=over)
        put(folder / "feedback" / f"{standing.student}.html", page)
    zone = next((due.tzinfo for due in dues.values() if due), None)
    put(folder / "feedback" / "class.html", class_page(assignment, standings, alike, zone, cut, twins))
    write_gradebook(folder / "gradebook.csv", assignment, standings)
    if nbgrader:
        duedate = "" if dates is None else dates.deadline.isoformat()
        write_nbgrader(folder / "gradebook_nbgrader.csv", assignment, standings, duedate)
    summary = _summary(folder, standings, alike, twins)
    print(json.dumps(summary, indent=1) if as_json else _sentences(summary, folder))
    return 0


def read_standings(folder: Path, assignment: Assignment) -> list[Standing]:
    """Return where each student of collected.json stands; brings written.csv up to date on the way."""
    students = read_collection(folder).students
    found = {entry.student: contenders(entry, folder / "results", assignment) for entry in students}
    first, later = split(found)
    marks: defaultdict[str, list[Mark]] = defaultdict(list)
    for mark in update_written(folder, assignment, list(found), first, later):
        marks[mark.student].append(mark)
    return [_best_of(entry, found[entry.student], marks[entry.student], folder, assignment) for entry in students]


def _best_of(
    entry: Collected, own: Sequence[Contender], marks: Sequence[Mark], folder: Path, assignment: Assignment
) -> Standing:
    """Return where a student stands with the commit that counts; all that were graded are shown beside it."""
    first = own[0].result
    every = graded(entry, folder / "results")
    standings = {
        one.collected.sha: stand(one.collected, one.result, marks_of(marks, first, one.result), assignment)
        for one in every
    }
    return best([standings[one.collected.sha] for one in own], list(standings.values()))


def _due(entry: Collected) -> datetime | None:
    """Return the student's own deadline, or None where collected.json has none."""
    return read_time(entry.due, f"due of {entry.student} in {FILE}") if entry.due else None


def look_alike(
    folder: Path, root: Path, homework: str, standings: Sequence[Standing]
) -> tuple[tuple[Alike, ...], list[str]]:
    """Return the submissions that look alike, what was released taken away; and whose code was not read to its end."""
    codes = {
        one.student: read_code(folder / one.collected.folder, one.result.notebook if one.result else "", root)
        for one in standings
        if one.collected.folder
    }
    released = read_cells(root / "labs" / f"{homework}.ipynb")
    if any(code.rest for code in codes.values()):  # other labs, and modules of an older kit
        released += [cell for path in sorted((root / "labs").glob("*.ipynb")) for cell in read_cells(path)]
        released += [
            path.read_text("utf-8") for path in sorted((root / "lab_utils").rglob("*.py")) if "staff" not in path.parts
        ]
    return find_alike(codes, released), [name for name, code in codes.items() if code.cut]


def prediction_twins(folder: Path, root: Path, homework: str, standings: Sequence[Standing]) -> tuple[Twins, ...]:
    """Return whose predictions rank the images alike; nobody's where the homework asks for none."""
    private = homework_folder(root, homework)
    labels = next((p for p in (labels_file(folder, homework), private / "labels.csv") if p.is_file()), None)
    form = load_predictions(private)
    if form is None or labels is None:
        return ()
    images = len(read_labels(labels)[0])
    graded = [one for one in standings if one.result is not None and one.collected.folder]
    files = {one.student: (folder / one.collected.folder, one.result.predictions) for one in graded if one.result}
    return find_twins({name: read_column_table(*file, form, images) for name, file in files.items()})


def _dates(root: Path, homework: str) -> Homework | None:
    """Return the dates and the late policy of course.toml, or None where it has none."""
    path = root / "course.toml"
    return read_course(path).homeworks.get(homework) if path.is_file() else None


def _summary(
    folder: Path, standings: list[Standing], alike: tuple[Alike, ...], twins: tuple[Twins, ...]
) -> dict[str, object]:
    return {
        "students": len(standings),
        "complete": sum(standing.complete for standing in standings if standing.status == GRADED),
        "status": dict(sorted(Counter(standing.status for standing in standings).items())),
        "to_mark": waiting([standing for standing in standings if standing.result is not None]),
        "look_alike": len(alike),
        "not_reached": [standing.student for standing in standings if standing.status == UNCOLLECTED],
        "same_predictions": len(twins),
        "by_hand": [f"{s.student} {a.question.name}" for s in standings for a in s.answered if by_hand(a)],
        "left_over": _left_over(folder, standings),
        "class_page": str(folder / "feedback" / "class.html"),
        "gradebook": str(folder / "gradebook.csv"),
    }


def _left_over(folder: Path, standings: list[Standing]) -> list[str]:
    """Return the pages of people who are not in the class any more."""
    known = {"class", *(standing.student for standing in standings)}
    return sorted(path.name for path in (folder / "feedback").glob("*.html") if path.stem not in known)


def _sentences(summary: dict[str, object], folder: Path) -> str:
    marks = summary["to_mark"]
    lines = [
        f"{summary['students']} students, {summary['complete']} of them graded and marked to the end",
        f"wrote {folder / 'feedback'} and {summary['gradebook']}; begin with {summary['class_page']}",
    ]
    if isinstance(marks, dict) and marks:
        open_marks = ", ".join(f"{name}: {n}" for name, n in sorted(marks.items()))
        lines.append(f"answers to mark in {folder / NAME}: {open_marks}")
    for key, words in _TOLD.items():
        if isinstance(found := summary[key], list) and found:
            lines.append(f"{words}: {', '.join(found)}")
    return "\n".join(lines)
