"""Boxes, arrows and words of which the schematics are made; see there."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch

STAGES = ("stem", "stage 1", "stage 2", "stage 3", "stage 4")
INK = "0.15"


def network(ax: Axes, x: float, y: float, _: float, colours: list[Any], height: float = 6) -> None:
    """The five stages of a network, each in its colour."""
    for place, (name, colour) in enumerate(zip(STAGES, colours, strict=True)):
        box(ax, x + 8 * place, y, 7, height, colour, name)


def box(
    ax: Axes, x: float, y: float, width: float, height: float, colour: Any, words: str = "", edge: str = ""
) -> None:
    """A box with round corners, and words in it that can be read on its colour."""
    shape = FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.8", fc=to_rgb(colour), ec=edge or "none", lw=1.2
    )
    ax.add_patch(shape)
    bright = np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) > 0.5
    say(ax, x + width / 2, y + height / 2, words, colour=INK if bright else "white", size=9)


def image(ax: Axes, x: float, y: float, side: float = 6, shade: float = 0.55) -> None:
    """A chest X-ray as a child would draw it: two dark lungs and a heart."""
    box(ax, x, y, side, side, str(shade))
    for place in (0.3, 0.7):
        lung = Ellipse((x + place * side, y + 0.5 * side), 0.26 * side, 0.7 * side, fc="0.15")
        ax.add_patch(lung)
    ax.add_patch(Ellipse((x + 0.56 * side, y + 0.36 * side), 0.3 * side, 0.26 * side, fc="0.8"))


def arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: Any = INK) -> None:
    """An arrow from one place to another."""
    ax.add_patch(
        FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, lw=1.4, shrinkA=0, shrinkB=0)
    )


def say(ax: Axes, x: float, y: float, words: str, *, colour: Any = INK, size: float = 10, **style: Any) -> None:
    """Words, in the middle of a place unless the style says otherwise."""
    ax.text(x, y, words, color=colour, fontsize=size, **{"ha": "center", "va": "center", **style})
