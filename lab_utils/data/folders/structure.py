"""Which folders are parts of a set and which are classes.

Understood are three structures, each also inside further folders that hold nothing else::

    root/NORMAL/...        root/PNEUMONIA/...                             classes alone
    root/train/NORMAL/...  root/train/PNEUMONIA/...  root/test/NORMAL/... parts, and classes in them
    root/NORMAL/train/...  root/NORMAL/test/...      root/PNEUMONIA/...   classes, and parts in them

The names of parts are those of `folder_names.PARTS` in any spelling: ``Training``, ``train_images``, ``TEST``,
``Validation set``, ``dev``, ``chest_xray_train`` beside ``chest_xray_test``. Whatever else there is is refused, with a
drawing of what was found. `class_names` decides where names alone leave a doubt.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from lab_utils.data.folders.class_folders import SAY, check_below, check_class_folders, refuse
from lab_utils.data.folders.folder_names import NEGATIVE, is_container, is_heap, part_of, words_of
from lab_utils.data.folders.tree import Folder, numbered

Classes = dict[str, Folder]


class Structure(NamedTuple):
    """Class folders of each part ("train", "val", "test", or "all" if there are none), and what was left out."""

    parts: dict[str, Classes]
    notes: tuple[str, ...]
    doubts: tuple[str, ...]


def find_structure(root: Folder, class_names: Sequence[str] | None = None) -> Structure:
    """Find parts and classes.

    Raises:
        ValueError: if the structure is none that is understood; the text draws it.
    """
    node = root
    while True:
        named = class_names is not None and {folder.name for folder in node.folders} == set(class_names)
        if not named and (found := _find_parts(node, root)):
            return _with_classes(found, node, root, class_names)
        if named or not _is_wrapper(node):
            break
        node = node.folders[0]
    if turned := _parts_in_classes(node, root):
        return Structure(turned, (), _loose(node))
    folder, copies = _without_copy(node, root)
    doubts = check_class_folders(folder, root, class_names)
    return Structure({"all": _as_classes(folder)}, copies, (*_loose(node), *doubts))


def _is_wrapper(node: Folder) -> bool:
    """Whether there is nothing but one folder of folders, and that is no class.

    What is in a folder NORMAL are no classes, unless one of them is NORMAL again.
    """
    if len(node.folders) != 1 or node.pictures:
        return False
    (inside,) = node.folders
    class_like = "".join(words_of(inside.name)) in NEGATIVE
    return bool(inside.folders) and (not class_like or any(below.name == inside.name for below in inside.folders))


def _find_parts(node: Folder, root: Folder) -> dict[str, Folder] | None:
    """The folders of this level that are parts; None if there are none here."""
    by_words: dict[tuple[str, ...], dict[str, list[Folder]]] = defaultdict(lambda: defaultdict(list))
    for folder in node.folders:
        if meaning := part_of(folder.name):
            by_words[meaning[1]][meaning[0]].append(folder)
    full = [words for words, parts in by_words.items() if "train" in parts and len(parts) > 1]
    if () in by_words and (() in full or not full):
        words: tuple[str, ...] = ()
    elif len(full) == 1:
        words = full[0]
    elif full:
        raise refuse(
            root,
            "the names of the folders hold a part (train, test) and something else that differs.",
            "Make a folder for each part, with one folder for each class in it.",
        )
    else:
        return None
    parts = by_words[words]
    others = [folder for folder in node.folders if all(folder not in same for same in parts.values())]
    if "train" not in parts:
        _check_without_train(parts, others, root)
        return None
    for part, folders in parts.items():
        if len(folders) > 1:
            names = " and ".join(folder.name for folder in folders)
            raise refuse(
                root,
                f"{names} are both names of the {part} part.",
                "Put what belongs together into one folder, and move copies out of this one.",
            )
    return {part: parts[part][0] for part in ("train", "val", "test") if part in parts}


def _check_without_train(parts: dict[str, list[Folder]], others: list[Folder], root: Folder) -> None:
    """Names such as "valid" may be those of classes, beside "invalid"; without other folders they are parts."""
    flat = not any(folder.folders for same in parts.values() for folder in same)
    if len(parts) == 1 and others and flat and not any(is_heap(folder.name) for folder in others):
        return
    names = ", ".join(folder.name for same in parts.values() for folder in same)
    numbered_train = [folder.name for folder in others if (part_of(folder.name) or ("",))[0] == "train"]
    if numbered_train:
        raise refuse(
            root,
            f"beside the folders to evaluate on ({names}), several may be parts to train on, or none "
            f"({', '.join(numbered_train[:3])}).",
            "Put all pictures to train on into one folder train, with one folder for each class in it.",
        )
    raise refuse(
        root,
        f"there is a part to evaluate on ({names}), and none to train on.",
        "Add a folder train; or name the one folder that should be divided by patient, as the folder to load; or, if "
        "these are classes, name them with class_names=.",
    )


def _with_classes(found: dict[str, Folder], node: Folder, root: Folder, class_names: Sequence[str] | None) -> Structure:
    notes, left, doubts = [], [], list(_loose(node))
    parts = {}
    for part, folder in found.items():
        inside = _class_level(folder)
        if inside.same_as is not None:
            raise refuse(root, f"{folder.name} is a link to {inside.same_as}.", "Every part needs its own pictures.")
        if not inside.folders:
            flat = not any(other.folders for other in node.folders)
            raise refuse(
                root,
                f"{folder.path} holds {numbered(len(inside.pictures), 'picture')} and no class folders, so their "
                "labels are not known.",
                "Put the pictures of each class into a folder with its name; move pictures without labels elsewhere."
                + f" {SAY}" * flat,
            )
        doubts += (*check_class_folders(inside, root, class_names), *_loose(inside))
        parts[part] = _as_classes(inside)
    for other in node.folders:
        if other not in found.values() and (number := other.count()):
            if _is_copy(other, node):
                notes.append(_copy_note(other, number))
            else:
                left.append(f"{other.name} ({numbered(number, 'picture')})")
    if left:
        known = ", ".join(folder.name for folder in found.values())
        doubts.append(f"Left out, since beside the parts {known}: {', '.join(left)}.")
    return Structure(parts, tuple(notes), tuple(doubts))


def _class_level(folder: Folder) -> Folder:
    """Go into "images", "data" or a folder of the same name, if there is nothing else."""
    while len(folder.folders) == 1 and not folder.pictures:
        (inside,) = folder.folders
        if not (inside.folders and (is_container(inside.name) or inside.name.lower() == folder.name.lower())):
            break
        folder = inside
    return folder


def _parts_in_classes(node: Folder, root: Folder) -> dict[str, Classes] | None:
    """Parts below the class folders: NORMAL/train, PNEUMONIA/train."""
    if len(node.folders) < 2:
        return None
    found = {folder.name: _find_parts(folder, root) for folder in node.folders if folder.folders}
    with_parts = [name for name, parts in found.items() if parts]
    if not with_parts:
        return None
    lists = {tuple(parts or ()) for parts in found.values()}
    if len(with_parts) < len(node.folders) or len(lists) > 1 or any(folder.pictures for folder in node.folders):
        raise refuse(
            root,
            f"some class folders are divided into parts ({', '.join(with_parts[:3])}), and not all in the same way.",
            "Give every class the same parts.",
        )
    turned = {part: {name: parts[part] for name, parts in found.items() if parts} for part in next(iter(lists))}
    for folders in turned.values():  # hospital_A/train/NORMAL, hospital_B/train/NORMAL: hospitals are no classes
        check_below(Folder(node.path, list(folders.values())), root, [folder.name for folder in node.folders])
    return turned


def _without_copy(node: Folder, root: Folder) -> tuple[Folder, tuple[str, ...]]:
    """The same level without a folder that holds all the others once more."""
    for folder in node.folders:
        rest = [inside for inside in node.folders if inside is not folder]
        if {inside.name for inside in folder.folders} != {inside.name for inside in rest} or not rest:
            continue
        if not _is_copy(folder, node):
            raise refuse(
                root,
                f"{folder.path} holds folders of the same names as those beside it, and other pictures.",
                "Put what belongs together into one folder.",
            )
        if number := folder.count():
            return Folder(node.path, rest, node.pictures, node.unread, node.tables), (_copy_note(folder, number),)
    return node, ()


def _is_copy(folder: Folder, around: Folder) -> bool:
    """Whether all pictures of a folder are also around it, at the same places."""
    inside = {path.relative_to(folder.path) for below in folder.walk() for path in below.pictures}
    others = [other for other in around.folders if other is not folder]
    outside = {path.relative_to(around.path) for o in others for below in o.walk() for path in below.pictures}
    return inside <= outside


def _copy_note(folder: Folder, number: int) -> str:
    return (
        f"{folder.name} inside {folder.path.parent.name} is a second copy ({numbered(number, 'picture')}): passed over."
    )


def _as_classes(node: Folder) -> Classes:
    return {folder.name: folder for folder in node.folders}


def _loose(node: Folder) -> tuple[str, ...]:
    if not node.pictures:
        return ()
    number = numbered(len(node.pictures), "picture")
    return (f"{number} in no class folder (for example {node.pictures[0].name} in {node.name}): left out.",)
