"""APTOS 2019: 3,662 graded retinas of Aravind Eye Hospital, without patients, and with pictures that are there twice.

``train.csv`` beside ``train_images/*.png``. Pictures that are the same in every pixel after resizing come into one
part; some of them have two grades, which is said. The labels of the test part were never published.

References:
    kaggle.com/c/aptos2019-blindness-detection
"""

from pathlib import Path
from typing import Any

from lab_utils.data.duplicates import find_duplicates
from lab_utils.data.pool import decode_large
from lab_utils.data.public.eyepacs import graded
from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import read_columns
from lab_utils.data.tables.pictures import find_pictures, match_pictures

LICENCE = "rules of the Kaggle competition: accept them and download at kaggle.com/c/aptos2019-blindness-detection."
COMPARED = 64  # px
UNKNOWN = (
    "The patients are unknown: two eyes of one person may be in two parts. Pictures that are the same in every pixel "
    "count as one person's."
)


NOT_YET = "Copies are found when the set is loaded, by their pixels; for this plan no picture was compared."


def aptos(root: Path, *, task: str = "ordinal") -> dict[str, Any]:
    """Describe APTOS 2019 in a folder.

    Args:
        root: the folder of ``train.csv``, or one around it.
        task: "ordinal", the five grades; or "referable", grade 2 and above against the others.
    """
    described, paths = _described(root, task)
    owners = {path.name: path.stem for path in paths}
    same = find_duplicates(decode_large(paths, COMPARED, 3, root=root))
    for group in same:
        owners |= {paths[i].name: paths[group[0]].stem for i in group}
    extra = sum(len(group) - 1 for group in same)
    return described | {"patient": owners, "notes": [UNKNOWN, f"{extra:,} pictures are copies of others."]}


def planned(root: Path, *, task: str = "ordinal") -> dict[str, Any]:
    """Describe it likewise for a plan, without a look at the pixels, which would take as long as loading."""
    described, paths = _described(root, task)
    return described | {"patient": {path.name: path.stem for path in paths}, "notes": [UNKNOWN, NOT_YET]}


def _described(root: Path, task: str) -> tuple[dict[str, Any], list[Path]]:
    """What the table says, and the pictures that it names."""
    table = read_columns(find_table(root, ["train.csv"], of="APTOS 2019", access=LICENCE), root)
    labels = graded(table, "diagnosis", task)
    names = table.get("id_code", "the file of APTOS")
    found = match_pictures(names, find_pictures(root), root, table.source).pictures
    paths = [root / picture for picture in sorted({picture for picture in found if picture is not None})]
    return {"table": table, "file": "id_code", **labels, "channels": 3}, paths
