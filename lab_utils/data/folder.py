"""A folder of class folders, one picture per file.

Any of these, also inside one more folder::

    root/NORMAL/*.jpeg  root/PNEUMONIA/*.jpeg                     divided 70 : 10 : 20 by patient
    root/train/NORMAL/*.jpeg ...  root/test/NORMAL/*.jpeg ...     "val" drawn from train by patient
    root/train/...  root/val/...  root/test/...                   taken as they are

What unpacking leaves behind is passed over: ``__MACOSX``, files that begin with a dot, and in the chest X-ray archive
of Kermany et al. the second copy of everything (``chest_xray/chest_xray``). Its val part has 16 images, too few to
choose anything by: a val part below 2 % of train joins train, with a warning, and a new one is drawn by patient.

Patients come from names as in Kermany et al. (``person12_virus_47``, ``IM-0115-0001``; numbers begin again in test), or
from a sub-folder inside the class folder (which may hold folders again, one per study). Otherwise every image counts
as a patient of its own.

References:
    Kermany et al. (2018), Cell 172(5), doi:10.1016/j.cell.2018.02.010.
"""

import re
import warnings
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lab_utils.data.decode import count_channels, decode
from lab_utils.data.positions import assign_parts, choose
from lab_utils.data.splits import Split
from lab_utils.data.validation import naming

SUFFIXES = (".jpeg", ".jpg", ".png", ".bmp", ".tif", ".tiff", ".webp")
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
TOO_SMALL = 0.02  # of train: a val part below this cannot tell models apart
KERMANY = re.compile(r"(person\d+)_|((?:NORMAL2-)?IM-\d+)-")


class Picture(NamedTuple):
    """One file: where it is, its class, and whose it is."""

    path: Path
    label: int
    patient: str


