"""A folder of class folders, one picture per file.

Any of these, also inside further folders that hold nothing else::

    root/NORMAL/*.jpeg  root/PNEUMONIA/*.jpeg                     divided 70 : 10 : 20 by patient
    root/train/NORMAL/*.jpeg ...  root/test/NORMAL/*.jpeg ...     "val" drawn from train by patient
    root/train/...  root/val/...  root/test/...                   taken as they are
    root/NORMAL/train/*.jpeg ...  root/PNEUMONIA/test/*.jpeg ...  the same

Parts are known in many spellings (``Training``, ``train_images``, ``VALID``, ``dev``, ``holdout``: see `folder_names`).
A structure that is none of these is refused with a drawing of what was found.

Pictures are ``.jpeg .jpg .jpe .jfif .png .bmp .tif .tiff .webp``. Passed over is what computers leave behind at any
depth (hidden files, ``__MACOSX``, ``@eaDir``, ``.ipynb_checkpoints``: see `tree`), and a second copy of everything as
in the archive of Kermany et al. (``chest_xray/chest_xray``). Left out, counted and said are masks and thumbnails of
pictures (see `companions`), files of other kinds, and folders beside the parts. The val part of Kermany et al. has 16
images, too few to choose anything by: a val part below 2 % of train joins train, with a warning, and a new one is drawn
by patient.

Labels are numbered in the order of `class_order`: numbers as numbers, words by the alphabet. Patients come from names
as `patients` lists them, or from `patient`; where they are unknown, every image counts as a patient of its own, and a
note says so. Files that are the same in every byte come into one part where this module divides.

Each split has in its `notes` what was read as what, and what was left out; where there is doubt, one warning says it
too.

References:
    Kermany et al. (2018), Cell 172(5), doi:10.1016/j.cell.2018.02.010.
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import torch

from lab_utils.arguments import flag
from lab_utils.data import dicom
from lab_utils.data.decode import count_channels
from lab_utils.data.duplicates import describe_duplicates
from lab_utils.data.folders.class_order import check_task, doubts_about_order, order_classes
from lab_utils.data.folders.companions import leave_out_companions
from lab_utils.data.folders.dividing import Picture, divide
from lab_utils.data.folders.listing import check_classes, list_pictures, say_pages, say_what_was_read
from lab_utils.data.folders.patient_rule import PatientRule
from lab_utils.data.folders.structure import find_structure
from lab_utils.data.folders.tree import scan
from lab_utils.data.pool import decode_parts
from lab_utils.data.positions import choose
from lab_utils.data.splits import Split
from lab_utils.data.validation import check_channels, check_labels, check_numbers, naming


def load_folder(
    root: Path | str,
    *,
    size: int = 64,
    task: str | None = None,
    class_names: Sequence[str] | None = None,
    channels: int | None = None,
    patient: PatientRule | None = None,
    redivide: bool = False,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Load a folder of class folders: "train", "val" and "test".

    Args:
        root: the folder.
        size: side in pixels to resize to; pictures that are not square are squeezed.
        task: "binary", "multiclass" or "ordinal"; None is binary for two classes, else multiclass.
        class_names: the names of the class folders in the order of the labels; None takes the order of `class_order`.
            In a binary task the second one is the positive class. An ordinal task needs them if the names hold no
            numbers. They also say which folders are the classes where that is in doubt.
        channels: 1 for grey, 3 for colour; None is 3 if any of the pictures has colour.
        patient: how to find the patient of a picture: a regular expression with one group, a function of the path, a
            dict or a column (a pandas Series) from file name to patient, or "unknown"; None looks for the names that
            `patients` lists.
        redivide: forget the parts that the folders make, and divide all pictures 70 : 10 : 20 by patient.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: divides the patients and draws the subsets.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the structure is not understood, a class folder is empty, grades have no order, a picture is
            damaged, or a patient is in two parts.
    """
    check_numbers(size=size, seed=seed, n_train=n_train, n_val=n_val, n_test=n_test)
    root = Path(root).expanduser()
    flag("redivide", redivide)
    _check_arguments(root, size, channels)
    class_names = _names(root, class_names)
    tree = scan(root)
    leave_out_companions(tree, class_names or ())
    structure = find_structure(tree, class_names)
    with naming(str(root)):
        names = check_classes(structure.parts, class_names)
        classes = order_classes(names, task, class_names)
        task = check_task(task, classes)
        listed = list_pictures(structure.parts, classes, root)
        dicom.require(picture.path for picture in listed)
        parts, said = divide(listed, root, patient=patient, redivide=redivide, seed=seed)
    read = say_what_was_read(tree, structure, classes, listed, divided=redivide or "train" not in structure.parts)
    doubts = [*structure.doubts, *read.doubts, *doubts_about_order(classes, task, class_names), *said.doubts]
    notes = [*read.notes, *structure.notes, *doubts, *said.notes]
    counts = {"train": n_train, "val": n_val, "test": n_test}
    chosen = _choose(parts, counts, classes, task, root, seed=seed)
    files = {part: [picture.path for picture in pictures] for part, pictures in chosen.items()}
    splits, coloured = _read(chosen, parts, classes, task, root, size=size, channels=channels)
    below = {part: [path.relative_to(root) for path in paths] for part, paths in files.items()}
    said_later = (_say_colour(coloured), say_pages(files), describe_duplicates(splits, below))
    seen = [found for found in said_later if found]
    if doubts := list(dict.fromkeys([*doubts, *seen])):
        warnings.warn("\n".join(doubts), stacklevel=2)
    notes = list(dict.fromkeys([*notes, *seen]))
    return {part: Split(s.images, s.labels, s.groups, task, classes, tuple(notes)) for part, s in splits.items()}


