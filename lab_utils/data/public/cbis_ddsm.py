"""CBIS-DDSM: 3,032 digitised mammograms with masses and calcifications that were biopsied or followed.

The four ``mass_case_description_train_set.csv`` ... have a row for each lesion; here a film is one picture, malignant
if any of its lesions is. Their columns of crops and masks are mixed up in some rows, so neither is looked at: a film is
found by its folder, ``Mass-Training_P_00001_LEFT_CC`` in the DICOM edition (whatever its files are called), or by its
series in Kaggle's JPEG edition (``jpeg/1.3.6 ...``, ``csv/dicom_info.csv``). Some films are there twice, once for their
masses and once for their calcifications, and are taken once. The official parts of masses and of calcifications were
drawn apart: of patients in both, all is in train. "val" is drawn from train by patient.

References:
    Lee et al. (2017), doi.org/10.1038/sdata.2017.177.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab_utils.arguments import one_of
from lab_utils.data.public.places import apart, find_table
from lab_utils.data.tables.columns import Columns, read_columns
from lab_utils.data.tables.pictures import find_pictures

LICENCE = "CC BY 3.0. Download at cancerimagingarchive.net/collection/cbis-ddsm, as JPEG also on Kaggle."
KINDS = {"both": ("mass", "calc"), "mass": ("mass",), "calc": ("calc",)}
NO_FILMS = ("cropped images", "ROI mask images")  # as Kaggle's dicom_info.csv calls them
LABELS = {"MALIGNANT": "malignant", "BENIGN": "benign", "BENIGN_WITHOUT_CALLBACK": "benign"}
FILE = "image file path"
COLUMNS = (FILE, "patient_id", "left or right breast", "image view", "abnormality type", "pathology")


def cbis_ddsm(root: Path, *, lesions: str = "both") -> dict[str, Any]:
    """Describe CBIS-DDSM in a folder.

    Args:
        root: the folder of the four tables, or one around it, with the films of either edition below.
        lesions: "mass", "calc" or "both".
    """
    one_of("lesions", lesions, tuple(KINDS))
    rows = list(_rows(root, lesions))
    parts, notes = apart([row["part"] for row in rows], [row["patient_id"] for row in rows])
    pictures = find_pictures(root)
    where = _folders(root, pictures)
    films: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row, part in zip(rows, parts, strict=True):
        film = "_".join(row[name] for name in ("patient_id", "left or right breast", "image view"))
        films[film].append(row | {"part": part, "picture": _picture(root, row[FILE], where)})
    cells: dict[str, list[str]] = defaultdict(list)
    for of_film in films.values():
        cells["file"].append(next((row["picture"] for row in of_film if row["picture"]), of_film[0][FILE]))
        cells["pathology"].append(max((LABELS.get(row["pathology"], "") for row in of_film), key="malignant".__eq__))
        for name in ("patient_id", "part"):
            cells[name].append(of_film[0][name])
    twice = sum(len({row["abnormality type"] for row in of_film}) > 1 for of_film in films.values())
    mixed = sum(len({LABELS.get(row["pathology"]) for row in of_film}) > 1 for of_film in films.values())
    notes.append(f"{mixed:,} films have a benign and a malignant lesion: they are malignant.")
    notes += [f"{twice:,} films are there for masses and for calcifications: taken once."] * bool(twice)
    return {
        "table": Columns("CBIS-DDSM", dict(cells)),
        "file": "file",
        "pictures": pictures,
        "label": "pathology",
        "task": "binary",
        "class_names": ("benign", "malignant"),
        "patient": "patient_id",
        "part": "part",
        "channels": 1,
        "notes": notes,
    }


def _rows(root: Path, lesions: str) -> Iterator[dict[str, str]]:
    """The lesions of all parts."""
    for kind in KINDS[lesions]:
        for part in ("train", "test"):
            name = f"{kind}_case_description_{part}_set.csv"
            columns = read_columns(find_table(root, [name], of="CBIS-DDSM", access=LICENCE), root)
            cells = [columns.get(column, "a column of CBIS-DDSM") for column in COLUMNS]
            for row in zip(*cells, strict=True):
                yield dict(zip(COLUMNS, row, strict=True)) | {"part": part}


def _folders(root: Path, pictures: Sequence[str]) -> dict[str, list[str]]:
    """The pictures in or below each folder; but for crops and masks, as far as Kaggle's table tells them."""
    others = set()
    if table := find_table(root, ["dicom_info.csv"], of="CBIS-DDSM", access=LICENCE, required=False):
        columns = read_columns(table, root)
        paths, kinds = (
            columns.get(name, "a column of Kaggle's edition") for name in ("image_path", "SeriesDescription")
        )
        others = {tuple(path.split("/")[-2:]) for path, kind in zip(paths, kinds, strict=True) if kind in NO_FILMS}
    where = defaultdict(list)
    for picture in pictures:
        *folders, name = picture.split("/")
        if folders and (folders[-1], name) not in others:
            for folder in folders:
                where[folder].append(picture)
    return where


def _picture(root: Path, path: str, where: Mapping[str, Sequence[str]]) -> str:
    """The picture of a film, "" if it is not there."""
    film, _, series = path.split("/")[:3]
    found = where.get(film) or where.get(series) or [""]
    if len(found) > 1:
        raise ValueError(
            f"{root}: one picture was expected of the film {film}; there are {found[0]} and {found[1]}. Remove the one "
            "that is not the film, or name the folder of one edition with root=."
        )
    return found[0]
