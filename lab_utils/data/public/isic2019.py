"""ISIC 2019: 25,331 dermoscopic pictures of eight kinds of skin lesions, several pictures of most lesions.

``ISIC_2019_Training_GroundTruth.csv`` and ``ISIC_2019_Training_Metadata.csv`` beside ``ISIC_2019_Training_Input``; the
names of some pictures end in ``_downsampled``, in the tables and on the disk. The labels of the test part were never
published: all pictures are divided by lesion.

References:
    challenge.isic-archive.com/data/#2019
"""

from pathlib import Path
from typing import Any

from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import read_columns

LICENCE = "CC BY-NC 4.0: not for commercial use. Download at challenge.isic-archive.com/data/#2019."
KINDS = {
    "MEL": "melanoma",
    "NV": "naevus",
    "BCC": "basal cell carcinoma",
    "AK": "actinic keratosis",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular lesion",
    "SCC": "squamous cell carcinoma",
}


def isic2019(root: Path) -> dict[str, Any]:
    """Describe ISIC 2019 in a folder.

    Args:
        root: the folder of the two tables, or one around it.
    """
    truth, about = (
        read_columns(find_table(root, [f"ISIC_2019_Training_{name}.csv"], of="ISIC 2019", access=LICENCE), root)
        for name in ("GroundTruth", "Metadata")
    )
    names = truth.get("image", "the file of ISIC 2019")
    lesions = dict(zip(about.get("image", "the file"), about.get("lesion_id", "the lesion of ISIC 2019"), strict=True))
    truth.cells["lesion"] = [lesions.get(name) or name for name in names]
    unknown = sum(not lesions.get(name) for name in names)
    return {
        "table": truth,
        "file": "image",
        "label": tuple(KINDS),
        "task": "multiclass",
        "class_names": tuple(KINDS.values()),
        "patient": "lesion",
        "unit": "lesion",
        "channels": 3,
        "notes": [
            "The patients are unknown, only lesions are: two lesions of one person may be in two parts.",
            f"{unknown:,} pictures name no lesion: each counts as a lesion of its own.",
        ],
    }
