"""Kermany et al.: 5,856 chest X-rays of children, and retinas in optical coherence tomography, in folders of classes.

``chest_xray/{train,val,test}/{NORMAL,PNEUMONIA}``, also as ``chest_xray/chest_xray``, which holds all once more, and
``OCT2017/{train,val,test}/{CNV,DME,DRUSEN,NORMAL}``. Patients are in the names of the files; where these are not
numbers of the hospital, they begin again in test. The folder val has 16 or 32 images and is part of train here: "val"
is drawn from both by patient. Of patients who are in train and in test, all is in train.

References:
    Kermany et al. (2018), doi.org/10.1016/j.cell.2018.02.010.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data.public.places import absent, apart
from lab_utils.data.tables.columns import Columns
from lab_utils.data.tables.pictures import find_pictures

LICENCE = "CC BY 4.0. Download at data.mendeley.com/datasets/rscbjbr9sj, also on Kaggle."
CHEST = r"(?P<own>person\d+)_(?P<cause>bacteria|virus)_\d+|(?P<normal>(?:NORMAL2-)?IM-\d{4})-\d{4}.*"
NUMBERED = r"-(?P<number>\d+)-\d+"
SETS = {  # classes, and names of files
    "chest": ("NORMAL|PNEUMONIA", rf"{CHEST}|(?P<kind>NORMAL|BACTERIA|VIRUS){NUMBERED}"),
    "oct": ("NORMAL|CNV|DME|DRUSEN", rf"(?:NORMAL|CNV|DME|DRUSEN){NUMBERED}"),
}
CLASSES = {
    "chest": ("NORMAL", "PNEUMONIA"),
    "cause": ("NORMAL", "BACTERIA", "VIRUS"),
    "oct": ("NORMAL", "CNV", "DME", "DRUSEN"),
}


def kermany(root: Path, *, task: str = "chest") -> dict[str, Any]:
    """Describe one of the sets in a folder.

    Args:
        root: the folder ``chest_xray`` or ``OCT2017``, or one around them.
        task: "chest", pneumonia or not; "cause", pneumonia by bacteria, by viruses, or none; or "oct", the retinas.
    """
    one_of("task", task, tuple(CLASSES))
    labels, names = SETS["oct" if task == "oct" else "chest"]
    below = rf"(?P<part>train|val|test)/(?P<label>{labels})/(?:{names})\.[a-z]+"
    pattern = re.compile(rf"(?P<home>.*/)?(?P<below>{below})", re.IGNORECASE)
    pictures: list[str] = []
    with suppress(FileNotFoundError):  # the error below says what was expected
        pictures = find_pictures(root)
    matches = [match for picture in sorted(pictures, key=len) if (match := pattern.fullmatch(picture))]
    # Both sets may have a NORMAL-1-1.jpeg: what else is in the folder tells.
    homes = {match["home"] for match in matches if match["label"].upper() != "NORMAL"}
    matches = [match for match in matches if match["home"] in homes]
    rows: dict[str, tuple[str, ...]] = {}
    for match in matches:
        rows.setdefault(match["below"], (match.string, *_told(match, task)))
    copies = len(matches) - len(rows)
    if not rows:
        example = "CNV/CNV-53264-1.jpeg" if task == "oct" else "NORMAL/IM-0115-0001.jpeg"
        raise absent(root, f"pictures such as train/{example}", of=f"Kermany's set ({task})", access=LICENCE)
    file, label, patient, part = map(list, zip(*rows.values(), strict=True))
    parts, notes = apart(part, patient)
    return {
        "table": Columns("Kermany", {"file": file, "label": label, "patient": patient, "part": parts}),
        "file": "file",
        "pictures": sorted(file),
        "label": "label",
        "task": "binary" if task == "chest" else "multiclass",
        "class_names": CLASSES[task],
        "patient": "patient",
        "part": "part",
        "channels": 1,
        "notes": [
            *notes,
            *[f"{copies:,} pictures are there twice, in folders of one name: taken once."] * bool(copies),
        ],
    }


def _told(match: re.Match[str], task: str) -> tuple[str, str, str]:
    """Class, patient and part of a picture."""
    told = match.groupdict()
    part, label = match["part"].lower(), match["label"].upper()
    if task == "cause" and label != "NORMAL":
        label = (told["cause"] or told["kind"]).upper()
    begins_again = "test " if part == "test" and not told["number"] else ""
    patient = told["number"] or told["own"] or told["normal"]
    return label, f"{begins_again}{patient}", "test" if part == "test" else "train"
