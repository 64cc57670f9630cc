"""Score the predictions that students hand in: every number is computed here, from the file and the hidden labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab_utils.metrics import auroc, bootstrap_interval
from lab_utils.staff.grading.assignment import Question
from lab_utils.staff.grading.hidden_set import Hidden
from lab_utils.staff.grading.result import MISSING, PASSED, WRONG, CaseResult

WEIGHTS = {"complete": 1.0, "chance": 1.0, "level": 2.0}
DRAWS = 1000
SAME = 0.995  # rank correlation of two columns from which on they are one network
FEWEST_VALUES = 10  # different ones, below which a ranking says little

Floats = NDArray[np.float64]


class Column(NamedTuple):
    """A column of predictions.

    Attributes:
        who: whose it is, in words.
        level: the AUROC of a trained network; None where pixels reach what honest networks reach, so that no level can
            tell them apart.
        advice: what to ask where the AUROC is lower.
    """

    who: str
    level: float | None
    advice: str = ""


@dataclass(frozen=True)
class Predictions:
    """What a homework's file of predictions is, and what it is held to.

    Attributes:
        file: its name, <homework>_predictions.csv.
        columns: name to `Column`, in the order of the file.
        negative: the name of class 0.
        read: the text of a file and the number of images, to the probability of class 1 by column; raises a
            `ValueError` in words where it cannot be read.
        draw: seed to hidden test set.
    """

    file: str
    columns: Mapping[str, Column]
    negative: str
    read: Callable[[str, int], dict[str, Floats]]
    draw: Callable[[int], Hidden]


def score_predictions(
    question: Question, table: Mapping[str, Floats], form: Predictions, labels: NDArray[Any], groups: NDArray[Any]
) -> tuple[tuple[CaseResult, ...], dict[str, dict[str, float]]]:
    """Score the columns that a question asks for.

    Args:
        question: with `columns`.
        table: of `form.read`; empty where there is no file.
        form: what they are held to.
        labels: of the hidden test set, 0 or 1, (N,).
        groups: the patient of each image, (N,).

    Returns:
        Three cases per column, two where it has no level, of which a copy of another column, or a rescaled one, passes
        none; and for each column that is there its accuracy (at 0.5), auroc, sensitivity and specificity.
    """
    cases = [case for column in question.columns for case in _cases(column, table, form, labels, groups)]
    metrics = {column: column_metrics(labels, table[column]) for column in question.columns if column in table}
    return tuple(cases), metrics


def is_same_ranking(first: Floats, second: Floats) -> bool:
    """Say whether two columns rank the images alike: one network under two names, whatever was done to its numbers.

    They do if no two images stand the other way round, as after rounding or any rising function, or if the rank
    correlation is at least `SAME`.
    """
    if min(len(np.unique(first)), len(np.unique(second))) < FEWEST_VALUES:
        return bool(np.array_equal(first, second))
    order = np.lexsort((second, first))
    starts = np.flatnonzero(np.diff(first[order], prepend=-1.0))  # of images that are equal in the first column
    lowest = np.minimum.reduceat(second[order], starts)
    highest = np.maximum.accumulate(np.maximum.reduceat(second[order], starts))
    return bool((lowest[1:] >= highest[:-1]).all()) or rank_correlation(first, second) >= SAME


def rank_correlation(first: Floats, second: Floats) -> float:
    """Spearman's correlation in [-1, 1], equal values with their mean rank; 0 where a column is constant."""
    return float(ranks(first) @ ranks(second))


def ranks(column: Floats) -> Floats:
    """Return the ranks of a column less their mean, a vector of length 1 or 0; equal values share their mean rank."""
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    centred = (np.cumsum(counts) - (counts - 1) / 2)[place] - (len(column) + 1) / 2
    norm = float(np.linalg.norm(centred))
    return np.asarray(centred / norm if norm else centred, dtype=np.float64)


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


def _cases(
    column: str, table: Mapping[str, Floats], form: Predictions, labels: NDArray[Any], groups: NDArray[Any]
) -> list[CaseResult]:
    who, level, advice = form.columns[column]
    names = {
        "complete": f"{who}: a probability for every test image",
        "chance": f"{who}: better than chance",
    } | ({} if level is None else {"level": f"{who}: as good as a trained network (AUROC at least {level:g})"})
    if column not in table:
        hint = f"There is no column {column} in {form.file}."
        return [CaseResult(name, WEIGHTS[key], MISSING, hint) for key, name in names.items()]
    probs, order = table[column], list(form.columns)
    before = [name for name in order[: order.index(column)] if name in table]
    if copies := [name for name in before if is_same_ranking(table[name], probs)]:
        same = "numbers as" if np.array_equal(table[copies[0]], probs) else "ranking of the images as"
        hint = f"The column {column} holds the same {same} {copies[0]}. Every column needs predictions of its own."
        return [CaseResult(name, WEIGHTS[key], WRONG, hint) for key, name in names.items()]
    value = auroc(labels, probs)
    low, _ = bootstrap_interval(auroc, labels, probs, groups, draws=DRAWS)
    hints = {
        "complete": "" if np.ptp(probs) > 0 else "All probabilities are the same: this network says nothing.",
        "chance": "" if low > 0.5 else _below_chance(value, form.negative),
    }
    if level is not None and value < level:
        below = f"The AUROC on the hidden test set is {value:.2f}; a trained network reaches {level:g}. {advice}"
        hints["level"] = below
    return [
        CaseResult(name, WEIGHTS[key], WRONG if hints.get(key) else PASSED, hints.get(key, ""))
        for key, name in names.items()
    ]


def _below_chance(value: float, negative: str) -> str:
    start = f"The AUROC on the hidden test set is {value:.2f}, and its 95 % interval over patients reaches 0.5."
    if value < 0.4:
        return start + f" It is below one half: is this the probability of *{negative}*?"
    return start + " Are the rows in the order of the images, and was the network trained?"
