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
from lab_utils.show.legends import legend_above, name_curves
from lab_utils.show.style import GREY


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
            colour = {"train": "0.55", "val": "0.1"}.get(
                key.split("_")[0]
            )  # greys: a colour means a start or a network
            ax.plot(*zip(*points, strict=True), color=colour, marker="o" if len(points) < 30 else "", label=_words(key))
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
    """Mean over seeds; bars of one standard deviation over seeds (none for one seed), which the legend says.

    Call it once per method on the same Axes. A curve of more than twelve points has its bar at the end only. More than
    four curves have their bars there, too, and their names, in place of a legend.

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
    few = len(places) <= 12
    (line,) = ax.plot(places, mean, label=label, **{"marker": "o" if few else "", **style})
    if len(y) > 1:
        barred = slice(None) if few else slice(-1, None)
        sd = np.nanstd(y, axis=0, ddof=1)[barred]
        ax.errorbar(places[barred], mean[barred], sd, fmt="none", ecolor=line.get_color(), elinewidth=1, capsize=2.5)
    if log:
        ax.set_xscale("log")
        ax.set_xticks(places, [f"{place:,.0f}" for place in places])
        ax.minorticks_off()
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if label:
        name_curves(ax, f"mean; bars: sd of {len(y)} seeds" if len(y) > 1 else None)
    return ax


def plot_paired(
    differences: Mapping[str, ArrayLike],
    *,
    ylabel: str = "difference in AUROC",
    xlabel: str = "",
    each: str = "seed",
    confidence: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Paired differences: a dot per seed, their mean with its t interval, and the line of no difference.

    Args:
        differences: condition -> one difference per seed.
        ylabel: what was subtracted from what.
        xlabel: what the conditions are.
        each: what a dot is.
        confidence: of the intervals; a condition with one seed gets none.
        ax: where to draw.
    """
    ax = ax if ax is not None else plt.gca()
    ax.axhline(0, color=GREY, lw=1.2, ls="--")
    for place, values in enumerate(differences.values()):
        d = np.asarray(values, dtype=np.float64)
        offsets = np.linspace(-0.12, 0.12, len(d)) if len(d) > 1 else [0.0]
        ax.scatter(place - 0.12 + np.asarray(offsets) / 2, d, color="0.5", alpha=0.7, s=18, lw=0)
        mean, _, high = mean_interval(d, confidence=confidence)
        error = high - mean if len(d) > 1 else None
        ax.errorbar(place + 0.12, mean, error, fmt="D", color="0.1", capsize=4, elinewidth=1.8, ms=6)
    ax.scatter([], [], color="0.5", alpha=0.7, s=18, lw=0, label=f"each {each}")
    ax.errorbar([], [], [], fmt="D", color="0.1", capsize=4, ms=6, label=f"mean, {confidence:.0%} interval")
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
    name, values = ("loss", losses) if smoothed is None else ("smoothed", smoothed)
    ax.plot(lrs, values, color="0.1", label=name)
    if suggestion is not None and np.isfinite(suggestion):
        ax.axvline(suggestion, color="0.1", lw=1.2, ls="--", label=f"suggestion: {suggestion:.1e}")
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
        ax.barh(place, value, height=0.6, color="0.6")
        if np.isfinite([low, high]).all():
            ax.errorbar(value, place, xerr=[[value - low], [high - value]], color="0.2", capsize=3, elinewidth=1.5)
        ends.append(max(value, high if np.isfinite(high) else value, 0))
    for place, (value, end) in enumerate(zip(values.values(), ends, strict=True)):
        ax.text(end + 0.015 * max(ends), place, form.format(value), va="center", fontsize=9)
    if chance is not None:
        ax.axvline(chance, color=GREY, ls="--", lw=1.5)
        xlabel = f"{xlabel}\n(dashed: chance)"
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
    figures = np.array([[_figures(value, form) for value in row] for row in np.asarray(values)])
    settings = {
        "cmap": "viridis",
        "annot": figures,
        "fmt": "",
        "linewidths": 1,
        "annot_kws": {"size": 9},
        "cbar_kws": {"label": label},
        **style,
    }
    sns.heatmap(np.asarray(values), xticklabels=stages, yticklabels=rows, ax=ax, **settings)
    ax.set(xlabel="stage, from the image up")
    ax.tick_params(axis="y", rotation=0)
    return ax


def _figures(value: float, form: str) -> str:
    """A number in figures, without a minus before a zero."""
    text = format(value, form)
    return text.removeprefix("-") if not text.strip("-0.") else text


def _words(key: str) -> str:
    words = {"train": "training", "val": "validation", "auroc": "AUROC"}
    return " ".join(words.get(word, word) for word in key.split("_"))
