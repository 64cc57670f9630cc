"""CheXpert: chest X-rays of Stanford, labels read from reports, many of them uncertain.

``train.csv`` and ``valid.csv`` beside ``train/patient00001/study1/view1_frontal.jpg``; the paths in the tables begin
with ``CheXpert-v1.0/`` or ``CheXpert-v1.0-small/``. The 200 studies of ``valid.csv``, which three radiologists have
read, are "test" here; "val" is drawn from ``train.csv`` by patient.

References:
    Irvin et al. (2019), arXiv:1901.07031.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_utils.arguments import flag
from lab_utils.data.public.places import check_findings, find_table
from lab_utils.data.tables.columns import Columns, read_columns

LICENCE = (
    "Stanford University Dataset Research Use Agreement: no part of it may be passed on. Register and download at "
    "stanfordmlgroup.github.io/competitions/chexpert."
)
FIVE = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")  # those of the competition
VIEWS = "Frontal/Lateral"


def chexpert(
    root: Path,
    *,
    uncertain: str = "ignore",
    blank: str = "zeros",
    frontal: bool = True,
    findings: Sequence[str] = FIVE,
) -> dict[str, Any]:
    """Describe CheXpert in a folder.

    Args:
        root: the folder of ``train.csv``, or one around it.
        uncertain: what -1 becomes: "ignore" (left out of loss and metrics), "ones" or "zeros".
        blank: what a finding becomes that the report does not mention, likewise.
        frontal: leave out the lateral views.
        findings: columns of the tables.
    """
    flag("frontal", frontal)
    tables = {
        part: read_columns(find_table(root, [name], of="CheXpert", access=LICENCE), root)
        for part, name in (("train", "train.csv"), ("test", "valid.csv"))
    }
    check_findings(findings, list(tables["train"].cells), of="CheXpert's tables")
    cells: dict[str, list[str]] = {name: [] for name in ("Path", "part", *findings)}
    lateral = 0
    for part, columns in tables.items():
        views = columns.get(VIEWS, "the view of CheXpert")
        kept = [i for i, view in enumerate(views) if not frontal or view == "Frontal"]
        lateral += len(views) - len(kept)
        for name in ("Path", *findings):
            column = columns.get(name, "findings=")
            cells[name] += [column[i] for i in kept]
        cells["part"] += [part] * len(kept)
    return {
        "table": Columns(tables["train"].source, cells),
        "file": "Path",
        "label": tuple(findings),
        "task": "multilabel",
        "patient": r"/(patient\d+)/",
        "part": "part",
        "uncertain": uncertain,
        "blank": blank,
        "channels": 1,
        "notes": [f"{lateral:,} lateral views were left out."] if lateral else [],
    }
