"""Which picture belongs to which row of a table."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lab_utils.data.folders.tree import SUFFIXES, is_tool

SAMPLE = 50  # names, and pictures, that are looked at to find where paths begin


class Matched(NamedTuple):
    """The picture of each row, None where there is none, and those without a row; as `find_pictures` has them."""

    pictures: list[str | None]
    spare: list[str]
    other_endings: bool = False  # whether x.png found x.jpg


def find_pictures(root: Path) -> list[str]:
    """All pictures below a folder, as paths from there; what computers leave behind is passed over.

    Raises:
        FileNotFoundError: if there is no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"a folder of pictures was expected at {root.absolute()}; there is none. Check the path."
        )
    found = []
    for folder, inside, names in os.walk(root, followlinks=True):
        inside[:] = sorted(name for name in inside if not is_tool(name))
        below = folder[len(str(root)) :].replace(os.sep, "/").strip("/")
        prefix = f"{below}/" if below else ""
        found += [prefix + name for name in names if name.lower().endswith(SUFFIXES) and not is_tool(name)]
    if not found:
        raise FileNotFoundError(
            f"pictures ({', '.join(SUFFIXES)}) were expected in {root.absolute()} or below; there are none. Unpack the "
            "archive there, or name another folder."
        )
    return sorted(found)


def match_pictures(names: Sequence[str], pictures: Sequence[str], root: Path, source: str) -> Matched:
    """Find the picture of each row.

    Paths are found if they are right from `root`, or from one folder above or below it, the same for all rows. Names
    without folders are found wherever the picture lies; an ending that is missing, or another one, does not matter if
    no picture has the whole name.

    Args:
        names: what the rows call their pictures.
        pictures: as `find_pictures` gives them.
        root: their folder.
        source: of the table, for errors.

    Raises:
        ValueError: if no row has a picture, or a name may mean two pictures.
    """
    cleaned = [name.replace("\\", "/").removeprefix("./").lstrip("/") for name in names]
    if any("/" in name for name in cleaned):
        found, loose = _by_path(cleaned, pictures), False
    else:
        found, loose = _by_name(cleaned, pictures, root)
    if not any(found):
        raise ValueError(
            f"the rows of {source} should name the pictures in {root.absolute()}; none of {len(names):,} does, for "
            f"example {names[0]!r}, while a picture there is {pictures[0]!r}. Name the column of file names with "
            "file=, or the folder of the pictures with root=."
        )
    taken = set(found)
    spare = [picture for picture in pictures if picture not in taken]
    other_endings = loose and any(map(suffix_of, names))
    return Matched(found, spare, other_endings)


def _by_path(names: Sequence[str], pictures: Sequence[str]) -> list[str | None]:
    """Take away folders in front of all names, and put others there: whatever finds most of some names."""
    there = set(pictures)
    sample = names[:: max(1, len(names) // SAMPLE)]
    depths = range(max(name.count("/") for name in sample) + 1)
    above = {""}
    for picture in pictures[:: max(1, len(pictures) // SAMPLE)]:
        folders = picture.split("/")[:-1]
        above |= {"/".join(folders[:depth]) + "/" for depth in range(1, len(folders) + 1)}

    def place(name: str, depth: int, prefix: str) -> str:
        return prefix + "/".join(name.split("/")[depth:])

    rules = [(depth, prefix) for depth in depths for prefix in sorted(above, key=lambda prefix: (len(prefix), prefix))]
    best = max(rules, key=lambda rule: sum(place(name, *rule) in there for name in sample))
    return [found if (found := place(name, *best)) in there else None for name in names]


def _by_name(names: Sequence[str], pictures: Sequence[str], root: Path) -> tuple[list[str | None], bool]:
    whole, stems = defaultdict(list), defaultdict(list)
    for picture in pictures:
        path = PurePosixPath(picture)
        whole[path.name].append(picture)
        stems[path.stem].append(picture)
    loose = not any(name in whole for name in names)
    where = stems if loose else whole
    keys = [name.removesuffix(suffix_of(name)) if loose else name for name in names]
    if twice := next((key for key in keys if len(where.get(key, ())) > 1), None):
        first, second = where[twice][:2]
        raise ValueError(
            f"a name in the table should mean one picture; {twice!r} may be {first} or {second} in {root.absolute()}. "
            "Name the folder of the right ones with root=, or take the others out of it."
        )
    return [where[key][0] if key in where else None for key in keys], loose


def suffix_of(name: str) -> str:
    """The ending of a picture's name, "" if it has none: "1.2.840.1" has none."""
    return next((name[-len(suffix) :] for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
