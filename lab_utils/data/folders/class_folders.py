"""Whether folders are classes, as far as their names and what is in them tell; and how a doubt is refused."""

from collections.abc import Collection, Sequence

from lab_utils.data.folders.folder_names import PARTS, are_batches, are_patients, is_container, is_heap, share_names
from lab_utils.data.folders.tree import Folder, draw, kinds, numbered

KNOWN = """The structures that are understood:
  root/NORMAL/*.png  root/PNEUMONIA/*.png                        divided by patient
  root/train/NORMAL/*.png ...  root/test/NORMAL/*.png ...        parts as they are
  root/NORMAL/train/*.png ...  root/PNEUMONIA/test/*.png ...     the same"""

SAY = "If these are the classes all the same, name them with class_names=."


def refuse(root: Folder, why: str, what_to_do: str) -> ValueError:
    """An error that draws what was found and shows what is understood."""
    tables = [name for folder in root.walk() for name in folder.tables]
    if tables:
        likely = next((name for name in tables if "train" in name.lower() or "label" in name.lower()), tables[0])
        what_to_do += (
            f" If {likely} holds the labels: folders are all that is read here, so move each picture into a folder "
            "named after its label, or build a lab_utils.data.splits.Split from images and labels of your own."
        )
    return ValueError(f"{root.path}: {why} {what_to_do}\nFound:\n{draw(root)}\n{KNOWN}")


def check_class_folders(node: Folder, root: Folder, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """Refuse folders that are no classes, as far as their names and what is in them tell; return doubts."""
    names = [folder.name for folder in node.folders]
    if class_names is not None and set(class_names) == set(names):
        return ()
    if len(names) < 2:
        raise _too_few(node, root)
    heaps = [name for name in names if is_heap(name)]
    like_a_part = len(heaps) == 1 and heaps[0].lower() in PARTS
    if (heaps and not like_a_part) or are_batches(names):
        raise refuse(
            root,
            f"{', '.join((heaps or names)[:3])} {'looks' if len(heaps) == 1 else 'look'} like a part or a batch of a "
            "set, not like a class.",
            f"Put the pictures of each class into a folder with its name. {SAY}",
        )
    if are_patients(names):
        raise refuse(
            root,
            f"the folders {', '.join(names[:3])} ... look like patients or numbers, not like classes.",
            f"Put a folder for each class around them. {SAY}",
        )
    check_below(node, root)
    if like_a_part:
        others = ", ".join(name for name in names if name not in heaps)
        return (f"{heaps[0]} is taken for a class, as {others}, not for a part of the set. class_names= confirms it.",)
    return ()


def _too_few(node: Folder, root: Folder) -> ValueError:
    unread, what_to_do = node.all_unread(), "Put the pictures of each class into a folder with its name."
    held = ", ".join(folder.name for folder in node.folders) or "none"
    if unread and not node.count():
        held += f"; it holds {kinds(unread)}, which are not read"
    if node.left_out:
        first = node.left_out[0].relative_to(node.path)
        held += f"; {numbered(len(node.left_out), 'picture')} left out as masks or the like (for example {first})"
        what_to_do += " If one of these folders is a class all the same, name the classes with class_names=."
    return refuse(
        root, f"at least two class folders with pictures are needed in {node.path}; it holds {held}.", what_to_do
    )


def check_below(node: Folder, root: Folder, names_above: Sequence[str] = ()) -> None:
    """Refuse two levels of folders with names that come again and again: either level may be the classes.

    `names_above` are what to call the upper level, if not by the names of the folders of `node`.
    """
    below = [
        [inside.name for inside in folder.folders if not is_heap(inside.name) and not is_container(inside.name)]
        for folder in node.folders
    ]
    names = {name for inside in below for name in inside}
    if len(names) > 1 and not _may_be_patients(names) and share_names(below):
        above = names_above or [folder.name for folder in node.folders]
        raise refuse(
            root,
            f"{', '.join(above[:3])} hold folders of the same names "
            f"({', '.join(sorted(names)[:3])}): either these or those are the classes.",
            f"Leave one level of folders, that of the classes. {SAY}",
        )


def _may_be_patients(names: Collection[str]) -> bool:
    return are_patients(names) or (len(names) >= 10 and all(any(map(str.isdigit, name)) for name in names))
