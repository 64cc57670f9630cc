"""The pictures of a table with their labels, patients and parts: everything but the pixels."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.data import dicom
from lab_utils.data.duplicates import join_copies
from lab_utils.data.folders.patient_rule import PatientRule
from lab_utils.data.folders.patients import Patients, patients_of
from lab_utils.data.folders.tree import numbered
from lab_utils.data.tables.against_folders import compare_with_folders
from lab_utils.data.tables.columns import Columns, alike, read_columns
from lab_utils.data.tables.dividing import divide_table, say_leak
from lab_utils.data.tables.labels import MISSING, Labels, read_labels
from lab_utils.data.tables.pictures import find_pictures, match_pictures

COLUMN = re.compile(r"(?i:(patient|subject|participant|person|case)[\W_]*(id|no|nr|num|number|name|code)?|pid)")
NOBODY = MISSING | {"", "none", "unknown", "unk"}


class Listed(NamedTuple):
    """A set whose pictures are not decoded yet.

    Attributes:
        paths: the pictures.
        labels: of the pictures, as `Split` wants them.
        groups: int64 (N,), their patients.
        parts: positions of "train", "val" and "test".
        task: one of `TASKS`.
        class_names: of the labels.
        notes: what was read, as what, and how it was divided.
        doubts: what may be wrong, and what was left out.
    """

    paths: list[Path]
    labels: Tensor
    groups: Tensor
    parts: dict[str, NDArray[np.int64]]
    task: str
    class_names: tuple[str, ...]
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


def list_table(
    root: Path,
    *,
    table: Any,
    file: str | None,
    label: str | Sequence[str] | None,
    patient: PatientRule | None = None,
    unit: str = "patient",
    part: str | None = None,
    pictures: Sequence[str] | None = None,
    seed: int = 0,
    notes: Sequence[str] = (),
    **options: Any,
) -> Listed:
    """Find pictures, labels, patients and parts; see `load_table` for the arguments.

    The other options are those of `read_labels`.
    """
    columns = read_columns(table, root)
    names = columns.get(file, "file=")
    labels = read_labels(columns, label, **options)
    others = [columns.cells[name] for name in (patient, part) if isinstance(name, str) and name in columns.cells]
    there = find_pictures(root) if pictures is None else pictures
    places, left_out, doubts = _pictures(columns, names, labels, root, there, others)
    paths, rows = list(places), list(places.values())
    dicom.require(paths)
    values = labels.values[rows]
    people = _patients(columns.rows(rows), paths, root, patient, unit)
    owners = np.array(people.names if people.scheme else join_copies(paths, people.names))
    cells = None if part is None else [columns.get(part, "part=")[i] for i in rows]
    parts, how = divide_table(values.numpy(), owners, cells, column=str(part), seed=seed, unit=unit)
    if cells is None:
        doubts += compare_with_folders(paths, root, values, people.names)
    said = [_say_read(labels, values, owners, unit), how, say_leak(owners, seed=seed, unit=unit), *left_out, *notes]
    said += [f"{unit.capitalize()}s: {people.scheme}."] if people.scheme else []
    (doubts if patient is None else said).append(people.note)
    groups = torch.from_numpy(np.unique(owners, return_inverse=True)[1].astype(np.int64))
    every_note, every_doubt = (tuple(filter(None, words)) for words in (said, [*doubts, *labels.doubts]))
    return Listed(paths, values, groups, parts, labels.task, labels.class_names, every_note, every_doubt)


def _pictures(
    columns: Columns,
    names: Sequence[str],
    labels: Labels,
    root: Path,
    pictures: Sequence[str],
    others: Sequence[Sequence[str]],
) -> tuple[dict[Path, int], list[str], list[str]]:
    """The row of each picture that has a label, what is said of it, and what is doubtful."""
    matched = match_pictures(names, pictures, root, columns.source)
    missing, bare = [], []
    rows: dict[str, list[int]] = defaultdict(list)
    for i, (picture, known) in enumerate(zip(matched.pictures, labels.known, strict=True)):
        if picture is None:
            missing.append(names[i])
        elif known:
            rows[picture].append(i)
        else:
            bare.append(names[i])
    several = {picture: places for picture, places in rows.items() if len(places) > 1}
    torn = {
        picture
        for picture, places in several.items()
        if len(labels.values[places].unique(dim=0)) > 1 or any(len({cells[i] for i in places}) > 1 for cells in others)
    }
    for picture in torn:
        del rows[picture]
    said = {
        "Rows whose picture is not there, left out": missing,
        "Rows without a label, left out": bare,
        "Pictures with several rows of one label, taken once": [picture for picture in several if picture not in torn],
        "Pictures with rows that contradict each other, left out": list(torn),
    }
    doubts = [f"{what}: {len(found):,} (for example {sorted(found)[0]})." for what, found in said.items() if found]
    doubts += ["The pictures have other endings than their names in the table."] * matched.other_endings
    notes = []
    if matched.spare:
        notes.append(f"Pictures without a row, left out: {len(matched.spare):,} (for example {matched.spare[0]}).")
    if not rows:
        raise ValueError(f"{columns.source}: no row has a picture and a label. {' '.join(doubts)}")
    return {root / picture: rows[picture][0] for picture in sorted(rows)}, notes, doubts


def _patients(columns: Columns, paths: Sequence[Path], root: Path, patient: PatientRule | None, unit: str) -> Patients:
    """Patients as a column says, or as names say."""
    if isinstance(patient, str) and patient in columns.cells:
        names = columns.cells[patient]
        if empty := [name for name in names if name.lower() in NOBODY]:
            cells = f"cells {empty[0]!r}" if empty[0] else "empty cells"
            raise ValueError(
                f"patient= must name a patient for every picture; the column {patient!r} of {columns.source} has "
                f"{len(empty):,} {cells}. Fill them, or take another column or patient='unknown'."
            )
        if same := alike(names):
            raise ValueError(
                f"patient= must call each patient by one name; the column {patient!r} of {columns.source} holds "
                f"{same[0]!r} and {same[1]!r}, which may be one patient. Write them in one way in the table; if they "
                "are different people, give each a name that is clearly another one."
            )
        return Patients(names, f"the column {patient!r} ({len(set(names)):,} {unit}s)")
    plain = isinstance(patient, str) and "(" not in patient and patient != "unknown"
    if plain:
        columns.get(str(patient), "patient= (a column, a regular expression with a group, or 'unknown')")
    found = patients_of(paths, root, patient=patient)
    called = [name for name in columns.cells if COLUMN.fullmatch(name)]
    if found.note and patient is None and called:
        return found._replace(note=f"{found.note} The table has a column for it: patient={called[0]!r}.")
    return found


def _say_read(labels: Labels, values: Tensor, owners: NDArray[np.generic], unit: str) -> str:
    if labels.task == "multilabel":
        counts = (values == 1).sum(dim=0).tolist()
    else:
        counts = torch.bincount(values, minlength=len(labels.class_names)).tolist()
    each = ", ".join(f"{name} ({count:,})" for name, count in zip(labels.class_names, counts, strict=True))
    return f"Read {numbered(len(values), 'picture')} of {len(np.unique(owners)):,} {unit}s: {each}."
