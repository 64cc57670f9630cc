"""Legends that lie on no line: above one Axes, above the whole figure, or names at the ends of curves."""

import numpy as np
from matplotlib.axes import Axes
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
    entries, titles = {}, {}
    for ax in figure.axes:
        legend = ax.get_legend()
        if legend is None:
            continue
        titles[legend.get_title().get_text()] = None
        if legend.get_texts():  # else the curves have their names at their ends
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                entries.setdefault(label, handle)
        legend.remove()
    widest = max((LETTER * len(label) + KEY for label in entries), default=1)
    columns = min(max(1, int(figure.get_figwidth() / widest)), max(1, len(entries)))
    rows = -(-len(entries) // columns)
    return figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside upper center",
        ncols=-(-len(entries) // max(1, rows)) or 1,  # rows of about one length
        title=title if title is not None else "; ".join(filter(None, titles)),
    )


def name_curves(ax: Axes, title: str | None) -> None:
    """A legend for up to four curves; names at the ends of more, at least a line of text apart."""
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    for text in [text for text in ax.texts if text.get_gid() == "name of a curve"]:
        text.remove()
    if len(lines) <= 4:
        ax.legend(title=title)
        return
    ax.legend([], [], title=title, loc="best")
    low, high = ax.get_ylim()
    apart = (high - low) * 0.075
    place = -np.inf
    for line in sorted(lines, key=lambda line: float(np.asarray(line.get_ydata())[-1])):
        place = max(place + apart, float(np.asarray(line.get_ydata())[-1]))
        ax.text(
            1.02, place, str(line.get_label()), color=line.get_color(), transform=ax.get_yaxis_transform(),
            va="center", fontsize=9, gid="name of a curve",
        )  # fmt: skip
