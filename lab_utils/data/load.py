"""Data sets: phantoms, MedMNIST, the course files, folders of images."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lab_utils import arguments
from lab_utils.arguments import whole
from lab_utils.data.course_npy import FILES, load_course
from lab_utils.data.folders.folder import load_folder
from lab_utils.data.medmnist import load_medmnist, load_npz
from lab_utils.data.phantoms.load import load_phantoms
from lab_utils.data.public.known import PUBLIC, load_public, say_licence
from lab_utils.data.published import PUBLISHED
from lab_utils.data.reopening import reopened
from lab_utils.data.splits import Split, check_disjoint
from lab_utils.data.tables.table import load_table
from lab_utils.data.validation import check_numbers
from lab_utils.names import did_you_mean, unexpected
from lab_utils.profile import data_root

PHANTOM_COUNTS = {"train": 1000, "val": 300, "test": 600}
PHANTOM_STRIDE = 2**28  # images between the first of train, val and test: no patient is near a border

COMMON = ("size", "n_train", "n_val", "n_test", "seed", "root")
FIXED = {False: COMMON, True: (*COMMON, "start", "site")}  # what `load_data` itself says to a loader, or to phantoms
MEDMNIST = re.compile(rf"({'|'.join(PUBLISHED)})(_28|_64|_128|_224)?")


def load_data(
    name: str | Path = "phantoms",
    *,
    size: int = 64,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    root: Path | str | None = None,
    seed: int = 0,
    **options: Any,
) -> dict[str, Split]:
    """Load a data set: the one line to change to go from phantoms to real images.

    Pictures of a set that is too large for memory are decoded once into one file, where they stay; when it is loaded
    again, the parts are there in a second or two. What of a change is noticed then, and what is not: see `reopening`.

    ==========================  =========================================================================
    `name`                      what is loaded
    ==========================  =========================================================================
    "phantoms"                  synthetic chest X-rays; also "test_b", the same task in hospital B
    "pneumoniamnist", ...       a MedMNIST set, downloaded if needed; "chestmnist_28" names the side
    "path/to/file.npz"          a file in MedMNIST's format
    "course"                    the course's ``normal.npy``, ``pneumonia.npy`` ... in the folder `root`
    "path/to/folder"            a folder of class folders (see `folder`), or of the course's files
    the same with ``table=``    pictures and a table of labels (see `tables.table`)
    "folder"                    either of them, in the folder `root`
    "chexpert", "nih14", ...    a public set as it is unpacked in the folder `root` (see `public`)
    ==========================  =========================================================================

    Args:
        name: which data.
        size: side in pixels; images are resized once, here. None keeps those of an npz file or of the course.
        n_train: images to train on. None takes all of a real set and 1,000 phantoms (300 to validate, 600 to test). A
            number draws a stratified subset (phantoms: makes so many); the 100 of one seed are the first of its 200.
        n_val: images to validate.
        n_test: images to test; "test_b" has as many.
        root: folder of the data; None looks where the kit keeps MedMNIST's and the course's.
        seed: draws phantoms, subsets and, where a set has none, parts by patient.
        **options: passed on to `load_phantoms`, `load_medmnist`, `load_npz`, `load_course`, `load_folder`,
            `load_table` or a public set: for example `class_names` and `task`, or `patient` of a folder.

    Returns:
        "train", "val" and "test", no patient in two of them.

    Raises:
        ValueError: if the name is unknown, an argument is no number, or the data are not what they should be.
        TypeError: if an option is none of the loader's.
        FileNotFoundError: if a file or folder is not there.
        RuntimeError: if a download fails.
    """
    if not isinstance(name, str | Path) or not str(name).strip():
        advice = "For example load_data('phantoms') or load_data('path/to/folder')."
        raise unexpected("data", "the name of a set, or the path of a file or a folder", name, advice)
    for folder, value in (("root", root), ("cache", options.get("cache"))):
        arguments.path(folder, value, example="path/to/folder")
    check_numbers(size=size, seed=seed, n_train=n_train, n_val=n_val, n_test=n_test)
    load, where = _loader(name, root, table="table" in options)
    drawn = load is _phantoms
    takes = load_phantoms if drawn else PUBLIC[str(name)] if load is load_public else load
    arguments.options(takes, options, str(name), fixed=FIXED[drawn], common=COMMON[:-1])
    common = {"size": size, "n_train": n_train, "n_val": n_val, "n_test": n_test, "seed": seed}
    if size is None and load not in (load_npz, load_course, load_folder):
        raise ValueError(f"{name!r} needs a side in pixels; got size=None. For example size=64.")
    if load in (load_public, load_table, load_folder):
        given = partial(load, *where, **common, **options)
        splits = reopened(where[-1], f"{load.__name__} {where[:-1]}", common | options, given)
    else:
        splits = load(*where, **common, **options)
    if load is load_public:
        say_licence(str(name))
    check_disjoint(*splits.values())
    return splits


def _loader(
    name: str | Path, root: Path | str | None, *, table: bool
) -> tuple[Callable[..., dict[str, Split]], tuple[Any, ...]]:
    """The function that loads data of this name, and what it takes before its options."""
    path = Path(name).expanduser()
    if name == "folder" or name in PUBLIC:
        if root is None:
            raise ValueError(f"{name!r} needs root=, the folder of the pictures. For example root='data/{name}'.")
        if name != "folder":
            return load_public, (name, root)
        return (load_table if table else load_folder), (root,)
    if name == "phantoms":
        return _phantoms, ()
    if isinstance(name, str) and MEDMNIST.fullmatch(name):
        return partial(load_medmnist, root=root), (name,)
    if name == "course":
        return load_course, (root or data_root() / "course",)
    if path.suffix.lower() == ".npz":
        return load_npz, (path,)
    if path.is_dir() and table:
        return load_table, (path,)
    if path.is_dir():
        return (load_course if any((path / file).exists() for file in FILES) else load_folder), (path,)
    raise _unknown(str(name), path)


def _phantoms(
    *, size: int, n_train: int | None, n_val: int | None, n_test: int | None, seed: int, **options: Any
) -> dict[str, Split]:
    """Each part begins far from the others: a longer "train" never reaches "val", and its beginning stays the same."""
    counts = {"train": n_train, "val": n_val, "test": n_test}
    patient_pairs = 2 * whole("images_per_patient", options.get("images_per_patient", 4), 1, example=4)
    splits = {}
    for number, (part, usual) in enumerate(PHANTOM_COUNTS.items()):
        n = counts[part]
        start = number * PHANTOM_STRIDE // patient_pairs * patient_pairs
        splits[part] = load_phantoms(usual if n is None else n, size=size, seed=seed, start=start, **options)
    splits["test_b"] = load_phantoms(len(splits["test"]), size=size, seed=seed, start=start, site="B", **options)
    return splits


def _unknown(name: str, path: Path) -> ValueError | FileNotFoundError:
    if path.exists():
        return ValueError(
            f"data from a file must be an .npz file in MedMNIST's format; {path.absolute()} is another file. Unpack an "
            "archive and name its folder; a table of labels is named beside it, with table=."
        )
    if "/" in name or "\\" in name or name.startswith("."):
        return FileNotFoundError(
            f"an .npz file or a folder of class folders was expected at {Path(name).absolute()}; there is none. Check "
            f"the path; the working folder is {Path.cwd()}."
        )
    names = ["phantoms", "course", "folder", *PUBLIC, *PUBLISHED]
    return ValueError(
        f"data must be one of {', '.join(names)}, a path to an .npz file or to a folder; got {name!r}, none of them."
        f"{did_you_mean(name, names)}"
    )
