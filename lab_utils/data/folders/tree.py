"""What lies in a folder of pictures: read once, without what programs leave behind, and drawn for an error.

Passed over at every depth are hidden files and folders (their names begin with a dot), the folders that computers and
file servers make (``__MACOSX``, ``@eaDir``, ``$RECYCLE.BIN``, ``lost+found``, ``__pycache__`` ...) and links that lead
back to a folder above them.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SUFFIXES = (".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".dcm", ".dicom")
_MADE_BY_COMPUTERS = """
__macosx __pycache__ @eadir @tmp @recycle @recently-snapshot #recycle #snapshot $recycle.bin recycler recycled
lost+found node_modules thumbs.db ehthumbs.db desktop.ini"""
TOOLS = frozenset(_MADE_BY_COMPUTERS.split()) | {"system volume information", "icon\r"}
# Texts, tables and code lie beside pictures everywhere. Any other file might have been meant as a picture.
_DOCUMENTS = """
.csv .tsv .txt .md .rst .rtf .xml .json .jsonl .yaml .yml .toml .ini .cfg .xls .xlsx .ods .doc .docx .odt .ppt .pptx
.html .htm .css .js .tex .bib .log .py .ipynb .r .m .sh .bat .lnk .url .md5 .sha256 .db"""
DOCUMENTS = frozenset(_DOCUMENTS.split())
BARE = re.compile(r"readme|licen[cs]e|copying|notice|changelog|citation|version|makefile|md5sums?|sha256sums?", re.I)
LINES = 14  # of a drawing


@dataclass
class Folder:
    """One folder: what is in it, without what was passed over."""

    path: Path
    folders: list["Folder"] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)  # ending -> number of files that are not read
    tables: list[str] = field(default_factory=list)  # names of csv files and the like
    passed_over: Counter[str] = field(default_factory=Counter)  # name of a tool's folder -> pictures in it
    left_out: list[Path] = field(default_factory=list)  # masks and the like, see companions.py
    same_as: Path | None = None  # a link to a folder that was read before: empty then

    @property
    def name(self) -> str:
        """The name of the folder itself."""
        return self.path.name

    def walk(self) -> Iterator["Folder"]:
        """This folder and all below it."""
        yield self
        for folder in self.folders:
            yield from folder.walk()

    def count(self) -> int:
        """Number of pictures here and below."""
        return sum(len(folder.pictures) for folder in self.walk())

    def all_unread(self) -> Counter[str]:
        """Endings of the files here and below that are not read, with their numbers."""
        return sum((folder.unread for folder in self.walk()), Counter())


def scan(root: Path) -> Folder:
    """Read a folder and all below it; every real folder once, whatever links there are.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if a picture is a link to nothing, or no file at all (a pipe, for example).
    """
    if not root.is_dir():
        raise FileNotFoundError(
            f"a folder of class folders was expected at {root.absolute()}; there is none. Check the path and the "
            "working folder."
        )
    return _scan(root, {})


def is_tool(name: str) -> bool:
    """Whether a file or folder is hidden, or one that a computer makes for itself."""
    return name.startswith(".") or name.lower() in TOOLS


def identity(path: Path) -> object:
    """The same for two paths only if they lead to the same file or folder; some file systems do not number files."""
    status = path.stat()
    return (status.st_dev, status.st_ino) if status.st_ino else path.resolve()


def _scan(path: Path, seen: dict[object, Path]) -> Folder:
    if (key := identity(path)) in seen:
        return Folder(path, same_as=seen[key])
    seen[key] = path
    folder = Folder(path)
    # Folders before links to folders: where both lead to one place, the folder itself is the one that is read.
    try:
        entries = sorted(os.scandir(path), key=lambda entry: (entry.is_symlink(), entry.name.lower(), entry.name))
    except PermissionError as error:
        raise PermissionError(
            f"{path.absolute()} should be a folder that you may read; the system says {error.strerror!r}. Ask its "
            "owner for the right to read it, or remove it from the set."
        ) from error
    for entry in entries:
        if is_tool(entry.name):
            _pass_over(folder, entry)
        elif entry.is_dir():
            inside = _scan(Path(path, entry.name), seen)
            above = (path, *path.parents)
            if inside.same_as not in above:
                folder.folders.append(inside)
        else:
            _add_file(folder, entry)
    folder.folders.sort(key=lambda inside: (inside.name.lower(), inside.name))
    folder.pictures.sort()
    return folder


def _add_file(folder: Folder, entry: os.DirEntry[str]) -> None:
    path = Path(folder.path, entry.name)
    suffix = path.suffix.lower()
    if (suffix in SUFFIXES or not suffix) and not entry.is_file():
        what = "a link to something that is not there" if entry.is_symlink() else "a pipe or a device, no file"
        raise ValueError(f"{path}: a picture was expected; this is {what}. Put the picture there, or remove it.")
    if suffix in SUFFIXES:
        folder.pictures.append(path)
    elif suffix in DOCUMENTS or (not suffix and BARE.match(entry.name)):
        if suffix in (".csv", ".tsv", ".xls", ".xlsx"):
            folder.tables.append(entry.name)
    else:
        folder.unread[".nii.gz" if entry.name.lower().endswith(".nii.gz") else suffix or "no ending"] += 1


def _pass_over(folder: Folder, entry: os.DirEntry[str]) -> None:
    """Count the pictures of a tool's folder, or a hidden file with a picture's name."""
    files = [entry.name]
    if entry.is_dir():
        files = [name for _, _, names in os.walk(entry.path) for name in names]
    number = sum(name.lower().endswith(SUFFIXES) for name in files)
    if number:
        folder.passed_over[entry.name if entry.is_dir() else "hidden files"] += number


def draw(root: Folder) -> str:
    """A few lines that show folders with their numbers of pictures, for an error or a note."""
    return "\n".join([f"{root.path.absolute()}/", *_draw_below(root, LINES - 1, 1)])


def _draw_below(folder: Folder, room: int, depth: int) -> list[str]:
    """At most `room` lines; every folder of this level is named before any is opened, as far as there is room."""
    margin = "  " * depth
    lines_of_own = [f"{margin}{name}" for name in folder.tables[:2]]
    if folder.pictures:
        lines_of_own.append(f"{margin}{numbered(len(folder.pictures), 'picture')}")
    if folder.unread:
        lines_of_own.append(f"{margin}{kinds(folder.unread)}")
    room -= len(lines_of_own)
    few = folder.folders if len(folder.folders) <= room else folder.folders[: max(room - 1, 1)]
    spare = room - len(few) - (len(few) < len(folder.folders))
    lines = []
    for inside in few:
        lines.append(f"{margin}{inside.name}/{_inside(inside)}")
        if inside.folders and depth < 4 and (share := min(spare, max(2, spare // len(few)))) > 0:
            below = _draw_below(inside, share, depth + 1)
            lines += below
            spare -= len(below)
    if len(few) < len(folder.folders):
        lines.append(f"{margin}... and {len(folder.folders) - len(few)} more folders")
    return lines + lines_of_own


def _inside(folder: Folder) -> str:
    if folder.same_as is not None:
        return f"  (a link to {folder.same_as})"
    number = folder.count()
    words = [numbered(number, "picture")] if number else []
    words += [kinds(unread)] if (unread := folder.all_unread()) else []
    return f"  {', '.join(words) or 'no pictures'}"


def kinds(unread: Counter[str]) -> str:
    """For example "12 files .dcm, 1 file .gif"."""
    most = unread.most_common(4)
    words = [
        f"{numbered(number, 'file')} {suffix if suffix.startswith('.') else f'({suffix})'}" for suffix, number in most
    ]
    return ", ".join(words) + ", ..." * (len(unread) > len(most))


def numbered(number: int, word: str) -> str:
    """For example "1 picture", "2,000 pictures"."""
    return f"{number:,} {word}{'s' * (number != 1)}"