def load_folder(
    root: Path | str,
    *,
    size: int = 64,
    task: str | None = None,
    class_names: Sequence[str] | None = None,
    channels: int | None = None,
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
        class_names: the names of the class folders in the order of the labels; None sorts them. In a binary task the
            second one is the positive class.
        channels: 1 for grey, 3 for colour; None is 3 if a sample of the pictures has colour.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: divides the patients and draws the subsets.

    Raises:
        FileNotFoundError: if there is no such folder, or no pictures in class folders below it.
        ValueError: if a class folder is empty, a picture is damaged, or a patient is in two parts.
    """
    root = Path(root).expanduser()
    parts = _find_parts(root)
    classes = _class_names(parts, class_names)
    pictures = {part: _list(folder, classes, part) for part, folder in parts.items()}
    task = task or ("binary" if len(classes) == 2 else "multiclass")
    with naming(str(root)):
        pictures = _divide(pictures, seed)
    patients = sorted({picture.patient for part in pictures.values() for picture in part})
    numbers = {patient: number for number, patient in enumerate(patients)}
    splits = {}
    for part, n in (("train", n_train), ("val", n_val), ("test", n_test)):
        labels = torch.tensor([picture.label for picture in pictures[part]])
        with naming(f"{root}, {part}"):
            positions = choose(labels, n, seed=seed)
        files = [pictures[part][i] for i in positions]
        groups = torch.tensor([numbers[picture.patient] for picture in files])
        paths = [picture.path for picture in files]
        channels = channels or count_channels(paths)
        splits[part] = Split(decode(paths, size, channels), labels[torch.from_numpy(positions)], groups, task, classes)
    return splits


def _visible(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir(), key=lambda path: (path.name.lower(), path.name))
    return [path for path in paths if not path.name.startswith(".") and path.name != "__MACOSX"]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _find_parts(root: Path) -> dict[str, Path]:
    """The folder of class folders of each part; "train" alone if there are no parts."""
    if not root.is_dir():
        raise FileNotFoundError(
            f"a folder of class folders was expected at {root.absolute()}; there is none. Check the path and the "
            "working folder."
        )
    folders = [path for path in _visible(root) if path.is_dir()]
    levels = {PARTS[path.name.lower()]: path for path in folders if path.name.lower() in PARTS}
    if "train" in levels:
        return {part: levels[part] for part in ("train", "val", "test") if part in levels}
    if len(folders) == 1 and not any(_is_picture(path) for path in _visible(root)):
        inside = _visible(folders[0])
        if any(path.is_dir() for path in inside):
            return _find_parts(folders[0])
    return {"all": root}


def _class_names(parts: dict[str, Path], given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the class folders; the same in every part."""
    found = {
        part: [path.name for path in _visible(folder) if path.is_dir() and path.name != folder.name]
        for part, folder in parts.items()
    }
    names = next(iter(found.values())) if given is None else list(given)
    if len(names) < 2:
        folder = next(iter(parts.values()))
        raise FileNotFoundError(
            f"{folder.absolute()} should hold at least two class folders with pictures; it holds "
            f"{', '.join(names) or 'none'}. Put the pictures of each class into a folder with its name."
        )
    for part, folders in found.items():
        if sorted(folders) != sorted(names):
            raise ValueError(
                f"{parts[part]} should hold the class folders {', '.join(sorted(names))}; it holds "
                f"{', '.join(folders) or 'none'}. Every part needs the same classes, spelled the same way."
            )
    return tuple(names)


def _list(folder: Path, classes: tuple[str, ...], part: str) -> list[Picture]:
    pictures = []
    for label, name in enumerate(classes):
        paths = sorted(
            path for path in (folder / name).rglob("*") if _is_picture(path) and "__MACOSX" not in path.parts
        )
        if not paths:
            raise ValueError(
                f"every class folder needs pictures ({', '.join(SUFFIXES)}); {folder / name} holds none. Add pictures, "
                "or remove the folder from all parts."
            )
        pictures += [Picture(path, label, _patient(path, folder / name, part)) for path in paths]
    return pictures


def _patient(path: Path, class_folder: Path, part: str) -> str:
    """A name for the patient: the same in two parts only if it is the same patient."""
    if path.parent != class_folder:
        return path.relative_to(class_folder).parts[0]  # also where the patient's folder holds one per study
    if match := KERMANY.match(path.name):  # train and val count on, test begins again
        return f"{'test ' * (part == 'test')}{match[1] or match[2]}"
    return str(path)


def _divide(pictures: dict[str, list[Picture]], seed: int) -> dict[str, list[Picture]]:
    """Pictures of "train", "val" and "test": as the folders say, what they lack drawn by patient."""
    if "train" not in pictures:
        train, val, test = _cut(pictures["all"], (0.7, 0.1, 0.2), seed)
        return {"train": train, "val": val, "test": test}
    train, val, test = (pictures.get(part, []) for part in ("train", "val", "test"))
    if val and len(val) < TOO_SMALL * len(train):
        warnings.warn(
            f"The val part has {len(val)} images, too few to choose a model by: they join train, and a new val part is "
            "drawn by patient.",
            stacklevel=3,
        )
        train, val = train + val, []
    if not test:
        train, test = _cut(train, (0.8, 0.2), seed)
    if not val:
        train, val = _cut(train, (0.9, 0.1), seed)
    parts = {"train": train, "val": val, "test": test}
    _check_patients(parts)
    return parts


def _cut(pictures: list[Picture], fractions: Sequence[float], seed: int) -> list[list[Picture]]:
    labels = np.array([picture.label for picture in pictures])
    patients = np.array([picture.patient for picture in pictures])
    part = assign_parts(labels, patients, fractions, seed=seed)
    return [[pictures[i] for i in np.flatnonzero(part == number)] for number in range(len(fractions))]


def _check_patients(parts: dict[str, list[Picture]]) -> None:
    patients = {part: {picture.patient for picture in pictures} for part, pictures in parts.items()}
    for left, right in combinations(parts, 2):
        if shared := sorted(patients[left] & patients[right]):
            raise ValueError(
                f"every patient must be in one part only; {len(shared)} patients are in both {left} and {right}: "
                f"{', '.join(shared[:5])}{', ...' * (len(shared) > 5)}. Move all images of a patient to one side; "
                "without a val folder, one is drawn from train by patient."
            )
