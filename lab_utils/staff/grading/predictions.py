"""Score the predictions that students hand in: every number is computed here, from the file and the hidden labels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils.checks.homework4_file import COLUMNS, FILE, read_predictions
from lab_utils.metrics import auroc, bootstrap_interval
from lab_utils.staff.grading.assignment import Question
from lab_utils.staff.grading.result import MISSING, PASSED, WRONG, CaseResult

__all__ = ["LEVELS", "column_metrics", "read_predictions", "score_predictions"]

# AUROC that counts as a trained network. The solution (profile quick, resnet10_w16 and cbr_tiny) on 30 draws of the
# test set: fine-tuned 0.915 to 0.977, fixed 0.704 to 0.841; 13 seeds on 4 draws: 0.906 to 0.982 and 0.711 to 0.867.
# Random weights in place of the pretrained ones, fixed: 0.483 to 0.616.
LEVELS = {"fine_tuned": 0.80, "fixed": 0.65}
WEIGHTS = {"complete": 1.0, "chance": 1.0, "level": 2.0}
DRAWS = 1000

Floats = NDArray[np.float64]


def score_predictions(
    question: Question, table: Mapping[str, Floats], labels: NDArray[Any], groups: NDArray[Any]
) -> tuple[tuple[CaseResult, ...], dict[str, dict[str, float]]]:
    """Score the columns that a question asks for.

    Args:
        question: with `columns`.
        table: of `read_predictions`; empty where there is no file.
        labels: of the hidden test set, 0 or 1, (N,).
        groups: the patient of each image, (N,).

    Returns:
        Three cases per column, of which a copy of another column passes none; and for each column that is there its
        accuracy (at 0.5), auroc, sensitivity and specificity.
    """
    cases: list[CaseResult] = []
    metrics = {}
    for column in question.columns:
        if column in table:
            metrics[column] = column_metrics(labels, table[column])
        cases += _cases(column, table, labels, groups)
    return tuple(cases), metrics


def column_metrics(labels: NDArray[Any], probs: Floats) -> dict[str, float]:
    """Accuracy, sensitivity and specificity at 0.5, and AUROC, rounded to what the data can tell."""
    called = probs >= 0.5
    values = {
        "accuracy": np.mean(called == (labels == 1)),
        "auroc": auroc(labels, probs),
        "sensitivity": np.mean(called[labels == 1]),
        "specificity": np.mean(~called[labels == 0]),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def _cases(column: str, table: Mapping[str, Floats], labels: NDArray[Any], groups: NDArray[Any]) -> list[CaseResult]:
    model, _, way = column.removeprefix("model_").partition("_")
    who = f"model {model}, {way.replace('_', '-')}"
    level = LEVELS[way]
    names = {
        "complete": f"{who}: a probability for every test image",
        "chance": f"{who}: better than chance",
        "level": f"{who}: as good as a trained network (AUROC at least {level:g})",
    }
    if column not in table:
        hint = f"There is no column {column} in {FILE}."
        return [CaseResult(name, WEIGHTS[key], MISSING, hint) for key, name in names.items()]
    probs = table[column]
    before = [name for name in COLUMNS[: COLUMNS.index(column)] if name in table]
    if copies := [name for name in before if np.array_equal(table[name], probs)]:
        hint = f"The column {column} holds the same numbers as {copies[0]}. Every column needs predictions of its own."
        return [CaseResult(name, WEIGHTS[key], WRONG, hint) for key, name in names.items()]
    value = auroc(labels, probs)
    low, _ = bootstrap_interval(auroc, labels, probs, groups, draws=DRAWS)
    hints = {
        "complete": "" if np.ptp(probs) > 0 else "All probabilities are the same: this network says nothing.",
        "chance": "" if low > 0.5 else _below_chance(value),
        "level": "" if value >= level else _below_level(value, level, way),
    }
    return [CaseResult(names[key], WEIGHTS[key], WRONG if hints[key] else PASSED, hints[key]) for key in names]


def _below_chance(value: float) -> str:
    start = f"The AUROC on the hidden test set is {value:.2f}, and its 95 % interval over patients reaches 0.5."
    if value < 0.4:
        return start + " It is below one half: is this the probability of *normal*?"
    return start + " Are the rows in the order of the images, and was the network trained?"


def _below_level(value: float, level: float, way: str) -> str:
    why = {
        "fine_tuned": "Was the input normalised as the weights expect it, and did the whole network train long enough?",
        "fixed": "Was the input normalised as the weights expect it, did frozen batch norm stay in eval mode, and did "
        "the new head train long enough?",
    }[way]
    return f"The AUROC on the hidden test set is {value:.2f}; a trained network reaches {level:g}. {why}"
