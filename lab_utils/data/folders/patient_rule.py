"""Whose picture is it? As the user says: by a regular expression, a function or a table."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

PatientRule = str | re.Pattern[str] | Callable[[Path], object] | Mapping[str, object]


def names_as_told(files: Sequence[Path], below: Sequence[str], patient: PatientRule) -> tuple[list[str], str]:
    """The patient of each file by the user's rule, and what that rule is called.

    Args:
        files: the files.
        below: their paths below the root.
        patient: as in `patients_of`.

    Raises:
        ValueError: if the rule is none, does not name a patient for every file, or names one for all.
    """
    if hasattr(patient, "to_dict") and hasattr(patient, "index"):
        patient = _from_column(patient)
    if isinstance(patient, str | re.Pattern):
        names = _by_expression(files, below, patient)
        scheme = f"the group of patient=r'{getattr(patient, 'pattern', patient)}'"
    elif isinstance(patient, Mapping):
        names = [_in_table(path, name, patient) for path, name in zip(files, below, strict=True)]
        scheme = "the table patient="
    elif callable(patient):
        names = [_stated(_call(patient, path), name) for path, name in zip(files, below, strict=True)]
        scheme = "the function patient="
    else:
        raise ValueError(
            "patient= must be a regular expression with one group, a function of the path, a dict (or a column) from "
            f"file name to patient, or 'unknown'; got {type(patient).__name__}. For example patient=r'^(\\d+)_'."
        )
    if len(set(names)) == 1 < len(names):
        raise ValueError(
            f"patient= should tell patients apart; it gives all {len(names)} pictures to the one patient {names[0]!r}. "
            "Check it with two file names."
        )
    return names, scheme


def _from_column(column: Any) -> Mapping[str, object]:
    """A column of a table (a pandas Series) whose index holds the names of the files."""
    if not column.index.is_unique:
        raise ValueError(
            "patient= as a column needs each file name once in its index; some are there twice. Drop the copies: "
            "column[~column.index.duplicated()]."
        )
    return cast(Mapping[str, object], column.to_dict())


def _by_expression(files: Sequence[Path], below: Sequence[str], expression: str | re.Pattern[str]) -> list[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ValueError(
            f"patient={expression!r} must be a regular expression; it is none ({error}). For example r'^(\\d+)_'."
        ) from error
    if pattern.groups != 1:
        raise ValueError(
            f"patient={pattern.pattern!r} must have exactly one group in brackets, the patient; it has "
            f"{pattern.groups}. For example r'^(\\d+)_'; brackets that are no group begin with (?:."
        )
    found = [pattern.search(path.name) for path in files]
    if not all(found):  # the patient may be a folder
        found = [pattern.search(path) for path in below]
    return [_stated(match and match[1], path) for match, path in zip(found, below, strict=True)]


def _in_table(path: Path, below: str, table: Mapping[str, object]) -> str:
    key = next((key for key in (below, path.name, path.stem) if key in table), None)
    return _stated(None if key is None else table[key], below)


def _call(patient: Callable[[Path], object], path: Path) -> object:
    try:
        return patient(path)
    except Exception as error:  # the function is the user's
        raise ValueError(
            f"patient= must name a patient for every picture; the function failed on {path} "
            f"({type(error).__name__}: {error}). Correct it, or take this file out of the folder."
        ) from error


def _stated(name: object, path: str) -> str:
    """The patient as text; whole numbers are fine, nothing and NaN are not."""
    if name is None or name != name or not str(name).strip():
        raise ValueError(
            f"patient= must name a patient for every picture; it gives {name!r} for {path}. Correct it, or take this "
            "file out of the folder."
        )
    return str(name)
