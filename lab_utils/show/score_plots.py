"""What labels and scores look like: prevalence, ROC curve, calibration. The manner is that of `plots`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from lab_utils.array_input import Array, as_numbers, column
from lab_utils.metrics import calibration_curve
from lab_utils.show.legends import legend_above
from lab_utils.show.style import GREY


def plot_prevalence(labels: Mapping[str, ArrayLike], class_names: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """How common each finding (or class) is, side by side for several sets.

    Args:
        labels: set name -> labels, (N, K) in {1, 0} and -1 or NaN where unknown (left out), or class numbers (N,) or
            (N, 1).
        class_names: K names.
        ax: where to draw.

    Raises:
        ValueError: if there are no labels, or they do not fit the names.
    """
    sets = {name: _known(name, values, len(class_names)) for name, values in labels.items()}
    if not sets or not len(class_names):
        raise ValueError("expected labels of at least one set and the names of their classes, got none.")
    ax = ax if ax is not None else plt.gca()
    thickness = 0.8 / len(labels)
    for i, (name, y) in enumerate(sets.items()):
        known = y >= 0
        share = np.where(known, y, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        places = np.arange(len(class_names)) + (i - (len(labels) - 1) / 2) * thickness
        shade = str(0.25 + 0.5 * i / max(len(sets) - 1, 1))  # greys: a colour means a start or a network
        ax.barh(places, share, height=0.9 * thickness, color=shade, label=f"{name} (n = {len(y):,})")
    ax.set_yticks(range(len(class_names)), class_names)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("share of images with a known label")
    legend_above(ax)
    return ax


def _known(name: str, labels: ArrayLike, classes: int) -> Array:
    """Labels of one set in {1, 0}, and -1 where unknown, (N, classes)."""
    y = as_numbers(f"labels of {name}", labels)
    y = column(y) if classes > 1 else y
    if y.ndim == 1 and not len(wrong := np.setdiff1d(y, np.arange(classes))):
        return (y[:, None] == np.arange(classes)).astype(np.float64)
    if y.ndim == 1:
        raise ValueError(
            f"labels of {name} must be class numbers below {classes}, the number of names, got {wrong[0]:g}. Leave "
            f"images without a known class out; give a finding as (N, 1)."
        )
    y = np.where(np.isnan(y), -1, y)
    if y.ndim != 2 or y.shape[1] != classes or len(np.setdiff1d(y, (-1, 0, 1))):
        raise ValueError(
            f"labels of {name} must be (N, {classes}) of 1, 0, or -1 for unknown, one column for each name, got shape "
            f"{y.shape}{f' and values from {y.min():g} to {y.max():g}' if y.size else ''}."
        )
    return y


def plot_roc(fpr: ArrayLike, tpr: ArrayLike, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """ROC curve from its points, as `roc_curve` gives them; the dashed diagonal is chance.

    Raises:
        ValueError: if these are no rates in [0, 1] that rise together, but for instance labels and scores.
    """
    x, y = as_numbers("fpr", fpr), as_numbers("tpr", tpr)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not (_in_unit(x) and _in_unit(y)) or not _rise(x, y):
        raise ValueError(
            f"expected false and true positive rates in [0, 1] of one length that rise together, got shapes {x.shape} "
            f"and {y.shape}. From labels and scores: plot_roc(*roc_curve(labels, scores))."
        )
    ax = ax if ax is not None else plt.gca()
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1.5, zorder=1)
    ax.plot(x, y, label=label, color=None if label else "0.1")
    ax.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.set_aspect("equal")
    if label:
        ax.legend(loc="lower right")
    return ax


def plot_calibration(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 10, label: str | None = None, ax: Axes | None = None
) -> Axes:
    """Reliability diagram; on the dashed diagonal a network is as often right as it says. Dots grow with the images.

    Takes what `calibration_curve` takes, and refuses what it refuses.
    """
    predicted, observed, images = calibration_curve(labels, probabilities, bins=bins)
    ax = ax if ax is not None else plt.gca()
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1.5, zorder=1)
    (line,) = ax.plot(predicted, observed, label=label)
    ax.scatter(predicted, observed, s=12 + 80 * images / images.max(), color=line.get_color(), zorder=3)
    ax.set(xlabel="predicted probability", ylabel="observed fraction", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.set_aspect("equal")
    if label:
        ax.legend(loc="upper left", title="larger dot: more images")
    return ax


def _in_unit(values: Array) -> bool:
    """Whether all lie in [0, 1], but for rounding; a bin without images may be NaN."""
    return not bool(((values < -1e-6) | (values > 1 + 1e-6)).any())


def _rise(x: Array, y: Array) -> bool:
    steps = np.concatenate([np.diff(x), np.diff(y)])
    return bool((steps >= -1e-9).all() or (steps <= 1e-9).all())
