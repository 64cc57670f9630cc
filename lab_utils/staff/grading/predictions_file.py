"""Find and read the file of predictions of a submission."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab_utils.staff.grading import result as status
from lab_utils.staff.grading.key import Key
from lab_utils.staff.grading.predictions import Floats, Predictions
from lab_utils.text_files import decoded

LARGEST = 4 * 2**20  # bytes


def find_predictions(folder: Path, notebook: str, key: Key) -> tuple[str, str]:
    """Return the path of the file of predictions in the submission, or "" and why there is none.

    That beside the notebook counts, then the first of this name. Without any, the only one of nearly this name does:
    browsers and systems call a second copy "name (1).csv".
    """
    if key.predictions is None:
        return "", ""
    name = key.predictions.file
    files = [path for path in sorted(folder.rglob("*")) if is_own_file(path, folder)]
    named = [path for path in (folder / Path(notebook).parent / name, *files) if path.name == name and path in files]
    stem, suffix = (part.lower() for part in os.path.splitext(name))
    ours = (path for path in files if ".ipynb_checkpoints" not in path.parts)
    like = [path for path in ours if path.name.lower().startswith(stem) and path.suffix.lower() == suffix]
    if named or len(like) == 1:
        return (named or like)[0].relative_to(folder).as_posix(), ""
    if not like:
        return "", f"There is no file {name} in the repository."
    several = ", ".join(path.name[:80] for path in like[:5])
    return "", f"There is no file {name}, and more than one of nearly this name: {several}. Keep one, and rename it."


def read_predictions(path: Path, key: Key) -> tuple[dict[str, Any], str, str]:
    """Return the columns of the predictions file; or none, the status that this means, and why."""
    assert key.predictions is not None
    if path.stat().st_size > LARGEST:
        return {}, status.WRONG, f"{path.name} is larger than {LARGEST // 2**20} MiB."
    try:
        text = decoded(path.read_bytes(), errors="replace")
        return key.predictions.read(text, len(key.labels)), status.MISSING, ""
    except ValueError as error:
        return {}, status.WRONG, str(error)


def read_column_table(folder: Path, file: str, form: Predictions, images: int) -> dict[str, Floats]:
    """Return the columns of a file of predictions below `folder`; none where it cannot be read."""
    path = folder / file
    if not file or not is_own_file(path, folder) or path.stat().st_size > LARGEST:
        return {}
    with suppress(ValueError):
        return form.read(decoded(path.read_bytes(), errors="replace"), images)
    return {}


def is_own_file(path: Path, folder: Path) -> bool:
    """Say whether a path is a file of the submission, and not a link to anywhere."""
    return not path.is_symlink() and path.resolve().is_relative_to(folder.resolve()) and path.is_file()
