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

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lab_utils.arguments import one_of
from lab_utils.data.folders.class_order import check_task, doubts_about_order, order_classes
from lab_utils.data.folders.folder_names import NEGATIVE, words_of
from lab_utils.data.tables.columns import Columns, alike
from lab_utils.data.validation import TASKS

MOST_CLASSES = 100  # more different cells than these are numbers or texts, no classes
MISSING = frozenset({"na", "n/a", "nan", "nat", "null", "?", "-", "#n/a", "#value!"})
LISTED = re.compile(r"\s*[|;,/+&]\s*")  # between findings in one cell
MEANINGS = {"ignore": -1.0, "ones": 1.0, "zeros": 0.0}  # of an uncertain or an empty cell

BOOLEANS = {"true": "1", "false": "0"}

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
    if not isinstance(separator, str) or not separator or isinstance(class_names, str):
        raise ValueError(
            "separator= must be the sign between findings, and class_names= a list of names or a dict; got "
            f"separator={separator!r}, class_names={class_names!r}. For example separator='|'."
        )
    if label is not None and not isinstance(label, str):
        labels = _from_several(columns, tuple(label), task, class_names, uncertain, blank)
    elif task == "multilabel" or (task is None and any(separator in cell for cell in columns.get(label, "label="))):
        labels = _from_lists(columns, label, class_names, separator, none)
    else:
        labels = _from_classes(columns, label, task, class_names)
    if len(set(labels.class_names)) < len(labels.class_names):
        raise ValueError(
            f"every class needs a name of its own; {columns.source} would have {', '.join(labels.class_names)}. Name "
            "each column once in label=, each class once in class_names=; write in the table what should be one class."
        )
    return labels


def _from_classes(columns: Columns, label: str | None, task: str | None, class_names: ClassNames | None) -> Labels:
    cells = columns.get(label, "label=")
    found = sorted({cell for cell in cells if cell})
    each_its_own = class_names is None and 2 < len(found) == sum(map(bool, cells))
    if len(found) < 2 or len(found) > MOST_CLASSES or each_its_own:
        raise ValueError(
            f"label={label!r} must name a column of {columns.source} that holds the classes; it holds {len(found)} "
            f"different cells ({', '.join(found[:5])}{', ...' * (len(found) > 5)}) in {len(cells)} rows. "
            f"{columns.describe()}"
        )
    if class_names is None:
        _check_cells(found, str(label), columns.source)
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
    if missing := [cell for cell in found if class_names is None and cell.lower() in MISSING]:
        doubts += (f"The class {missing[0]!r} may stand for pictures without a label: then empty its cells.",)
    return Labels(values, task, shown, [bool(cell) for cell in cells], doubts)


def _check_cells(found: Sequence[str], label: str, source: str) -> None:
    """Refuse cells that may mean the same class, several findings, or an uncertain one."""
    lists = (cell for cell in found if len(names := LISTED.split(cell)) > 1 and set(names) <= set(found))
    if same := alike(found):
        words = f"holds {same[0]!r} and {same[1]!r}, which may be one class. Write them in one way"
    elif several := next(lists, None):
        words = f"holds {several!r}, which may be several findings. Say what is between them, such as separator=';'"
    elif minus := [cell for cell in found if re.fullmatch(r"-\d+([.,]0)?", cell)]:
        words = (
            f"holds {minus[0]!r}, which may mean uncertain or missing. Empty these cells, or take label=[{label!r}] "
            "for a finding that is there (1), not there (0) or uncertain (-1)"
        )
    else:
        return
    raise ValueError(
        f"the classes in column {label!r} of {source} must be clear; it {words}. If all its cells are classes, name "
        f"them: class_names={list(found)[:8]!r}{', ...' * (len(found) > 8)}."
    )


def _from_lists(
    columns: Columns, label: str | None, class_names: ClassNames | None, separator: str, none: str
) -> Labels:
    written = columns.get(label, "label=")
    cells = [[name.strip() for name in cell.split(separator) if name.strip()] for cell in written]
    found = {name for names in cells for name in names} - {none}
    if class_names is None and (same := alike(found | {none})):
        raise ValueError(
            f"the findings in column {label!r} of {columns.source} must be clear; {same[0]!r} and {same[1]!r} may be "
            f"one ({none!r} stands for no finding: none=). Write them in one way, or name all in class_names=."
        )
    classes = tuple(map(str, class_names)) if class_names is not None else tuple(sorted(found))
    if unknown := sorted(found - set(classes)) or (["nothing"] if not classes else []):
        raise ValueError(
            f"class_names= must name every finding in column {label!r} of {columns.source}; it lacks "
            f"{', '.join(unknown[:5])}. The findings are {', '.join(sorted(found))}; {none!r} stands for none of them."
        )
    if both := next((i for i, names in enumerate(cells) if none in names and len(names) > 1), None):
        raise ValueError(
            f"{columns.source}: a picture has either findings or {none!r}; row {both + 1} says "
            f"{written[both]!r}. Correct the row, or say with none= what stands for no finding."
        )
    values = torch.zeros(len(cells), len(classes))
    place = {name: number for number, name in enumerate(classes)}
    for row, names in enumerate(cells):
        for name in names:
            if name != none:
                values[row, place[name]] = 1
    healthy = [name for name in classes if class_names is None and "".join(words_of(name)) in NEGATIVE]
    doubts = tuple(f"The finding {name!r} may stand for no finding: then say none={name!r}." for name in healthy[:1])
    return Labels(values, "multilabel", classes, [bool(names) for names in cells], doubts)


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
    wrong = ((values == 1).sum(dim=1) != 1) | (values == -1).any(dim=1)
    one_each = not wrong.any()
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
        row = int(wrong.nonzero()[0, 0])
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
            meaning[cell] = {1.0: 1.0, 0.0: 0.0, -1.0: -1.0}[float(BOOLEANS.get(cell.lower(), cell))]
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
