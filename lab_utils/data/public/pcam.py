"""PatchCamelyon: 327,680 patches of lymph nodes, 96 px, with a tumour in the middle 32 px or without.

``camelyonpatch_level_2_split_train_x.h5`` ("x": N x 96 x 96 x 3) and ``..._y.h5`` ("y": N x 1 x 1 x 1), likewise valid
and test, each also packed, ``.h5.gz``; the slide of each patch is in ``..._train_meta.csv``. The parts are what the
files are called: the table of checksums in the README of its repository has valid and test swapped.

References:
    Veeling et al. (2018), arXiv:1806.03962.
"""

from pathlib import Path
from typing import Any

import numpy as np

from lab_utils.data import hdf5
from lab_utils.data.public.places import find_table
from lab_utils.data.tables.columns import Columns
from lab_utils.text_files import read_lines

LICENCE = "CC0. Download at github.com/basveeling/pcam."
PARTS = {"train": "train", "valid": "val", "test": "test"}


def pcam(root: Path) -> dict[str, Any]:
    """Describe PatchCamelyon in a folder; patches that are packed are unpacked into the cache first.

    Args:
        root: the folder of the h5 files, or one around it; the parts valid and test may be missing.

    Raises:
        ImportError: if h5py is not there, with the line that installs it.
        Unwritable: if the disk has no room for what is packed.
    """
    return _described(root, unpack=True)


def planned(root: Path) -> dict[str, Any]:
    """Describe it likewise for a plan: nothing is unpacked."""
    return _described(root, unpack=False)


def _described(root: Path, *, unpack: bool) -> dict[str, Any]:
    hdf5.require(root)
    cells: dict[str, list[str]] = {"file": [], "label": [], "slide": [], "part": []}
    notes = []
    for called, part in PARTS.items():
        x, y = (_file(root, called, kind, required=part == "train") for kind in "xy")
        if x is None or y is None:
            notes.append(f"The files of {called} are not there.")
            continue
        labels = hdf5.values(y, "y").reshape(-1)
        is_open = unpack or not hdf5.still_packed([x / "0"])
        shape = hdf5.dataset(x, "x").shape if is_open else (len(labels), 96, 96, 3)
        if len(shape) != 4 or shape[3] != 3 or len(labels) != shape[0]:
            raise ValueError(
                f"{x}: patches in colour were expected, one for each label; their shape is {shape}, and {y.name} has "
                f"{len(labels):,} labels. Download both again."
            )
        names = [f"{x.relative_to(root).as_posix()}/{number:06}" for number in range(len(labels))]
        slides = _slides(root, called)
        if len(slides) != len(names):
            notes.append(f"No table names the slides of {called}: each patch counts as a slide of its own.")
        cells["file"] += names
        cells["label"] += labels.astype(np.int64).astype(str).tolist()
        cells["slide"] += slides if len(slides) == len(names) else names
        cells["part"] += [part] * len(names)
    return {
        "table": Columns("PatchCamelyon", cells),
        "file": "file",
        "pictures": cells["file"],
        "label": "label",
        "task": "binary",
        "class_names": {"0": "normal", "1": "tumour"},
        "patient": "slide",
        "unit": "slide",
        "part": "part",
        "channels": 3,
        "notes": notes,
    }


def _file(root: Path, part: str, kind: str, *, required: bool) -> Path | None:
    name = f"camelyonpatch_level_2_split_{part}_{kind}.h5"
    return find_table(root, [name], of="PatchCamelyon", access=LICENCE, required=required)


def _slides(root: Path, part: str) -> list[str]:
    """The slide of each patch, [] if no table tells."""
    name = f"camelyonpatch_level_2_split_{part}_meta.csv"
    path = find_table(root, [name], of="PatchCamelyon", access=LICENCE, required=False)
    if path is None:
        return []
    (_, names), *rows = read_lines(path, packed=True) or [(0, [])]  # its first column has no name
    return [cells[names.index("wsi")] for _, cells in rows] if "wsi" in names else []
