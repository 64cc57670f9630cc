"""The pictures of a report: as SVG text, in the style of all figures, and as the points that they are drawn from."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import cycle

import numpy as np

from lab_utils.studies.study import Picture, Row


def has_points(picture: Picture) -> bool:
    """Whether there is anything to draw."""
    return any(np.isfinite(np.asarray(y, dtype=float)).any() for _, y in picture.curves.values())


def file_of(number: int, picture: Picture) -> str:
    """The name of its file: a number, so that they lie in the order of the page, and its title."""
    return f"figure{number:02}-{re.sub(r'[^a-z0-9]+', '-', picture.title.lower()).strip('-')[:60]}.svg"


def drawn(picture: Picture) -> str:
    """SVG: the mean over seeds, and each seed as a thin line."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from lab_utils.show import WIDTH, in_style

    with in_style():
        figure = Figure(figsize=(WIDTH, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        ax = figure.add_subplot()
        names: list[str] = []
        looks = zip(cycle(sns.color_palette("colorblind", 10)), cycle("osD^vPX"))
        for (name, (x, values)), (colour, marker) in zip(picture.curves.items(), looks, strict=False):
            y = np.atleast_2d(np.asarray(values, dtype=float))
            seen = ~np.isnan(y).all(axis=0)
            if not seen.any():
                continue
            place = np.asarray(x)
            if place.dtype.kind not in "iuf":
                names, place = list(map(str, x)), np.arange(len(x))
            ax.plot(place[seen], np.nanmean(y[:, seen], axis=0), marker=marker, ms=4, color=colour, label=name)
            ax.plot(place[seen], y[:, seen].T, color=colour, lw=0.6, marker=".", ms=2, alpha=0.5)
        scale = "log" if picture.log else "linear"
        ax.set(xlabel=picture.xlabel, ylabel=textwrap.fill(picture.ylabel, 30), xscale=scale)
        if names:  # turned where they would run into each other
            ax.set_xticks(range(len(names)), names, rotation=60 if len("".join(names)) > 60 else 0)
        elif not picture.log:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="thin: each seed")
        file = io.StringIO()
        figure.savefig(file, format="svg")
    return file.getvalue()


def points(pictures: Sequence[Picture]) -> Iterator[Row]:
    """Every point of every line of the pictures, in words and numbers as they are drawn; `line` counts the seeds."""
    for picture in pictures:
        for name, (x, values) in picture.curves.items():
            for line, ys in enumerate(np.atleast_2d(np.asarray(values, dtype=float))):
                for place, y in zip(x, ys, strict=True):
                    if not np.isnan(y):
                        yield {"picture": picture.title, "curve": name, "line": line, "x": place, "y": y}
