"""Where the tables of a public set lie."""

from collections.abc import Sequence
from pathlib import Path


def find_table(root: Path, names: Sequence[str], *, of: str, access: str, required: bool = True) -> Path | None:
    """The first of these files that is in a folder, or in one of the folders in it.

    Args:
        root: the folder that the user names.
        names: what the file is called in the editions of the set; may hold ``*``.
        of: the set.
        access: where to get it.
        required: whether its absence is an error; else None is returned.

    Raises:
        FileNotFoundError: saying what was expected, and where to get it.
    """
    for name in names:
        for depth in ("", "*/", "*/*/"):
            for path in sorted(root.glob(depth + name)):
                if path.is_file() and not path.name.startswith("._") and "__MACOSX" not in path.parts:
                    return path
    if not required:
        return None
    found = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else []
    raise FileNotFoundError(
        f"{of} has a table {' or '.join(names)}; there is none in {root.absolute()}, which "
        f"{f'holds {chr(44).join(found)}' if found else 'is empty, or no folder'}. Name the folder that the set was "
        f"unpacked to with root=. {access}"
    )
