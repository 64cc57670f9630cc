"""What a homework is graded against: its folder lab_utils/staff/<name>/, found by its name, and the kit's own code.

The folder holds questions.toml, see `read_assignment`, and cases.py with CASES, function name to its cases. Where the
homework asks for predictions, it also holds predictions.py with PREDICTIONS, see `Predictions`, and labels.csv, the
labels of the test images that come with the kit. A second homework is a second folder of this form.
"""

import hashlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab_utils.staff.grading.assignment import Assignment, homework_folder, read_assignment
from lab_utils.staff.grading.cases import Case
from lab_utils.staff.grading.hidden_set import labels_file, read_labels
from lab_utils.staff.grading.isolation import KIT
from lab_utils.staff.grading.predictions import Predictions
from lab_utils.text_files import decoded

JUDGING = ("staff/grading", "checks", "data")
NOT_JUDGING = ("staff/collecting", "staff/course", "staff/feedback")


class Key(NamedTuple):
    """What a homework is graded against; students never have it.

    Attributes:
        assignment: the questions.
        cases: function name to its cases.
        predictions: what the file of predictions is held to; None where the homework asks for none.
        labels: int64 (N,) of the hidden test set.
        groups: int64 (N,), the patients.
        secret: makes the inputs of the cases unpredictable.
        released: (kind, source) of the cells of the notebook as it was handed out, kind "code" or "text".
        given: paths of files that were handed out.
    """

    assignment: Assignment
    cases: Mapping[str, tuple[Case, ...]]
    predictions: Predictions | None
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]
    secret: bytes
    released: tuple[tuple[str, str], ...] = ()
    given: frozenset[str] = frozenset()


def load_key(folder: Path, root: Path, homework: str) -> Key:
    """Return what this homework is graded against, from its folder in the kit and from the instructor's folder.

    Raises:
        FileNotFoundError: if questions, cases or labels are missing.
        ValueError: if one of them is wrong, a function has no cases, or nothing says how to score predictions.
    """
    private = homework_folder(root, homework)
    assignment = read_assignment(private)
    cases = load_module(private, "cases").CASES
    without = [q.function for q in assignment.of_kind("function") if q.function not in cases]
    if without:
        raise ValueError(f"Expected cases for every function in {private}, found none for {', '.join(without)}.")
    paths = [private / "questions.toml", *sorted(private.glob("*.py"))]
    predictions = load_predictions(private)
    labels = groups = np.zeros(0, np.int64)
    if predictions is not None:
        own, public = labels_file(folder, homework), private / "labels.csv"
        if not own.is_file():
            where = f"No {own.name} in {folder}: predictions are held to the labels that come with the kit, which are"
            print(f"{where} public. Name the folder that `release` worked with: --folder.", file=sys.stderr)
        paths.append(own if own.is_file() else public)
        labels, groups = read_labels(paths[-1])
    elif asked := assignment.of_kind("predictions"):
        raise ValueError(f"Expected {private / 'predictions.py'} for question {asked[0].name}, found no file. Add it.")
    secret = hashlib.sha256()
    # Whatever changes a grade changes the key: questions, cases, labels, and all code that can reach a verdict.
    for path in [*paths, *_judging_code()]:
        secret.update(path.read_bytes())
    cells = _released(root / "labs" / f"{homework}.ipynb")
    given = frozenset(path.relative_to(root).as_posix() for path in root.glob("*") if path.is_file())
    return Key(assignment, cases, predictions, labels, groups, secret.digest(), cells, given)


def _released(notebook: Path) -> tuple[tuple[str, str], ...]:
    """Return the cells of the notebook as it is handed out; none where there is none."""
    if not notebook.is_file():
        return ()
    cells = json.loads(decoded(notebook.read_bytes())).get("cells", [])
    return tuple(("code" if cell["cell_type"] == "code" else "text", "".join(cell["source"])) for cell in cells)


def load_predictions(private: Path) -> Predictions | None:
    """Return what a homework's file of predictions is held to; None if it asks for none."""
    if not (private / "predictions.py").is_file():
        return None
    found: Predictions = load_module(private, "predictions").PREDICTIONS
    return found


def load_module(private: Path, name: str) -> Any:
    """Return a module of a homework's folder, from the course that is graded, whichever kit grades it.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    path = private / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{private.name}_{name}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"Expected the {name} of {private.name} in {path}, found no file. Restore it.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _judging_code() -> list[Path]:
    """The modules of the kit that verdicts are reached with: all but those that only collect, show and write pages.

    Cases call networks, data, metrics and training; a list of the few that matter would be out of date soon.
    """
    package = KIT / "lab_utils"
    if missing := [name for name in JUDGING if not (package / name).is_dir()]:
        raise FileNotFoundError(
            f"Expected the grader's own code in {package}, found no folder {', '.join(missing)}: results could not be "
            "told from those of another grader. Restore the kit."
        )
    homeworks = [path.parent for path in package.glob("staff/*/questions.toml")]
    aside = [*(package / name for name in NOT_JUDGING), *homeworks]
    modules = sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)
    return [path for path in modules if not any(folder in path.parents for folder in aside)]
