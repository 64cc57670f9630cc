"""A study: a list of configurations and a function, beside the numbers that its source prints.

    python -m lab_utils study NAME [--data SET=FOLDER ...] [--plan] [--report] [--only KEY=VALUE ...]

Each of `STUDIES` is a module of this room with a `STUDY`. Without real data a study runs on stand-ins, with networks,
images and lengths so small that it proves every line of the study and nothing about the source. Phantoms are real data
to a study that was made on them: it is small in the profile smoke only.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab_utils.arguments import one_of

if TYPE_CHECKING:
    import pandas as pd

    from lab_utils.data import Split
    from lab_utils.metrics import Interval

STUDIES = ("transfusion", "reproduction", "chexpert_project", "what_works", "claims", "family")
Row = dict[str, Any]
Splits = dict[str, "Split"]
UNTAUGHT = ("random", "teacher", "in-domain", "frozen")  # starts that need no pretrained weights

# Trains and measures one configuration: run(splits of its set, weights=, checkpoint=, **configuration) -> numbers, text
# and arrays. The checkpoint is for a training that may be cut short.
RunFunction = Callable[..., Row]


@dataclass(frozen=True)
class Cell:
    """A number of the source's table, and the own numbers beside it.

    Attributes:
        row: what the row is, for readers.
        column: what the column is.
        printed: the source's number; None where it prints none.
        spread: its standard deviation over runs, if it is printed.
        values: own numbers, one for each seed, in the source's unit; none if nothing has run.
        effect: instead of `values`, an own number that is no mean over seeds: its interval, how many seeds it rests
            on, and what it says of the claim in `row`.
    """

    row: str
    column: str
    printed: float | None
    spread: float | None
    values: tuple[float, ...]
    effect: tuple[Interval, int, str] | None = None


@dataclass(frozen=True)
class Table:
    """A table of the source with its own numbers: a heading, what the numbers are, and the cells."""

    title: str
    unit: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Picture:
    """Curves: a heading, the labels of the axes, and name -> (x (P,), y (seeds, P)).

    x may be names, such as stages; y is NaN where a run is missing, and a curve may have no point at all. `log` asks
    for a logarithmic x.
    """

    title: str
    xlabel: str
    ylabel: str
    curves: dict[str, tuple[Any, Any]]
    log: bool = False


@dataclass(frozen=True)
class Study:
    """What is run, and what is put beside it.

    Attributes:
        name: of its module, and on the command line.
        title: one line.
        source: who published it, where.
        sets: the data sets, by the names of `load_data`.
        size: side of the images in px, in the source's recipe.
        small_size: the same for stand-ins; every network of the study takes it.
        options: of the loader, for each set.
        grid: takes True for the source's recipe and False for the small one; returns the configurations. Each has
            ``data``, ``network``, ``start``, ``seed``, ``n`` (training images, None for all), ``steps`` and
            ``batch_size``.
        run: trains and measures one of them.
        tables: takes the finished runs, with the path of each one's file in ``kept``; returns the source's tables.
        curves: takes the finished runs; returns pictures.
        teacher: takes a configuration; returns that of the run whose trained network it begins with, None without one.
            It is done first, and ``run`` gets the file of the network as ``taught``.
        changed: what differs from the source's recipe, and why, a sentence each.
        stored: takes all runs of the source's recipe; returns what data/results holds of them.
        file: the name of that file, without .json.
        weights: networks that --weights may bring pretrained weights of.
    """

    name: str
    title: str
    source: str
    sets: tuple[str, ...]
    size: int
    grid: Callable[[bool], list[Row]]
    run: RunFunction
    tables: Callable[[pd.DataFrame], list[Table]]
    changed: tuple[str, ...]
    small_size: int = 32
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: Callable[[pd.DataFrame], list[Picture]] | None = None
    teacher: Callable[[Row], Row | None] = lambda _: None
    stored: Callable[[pd.DataFrame], Any] | None = None
    file: str = ""
    weights: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Whether its data are the kit's own drawings, which are always at hand."""
        return self.sets == ("phantoms",)


def named(name: str) -> Study:
    """The study of a name.

    Raises:
        ValueError: if there is none; it names the nearest.
    """
    one_of("study", name, STUDIES)
    study: Study = importlib.import_module(f"lab_utils.studies.{name}").STUDY
    return study


def chosen(configs: Sequence[Row], only: dict[str, str]) -> list[Row]:
    """The configurations whose values are those of `only`, which are compared as text.

    Raises:
        ValueError: if a key is unknown, or nothing is left.
    """
    for key, value in only.items():
        known = {str(config[key]) for config in configs if key in config}
        if not known:
            one_of("--only", key, tuple(sorted({key for config in configs for key in config})))
        one_of(f"--only {key}", value, tuple(sorted(known)))
    left = [config for config in configs if all(str(config.get(key)) == value for key, value in only.items())]
    if not left:
        raise ValueError(f"Expected runs with {only}, but no run has all of it. Leave one of them out.")
    return left


def lacks_weights(config: Row, weights: Mapping[str, str]) -> bool:
    """Whether a run cannot be done: it begins with weights that nobody published and that are not among these.

    Args:
        config: of the run.
        weights: network -> file, as --weights gives them.
    """
    return config["start"] not in UNTAUGHT and config.get("pretrained") is None and config["network"] not in weights


def left_out(configs: Sequence[Row], weights: Mapping[str, str]) -> list[str]:
    """A sentence for each network some of whose runs cannot be done, see `lacks_weights`."""
    lacking = Counter(config["network"] for config in configs if lacks_weights(config, weights))
    return [
        f"{count} runs of {network} are left out: nobody published weights of it. Give --weights {network}=FILE."
        for network, count in lacking.items()
    ]


def rows_of(runs: pd.DataFrame, measured: str, **choice: Any) -> pd.DataFrame:
    """The runs of these values (None: of none) that have something in the column `measured`, by seed."""
    if measured not in runs:
        return runs.iloc[:0]
    runs = runs[runs[measured].notna()]
    for key, value in choice.items():
        runs = runs[runs[key].isna() if value is None else runs[key] == value]
    return runs.sort_values("seed")


def by_seed(runs: pd.DataFrame, measured: str, **choice: Any) -> pd.Series:
    """What these runs measured, with the seed as index; see `rows_of`."""
    import pandas as pd

    part = rows_of(runs, measured, **choice)
    return part.set_index("seed")[measured].astype(float) if len(part) else pd.Series(dtype=float)
