"""Homework 4: its images, its public checks, and the file that is handed in.

A check here prints an outcome and returns nothing. There is no version of the kit that stands in for yours, and a
check has only a few inputs with results computed by hand: the grader draws others.
"""

import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lab_utils.checks import freezing, outcome
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.homework4.data import IMAGES_FILE, Data, Unlabelled, load, read_images
from lab_utils.checks.homework4.file import (
    COLUMNS,
    FILE,
    describe,
    file_path,
    probabilities,
    read_predictions,
    write_predictions,
)
from lab_utils.checks.homework4.numbers import CHOOSE_MODELS, EXPLAIN_GAP, PAIRED_DIFFERENCE
from lab_utils.checks.homework4.tensors import FIRST_CONV, PREPARE
from lab_utils.profile import data_root
from lab_utils.text_files import decoded

__all__ = [
    "COLUMNS",
    "EXERCISES",
    "WRITTEN",
    "Data",
    "Unlabelled",
    "attempt",
    "check_choose_models",
    "check_explain_gap",
    "check_file",
    "check_first_conv",
    "check_freeze_backbone",
    "check_optimizer_parameters",
    "check_paired_difference",
    "check_prepare",
    "check_train_mode",
    "examine_file",
    "load",
    "probabilities",
    "write_predictions",
]

EXERCISES = (
    Exercise("choose_models", cases=CHOOSE_MODELS),
    Exercise("prepare", cases=PREPARE),
    Exercise("first_conv", cases=FIRST_CONV),
    Exercise("freeze_backbone", cases=freezing.cases(freezing.TO_FREEZE, freezing.check_freeze)),
    Exercise("train_mode", cases=freezing.cases(freezing.MODES, freezing.check_mode)),
    Exercise("optimizer_parameters", cases=freezing.cases(freezing.TO_LEARN, freezing.check_optimizer)),
    Exercise("paired_difference", cases=PAIRED_DIFFERENCE),
    Exercise("explain_gap", cases=EXPLAIN_GAP),
)
(
    check_choose_models,
    check_prepare,
    check_first_conv,
    check_freeze_backbone,
    check_train_mode,
    check_optimizer_parameters,
    check_paired_difference,
    check_explain_gap,
) = (exercise.check for exercise in EXERCISES)

WRITTEN = ("A2", "D2", "E2")  # the questions that are answered in words

T = TypeVar("T")


def check_file(images: int) -> None:
    """Print whether the file of predictions has the right form."""
    complete, text = describe(file_path(), images)
    outcome.show(outcome.Outcome(FILE, "correct" if complete else "not attempted", text, note=""))


def examine_file(folder: Path) -> outcome.Outcome:
    """Return what becomes of the file of predictions in the folder of the notebook."""
    path = folder / FILE
    if not path.is_file():
        hint = "There is no such file beside the notebook. The notebook writes it when your networks are trained."
        return outcome.Outcome(FILE, "not attempted", hint, note="")
    count = len(read_images(data_root() / IMAGES_FILE))
    complete, text = describe(path, count)
    try:
        read_predictions(decoded(path.read_bytes(), errors="replace"), count)
    except (ValueError, OSError):
        return outcome.Outcome(FILE, "incorrect", text, note="")
    return outcome.Outcome(FILE, "correct" if complete else "not attempted", text, note="")


def attempt(function: Callable[..., T], *args: Any, **settings: Any) -> T | None:
    """Call a function of yours; where it is not written yet or fails, say so in a line and go on.

    Returns:
        What the function returns, or None.
    """
    try:
        return function(*args, **settings)
    except Exception as error:  # a half-solved notebook goes on, whatever is wrong
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        frames = [frame.name for frame in traceback.extract_tb(root.__traceback__)]
        within = (re.findall(r", in (\w+)", str(root)) or frames)[-1]  # a worker sends its traceback as text
        if isinstance(root, NotImplementedError) or "NotImplementedError" in str(root):
            print(f"Left out here: `{within}` has no code yet.")
        else:
            reason = str(root).strip().splitlines()[0] if str(root).strip() else "no message"
            print(f"Left out here: {getattr(function, '__name__', 'your function')} stopped in `{within}` with")
            print(f"  {type(root).__name__}: {reason[:1000]}")
        return None
