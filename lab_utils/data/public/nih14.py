"""NIH ChestX-ray14: 112,120 frontal chest X-rays with fourteen findings read from reports.

``Data_Entry_2017.csv`` (its first line ends with a comma) or ``Data_Entry_2017_v2020.csv``, or the table of Kaggle's
sample, beside ``images_001/images/*.png`` to ``images_012/images/*.png``. ``train_val_list.txt`` and ``test_list.txt``
are the official division: disjoint by patient, but the test part is another mixture, with far fewer images without a
finding. "val" is drawn from the first by patient.

References:
    Wang et al. (2017), arXiv:1705.02315.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_utils.arguments import flag
from lab_utils.data.public.places import check_findings, find_table
from lab_utils.data.tables.columns import Columns, read_columns
from lab_utils.text_files import decoded, unpacked

LICENCE = (
    "free to use with attribution to the NIH Clinical Center. Download at "
    "nihcc.app.box.com/v/ChestXray-NIHCC, also on Kaggle."
)
TABLES = ("Data_Entry_2017*.csv", "sample_labels.csv")
FILE, LABEL, NONE = "Image Index", "Finding Labels", "No Finding"
FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)


def nih14(root: Path, *, official: bool = True, findings: Sequence[str] | None = None) -> dict[str, Any]:
    """Describe NIH ChestX-ray14 in a folder.

    Args:
        root: the folder of the table, or one around it; some of the twelve image folders will do.
        official: take the official test part; else all images are divided 70 : 10 : 20 by patient.
        findings: some of `FINDINGS`, in the order that the labels shall have; None takes those that the table names.
            An image with none of them counts as one without a finding, as in CheXpert.

    Raises:
        ValueError: if one of the findings is not known; it names the nearest.
    """
    flag("official", official)
    if findings is not None:
        check_findings(findings, FINDINGS, of="ChestX-ray14")
    columns = read_columns(find_table(root, TABLES, of="ChestX-ray14", access=LICENCE), root)
    names = columns.get(FILE, "the file of ChestX-ray14")
    if findings is not None:
        written = columns.get(LABEL, "the findings of ChestX-ray14")
        columns.cells[LABEL] = [_only(cell, findings) for cell in written]
    described = {
        "table": columns,
        "file": FILE,
        "label": LABEL,
        "class_names": findings and tuple(findings),
        "none": NONE,
        "task": "multilabel",
        "patient": "Patient ID",
        "channels": 1,
    }
    lists = {
        part: find_table(root, [name], of="ChestX-ray14", access=LICENCE, required=False)
        for part, name in (("train", "train_val_list.txt"), ("test", "test_list.txt"))
    }
    if not official or None in lists.values():
        note = "The official lists train_val_list.txt and test_list.txt are not there." if official else ""
        return described | {"notes": [note]}
    part = {name: part for part, path in lists.items() if path for name in decoded(unpacked(path)).split()}
    if short := [path for name, path in lists.items() if name not in part.values()]:
        raise ValueError(f"{short[0]} should list pictures; it names none. Download it again, or say official=False.")
    kept = [i for i, name in enumerate(names) if name in part]
    table = columns.rows(kept)
    table.cells["part"] = [part[name] for name in table.cells[FILE]]
    notes = [f"{len(columns) - len(kept):,} rows are in neither official list and were left out."]
    return described | {"table": Columns(*table), "part": "part", "notes": notes if len(kept) < len(columns) else []}


def _only(cell: str, findings: Sequence[str]) -> str:
    """Those of the findings in a cell that are asked for; what is empty stays so, since nobody has read that image."""
    named = [name.strip() for name in cell.split("|") if name.strip()]
    return "|".join([name for name in named if name in findings] or [NONE] * bool(named))
