"""What a student has done in a lab, kept beside the notebook: it survives a restart of the kernel.

The file is named after the notebook, ``00_start_here_progress.json``. Delete it to begin anew. Nobody grades by it: it
is the student's own, and can be edited by anybody.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab_utils.atomic import write_text
from lab_utils.profile import results_folder
from lab_utils.text_files import decoded


@dataclass
class Tried:
    """One exercise.

    Attributes:
        passed: whether its check was ever passed.
        tries: a short hash of each attempt that did not pass; the same attempt counts once.
        steps: how many steps `hint` has given.
    """

    passed: bool = False
    tries: list[str] = field(default_factory=list)
    steps: int = 0


@dataclass
class Progress:
    """One lab; without a `path` it is kept in memory only.

    Attributes:
        lab: name of the notebook, "" where no first cell was run.
        path: the file.
        exercises: by name.
        questions: texts of the multiple-choice questions that were answered right.
        answers: names of the written questions whose sample answer was opened.
    """

    lab: str = ""
    path: Path | None = None
    exercises: dict[str, Tried] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def of(self, exercise: str) -> Tried:
        """Return what was tried in an exercise."""
        return self.exercises.setdefault(exercise, Tried())

    def save(self) -> None:
        """Write the file; a folder that cannot be written to is told once."""
        if self.path is None:
            return
        content = {"lab": self.lab, **{key: getattr(self, key) for key in ("questions", "answers")}}
        content["exercises"] = {name: asdict(tried) for name, tried in self.exercises.items()}
        try:
            write_text(self.path, json.dumps(content, indent=1) + "\n")
        except OSError as error:
            print(f"NOTE: your progress cannot be kept in {self.path} ({error}). The lab goes on without it.")
            self.path = None


_current = Progress()


def progress_now() -> Progress:
    """Return the progress in the lab whose first cell was run."""
    return _current


def begin_progress(lab: str) -> None:
    """Read what was kept of a lab, beside the notebook, or in LAB_RESULTS where that is set.

    A file that cannot be read is renamed, and said so: nothing is lost, and nothing is guessed.
    """
    global _current  # one kernel runs one notebook
    path = (results_folder() or Path.cwd()) / f"{lab}_progress.json"
    try:
        _current = _read(path, lab) if path.is_file() else Progress(lab, path)
    except (ValueError, OSError) as error:
        aside = _free_name(path)
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        _current = Progress(lab, path)
        try:
            path.replace(aside)
            print(f"NOTE: {path} cannot be read ({reason}). It is now {aside.name}, and your progress begins anew.")
        except OSError:
            _current.path = None  # neither to be read nor to be moved: leave it alone
            print(f"NOTE: {path} cannot be read ({reason}). Your progress is not kept.")


def _read(path: Path, lab: str) -> Progress:
    content: Any = json.loads(decoded(path.read_bytes()))
    if not isinstance(content, dict) or set(content) != {"lab", "questions", "answers", "exercises"}:
        raise ValueError("it does not hold lab, questions, answers and exercises")
    if content["lab"] != lab:
        raise ValueError(f"it is that of {content['lab']!r}")
    for key in ("questions", "answers"):
        _require(_is_texts(content[key]), f"{key} should be a list of texts")
    _require(isinstance(content["exercises"], dict), "exercises should be a table")
    exercises = {}
    for name, entry in content["exercises"].items():
        good = isinstance(entry, dict) and set(entry) == {"passed", "tries", "steps"} and _is_texts(entry["tries"])
        good = good and isinstance(entry["passed"], bool) and type(entry["steps"]) is int and entry["steps"] >= 0
        _require(good, f"exercise {name!r} should have passed, tries and steps")
        exercises[name] = Tried(**entry)
    return Progress(lab, path, exercises, content["questions"], content["answers"])


def _require(good: bool, words: str) -> None:
    if not good:
        raise ValueError(words)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.stem}_damaged{number}{path.suffix}")).exists():
        number += 1
    return aside
