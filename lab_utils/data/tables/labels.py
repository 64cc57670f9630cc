"""Labels from the columns of a table: one class for each picture, or several findings.

=====================================  ==============================================================================
`label`                                what it becomes
=====================================  ==============================================================================
a column of classes                    one class for each picture, in the order of `class_order`
a column with ``A|B`` in some cells    findings: each name a finding, `none` stands for no finding at all
a list of columns of 0, 1, -1          findings; -1 is uncertain, and `blank` says what an empty cell means
a list of columns, one 1 in each row   the task must be said: "multilabel", or one class for each picture
=====================================  ==============================================================================
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lab_utils.arguments import one_of
from lab_utils.data.folders.class_order import check_task, doubts_about_order, order_classes
from lab_utils.data.tables.columns import Columns
from lab_utils.data.validation import TASKS

MOST_CLASSES = 100  # more different cells than these are numbers or texts, no classes
MEANINGS = {"ignore": -1.0, "ones": 1.0, "zeros": 0.0}  # of an uncertain or an empty cell

ClassNames = Sequence[str] | Mapping[str, str]


class Labels(NamedTuple):
    """Labels of all rows as `Split` wants them; `known` is false where a row has none."""

    values: Tensor
    task: str
    class_names: tuple[str, ...]
    known: Sequence[bool]
    doubts: tuple[str, ...] = ()


def read_labels(
    columns: Columns,
    label: str | Sequence[str] | None,
    *,
    task: str | None = None,
    class_names: ClassNames | None = None,
    separator: str = "|",
    none: str = "No Finding",
    uncertain: str = "ignore",
    blank: str | None = None,
) -> Labels:
    """Read the labels of all rows; see `load_table` for the arguments.

    Raises:
        ValueError: if cells are not what they should be, or may mean two things.
    """
    for argument, value, known in (
        ("task", task, TASKS),
        ("uncertain", uncertain, MEANINGS),
        ("blank", blank, MEANINGS),
    ):
        if value is not None:
            one_of(argument, value, tuple(known))
    if label is not None and not isinstance(label, str):
        return _from_several(columns, tuple(label), task, class_names, uncertain, blank)
    cells, label = columns.get(label, "label="), str(label)
    if task == "multilabel" or (task is None and any(separator in cell for cell in cells)):
        return _from_lists(columns, label, class_names, separator, none)
    return _from_classes(columns, label, task, class_names)


def _from_classes(columns: Columns, label: str, task: str | None, class_names: ClassNames | None) -> Labels:
    cells = columns.cells[label]
    found = sorted({cell for cell in cells if cell})
    if len(found) < 2 or len(found) > MOST_CLASSES:
        raise ValueError(
            f"label={label!r} must name a column of {columns.source} that holds the classes; it holds {len(found)} "
            f"different cells ({', '.join(found[:5])}{', ...' * (len(found) > 5)}). {columns.describe()}"
        )
    names = class_names if isinstance(class_names, Mapping) else None
    order = tuple(map(str, class_names)) if class_names is not None else order_classes(found, task, None)
    if unknown := [cell for cell in found if cell not in order]:
        raise ValueError(
            f"class_names= must name every class in column {label!r} of {columns.source}, the lowest first; "
            f"{unknown[0]!r} is none of {', '.join(map(repr, order))}. A dict gives cells other names: "
            "class_names={'0': 'normal'}."
        )
    place = {cell: number for number, cell in enumerate(order)}
    values = torch.tensor([place.get(cell, 0) for cell in cells])
    task = check_task(task, order)
    shown = tuple(names.values()) if names else order
    doubts = doubts_about_order(order, task, None if class_names is None else order)
    return Labels(values, task, shown, [bool(cell) for cell in cells], doubts)


def _from_lists(columns: Columns, label: str, class_names: ClassNames | None, separator: str, none: str) -> Labels:
    cells = [[name.strip() for name in cell.split(separator) if name.strip()] for cell in columns.cells[label]]
    found = {name for names in cells for name in names} - {none}
    classes = tuple(map(str, class_names)) if class_names is not None else tuple(sorted(found))
    if unknown := sorted(found - set(classes)) or (["nothing"] if not classes else []):
        raise ValueError(
            f"class_names= must name every finding in column {label!r} of {columns.source}; it lacks "
            f"{', '.join(unknown[:5])}. The findings are {', '.join(sorted(found))}; {none!r} stands for none of them."
        )
    if both := next((i for i, names in enumerate(cells) if none in names and len(names) > 1), None):
        raise ValueError(
            f"{columns.source}: a picture has either findings or {none!r}; row {both + 1} says "
            f"{columns.cells[label][both]!r}. Correct the row, or say with none= what stands for no finding."
        )
    values = torch.zeros(len(cells), len(classes))
    place = {name: number for number, name in enumerate(classes)}
    for row, names in enumerate(cells):
        for name in names:
            if name != none:
                values[row, place[name]] = 1
    return Labels(values, "multilabel", classes, [bool(names) for names in cells])


def _from_several(
    columns: Columns,
    label: tuple[str, ...],
    task: str | None,
    class_names: ClassNames | None,
    uncertain: str,
    blank: str | None,
) -> Labels:
    if not label:
        raise ValueError(f"label= must name a column of {columns.source}, or several; got none. {columns.describe()}")
    values = torch.from_numpy(np.array([_numbers(columns, name, blank) for name in label], np.float32).T.copy())
    names = tuple(map(str, class_names)) if class_names is not None else label
    if len(names) != len(label):
        raise ValueError(
            f"class_names= must give one name for each of the {len(label)} columns of label=; got {len(names)}. "
            "Leave it out to keep the names of the columns."
        )
    one_each = bool(((values == 1).sum(dim=1) == 1).all()) and not (values == -1).any()
    if task is None and one_each and len(label) > 1:
        raise ValueError(
            f"the task must be clear from the labels; the {len(label)} columns of label= have exactly one 1 in each "
            "row, so they may be one class for each picture, or findings that never come together. Say which: "
            "task='multiclass' (with two columns 'binary', with grades 'ordinal') or task='multilabel'."
        )
    if task in (None, "multilabel"):
        values[values == -1] = MEANINGS[uncertain]
        values[values == -2] = MEANINGS[blank or "ignore"]
        return Labels(values, "multilabel", names, [True] * len(values))
    if not one_each:
        row = int(((values == 1).sum(dim=1) != 1).nonzero()[0, 0]) if not (values == -1).any() else 0
        raise ValueError(
            f"one class for each picture needs exactly one 1 in each row of the columns {', '.join(label)}; it is not "
            f"so, for example in row {row + 1} of {columns.source}. Correct the table, or take task='multilabel'."
        )
    return Labels(values.argmax(dim=1), check_task(task, names), names, [True] * len(values))


def _numbers(columns: Columns, name: str, blank: str | None) -> list[float]:
    """A column of 1, 0, -1, and -2 for nothing."""
    meaning = {"": -2.0}
    for cell in set(columns.get(name, "label=")) - {""}:
        try:
            meaning[cell] = {1.0: 1.0, 0.0: 0.0, -1.0: -1.0}[float(cell)]
        except (ValueError, KeyError):
            raise ValueError(
                f"the columns of label= must hold 1 (there), 0 (not there) or -1 (uncertain); {name!r} of "
                f"{columns.source} holds {cell!r} in row {columns.cells[name].index(cell) + 1}. One column of classes "
                f"is named alone: label={name!r}."
            ) from None
    if blank is None and "" in columns.cells[name]:
        raise ValueError(
            f"the columns of label= must say something of every picture; {name!r} of {columns.source} has "
            f"{columns.cells[name].count(''):,} empty cells. Say what they mean: blank='zeros' (not there) or "
            "blank='ignore' (nobody knows: left out of loss and metrics)."
        )
    return [meaning[cell] for cell in columns.cells[name]]
