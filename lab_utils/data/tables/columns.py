"""The columns of a table of labels, as text."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lab_utils.names import did_you_mean
from lab_utils.text_files import read_lines


class Columns(NamedTuple):
    """A table: what it is called, and its columns by name, all of one length, without blanks around the cells."""

    source: str
    cells: dict[str, list[str]]

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())))

    def get(self, name: str | None, argument: str) -> list[str]:
        """One column.

        Raises:
            ValueError: if there is none of that name; it lists those that there are.
        """
        if isinstance(name, str) and name in self.cells:
            return self.cells[name]
        raise ValueError(
            f"{argument} must name a column of {self.source}; got {name!r}. {self.describe()}"
            f"{did_you_mean(name, self.cells)}"
        )

    def describe(self) -> str:
        """Names of the columns, each with a cell."""
        shown = [f"{name!r} (for example {cells[0][:40]!r})" for name, cells in self.cells.items()]
        return f"Its columns are {', '.join(shown[:20])}{', ...' * (len(shown) > 20)}."

    def rows(self, chosen: Iterable[int]) -> "Columns":
        """Some of the rows."""
        places = list(chosen)
        return Columns(self.source, {name: [cells[i] for i in places] for name, cells in self.cells.items()})


def read_columns(table: Any, root: Path) -> Columns:
    """Read a table: a csv file or a csv.gz (its path, also from `root`), a pandas DataFrame, or a dict of columns.

    Raises:
        FileNotFoundError: if there is no such file; it names the tables beside.
        ValueError: if it is no table, or a line has too many or too few cells.
    """
    if isinstance(table, Columns):
        return table
    if not isinstance(table, str | Path):
        return _from_memory(table)
    path = next((path for path in (root / table, Path(table).expanduser()) if path.is_file()), None)
    if path is None:
        endings = [f"{depth}.csv{packed}" for depth in ("*", "*/*") for packed in ("", ".gz")]
        found = sorted(str(one.relative_to(root)) for ending in endings for one in root.glob(ending))
        raise FileNotFoundError(
            f"table= must be a csv file; there is no {table} in {root.absolute()}, nor in the working folder. "
            f"{f'There is {_some(found)}.' if found else 'There is no csv file in that folder at all.'}"
        )
    lines = read_lines(path, strict=True, packed=True)
    names = [name.strip() for name in lines[0][1]] if lines else []
    while names and not names[-1]:  # a comma at the end of the line
        names.pop()
    names = [name or f"Unnamed: {i}" for i, name in enumerate(names)]  # as pandas does: an index that was saved, too
    _check_names(names, str(path))
    if len(lines) < 2:
        raise ValueError(
            f"{path} must begin with a line of names of columns, and have a line for each picture; it has "
            f"{len(lines)} lines. Save it again with both."
        )
    rows = []
    for number, cells in lines[1:]:
        if len(cells) < len(names) or any(cell.strip() for cell in cells[len(names) :]):
            raise ValueError(
                f"{path}, line {number}: {len(names)} cells were expected, as in the first line; there are "
                f"{len(cells)}. A cell that holds a comma must stand in quotes. Correct the line."
            )
        rows.append([cell.strip() for cell in cells])
    return Columns(str(path), {name: [row[i] for row in rows] for i, name in enumerate(names)})


def _from_memory(table: Any) -> Columns:
    columns = table
    if hasattr(table, "columns"):  # a DataFrame, which may have a name twice
        _check_names(list(map(str, table.columns)), "table=")
        columns = {name: list(table[name]) for name in table.columns}
    if not isinstance(columns, Mapping) or not columns or len({len(cells) for cells in columns.values()}) != 1:
        raise ValueError(
            "table= must be the path of a csv file, a pandas DataFrame, or a dict of columns of one length; got "
            f"{type(table).__name__}. For example table='labels.csv'."
        )
    if not len(next(iter(columns.values()))):
        raise ValueError("table= must have a row for each picture; it has none.")
    _check_names(list(map(str, columns)), "table=")
    return Columns("table=", {str(name): [_text(cell) for cell in cells] for name, cells in columns.items()})


def _check_names(names: Sequence[str], source: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"{source} must have different names of columns; {_some(twice)} is there more than once. Rename or remove "
            "one of them."
        )


def _text(cell: object) -> str:
    text = "" if cell is None else str(cell).strip()
    return "" if text in ("nan", "NaT", "<NA>") else text  # as pandas writes what is missing


def alike(names: Iterable[str]) -> list[str]:
    """The first names that differ only in capitals, blanks, invisible signs, zeros in front or ``.0`` at the end."""
    groups = defaultdict(list)
    for name in sorted(set(names)):
        groups[_plain(name)].append(name)
    return next((group for group in groups.values() if len(group) > 1), [])


def _plain(name: str) -> str:
    text = "".join(sign for sign in name.casefold() if sign.isprintable())
    text = re.sub(r"(?<!\d)[ _]+|[ _]+(?!\d)", "", text)  # "1_23" is not "12_3"
    text = re.sub(r"^(-?\d+)[.,]0+$", r"\1", text)
    return re.sub(r"(?<![\d.,])0+(?=\d)", "", text)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + ", ..." * (len(names) > 5)
