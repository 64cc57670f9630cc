"""MedMNIST: five public medical data sets, and any file in their format.

A file holds ``{train,val,test}_{images,labels}``: images (N, H, W) or (N, H, W, 3), uint8 or floats in [0, 1]; labels
(N,) or (N, 1), classes numbered from 0, or (N, K) with 1, 0 or -1 for each of several findings. Rows that hold exactly
one 1 may be one class written in columns or findings that never come together: `task` has to say which.

MedMNIST does not publish patients: every image counts as a patient of its own, nobody can prove that the official parts
share none, and the notes of each part say so. They also say how many pictures are in two parts or have two labels.

References:
    Yang et al. (2023), MedMNIST v2, Scientific Data 10:41, doi:10.1038/s41597-022-01721-8.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch

from lab_utils.arguments import flag
from lab_utils.data.download import download, md5_of
from lab_utils.data.duplicates import describe_duplicates
from lab_utils.data.folders.patients import UNKNOWN
from lab_utils.data.images import read_images
from lab_utils.data.npz import open_npz, rows
from lab_utils.data.npz_labels import describe_labels, read_labels
from lab_utils.data.positions import choose
from lab_utils.data.published import PUBLISHED, SIZES, URL, file_of
from lab_utils.data.splits import Split, with_notes
from lab_utils.data.validation import check_labels, check_size, naming
from lab_utils.profile import cache_root

PARTS = ("train", "val", "test")


def load_medmnist(
    name: str,
    *,
    size: int = 64,
    root: Path | str | None = None,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
    verify: bool = True,
) -> dict[str, Split]:
    """Load a published set with its official parts; download it if it is not on this computer.

    Args:
        name: one of `PUBLISHED`, with the published side after it if it should not follow from `size`:
            "chestmnist_28".
        size: side in pixels of the images returned. The smallest published side that is not below it is used.
        root: the folder of the file; None looks in ``cache_root() / "medmnist"`` and in ``~/.medmnist``.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: draws the subsets.
        verify: whether the file must have the published MD5.

    Raises:
        ValueError: if the file is not the published one, or is damaged.
        RuntimeError: if it has to be downloaded and cannot be.
    """
    check_size(size)
    flag("verify", verify)
    asked, (name, _, chosen) = name, name.partition("_")
    if name not in PUBLISHED or chosen not in ("", *map(str, SIZES)):
        raise ValueError(
            f"name must be one of {', '.join(PUBLISHED)}, with one of _{', _'.join(map(str, SIZES))} after it or not; "
            f"got {asked!r}. A file of your own is loaded by its path."
        )
    side = int(chosen) if chosen else next((s for s in SIZES if s >= size), SIZES[-1])
    file_name, md5 = file_of(name, side)
    folders = [Path(root).expanduser()] if root else [cache_root() / "medmnist", Path.home() / ".medmnist"]
    path = next((f / file_name for f in folders if (f / file_name).exists()), folders[0] / file_name)
    if not path.exists():
        _download(name, path, md5, folders)
    return load_npz(
        path, size=size, md5=md5 if verify else None, n_train=n_train, n_val=n_val, n_test=n_test, seed=seed
    )


def _download(name: str, path: Path, md5: str, folders: list[Path]) -> None:
    try:
        download(URL.format(path.name), path, md5=md5)
    except RuntimeError as error:
        here = [f"{name}_{side}" for side in SIZES if any((f / file_of(name, side)[0]).exists() for f in folders)]
        if not here:
            raise
        raise RuntimeError(f"{error} On this computer already: {', '.join(here)}; load that name instead.") from error


def load_npz(
    path: Path | str,
    *,
    size: int | None = None,
    task: str | None = None,
    class_names: Sequence[str] | None = None,
    md5: str | None = None,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Load any file in MedMNIST's format: "train", "val" and "test".

    Images are unpacked and resized a few at a time, so that a file larger than memory can be read at a smaller size.

    Args:
        path: the file.
        size: side in pixels to resize to; None keeps the images as they are.
        task: one of `TASKS`. None takes it from the file name if that holds the name of a published set
            ("my_pneumoniamnist_28.npz"), else from the labels: several columns are multilabel, two values binary. With
            another task than multilabel, columns with exactly one 1 in each row are turned into numbers of classes.
        class_names: one per class or finding; None as for `task`.
        md5: what the file's MD5 must be; None accepts any file.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: draws the subsets.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged, has another MD5, misses an array, holds wrong pixels or labels, or labels
            that can be read in two ways.
    """
    if size is not None:
        check_size(size)
    path = Path(path).expanduser()
    keys = [f"{part}_{kind}" for part in PARTS for kind in ("images", "labels")]
    with open_npz(path, keys) as archive:
        if md5 is not None:
            _check_md5(path, md5)
        labels = {part: read_labels(archive, path, part) for part in PARTS}
        task, names, labels = describe_labels(path, labels, task, class_names)
        splits, first = {}, 0
        for part, n in zip(PARTS, (n_train, n_val, n_test), strict=True):
            with naming(f"{path}, {part}"):
                of_task = labels[part].float() if task == "multilabel" else labels[part].squeeze(1)
                check_labels(of_task, task, names, every_class=part == "train")
                positions = choose(of_task, n, seed=seed)
                with closing(rows(archive, f"{part}_images")) as chunks:
                    images = read_images(chunks, positions, size=size)
                of_image = torch.from_numpy(positions)
                splits[part] = Split(images, of_task[of_image], of_image + first, task, names)
            first += len(of_task)
    return with_notes(splits, UNKNOWN, describe_duplicates(splits))


def _check_md5(path: Path, md5: str) -> None:
    got = md5_of(path)
    if got != md5:
        raise ValueError(
            f"{path} should have MD5 {md5}, the published one; it has {got}: damaged, cut short, or other data. Delete "
            "it and load again to download it. If you know that it is right, load it by its path or with verify=False."
        )
