"""A form for JupyterLab to mark written answers: one answer at a time, question by question, saved at once."""

import html
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from lab_utils.staff.feedback.pictures import pictures_html
from lab_utils.staff.grading.assignment import Assignment, homework_folder, read_assignment
from lab_utils.staff.grading.collected import Collected, read_collection
from lab_utils.staff.grading.lock import Busy, one_writer
from lab_utils.staff.grading.result import read_result
from lab_utils.staff.grading.safe_text import shorten
from lab_utils.staff.grading.written import NAME, Mark, left_class, read_points, read_written, write_written

GOOD, BAD = "#00704f", "#a84300"  # words say the same
# Of an answer. Every line begins at the side where its script begins.
BREAKS = "overflow-wrap:anywhere"
BOX = f"white-space:pre-wrap;{BREAKS};unicode-bidi:plaintext;line-height:1.5;"
BOX += "border:1px solid #d7dce1;padding:.7em;max-width:52em"
SHORTEST = 3  # letters of a part of a name that is taken out of an answer
PATIENCE = 2.0  # seconds that the form waits for another writer: it must not freeze


def marking_form(folder: Path | str, root: Path | str | None = None, *, anonymous: bool = False) -> "MarkingForm":
    """Return the form for the answers in `folder`/written.csv. Make it the last expression of a cell.

    Args:
        folder: of the homework, such as grading/homework4.
        root: the course; by default the folder above the one that `folder` is in.
        anonymous: do not show who wrote an answer: no identifier, an order that does not tell it, and the student's own
            name, identifier and address taken out of the text that is shown. Pictures are shown as they are.

    Raises:
        FileNotFoundError: if nothing was collected or graded yet.
        ValueError: if written.csv cannot be used; the message names the line.
    """
    folder = Path(folder).resolve()
    collection = read_collection(folder)
    course = folder.parents[1] if root is None else Path(root)
    assignment = read_assignment(homework_folder(course, collection.homework))
    students = [entry.student for entry in collection.students]
    students += sorted(left_class(folder, students))
    if not (folder / NAME).is_file():
        raise FileNotFoundError(f"Expected {folder / NAME}, found no file. Run `python -m lab_utils grade` first.")
    names = {entry.student: _names_of(entry) for entry in collection.students} if anonymous else None
    return MarkingForm(folder / NAME, assignment, students, names)


def _names_of(entry: Collected) -> re.Pattern[str] | None:
    """Return a pattern of what would tell who a student is.

    Whole names, identifiers and addresses in any spelling: ADA LOVELACE, ada_lovelace, AdaLovelace. A part of a name as
    it is written there, or all in capitals: many are words, too, as Will or May.
    """
    account = [part for part in re.split(r"[/:]", entry.url.partition("://")[2])[1:-1] if len(part) >= SHORTEST]
    names = (p.name for p in entry.people if len(p.name.split()) > 1)
    whole = {entry.student, *account, *names, *(word for p in entry.people for word in (p.student, p.email))} - {""}
    parts = {part for p in entry.people for part in p.name.split() if len(part) >= SHORTEST}
    spelled = [r"[\W_]*".join(map(re.escape, _plain(name).split())) for name in whole if name.strip()]
    spelled = [f"(?i:{name})" for name in sorted(spelled, key=len, reverse=True)]
    as_they_are = {form for part in map(_plain, parts) for form in (re.escape(part), re.escape(part.upper()))}
    every = [*spelled, *sorted(as_they_are, key=lambda name: (-len(name), name))]
    return re.compile(rf"(?<![^\W_])({'|'.join(every)})(?![^\W_])") if every else None


def _plain(text: str) -> str:
    """Return a text with letters and their accents as one."""
    return unicodedata.normalize("NFC", text)


