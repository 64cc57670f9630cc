"""Homework 4: its images, its public checks, and the file that is handed in.

A check here prints an outcome and returns nothing. There is no version of the kit that stands in for yours, and a
check has only a few inputs with results computed by hand: the grader draws others.
"""

from lab_utils.checks import freezing
from lab_utils.checks.attempt import attempt
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.homework4.data import load
from lab_utils.checks.homework4.decisions import CHOOSE_THRESHOLD, MCNEMAR
from lab_utils.checks.homework4.file import COLUMNS, FORM
from lab_utils.checks.homework4.numbers import CHOOSE_MODELS, EXPLAIN_GAP, PAIRED_DIFFERENCE
from lab_utils.checks.homework4.tensors import PREPARE
from lab_utils.checks.hospitals import Data, Unlabelled
from lab_utils.checks.predictions_file import probabilities

__all__ = [
    "COLUMNS",
    "EXERCISES",
    "WRITTEN",
    "Data",
    "Unlabelled",
    "attempt",
    "check_choose_models",
    "check_choose_threshold",
    "check_explain_gap",
    "check_file",
    "check_freeze_backbone",
    "check_mcnemar",
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
    Exercise("freeze_backbone", cases=freezing.cases(freezing.TO_FREEZE, freezing.check_freeze)),
    Exercise("train_mode", cases=freezing.cases(freezing.MODES, freezing.check_mode)),
    Exercise("paired_difference", cases=PAIRED_DIFFERENCE),
    Exercise("mcnemar", cases=MCNEMAR),
    Exercise("choose_threshold", cases=CHOOSE_THRESHOLD),
    Exercise("explain_gap", cases=EXPLAIN_GAP),
)
(
    check_choose_models,
    check_prepare,
    check_freeze_backbone,
    check_train_mode,
    check_paired_difference,
    check_mcnemar,
    check_choose_threshold,
    check_explain_gap,
) = (exercise.check for exercise in EXERCISES)

WRITTEN = ("A2", "D3", "E3", "E4")  # the questions that are answered in words

write_predictions, check_file, examine_file = FORM.write, FORM.check, FORM.examine
