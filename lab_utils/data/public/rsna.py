"""RSNA pneumonia: 26,684 chest X-rays of NIH ChestX-ray14, read again by radiologists for the challenge of 2018.

``stage_2_train_labels.csv`` has a row for each box, so several for some images, and
``stage_2_detailed_class_info.csv`` three classes, beside ``stage_2_train_images/*.dcm``. The test part has no labels:
all is divided here. **Its patientId is one for each image**, while NIH has several images of most patients: only RSNA's
map of its images to NIH's says whose they are.

References:
    kaggle.com/c/rsna-pneumonia-detection-challenge
"""

import json
from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data import dicom
from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import Columns, read_columns
from lab_utils.text_files import decoded, unpacked

LICENCE = "rules of the Kaggle competition: accept them, kaggle.com/c/rsna-pneumonia-detection-challenge."
MAP = "pneumonia-challenge-dataset-mappings_2018.json"
UNKNOWN = (
    f"RSNA's patientId is one for each image. The real patients are unknown without RSNA's {MAP}: put it beside the "
    "tables. Until then images of one patient are in several parts, and scores are too good."
)
TASKS = {
    "pneumonia": ("stage_2_train_labels.csv", "Target", {"0": "no pneumonia", "1": "pneumonia"}),
    "classes": (
        "stage_2_detailed_class_info.csv",
        "class",
        {"Normal": "normal", "No Lung Opacity / Not Normal": "not normal, no opacity", "Lung Opacity": "opacity"},
    ),
}


def rsna(root: Path, *, task: str = "pneumonia") -> dict[str, Any]:
    """Describe RSNA's pneumonia set in a folder.

    Args:
        root: the folder of the tables, or one around it.
        task: "pneumonia", whether there is a box; or "classes": normal, not normal, opacity.
    """
    one_of("task", task, tuple(TASKS))
    dicom.require(root.rglob("*.dcm"))
    name, label, classes = TASKS[task]
    columns = read_columns(find_table(root, [name], of="RSNA pneumonia", access=LICENCE), root)
    names, labels = columns.get("patientId", "the file of RSNA"), columns.get(label, "the label of RSNA")
    rows = list(dict.fromkeys(zip(names, labels, strict=True)))  # boxes of one image agree
    table = Columns(columns.source, {"image": [row[0] for row in rows], label: [row[1] for row in rows]})
    notes = [f"{len(columns):,} rows of {len(rows):,} images: one for each box."]
    listed = find_table(root, [MAP], of="RSNA pneumonia", access=LICENCE, required=False)
    if listed is None:
        notes.append(UNKNOWN)
    else:
        table.cells["patient"] = _patients(listed, table.cells["image"])
    return {
        "table": table,
        "file": "image",
        "label": label,
        "task": "binary" if task == "pneumonia" else "multiclass",
        "class_names": classes,
        "patient": "patient" if listed else "unknown",
        "channels": 1,
        "notes": notes,
    }


def _patients(path: Path, images: list[str]) -> list[str]:
    """NIH's patient of each image: the number before "_" in the name that it has there."""
    try:
        text = decoded(unpacked(path))
        owners = {row["subset_img_id"]: row["img_id"].partition("_")[0] for row in json.loads(text)}
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path}: RSNA's list of images with 'subset_img_id' and 'img_id' was expected; this file is another one "
            f"({type(error).__name__}: {error}). Download it again, or remove it."
        ) from error
    if missing := [image for image in images if image not in owners]:
        raise ValueError(
            f"{path}: every image should be in RSNA's map to NIH; {len(missing):,} are not, for example {missing[0]}. "
            "Download it again, or remove it: then the patients count as unknown."
        )
    return [owners[image] for image in images]
