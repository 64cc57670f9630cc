"""What labels and scores look like: prevalence, ROC curve, calibration. The manner is that of `plots`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from lab_utils.plots import GREY, legend_above


def plot_prevalence(labels: Mapping[str, ArrayLike], class_names: Sequence[str], *, ax: Axes | None = None) -> Axes:
    """How common each finding (or class) is, side by side for several sets.

    Args:
        labels: set name -> labels, (N, K) in {1, 0} and -1 or NaN where unknown (left out), or class numbers (N,).
        class_names: K names.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    thickness = 0.8 / len(labels)
    for i, (name, values) in enumerate(labels.items()):
        y = np.asarray(values, dtype=np.float64)
        y = (y[:, None] == np.arange(len(class_names))).astype(np.float64) if y.ndim == 1 else y
        known = y >= 0
        share = np.where(known, y, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        places = np.arange(len(class_names)) + (i - (len(labels) - 1) / 2) * thickness
        ax.barh(places, share, height=0.9 * thickness, label=f"{name} (n = {len(y):,})")
    ax.set_yticks(range(len(class_names)), class_names)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("share of images with a known label")
    legend_above(ax)
    return ax


def plot_roc(fpr: ArrayLike, tpr: ArrayLike, *, label: str | None = None, ax: Axes | None = None) -> Axes:
    """ROC curve from its points; the dashed diagonal is chance."""
    ax = ax if ax is not None else plt.gca()
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1.5, zorder=1)
    ax.plot(fpr, tpr, label=label)
    ax.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    ax.set_aspect("equal")
    if label:
        ax.legend(loc="lower right")
    return ax


def plot_calibration(
    predicted: ArrayLike,
    observed: ArrayLike,
    images: ArrayLike | None = None,
    *,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Reliability diagram; on the dashed diagonal a network is as often right as it says.

    Args:
        predicted: mean predicted probability of each bin.
        observed: fraction of positives in each bin.
        images: number of images in each bin: the area of its dot.
        label: name in the legend.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    ax.plot([0, 1], [0, 1], color=GREY, ls="--", lw=1.5, zorder=1)
    (line,) = ax.plot(predicted, observed, label=label)
    counts = np.ones(np.shape(predicted)) if images is None else np.asarray(images, dtype=np.float64)
    ax.scatter(predicted, observed, s=20 + 180 * counts / counts.max(), color=line.get_color(), zorder=3)
    ax.set(xlabel="predicted probability", ylabel="observed fraction", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    ax.set_aspect("equal")
    if label:
        ax.legend(loc="upper left")
    return ax