def _check_arguments(root: Path, size: int | None, channels: int | None) -> None:
    if size is None:
        raise ValueError(
            f"{root}: pictures of a folder differ in size, so a side in pixels is needed; got size=None. For example "
            "size=64."
        )
    check_channels(root, channels)


def _names(root: Path, class_names: Any) -> tuple[str, ...] | None:
    """Names of class folders in an order; a set has none, and a table (a dict) may mean its keys or its values."""
    if class_names is None:
        return None
    listed = isinstance(class_names, Iterable) and not isinstance(class_names, str | bytes | Set | Mapping)
    names: tuple[object, ...] = tuple(class_names) if listed else ()
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise ValueError(
            f"{root}: class_names must be a list of different names of folders, as text; got {class_names!r}. For "
            "example class_names=('NORMAL', 'PNEUMONIA')."
        )
    return tuple(map(str, names))


def _choose(
    parts: dict[str, list[Picture]],
    counts: dict[str, int | None],
    classes: tuple[str, ...],
    task: str,
    root: Path,
    *,
    seed: int,
) -> dict[str, list[Picture]]:
    """All pictures of each part, or a subset of them."""
    chosen = {}
    for part, pictures in parts.items():
        labels = torch.tensor([picture.label for picture in pictures])
        with naming(f"{root}, {part}"):
            check_labels(labels, task, classes, every_class=part == "train")
            chosen[part] = [pictures[i] for i in choose(labels, counts[part], seed=seed)]
    return chosen


def _read(
    chosen: dict[str, list[Picture]],
    parts: dict[str, list[Picture]],
    classes: tuple[str, ...],
    task: str,
    root: Path,
    *,
    size: int,
    channels: int | None,
) -> tuple[dict[str, Split], list[str]]:
    """Decode the chosen pictures, all parts alike; and the parts with colour beside a grey train part."""
    files = {part: [picture.path for picture in pictures] for part, pictures in chosen.items()}
    found = channels or count_channels(files["train"])
    coloured = [part for part, paths in files.items() if channels is None and found == 1 and count_channels(paths) == 3]
    patients = sorted({picture.patient for part in parts.values() for picture in part})
    numbers = {patient: number for number, patient in enumerate(patients)}
    images = decode_parts(files, size, 3 if coloured else found, root=root)
    splits = {}
    for part, pictures in chosen.items():
        labels = torch.tensor([picture.label for picture in pictures])
        groups = torch.tensor([numbers[picture.patient] for picture in pictures])
        splits[part] = Split(images[part], labels, groups, task, classes)
    return splits, coloured


def _say_colour(coloured: Sequence[str]) -> str:
    return (
        f"All pictures of train are grey, and some of {' and '.join(coloured)} have colour: all are read in colour. If "
        "the colour means nothing, pass channels=1. If it shows that the parts come from different places, a score "
        "says nothing about either."
        if coloured
        else ""
    )
