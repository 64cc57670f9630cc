"""NIH ChestX-ray14: 112,120 frontal chest X-rays with fourteen findings read from reports.

``Data_Entry_2017.csv`` (its first line ends with a comma) or ``Data_Entry_2017_v2020.csv``, or the table of Kaggle's
sample, beside ``images_001/images/*.png`` to ``images_012/images/*.png``. ``train_val_list.txt`` and ``test_list.txt``
are the official division: disjoint by patient, but the test part is another mixture, with far fewer images without a
finding. "val" is drawn from the first by patient.

References:
    Wang et al. (2017), arXiv:1705.02315.
"""

from pathlib import Path
from typing import Any

from lab_utils.arguments import flag
from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import Columns, read_columns
from lab_utils.text_files import decoded, unpacked

LICENCE = (
    "free to use with attribution to the NIH Clinical Center. Download at "
    "nihcc.app.box.com/v/ChestXray-NIHCC, also on Kaggle."
)
TABLES = ("Data_Entry_2017*.csv", "sample_labels.csv")
FILE = "Image Index"


def nih14(root: Path, *, official: bool = True) -> dict[str, Any]:
    """Describe NIH ChestX-ray14 in a folder.

    Args:
        root: the folder of the table, or one around it; some of the twelve image folders will do.
        official: take the official test part; else all images are divided 70 : 10 : 20 by patient.
    """
    flag("official", official)
    columns = read_columns(find_table(root, TABLES, of="ChestX-ray14", access=LICENCE), root)
    names = columns.get(FILE, "the file of ChestX-ray14")
    described = {
        "table": columns,
        "file": FILE,
        "label": "Finding Labels",
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
