"""The last cell of a lab: one line for each section, of what is done."""

import importlib

from lab_utils.checks.guides import read_guide
from lab_utils.checks.notes import Note
from lab_utils.progress_file import Progress, progress_now

DONE, OPEN = "\N{HEAVY CHECK MARK}", "\N{HORIZONTAL ELLIPSIS}"


def progress() -> None:
    """Show how many exercises, questions and written answers of each section of this lab are done.

    An exercise is done once its check was passed, a question once the right answer was chosen, a written question once
    its sample answer was opened. All of it is kept beside the notebook, and survives a restart of the kernel.
    """
    kept = progress_now()
    if not kept.lab:
        Note("Run the first cell", "It says which lab this is.").show()
        return
    lines = [_line(section, kept) for section in read_guide(kept.lab).sections]
    where = f"Kept in {kept.path.name}." if kept.path else "Nothing is kept here."
    Note(f"Your progress in {kept.lab}", *filter(None, lines), where).show()


def _line(section: dict[str, list[str]], kept: Progress) -> str:
    """One section, or "" where there is nothing to do in it."""
    tried = {name for name, entry in kept.exercises.items() if entry.passed}
    counts = {
        "exercises": (section["exercises"], tried),
        "questions": ([_text(name) for name in section["questions"]], set(kept.questions)),
        "written answers": (section["written"], set(kept.answers)),
    }
    parts = [f"{what} {len(done & {*asked})} of {len(asked)}" for what, (asked, done) in counts.items() if asked]
    if not parts:
        return ""
    complete = all({*asked} <= done for asked, done in counts.values())
    return f"{DONE if complete else OPEN} {section['title']}: {', '.join(parts)}"


def _text(name: str) -> str:
    """Return the text of a question, which is what is kept of it."""
    module, _, question = name.partition(".")
    text: str = getattr(importlib.import_module(f"lab_utils.checks.{module}"), question).text
    return text
