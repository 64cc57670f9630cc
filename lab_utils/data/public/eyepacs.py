"""EyePACS, Kaggle's diabetic retinopathy of 2015: 35,126 graded retinas, the left and the right eye of 17,563 people.

``trainLabels.csv`` beside ``train/10_left.jpeg``. If the labels of the test part that were published later,
``retinopathy_solution.csv``, and pictures of it are there, "val" is its Public and "test" its Private half, which are
other people; else all are divided by patient. Four pictures are black and are left out.

References:
    kaggle.com/c/diabetic-retinopathy-detection
"""

from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import Columns, read_columns
from lab_utils.data.tables.pictures import find_pictures

LICENCE = "rules of the Kaggle competition: accept them and download at kaggle.com/c/diabetic-retinopathy-detection."
BLACK = ("1986_left", "32253_right", "34689_left", "43457_left")
GRADES = {"0": "none", "1": "mild", "2": "moderate", "3": "severe", "4": "proliferative"}
REFERABLE = 2  # the lowest grade that is sent to a specialist
PARTS = {"Public": "val", "Private": "test"}


def eyepacs(root: Path, *, task: str = "ordinal") -> dict[str, Any]:
    """Describe EyePACS in a folder.

    Args:
        root: the folder of ``trainLabels.csv``, or one around it.
        task: "ordinal", the five grades; or "referable", grade 2 and above against the others.
    """
    train = read_columns(find_table(root, ["trainLabels.csv"], of="EyePACS", access=LICENCE), root)
    image, level = train.get("image", "the file of EyePACS"), train.get("level", "the grade of EyePACS")
    part = ["train"] * len(train)
    solution = find_table(root, ["retinopathy_solution.csv"], of="EyePACS", access=LICENCE, required=False)
    if solution is not None:
        test = read_columns(solution, root)
        there = {Path(picture).stem for picture in find_pictures(root)}
        rows = [i for i, name in enumerate(test.get("image", "the file of EyePACS")) if name in there]
        image = image + [test.cells["image"][i] for i in rows]
        level = level + [test.get("level", "the grade of EyePACS")[i] for i in rows]
        usage = test.get("Usage", "the part of EyePACS")
        part += [PARTS.get(usage[i].title(), usage[i]) for i in rows]
    kept = [i for i, name in enumerate(image) if name not in BLACK]
    table = Columns(train.source, {"image": image, "level": level, "part": part}).rows(kept)
    return {
        "table": table,
        "file": "image",
        **graded(table, "level", task),
        "patient": r"^(\d+)_(?:left|right)",
        "part": "part" if len(set(table.cells["part"])) > 1 else None,
        "channels": 3,
        "notes": [f"{len(image) - len(kept)} black pictures were left out."] if len(kept) < len(image) else [],
    }


def graded(table: Columns, column: str, task: str) -> dict[str, Any]:
    """Labels of retinopathy grades 0 to 4, as grades or as whether they are referable."""
    one_of("task", task, ("ordinal", "referable"))
    if other := sorted(set(table.get(column, "the grade")) - GRADES.keys()):
        raise ValueError(
            f"{column!r} of {table.source} must hold the grades {', '.join(GRADES)}; it holds {other[0]!r}. This is "
            "another edition, or the file was changed: unpack the archive again."
        )
    if task == "ordinal":
        return {"label": column, "task": "ordinal", "class_names": GRADES}
    table.cells["referable"] = [str(int(int(grade) >= REFERABLE)) for grade in table.cells[column]]
    return {"label": "referable", "task": "binary", "class_names": {"0": "not referable", "1": "referable"}}
