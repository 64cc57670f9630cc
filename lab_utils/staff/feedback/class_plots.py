"""The plots of the class page, as SVG: the same bytes for the same numbers."""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lab_utils.staff.feedback.class_numbers import QuestionNumbers

BLUE, ORANGE, GREY = "#0173b2", "#de8f05", "#5a5a5a"  # of seaborn's colour-blind palette
_STYLE: Any = {
    "svg.hashsalt": "lab_utils",  # or the ids inside are random
    "svg.fonttype": "path",  # looks the same without the font
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "figure.constrained_layout.use": True,
}


@contextmanager
def _style() -> Iterator[None]:
    """Matplotlib's defaults and `_STYLE`: nobody's own settings may change the bytes."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def picture(figure: Figure) -> str:
    """Return the figure as a data URI, without date."""
    buffer = io.BytesIO()
    with _style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def draw_totals(totals: Sequence[float], out_of: float) -> Figure:
    """A histogram of the totals in bins of a tenth of the full points, and their median.

    Args:
        totals: points, one for each graded submission.
        out_of: points of a perfect one.
    """
    with _style():
        figure = Figure(figsize=(6.4, 3.2))
        ax = figure.subplots()
        most = max([out_of, *totals])  # more than full points with extra credit
        count = math.ceil(10 * most / out_of - 1e-9)
        ax.hist(totals, bins=list(np.linspace(0, count * out_of / 10, count + 1)), color=BLUE, edgecolor="white")
        if len(totals):
            middle = float(np.median(totals))
            ax.axvline(middle, color=ORANGE, lw=2.5, ls="--")
            ax.set_title(f"median {middle:.4g} points (dashed)", fontsize=11, loc="right", color=GREY)
        ax.set(xlabel=f"total (points of {out_of:g})", ylabel="students", xlim=(0, count * out_of / 10))
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def draw_questions(numbers: Sequence[QuestionNumbers]) -> Figure:
    """Two panels, one row per question: mean share of the points, and discrimination where there is one."""
    with _style():
        figure = Figure(figsize=(8.4, 0.9 + 0.34 * max(len(numbers), 3)))
        left, right = figure.subplots(1, 2, sharey=True)
        places = range(len(numbers))
        left.barh(places, [100 * (entry.share or 0) for entry in numbers], height=0.62, color=BLUE)
        for place, entry in enumerate(numbers):
            text = "no points yet" if entry.share is None else f"{100 * entry.share:.0f} %"
            left.text(100 * (entry.share or 0) + 1.5, place, text, va="center", color="#222222", fontsize=10)
        left.set(xlabel="mean share of the points (%)", xlim=(0, 115), xticks=range(0, 101, 25))
        left.set_yticks(list(places), [entry.question.name for entry in numbers])
        left.invert_yaxis()
        _draw_discrimination(right, numbers)
    return figure


def _draw_discrimination(ax: Axes, numbers: Sequence[QuestionNumbers]) -> None:
    ax.axvline(0, color=GREY, lw=1)
    ax.axvline(0.2, color=GREY, lw=1, ls=":")
    for place, entry in enumerate(numbers):
        if entry.discrimination is None:
            why = entry.why_not if entry.share is not None else ""  # the other panel says it
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}  # no line through the words
            ax.text(0.03, place, why, va="center", color=GREY, fontsize=9, bbox=behind)
        else:
            ax.hlines(place, 0, entry.discrimination, color=ORANGE, lw=2)
            ax.plot(entry.discrimination, place, "D", color=ORANGE, ms=7)
    lowest = min([0.0, *(entry.discrimination or 0.0 for entry in numbers)])
    ax.set(xlabel="correlation with the rest of the points", xlim=(lowest - 0.08, 1.05))