class MarkingForm(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The form. It reads the file again before each save, so marks made elsewhere meanwhile are kept.

    `names` are those that nobody shall see, student -> their pattern; None: everybody is shown.
    """

    def __init__(
        self,
        path: Path,
        assignment: Assignment,
        students: list[str],
        names: dict[str, re.Pattern[str] | None] | None = None,
    ) -> None:
        self.path, self.assignment, self.students, self.names = path, assignment, students, names
        self.rows = self.ordered(read_written(path, assignment, students))
        self.place = 0
        self.filling = False  # whether the form itself is changing its fields
        self.refused = False  # whether the fields hold what is no mark
        self.head, self.answer, self.rubric, self.status = (widgets.HTML() for _ in range(4))
        self.pictures = widgets.HTML()
        self.points = widgets.Text(description="Points", continuous_update=False, placeholder="not marked yet")
        wide = widgets.Layout(width="95%", height="6em")
        self.comment = widgets.Textarea(description="Comment", continuous_update=False, layout=wide)
        self.previous = widgets.Button(description="Previous", icon="arrow-left")
        self.next = widgets.Button(description="Next", icon="arrow-right")
        self.next_open = widgets.Button(description="Next not marked", button_style="primary")
        self.previous.on_click(lambda _: self.leave(lambda: self.place - 1))
        self.next.on_click(lambda _: self.leave(lambda: self.place + 1))
        self.next_open.on_click(lambda _: self.leave(self.find_open))
        self.points.observe(self.save, names="value")
        self.comment.observe(self.save, names="value")
        buttons = widgets.HBox([self.previous, self.next, self.next_open])
        fields = [self.points, self.comment, self.status] if self.rows else []
        super().__init__([self.head, self.answer, self.pictures, self.rubric, *fields, buttons])
        self.show(self.find_open())

    def find_open(self) -> int:
        """Return the place of the next answer without points, going round; the present place if there is none."""
        n = len(self.rows)
        places = [(self.place + step) % n for step in range(n)]
        return next((place for place in places if self.rows[place].points is None), self.place)

    def leave(self, find: Callable[[], int]) -> None:
        """Show another answer, unless this one still cannot be saved: it would be lost unseen."""
        if self.refused:
            self.save()
        if not self.refused:
            self.show(find())

    def show(self, place: int) -> None:
        """Show one answer."""
        if not self.rows:
            self.head.value = "There are no written answers to mark."
            return
        self.place, self.refused = place % len(self.rows), False
        row = self.rows[self.place]
        question = next(question for question in self.assignment.questions if question.name == row.question)
        marked = sum(row.points is not None for row in self.rows)
        said = self.without_names(row, row.note)
        note = f"<p style='color:{BAD}'><b>! {html.escape(said)}</b></p>" if said else ""
        by = "" if self.names is not None else f", by {html.escape(shorten(row.student, 100))}"
        self.head.value = (
            f"<div style='{BREAKS}'><h3>{html.escape(question.name)} {html.escape(question.title)}</h3>"
            f"<p>answer {self.place + 1} of {len(self.rows)}{by}; {marked} marked</p>{note}</div>"
        )
        text = html.escape(shorten(self.without_names(row, row.answer), 20_000))
        self.answer.value = f"<div style='{BOX}'>{text}</div>"
        self.pictures.value = self.pictures_of(row)
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in question.rubric)
        self.rubric.value = (
            f"<b>Out of {question.points:g}, points: what for</b><ul style='line-height:1.5;{BREAKS}'>{lines}</ul>"
        )
        self.fill(row)
        self.say("")

    def save(self, _: Any = None) -> None:
        """Write the fields of this answer into the file; every other row stays as it is in the file now."""
        if self.filling:
            return
        shown, self.refused = self.rows[self.place], False
        try:
            question = next(q for q in self.assignment.questions if q.name == shown.question)
            points = read_points(self.points.value, question.points)
            with one_writer(self.path, patience=PATIENCE):
                rows = list(read_written(self.path, self.assignment, self.students))
                at = next(i for i, row in enumerate(rows) if row.key == shown.key)
                rows[at] = self.marked(rows[at], shown, points)
                write_written(self.path, self.assignment, rows)
        except StopIteration:
            self.say("Not saved: this answer is no longer in the file. Make the form anew.", bad=True)
        except Busy:
            self.refused = True
            self.say("Not saved yet: grade or feedback is writing the marks. A button below saves it.", bad=True)
        except (ValueError, OSError) as error:
            self.refused = True
            self.say(f"Not saved: {error}. Correct it, or empty the field, before you go on.", bad=True)
        else:
            self.rows = self.ordered(rows)
            self.place = self.rows.index(rows[at])
            self.fill(rows[at])
            points = rows[at].points
            self.say("Saved, no points yet." if points is None else f"Saved: {points:g} of {question.points:g}.")

    def ordered(self, rows: Iterable[Mark]) -> list[Mark]:
        """Return the rows as they are gone through: those of the file, or those of a question in no order."""
        if self.names is None:
            return list(rows)
        place = {question.name: number for number, question in enumerate(self.assignment.questions)}

        def key(row: Mark) -> tuple[int, bytes]:
            return place[row.question], sha256(f"{row.question} {row.student}".encode()).digest()

        return sorted(rows, key=key)

    def without_names(self, row: Mark, text: str) -> str:
        """Return a text, where nobody shall see whose it is without the names of who wrote it."""
        names = (self.names or {}).get(row.student)
        return names.sub("[name]", _plain(text)) if names else text

    def pictures_of(self, row: Mark) -> str:
        """Return the pictures of an answer as HTML."""
        folder, name = self.path.parent, f"{row.student}.{row.commit}" if row.commit else row.student
        try:
            notebook = read_result(folder / "results" / ("late" if row.commit else "") / f"{name}.json").notebook
        except (OSError, ValueError):
            return ""
        work = folder / "late" / row.student / row.commit if row.commit else folder / "submissions" / row.student
        return pictures_html(work, notebook, row.answer, numbered=self.names is not None)

    def fill(self, row: Mark) -> None:
        """Show points and comment of a row in the fields."""
        self.filling = True
        self.points.value = "" if row.points is None else f"{row.points:g}"
        self.comment.value = row.comment
        self.filling = False

    def marked(self, row: Mark, shown: Mark, points: float | None) -> Mark:
        """Return the row of the file with what was changed here; new points settle a note about a changed answer.

        A field that is as it was when the answer was shown keeps what another marker wrote into the file meanwhile.
        """
        comment = self.comment.value.strip()
        changed = points != shown.points
        return replace(
            row,
            points=points if changed else row.points,
            comment=comment if comment != shown.comment else row.comment,
            note="" if changed else row.note,
        )

    def say(self, text: str, *, bad: bool = False) -> None:
        """Show a line below the fields."""
        self.status.value = f"<b style='color:{BAD if bad else GOOD}'>{html.escape(text)}</b>"
