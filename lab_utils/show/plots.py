"""Each function draws on one Axes and returns it; none of them trains or shows.

`plot_images` alone needs many Axes: it makes a Figure and returns its Axes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from lab_utils.arguments import flag
from lab_utils.metrics import mean_interval

GREY = "0.45"


def set_style() -> None:
    """Fonts and lines for a projector, colours that colour-blind people can tell apart."""
    sns.set_theme(
        context="talk",
        style="whitegrid",
        palette="colorblind",
        font_scale=0.8,
        rc={
            "figure.figsize": (7, 4.5),
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titleweight": "bold",
            "grid.color": "0.9",
            "legend.frameon": False,
        },
    )


def plot_history(
    history: Any,
    keys: Sequence[str] = ("train_loss", "val_loss"),
    *,
    x: str = "step",
    ylabel: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Curves of one run, and a dotted line where its best weights were.

    Args:
        history: what `fit` returns, or its rows (dicts); missing and NaN values are skipped.
        keys: the columns to draw.
        x: the column along the x axis: step, epoch or seconds.
        ylabel: what the columns are, if they are no losses (nats per example).
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    rows: Sequence[Mapping[str, Any]] = getattr(history, "rows", history)
    for key in keys:
        points = [(row[x], row[key]) for row in rows if row.get(key) is not None and np.isfinite(row[key])]
        if points:
            ax.plot(*zip(*points, strict=True), marker="o" if len(points) < 30 else "", ms=5, label=_words(key))
    best = getattr(history, "best_step", None)
    if best is not None and x == "step":
        ax.axvline(best, color=GREY, ls=":", label=f"best: step {best}")
    if ylabel is None:
        ylabel = "loss (nats per example)" if all("loss" in key for key in keys) else _words(keys[0])
    ax.set(xlabel="seconds of training" if x == "seconds" else x, ylabel=ylabel)
    ax.legend()
    return ax


def plot_curves(
    x: ArrayLike,
    values: ArrayLike,
    *,
    label: str | None = None,
    xlabel: str = "training images",
    ylabel: str = "test AUROC",
    log: bool = False,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """Mean over seeds with a band of one standard deviation (none for one seed).

    Call it once per method on the same Axes.

    Args:
        x: shape (P,), such as numbers of images, or steps.
        values: shape (seeds, P); NaN where a run has no value.
        label: name in the legend.
        xlabel: what x is.
        ylabel: what the values are.
        log: logarithmic x axis, with a tick at every x.
        ax: where to draw.
        style: passed on to `Axes.plot`, such as color or linestyle.
    """
    flag("log", log)
    ax = ax if ax is not None else plt.gca()
    places, y = np.asarray(x, dtype=np.float64), np.atleast_2d(np.asarray(values, dtype=np.float64))
    mean = np.nanmean(y, axis=0)
    (line,) = ax.plot(places, mean, label=label, **{"marker": "o", "ms": 6, **style})
    if len(y) > 1:
        sd = np.nanstd(y, axis=0, ddof=1)
        ax.fill_between(places, mean - sd, mean + sd, color=line.get_color(), alpha=0.2, lw=0)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(places, [f"{place:,.0f}" for place in places])
        ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if label:
        ax.legend()
    return ax


def plot_paired(
    differences: Mapping[str, ArrayLike],
    *,
    ylabel: str = "difference in AUROC",
    xlabel: str = "",
    confidence: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Paired differences: a dot per seed, their mean with its t interval, and the line of no difference.

    Args:
        differences: condition -> one difference per seed.
        ylabel: what was subtracted from what.
        xlabel: what the conditions are.
        confidence: of the intervals; a condition with one seed gets none.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    colors = sns.color_palette("colorblind")
    ax.axhline(0, color=GREY, lw=1.5, ls="--")
    for place, values in enumerate(differences.values()):
        d = np.asarray(values, dtype=np.float64)
        offsets = np.linspace(-0.12, 0.12, len(d)) if len(d) > 1 else [0.0]
        ax.scatter(place - 0.12 + np.asarray(offsets) / 2, d, color=colors[0], alpha=0.6, s=45, lw=0)
        mean, _, high = mean_interval(d, confidence=confidence)
        error = high - mean if len(d) > 1 else None
        ax.errorbar(place + 0.12, mean, error, fmt="D", color=colors[1], capsize=6, elinewidth=2, ms=9)
    ax.scatter([], [], color=colors[0], alpha=0.6, s=45, lw=0, label="one seed")
    ax.errorbar([], [], [], fmt="D", color=colors[1], label=f"mean, {confidence:.0%} interval")
    ax.set_xticks(range(len(differences)), list(differences))
    ax.set_xlim(-0.5, len(differences) - 0.5)
    ax.grid(visible=False, axis="x")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    legend_above(ax)
    return ax


def plot_lr_range(
    lrs: ArrayLike,
    losses: ArrayLike,
    suggestion: float | None = None,
    *,
    smoothed: ArrayLike | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Loss against learning rate on a log axis, the suggested rate marked.

    Args:
        lrs: learning rate of each step.
        losses: its training loss, nats per example.
        suggestion: the rate to mark; None or NaN marks none.
        smoothed: the same losses, smoothed; the raw ones become a thin line behind.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    if smoothed is not None:
        ax.plot(lrs, losses, color="0.75", lw=1, label="each batch")
    ax.plot(lrs, losses if smoothed is None else smoothed, label="loss" if smoothed is None else "smoothed")
    if suggestion is not None and np.isfinite(suggestion):
        color = sns.color_palette("colorblind")[3]
        ax.axvline(suggestion, color=color, ls="--", label=f"suggestion: {suggestion:.1e}")
    ax.set(xscale="log", xlabel="learning rate", ylabel="training loss (nats per example)")
    ax.legend()
    return ax


def plot_bars(
    values: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] | None = None,
    *,
    xlabel: str = "AUROC",
    chance: float | None = None,
    form: str = "{:.3f}",
    ax: Axes | None = None,
) -> Axes:
    """Horizontal bars from 0 with their intervals (low, high) and their values in figures.

    Args:
        values: name -> value.
        intervals: name -> (low, high); NaN draws none.
        xlabel: what the values are, with its unit.
        chance: where to draw a dashed line, 0.5 for AUROC.
        form: of the figures.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    ends = []
    for place, (name, value) in enumerate(values.items()):
        low, high = (intervals or {}).get(name, (np.nan, np.nan))
        ax.barh(place, value, height=0.6, color=sns.color_palette("colorblind")[0])
        if np.isfinite([low, high]).all():
            ax.errorbar(value, place, xerr=[[value - low], [high - value]], color="0.2", capsize=5, elinewidth=2)
        ends.append(max(value, high if np.isfinite(high) else value, 0))
    for place, (value, end) in enumerate(zip(values.values(), ends, strict=True)):
        ax.text(end + 0.015 * max(ends), place, form.format(value), va="center", fontsize="small")
    if chance is not None:
        ax.axvline(chance, color=GREY, ls="--", lw=1.5)
    ax.set_yticks(range(len(values)), list(values))
    ax.invert_yaxis()
    ax.set_xlim(right=1.15 * max(ends))
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(xlabel)
    return ax


def plot_stage_heatmap(
    values: ArrayLike,
    rows: Sequence[str],
    stages: Sequence[str],
    *,
    label: str = "AUROC",
    form: str = ".2f",
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """A number for each row (a network, a size) and stage, in colour and in figures.

    Args:
        values: shape (rows, stages).
        rows: names of the rows.
        stages: names of the stages, from the image up.
        label: what the numbers are.
        form: of the figures.
        ax: where to draw.
        style: passed on to `seaborn.heatmap`, such as vmin, vmax or center.
    """
    ax = ax if ax is not None else plt.gca()
    settings = {"cmap": "viridis", "annot": True, "fmt": form, "linewidths": 1, "cbar_kws": {"label": label}, **style}
    sns.heatmap(np.asarray(values), xticklabels=stages, yticklabels=rows, ax=ax, **settings)
    ax.set(xlabel="stage, from the image up")
    ax.tick_params(axis="y", rotation=0)
    return ax


def legend_above(ax: Axes) -> None:
    """Put the legend above the Axes, in two columns."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, borderaxespad=0.2)


def _words(key: str) -> str:
    words = {"train": "training", "val": "validation", "auroc": "AUROC"}
    return " ".join(words.get(word, word) for word in key.split("_"))
