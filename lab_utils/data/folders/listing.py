"""The pictures of each class folder, and what has to be said of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lab_utils.data.decode import later_pages
from lab_utils.data.duplicates import once
from lab_utils.data.folders.structure import Classes, Structure
from lab_utils.data.folders.tree import SUFFIXES, Folder, kinds, numbered

ONE_PAGE = (".jpg", ".jpeg", ".jpe", ".jfif", ".bmp")


class Listed(NamedTuple):
    """One picture: its file, its part ("all" if there are no parts), its label, and its place in the class folder."""

    path: Path
    part: str
    label: int
    below: str  # part, class folder and path inside it, for whoever looks for patients in names


class Said(NamedTuple):
    """Sentences that stay with a set; doubts are shown as warnings, too."""

    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def check_classes(parts: dict[str, Classes], given: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the class folders, the same in every part.

    Raises:
        ValueError: if a part has other class folders than the first one, or than those given.
    """
    names = sorted(next(iter(parts.values()))) if given is None else sorted(given)
    for part, classes in parts.items():
        if sorted(classes) == names:
            continue
        where = next(iter(classes.values())).path.parent if classes else part
        spelled = [f"{name} and {other}" for name in names for other in classes if _same_but_spelling(name, other)]
        raise ValueError(
            f"{where} should hold the class folders {', '.join(names)}; it holds {', '.join(sorted(classes)) or 'none'}"
            f"{f' ({spelled[0]} differ in their spelling)' if spelled else ''}. Every part needs the same classes, "
            "spelled the same way."
        )
    return tuple(names)


def _same_but_spelling(name: str, other: str) -> bool:
    return name != other and "".join(filter(str.isalnum, name.lower())) == "".join(filter(str.isalnum, other.lower()))


def list_pictures(parts: dict[str, Classes], classes: Sequence[str], root: Path) -> list[Listed]:
    """All pictures, sorted by part, label and path.

    Raises:
        ValueError: if a class folder holds none.
    """
    listed = []
    for part, folders in parts.items():
        for label, name in enumerate(classes):
            folder = folders[name]
            paths = once(sorted(path for inside in folder.walk() for path in inside.pictures))
            if not paths:
                raise _empty(folder)
            _check_versions(folder)
            above = name if part == "all" else f"{part}/{name}"
            listed += [
                Listed(path, part, label, f"{above}/{path.relative_to(folder.path).as_posix()}") for path in paths
            ]
    return listed


def _check_versions(folder: Folder) -> None:
    """Refuse a folder whose files have all the names of those around it: "predictions", "cropped"."""
    for inside in folder.folders:
        names = {path.stem for below in inside.walk() for path in below.pictures}
        if len(names) > 1 and names == {path.stem for path in folder.pictures}:
            raise ValueError(
                f"every picture should be there once; {inside.path} holds pictures of the same names as the folder "
                "around it, so they may be other versions of these, or predictions. Take those that do not belong to "
                "the set out of it, or give them names of their own."
            )


def _empty(folder: Folder) -> ValueError:
    if folder.same_as is not None:
        return ValueError(
            f"every class folder needs pictures of its own; {folder.path} is a link to {folder.same_as}, which is read "
            "already. Remove one of the two."
        )
    unread, masks = folder.all_unread(), sum(len(inside.left_out) for inside in folder.walk())
    held = [f"{kinds(unread)}, which are not read"] if unread else []
    held += [f"{numbered(masks, 'mask')} or the like"] if masks else []
    return ValueError(
        f"every class folder needs pictures ({', '.join(SUFFIXES)}); {folder.path} holds none"
        f"{', but ' * bool(held)}{' and '.join(held)}. Add pictures, save other kinds as 8-bit PNG, or remove "
        "the folder from all parts."
    )


def say_what_was_read(
    tree: Folder, structure: Structure, classes: Sequence[str], listed: Sequence[Listed], *, divided: bool
) -> Said:
    """What was read as what, what was passed over, and what was left out of the class folders."""
    counts = Counter(picture.label for picture in listed)
    as_classes = ", ".join(f"{name} = {label} ({counts[label]:,})" for label, name in enumerate(classes))
    as_parts = ", ".join(
        f"{part} from {_where(folders, classes, tree)}" for part, folders in structure.parts.items() if part != "all"
    )
    how = f"Parts: {as_parts}." if as_parts and not divided else "Divided into parts here."
    notes = [f"Read {numbered(len(listed), 'picture')}, classes: {as_classes}. {how}"]
    passed_over = sum((folder.passed_over for folder in tree.walk()), Counter[str]())
    if passed_over:
        names = ", ".join(sorted(passed_over))
        notes.append(f"{numbered(sum(passed_over.values()), 'picture')} passed over in {names}.")
    doubts = []
    if masks := [path for folder in tree.walk() for path in folder.left_out]:
        doubts.append(
            f"{numbered(len(masks), 'picture')} left out as masks, overlays or thumbnails of others, by their names "
            f"(for example {masks[0].relative_to(tree.path)})."
        )
    folders = [folder for of_part in structure.parts.values() for folder in of_part.values()]
    if unread := sum((folder.all_unread() for folder in folders), Counter[str]()):
        doubts.append(
            f"Not read: {kinds(unread)} in the class folders. Pictures are files {', '.join(SUFFIXES)}; save others as "
            "8-bit PNG if they belong to the set."
        )
    linked = [inside for folder in folders for inside in folder.walk() if inside.same_as is not None]
    if linked:
        doubts.append(f"{linked[0].path} is a link to {linked[0].same_as}, which is read once only.")
    return Said(tuple(notes), tuple(doubts))


def _where(folders: Classes, classes: Sequence[str], tree: Folder) -> str:
    first = folders[classes[0]].path.relative_to(tree.path)
    return str(first.parent if first.name == classes[0] else first)


def say_pages(files: Mapping[str, Sequence[Path]]) -> str:
    """A sentence on pages of TIFFs and frames of PNGs and WebPs that are not the first; "" if there are none."""
    paged = [path for paths in files.values() for path in paths if path.suffix.lower() not in ONE_PAGE]
    if not paged or not (later := later_pages(paged)):
        return ""
    return (
        f"{numbered(len(later), 'picture')} with more than one page or frame (for example {next(iter(later))}): the "
        f"first was read, {numbered(sum(later.values()), 'other')} left out. Save the right one of each as a file of "
        "its own if it is not the first."
    )
