"""The file of predictions that a homework is handed in with: a probability for every test image, by some networks."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.atomic import write_text
from lab_utils.checks import outcome
from lab_utils.checks.hospitals import images_file, read_images
from lab_utils.profile import results_folder
from lab_utils.text_files import decoded

LARGEST = 2**20  # characters: 400 rows have some 30,000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")


@dataclass(frozen=True)
class PredictionsFile:
    """The form of the file.

    Attributes:
        homework: its name.
        columns: in their order, each of a network.
        positive: the name of class 1.
    """

    homework: str
    columns: tuple[str, ...]
    positive: str = "pneumonia"

    @property
    def file(self) -> str:
        """Its name."""
        return f"{self.homework}_predictions.csv"

    def path(self) -> Path:
        """Return where the file belongs: beside the notebook, or in the folder LAB_RESULTS where that is set."""
        return (results_folder() or Path.cwd()) / self.file

    def write(self, columns: Mapping[str, Any], images: int) -> Path | None:
        """Write the columns that there are, whole or not at all.

        Args:
            columns: name, one of `columns`, to the probability of class 1 of each test image, (images,); None where
                there is none yet.
            images: number of test images.

        Returns:
            The path of the file, or None if there is no column yet.

        Raises:
            ValueError: if a name is unknown or a column is no probability for each image.
        """
        if unknown := sorted(set(columns) - set(self.columns)):
            raise ValueError(
                f"Expected columns out of {', '.join(self.columns)}, got {unknown[0]!r}. Correct its name."
            )
        found = {
            name: np.asarray(columns[name], dtype=np.float64) for name in self.columns if columns.get(name) is not None
        }
        for name, values in found.items():
            if values.shape != (images,) or not ((values >= 0) & (values <= 1)).all():
                raise ValueError(
                    f"Expected {name} to hold a probability from 0 to 1 for each of the {images} test images, shape "
                    f"({images},), got shape {values.shape} with values like {values.ravel()[:3].round(3).tolist()}. "
                    f"Take the softmax of the logits, and of it the column of {self.positive}."
                )
        if not found:
            return None
        rows = [["image", *found]]
        rows += [[str(i), *(f"{values[i]:.6f}" for values in found.values())] for i in range(images)]
        path = self.path()
        write_text(path, "".join(",".join(row) + "\n" for row in rows))
        return path

    def read(self, text: str, images: int) -> dict[str, NDArray[np.float64]]:
        """Read what students hand in. Anything may stand in it.

        Args:
            text: the file: a header with "image" and some of `columns`, then one row per test image, in any order. What
                a spreadsheet makes of that is read, too: quotes, semicolons or tabs, and then decimal commas.
            images: number of test images.

        Returns:
            Column to the probability of each image, in [0, 1], (images,), in the order of the images.

        Raises:
            ValueError: saying what is wrong, and in which line.
        """
        if len(text) > LARGEST:
            raise ValueError(f"{self.file} is larger than 1 MB. It should hold one short line for each test image.")
        lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
        while len(lines) > 1 and not lines[-1].strip(' ,;\t"'):  # rows without anything, as spreadsheets leave them
            lines.pop()
        separator = "," if "," in lines[0] else next((sign for sign in ";\t" if sign in lines[0]), ",")
        header = _cells(lines[0], separator)
        columns = header[1:]
        if header[0] != "image" or not columns or set(columns) - set(self.columns) or len(set(columns)) < len(columns):
            raise ValueError(
                f"The first line of {self.file} should be image,{','.join(self.columns)} (or some of these columns, "
                f"each once), but it is {_short(lines[0])}."
            )
        if len(lines) - 1 != images:
            raise ValueError(f"{self.file} has {len(lines) - 1} rows below its header; there are {images} test images.")
        table = np.full((images, len(columns)), np.nan)
        seen = np.zeros(images, dtype=bool)
        for number, line in enumerate(lines[1:], start=2):
            cells = _cells(line, separator)
            if len(cells) != len(header):
                raise ValueError(
                    f"Line {number} of {self.file} has {len(cells)} entries, the first line has {len(header)}."
                )
            image = _image(cells[0], images, number, self.file)
            if seen[image]:
                raise ValueError(f"Line {number} of {self.file} is a second row for image {image}.")
            seen[image] = True
            numbers = cells[1:] if separator == "," else [cell.replace(",", ".") for cell in cells[1:]]
            table[image] = [_probability(cell, number, self.file) for cell in numbers]
        return {name: table[:, place].copy() for place, name in enumerate(columns)}

    def describe(self, path: Path, images: int) -> tuple[bool, str]:
        """Say whether the file can be graded, and what is in it."""
        if not path.is_file():
            return (
                False,
                f"There is no {self.file} yet. The cell above writes it when a network has made its predictions.",
            )
        try:
            if path.stat().st_size > 4 * LARGEST:
                raise ValueError(f"{self.file} is larger than 1 MB. It should hold one short line for each test image.")
            table = self.read(decoded(path.read_bytes(), errors="replace"), images)
        except (ValueError, OSError) as error:
            return False, str(error)
        missing = [name for name in self.columns if name not in table]
        constant = [name for name, values in table.items() if np.ptp(values) == 0]
        if constant:
            return False, f"All probabilities of {constant[0]} are the same: this network says nothing."
        if classes := [name for name, values in table.items() if set(values) <= {0.0, 1.0}]:
            return (
                False,
                f"{classes[0]} holds only 0 and 1: these are classes. Write the probabilities, they rank the images.",
            )
        rest = f" Still missing: {', '.join(missing)}." if missing else " All columns are there."
        return not missing, f"The form is right: {images} images.{rest} Commit the file beside your notebook."

    def check(self, images: int) -> None:
        """Print whether the file has the right form."""
        complete, text = self.describe(self.path(), images)
        outcome.show(outcome.Outcome(self.file, "correct" if complete else "not attempted", text, note=""))

    def examine(self, folder: Path) -> outcome.Outcome:
        """Return what becomes of the file in the folder of the notebook."""
        path = folder / self.file
        if not path.is_file():
            hint = "There is no such file beside the notebook. The notebook writes it when your networks are trained."
            return outcome.Outcome(self.file, "not attempted", hint, note="")
        count = len(read_images(images_file(self.homework)))
        complete, text = self.describe(path, count)
        try:
            self.read(decoded(path.read_bytes(), errors="replace"), count)
        except (ValueError, OSError):
            return outcome.Outcome(self.file, "incorrect", text, note="")
        return outcome.Outcome(self.file, "correct" if complete else "not attempted", text, note="")


def probabilities(returned: Any, counts: Mapping[str, int], name: str) -> dict[str, NDArray[np.float64]]:
    """Return what a function of the student predicts, as arrays, so that all that follows can use it.

    Args:
        returned: what came back: part to the probability of each of its images.
        counts: part to its number of images.
        name: of the function.

    Returns:
        Part to probabilities in [0, 1], (images,).

    Raises:
        ValueError: if something else came back.
    """
    if not isinstance(returned, Mapping) or set(counts) - set(returned):
        got = f"the names {sorted(map(str, returned))}" if isinstance(returned, Mapping) else type(returned).__name__
        raise ValueError(
            f"Expected `{name}` to return a dict with the names {', '.join(counts)}, got {got}. Return the "
            "probabilities for each name of `pictures`."
        )
    found = {}
    for part, count in counts.items():
        values = returned[part].detach().cpu() if isinstance(returned[part], Tensor) else returned[part]
        found[part] = np.asarray(values, dtype=np.float64)
        if found[part].shape != (count,):
            raise ValueError(
                f"Expected `{name}` to return one probability for each of the {count} images of {part!r}, shape "
                f"({count},), got shape {found[part].shape}. Predict the images of `pictures`; return one column."
            )
        if not ((found[part] >= 0) & (found[part] <= 1)).all():
            raise ValueError(
                f"Expected `{name}` to return probabilities from 0 to 1, got {found[part].min():.3g} to "
                f"{found[part].max():.3g} for {part!r}. Take the softmax of the logits, over the classes."
            )
    return found


def _image(cell: str, images: int, number: int, file: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", cell) or int(cell) >= images:
        raise ValueError(
            f"Line {number} of {file} begins with {_short(cell)}; expected the number of an image, 0 to {images - 1}."
        )
    return int(cell)


def _probability(cell: str, number: int, file: str) -> float:
    value = float(cell) if len(cell) < 40 and _NUMBER.fullmatch(cell) else math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"Line {number} of {file} holds {_short(cell)}; expected a probability from 0 to 1.")
    return value


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without the quotes that a spreadsheet puts around cells or whole lines."""
    return [cell.strip().strip('"').strip() for cell in line.split(separator)]


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
