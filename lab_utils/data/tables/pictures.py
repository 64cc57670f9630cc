"""Which picture belongs to which row of a table."""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
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
    found = [picture for _, pictures, _ in walk(root) for picture in pictures]
    if not found:
        raise FileNotFoundError(
            f"pictures ({', '.join(SUFFIXES)}) were expected in {root.absolute()} or below; there are none. Unpack the "
            "archive there, or name another folder."
        )
    return sorted(found)


def walk(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder, its pictures and its other files, as paths from `root`, without what computers leave behind."""
    for folder, inside, names in os.walk(root, followlinks=True):
        inside[:] = sorted(name for name in inside if not is_tool(name) and not _leads_back(folder, name))
        below = folder[len(str(root)) :].replace(os.sep, "/").strip("/")
        prefix = f"{below}/" if below else ""
        pictures: list[str] = []
        others: list[str] = []
        for name in names:
            if not is_tool(name):
                (pictures if name.lower().endswith(SUFFIXES) else others).append(prefix + name)
        yield below, pictures, others


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
        ValueError: if no row has a picture, a name may mean two pictures, or two names one.
    """
    written = {unicodedata.normalize("NFC", picture): picture for picture in pictures}  # macOS takes accents apart
    cleaned = [unicodedata.normalize("NFC", name).replace("\\", "/").removeprefix("./").lstrip("/") for name in names]
    if any("/" in name for name in cleaned):
        places, loose = _by_path(cleaned, list(written), root), False
    else:
        places, loose = _by_name(cleaned, list(written), root)
    found = [None if place is None else written[place] for place in places]
    _check_one_name(cleaned, found, root)
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


def _by_path(names: Sequence[str], pictures: Sequence[str], root: Path) -> list[str | None]:
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
    counts = [len({place(name, *rule) for name in sample} & there) for rule in rules]  # not one picture for all
    best = rules[counts.index(max(counts))]
    if best != (0, ""):  # the paths as they stand
        for rule in (rule for rule, count in zip(rules, counts, strict=True) if count == max(counts) > 0):
            for name in sample:
                if (first := place(name, *best)) != (second := place(name, *rule)) and {first, second} <= there:
                    raise _two_pictures(name, first, second, root)
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
        raise _two_pictures(twice, where[twice][0], where[twice][1], root)
    return [where[key][0] if key in where else None for key in keys], loose


def _two_pictures(name: str, first: str, second: str, root: Path) -> ValueError:
    return ValueError(
        f"a name in the table should mean one picture; {name!r} may be {first} or {second} in {root.absolute()}. Name "
        "the folder of the right ones with root=, or take the others out of it."
    )


def _check_one_name(names: Sequence[str], found: Sequence[str | None], root: Path) -> None:
    """Paths that lost their folders, or names their endings, may lead to the picture of another row."""
    called: dict[str, str] = {}
    for name, picture in zip(names, found, strict=True):
        if picture is not None and called.setdefault(picture, name) != name:
            raise ValueError(
                f"each picture should have one name in the table; {called[picture]!r} and {name!r} would both be "
                f"{picture} in {root.absolute()}. Name with root= the folder in which each of them has its own file, "
                "or take the rows of pictures that you do not have out of the table."
            )


def _leads_back(folder: str, name: str) -> bool:
    """Whether a folder is a link to one around it: it would be walked through again and again."""
    if not os.path.islink(whole := os.path.join(folder, name)):  # of hundreds of thousands of folders, hardly one is
        return False
    path = Path(whole)
    return path.resolve() in {above.resolve() for above in path.parents}


def suffix_of(name: str) -> str:
    """The ending of a picture's name, "" if it has none: "1.2.840.1" has none."""
    return next((name[-len(suffix) :] for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
