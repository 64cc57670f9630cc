"""Where the tables of a public set lie, official parts that share patients, and findings that are asked for."""

from collections.abc import Sequence
from pathlib import Path

from lab_utils.data.tables.dividing import owners_in_two
from lab_utils.names import unexpected, unknown_name


def find_table(root: Path, names: Sequence[str], *, of: str, access: str, required: bool = True) -> Path | None:
    """The first of these files that is in a folder, or in one of the folders in it.

    Args:
        root: the folder that the user names.
        names: what the file is called in the editions of the set; may hold ``*``. It may also be packed, as
            ``name.gz``.
        of: the set.
        access: where to get it.
        required: whether its absence is an error; else None is returned.

    Raises:
        FileNotFoundError: saying what was expected, and where to get it.
    """
    for name in (whole + packed for whole in names for packed in ("", ".gz")):
        for depth in ("", "*/", "*/*/"):
            for path in sorted(root.glob(depth + name)):
                if path.is_file() and not path.name.startswith("._") and "__MACOSX" not in path.parts:
                    return path
    if not required:
        return None
    raise absent(root, f"a table {' or '.join(names)}", of=of, access=access)


def check_findings(findings: object, known: Sequence[str], *, of: str) -> None:
    """Refuse findings= that are no list of known names.

    Raises:
        ValueError: naming the nearest that there is.
    """
    if isinstance(findings, str) or not isinstance(findings, Sequence) or not findings:
        raise unexpected("findings", f"a list of names, such as findings={list(known[:2])}", findings)
    if unknown := [name for name in findings if name not in known]:
        raise unknown_name(f"finding of {of}", unknown[0], known)


def absent(root: Path, what: str, *, of: str, access: str) -> FileNotFoundError:
    """The error of a folder that does not hold what it should."""
    found = sorted(path.name for path in root.iterdir())[:8] if root.is_dir() else []
    return FileNotFoundError(
        f"{of} has {what}; there is none in {root.absolute()}, which "
        f"{f'holds {chr(44).join(found)}' if found else 'is empty, or no folder'}. Name the folder that the set was "
        f"unpacked to with root=. {access}"
    )


def apart(parts: Sequence[str], patients: Sequence[str]) -> tuple[list[str], list[str]]:
    """Official parts, but what a patient has in test comes into train if he is in both; and a note on that."""
    shared = set(owners_in_two(patients, parts))
    note = f"{len(shared):,} patients are in train and test of the official division: all of theirs is in train here."
    kept = ["train" if patient in shared else part for part, patient in zip(parts, patients, strict=True)]
    return kept, [note] if shared else []
