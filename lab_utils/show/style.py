"""One look for every figure: 7 inches wide at most, letters of 9 points or more, a colour for each meaning.

Seven inches are the text of a page and of a notebook; a wider figure is scaled down, and its letters with it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns

WIDTH = 7.0  # inches
GREY = "0.45"


def set_style(images: str = "retina") -> None:
    """Letters, lines and colours of all figures; in a notebook also the format of its pictures.

    Args:
        images: "retina" for PNG of 200 dots per inch, "svg" or "pdf" for print. Outside of a notebook it does nothing.
    """
    _theme()
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is not None and hasattr(shell, "kernel"):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats(images)  # type: ignore[no-untyped-call]


@contextmanager
def in_style() -> Iterator[None]:
    """The same letters, lines and colours inside the block alone, for what is written to a file."""
    with plt.rc_context():
        _theme()
        yield


def _theme() -> None:
    sns.set_theme(context="paper", style="whitegrid", palette="colorblind", rc=_SETTINGS)


_SETTINGS = {
    "figure.figsize": (5, 3.2),
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.labelsize": 10,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "lines.markeredgewidth": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "0.9",
}


def panels(columns: int = 1, rows: int = 1, *, height: float = 2.7, **settings: Any) -> tuple[Any, Any]:
    """Make a figure as wide as the page with Axes side by side and one above the other.

    For two beside each other write ``figure, (left, right) = panels(2)``.

    Args:
        columns: Axes side by side; one alone is 5 inches wide.
        rows: Axes one above the other.
        height: of a row in inches.
        settings: passed on to `matplotlib.pyplot.subplots`, such as sharey or width_ratios.
    """
    return plt.subplots(rows, columns, figsize=(WIDTH if columns > 1 else 5, height * rows), **settings)
