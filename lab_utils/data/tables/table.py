"""Pictures and a table of labels: what most people have.

One row for each picture, any names of columns::

    load_data("folder", root="scans", table="labels.csv", file="image", label="diagnosis", patient="patient_id")

Said and counted are rows without a picture, pictures without a row, rows that are there twice, rows that contradict
each other (their pictures are left out), and rows without a label. Parts are those of the column `part` or else divided
70 : 10 : 20 by patient, never by image; how many images a division by image would have leaked is computed and said.
Where pictures lie in folders such as ``train`` or ``sick``, these are compared with the table: patients in two of the
parts, and pictures in the folder of another label, are named.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab_utils.data.decode import count_channels
from lab_utils.data.duplicates import describe_duplicates
from lab_utils.data.folders.listing import say_pages
from lab_utils.data.folders.patient_rule import PatientRule
from lab_utils.data.pool import decode_parts, say_rest
from lab_utils.data.positions import choose
from lab_utils.data.splits import Split, with_notes
from lab_utils.data.tables.labels import ClassNames
from lab_utils.data.tables.listed import Listed, list_table
from lab_utils.data.validation import check_channels, check_labels, check_numbers, check_size, naming

PAGED = (".tif", ".tiff", ".webp")  # of PNGs there may be hundreds of thousands, and none has frames


def load_table(
    root: Path | str,
    *,
    table: Any,
    file: str | None = None,
    label: str | Sequence[str] | None = None,
    patient: PatientRule | None = None,
    unit: str = "patient",
    part: str | None = None,
    pictures: Sequence[str] | None = None,
    task: str | None = None,
    class_names: ClassNames | None = None,
    separator: str = "|",
    none: str = "No Finding",
    uncertain: str = "ignore",
    blank: str | None = None,
    notes: Sequence[str] = (),
    size: int = 64,
    channels: int | None = None,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Load pictures and their table: "train", "val" and "test".

    Args:
        root: the folder of the pictures, in it or below.
        table: a csv file (also ``.csv.gz``), a pandas DataFrame, or a dict of columns.
        file: the column that names the pictures: paths, or names with or without ending.
        label: the column of labels, or a list of columns; see `labels`.
        patient: the column of patients; or a rule for the names of the files, as of `load_folder`; or "unknown".
        unit: what `patient` tells apart, in words: "lesion", for example.
        part: the column that says train, val or test; a part that it does not name is drawn from train by patient.
        pictures: which pictures there are, as paths from `root`; None looks for them.
        task: "binary", "multiclass", "ordinal" or "multilabel"; None takes what the labels say.
        class_names: the order of the classes or findings; a dict gives cells other names, in the order of the labels.
        separator: between the findings of one cell.
        none: the cell that stands for no finding.
        uncertain: what -1 means in a column of findings: "ignore" (left out of loss and metrics), "ones" or "zeros".
        blank: what an empty cell means there: the same, or None to refuse it.
        notes: what else has to be said of the set.
        size: side in pixels; pictures that are not square are squeezed.
        channels: 1 for grey, 3 for colour; None is 3 if any of the pictures has colour.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: divides the patients and draws the subsets.

    Raises:
        FileNotFoundError: if there is no such folder or table, or no picture.
        ValueError: if table and pictures do not fit together, cells may mean two things, a picture is damaged, or a
            patient is in two parts. But for damaged pictures that is found before anything is decoded.
    """
    root = Path(root).expanduser()
    _check(root, size, channels, seed, n_train=n_train, n_val=n_val, n_test=n_test)
    listed = list_table(
        root,
        table=table,
        file=file,
        label=label,
        patient=patient,
        unit=unit,
        part=part,
        pictures=pictures,
        seed=seed,
        notes=notes,
        task=task,
        class_names=class_names,
        separator=separator,
        none=none,
        uncertain=uncertain,
        blank=blank,
    )
    counts = {"train": n_train, "val": n_val, "test": n_test}
    return _decoded(listed, counts, root, size=size, channels=channels, seed=seed)


def plan_table(root: Path | str, *, size: int = 64, channels: int | None = None, seed: int = 0, **options: Any) -> str:
    """Say what `load_table` will do with the same arguments: pictures, patients, disk and time for what is not there.

    Raises:
        OSError: if the disk has too little room for that.
    """
    root = Path(root).expanduser()
    _check(root, size, channels, seed)
    listed = list_table(root, seed=seed, **options)
    sizes = ", ".join(f"{part}: {len(rows):,}" for part, rows in listed.parts.items())
    rest = say_rest(listed.paths, size, channels or count_channels(listed.paths), root=root)
    return "\n".join([*listed.notes, *listed.doubts, f"{sizes}. {rest}."])


def count_table(root: Path | str, *, channels: int | None = None, seed: int = 0, **options: Any) -> dict[str, int]:
    """How many pictures `load_table` will put into each part with the same arguments; none is looked at."""
    listed = list_table(Path(root).expanduser(), seed=seed, **options)
    return {part: len(rows) for part, rows in listed.parts.items()}


def _check(root: Path, size: int, channels: int | None, seed: int, **counts: int | None) -> None:
    check_size(size)
    check_numbers(size=size, seed=seed, **counts)
    check_channels(root, channels)


def _decoded(
    listed: Listed, counts: dict[str, int | None], root: Path, *, size: int, channels: int | None, seed: int
) -> dict[str, Split]:
    rows = {}
    for part, places in listed.parts.items():
        labels = listed.labels[places]
        with naming(f"{root}, {part}"):
            check_labels(labels, listed.task, listed.class_names, every_class=part == "train")
            rows[part] = places[choose(labels, counts[part], seed=seed)]
    files = {part: [listed.paths[i] for i in chosen] for part, chosen in rows.items()}
    found = channels or count_channels([path for paths in files.values() for path in paths])
    images = decode_parts(files, size, found, root=root)
    splits = {
        part: Split(images[part], listed.labels[chosen], listed.groups[chosen], listed.task, listed.class_names)
        for part, chosen in rows.items()
    }
    twice = describe_duplicates(splits, {part: [path.relative_to(root) for path in files[part]] for part in files})
    pages = say_pages({part: [path for path in paths if path.suffix.lower() in PAGED] for part, paths in files.items()})
    if doubts := [*listed.doubts, *filter(None, (pages, twice))]:
        warnings.warn("\n".join(doubts), stacklevel=3)
    return with_notes(splits, *listed.notes, *doubts)
