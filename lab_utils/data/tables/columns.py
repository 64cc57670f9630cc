"""The columns of a table of labels, as text."""

from collections import Counter
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
        if name is not None and name in self.cells:
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
    """Read a table: a csv file (its path, also from `root`), a pandas DataFrame, or a dict of columns.

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
        found = sorted(str(one.relative_to(root)) for depth in ("*", "*/*") for one in root.glob(f"{depth}.csv"))
        raise FileNotFoundError(
            f"table= must be a csv file; there is no {table} in {root.absolute()}, nor in the working folder. "
            f"{f'There is {_some(found)}.' if found else 'There is no csv file in that folder at all.'}"
        )
    lines = read_lines(path)
    names = [name.strip() for name in lines[0][1]] if lines else []
    while names and not names[-1]:  # a comma at the end of the line
        names.pop()
    if len(lines) < 2 or not all(names) or len(set(names)) < len(names):
        twice = [name for name, count in Counter(names).items() if count > 1 or not name]
        raise ValueError(
            f"{path} must begin with a line of different names of columns, and have a line for each picture; "
            f"{f'the names {_some(twice)} are not' if twice else f'it has {len(lines)} lines'}. Save it again "
            "with both."
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
    columns = table.to_dict("list") if hasattr(table, "to_dict") else table
    if not isinstance(columns, Mapping) or not columns or len({len(cells) for cells in columns.values()}) != 1:
        raise ValueError(
            "table= must be the path of a csv file, a pandas DataFrame, or a dict of columns of one length; got "
            f"{type(table).__name__}. For example table='labels.csv'."
        )
    if not len(next(iter(columns.values()))):
        raise ValueError("table= must have a row for each picture; it has none.")
    return Columns("table=", {str(name): [_text(cell) for cell in cells] for name, cells in columns.items()})


def _text(cell: object) -> str:
    return "" if cell is None or cell != cell else str(cell).strip()


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:5])) + ", ..." * (len(names) > 5)
