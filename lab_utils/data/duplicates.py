"""The same picture twice: in two parts of a set it is a leak, with two labels it is somebody's error.

Before a set is divided, files are compared by their bytes, which is cheap; afterwards, pictures by their pixels.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lab_utils.data.folders.tree import identity
from lab_utils.data.on_disk import OnDisk
from lab_utils.data.splits import Split

PIECE = 4096  # bytes from the middle of a file: enough to tell most files of one length apart

Place = tuple[str, int]  # the name of a part, and the position in it
Files = Mapping[str, Sequence[object]]


def find_duplicates(images: Tensor) -> list[list[int]]:
    """Groups of positions whose pictures are the same in every pixel; pictures without a twin are left out.

    Args:
        images: any type, shape (N, ...): pictures as they were decoded and resized, so that the same picture is found
            in a PNG and in a BMP, or grey in one file and the same grey written as colour in another.

    Returns:
        Each group in rising order, the groups in the order of their first pictures.
    """
    return [[position for _, position in group] for group in _find({"": images})]


def describe_duplicates(splits: Mapping[str, Split], files: Files | None = None) -> str:
    """Say in one or two sentences how many pictures are in two parts, or have two labels; "" if none.

    Args:
        splits: the parts by name.
        files: what to call the pictures of each part in examples, in their order; None numbers them.
    """
    groups = _find({part: split.images for part, split in splits.items()})
    crossing = [group for group in groups if len({part for part, _ in group}) > 1]
    conflicting = [group for group in groups if _labels_differ(splits, group)]
    sentences = []
    if crossing:
        pairs = [
            f"{left} and {right}: {count}"
            for left, right in combinations(splits, 2)
            if (count := sum({left, right} <= {part for part, _ in group} for group in crossing))
        ]
        sentences.append(
            f"{_pictures(crossing)} in more than one part, the same in every pixel ({', '.join(pairs)}; for example "
            f"{_example(crossing[0], splits, files, apart=_other_part)}): scores on them are too good."
        )
    if conflicting:
        sentences.append(
            f"{_pictures(conflicting)} there more than once, with different labels (for example "
            f"{_example(conflicting[0], splits, files, apart=_other_label)}): all of these labels but one are wrong."
        )
    return " ".join(sentences)


def _find(images: Mapping[str, Tensor]) -> list[list[Place]]:
    candidates: dict[object, list[Place]] = defaultdict(list)
    rows = {}
    for part, tensor in images.items():
        if isinstance(tensor, OnDisk):  # has a checksum of each, which nobody has to read the pixels for
            known: Iterable[object] = tensor.checksums.tolist()
        else:
            rows[part] = tensor.detach().cpu().contiguous().numpy()
            known = ((row.shape, hash(row.tobytes())) for row in rows[part])
        for i, number in enumerate(known):
            candidates[number].append((part, i))
    groups = []
    for places in candidates.values():
        while len(places) > 1:  # pictures of one hash need not be the same picture
            part, first = places[0]
            same: list[Place] = []
            others: list[Place] = []
            for place in places:
                equal = part not in rows or np.array_equal(rows[place[0]][place[1]], rows[part][first])
                (same if equal else others).append(place)
            if len(same) > 1:
                groups.append(same)
            places = others
    return groups


def _other_part(splits: Mapping[str, Split], left: Place, right: Place) -> bool:
    return left[0] != right[0]


def _other_label(splits: Mapping[str, Split], left: Place, right: Place) -> bool:
    return not torch.equal(splits[left[0]].labels[left[1]], splits[right[0]].labels[right[1]])


def _labels_differ(splits: Mapping[str, Split], group: list[Place]) -> bool:
    return any(_other_label(splits, group[0], place) for place in group[1:])


def _pictures(groups: list[list[Place]]) -> str:
    return "1 picture is" if len(groups) == 1 else f"{len(groups)} pictures are"


def _example(
    group: list[Place],
    splits: Mapping[str, Split],
    files: Files | None,
    *,
    apart: Callable[[Mapping[str, Split], Place, Place], bool],
) -> str:
    second = next(place for place in group[1:] if apart(splits, group[0], place))
    names = [str(files[part][i]) if files else f"number {i} of {part}" for part, i in (group[0], second)]
    return " and ".join(names)


def once(paths: Iterable[Path]) -> list[Path]:
    """Each file once, however many links lead to it."""
    files: dict[object, Path] = {}
    for path in paths:
        files.setdefault(identity(path), path)
    return list(files.values())


def join_copies(paths: Sequence[Path], owners: Sequence[str]) -> list[str]:
    """Owners (patients) for dividing a set: those who share a picture become one.

    They share it if two files are the same in every byte, or the same but for the ending (``x.png`` and ``x.jpg`` in
    one folder are one picture in two formats).

    Args:
        paths: the files.
        owners: one per file.

    Returns:
        The owners again, where needed replaced by the first one of those joined.
    """
    groups = [list(range(len(paths)))]
    for key in (_length, _middle, _digest):
        groups = [finer for group in groups for finer in _agree(paths, group, key)]
    groups += _agree(paths, list(range(len(paths))), lambda path: (path.parent, path.stem.lower()))
    leader = {owner: owner for owner in owners}

    def find(owner: str) -> str:
        while leader[owner] != owner:
            owner = leader[owner]
        return owner

    for group in groups:
        for i in group[1:]:
            first, second = sorted((find(owners[group[0]]), find(owners[i])))
            leader[second] = first
    return [find(owner) for owner in owners]


def _agree(paths: Sequence[Path], group: list[int], key: Callable[[Path], object]) -> list[list[int]]:
    """Groups of two or more files that agree in one more thing."""
    finer = defaultdict(list)
    for i in group:
        finer[key(paths[i])].append(i)
    return [same for same in finer.values() if len(same) > 1]


def _length(path: Path) -> int:
    return path.stat().st_size


def _middle(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(path.stat().st_size // 2)
        return file.read(PIECE)


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
