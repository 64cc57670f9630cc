"""Legends that lie on no line: above one Axes, above the whole figure, or names at the ends of curves."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.legend import Legend

LETTER, KEY = 0.075, 0.6  # inches of a letter of 9 points, and of a key with the space around it


def legend_above(ax: Axes) -> None:
    """Put the legend above the Axes, in two columns, with the title that it had."""
    legend = ax.get_legend()
    title = legend.get_title().get_text() if legend else None
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, borderaxespad=0.2, title=title)


def one_legend(figure: Figure, title: str | None = None) -> Legend:
    """Replace the legends of all Axes by one above them, with as many columns as the figure is wide enough for.

    What has the same name in several Axes is named once, with the look that it has in the first of them.

    Args:
        figure: with a constrained layout, as `panels` makes it. Titles of Axes are fine, one of the figure is not.
        title: above the names; None for the titles that the legends had.
    """
    entries: dict[str, Artist] = {}
    titles: dict[str, None] = {}
    for ax in figure.axes:
        legend = ax.get_legend()
        if legend is None:
            continue
        titles[legend.get_title().get_text()] = None
        if legend.get_texts():  # else the curves have their names at their ends
            handles, labels = ax.get_legend_handles_labels()
            for handle, label in zip(handles, labels, strict=True):
                entries.setdefault(label, handle)
        legend.remove()
    return figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside upper center",
        ncols=_columns([LETTER * len(label) + KEY for label in entries], figure.get_figwidth()),
        title=title if title is not None else "; ".join(filter(None, titles)),
    )


def _columns(widths: Sequence[float], room: float) -> int:
    """The most columns that fit into the room; names fill them from the top down."""
    for columns in range(len(widths), 1, -1):
        rows = -(-len(widths) // columns)
        if sum(max(widths[top : top + rows]) for top in range(0, len(widths), rows)) <= room:
            return -(-len(widths) // rows)
    return 1


def name_curves(ax: Axes, title: str | None) -> None:
    """A legend for up to four curves; more have their names at their ends, and their bars there only."""
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    for text in [text for text in ax.texts if text.get_gid() == "name of a curve"]:
        text.remove()
    if len(lines) <= 4:
        ax.legend(title=title)
        return
    _leave_last_bars(ax)
    ax.legend([], [], title=title and title.replace("bars:", "bars at the ends:"), loc="best")
    ends = {line: (float(np.asarray(line.get_xdata())[-1]), float(np.asarray(line.get_ydata())[-1])) for line in lines}
    rising = sorted((line for line in lines if np.isfinite(ends[line][1])), key=lambda line: ends[line][1])
    low, high = ax.get_ylim()
    places = spread([ends[line][1] for line in rising], (high - low) * 0.075)
    for line, place in zip(rising, places, strict=True):
        ax.annotate(
            str(line.get_label()), ends[line], (1.05, place), textcoords=ax.get_yaxis_transform(), va="center",
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "lw": 1, "relpos": (0, 0.5), "shrinkB": 0},
            annotation_clip=False, fontsize=9, gid="name of a curve",
        )  # fmt: skip


def spread(places: Sequence[float], apart: float) -> list[float]:
    """Move numbers as little as need be (least squares) until neighbours are `apart`; they come and go rising."""
    groups: list[tuple[float, int]] = []  # mean and number of places that have moved together, each less its offset
    for number, place in enumerate(places):
        mean, count = place - number * apart, 1
        while groups and groups[-1][0] > mean:
            earlier, many = groups.pop()
            mean, count = (mean * count + earlier * many) / (count + many), count + many
        groups.append((mean, count))
    moved = [mean for mean, count in groups for _ in range(count)]
    return [mean + number * apart for number, mean in enumerate(moved)]


def _leave_last_bars(ax: Axes) -> None:
    """Of the bars of `plot_curves` leave those at the ends of curves."""
    for container in ax.containers:
        if isinstance(container, ErrorbarContainer) and container.lines[0] is None:
            _, caps, bars = container.lines
            for bar in bars:
                bar.set_segments(bar.get_segments()[-1:])
            for cap in caps:
                cap.set_data(*(np.asarray(values)[-1:] for values in cap.get_data()))
