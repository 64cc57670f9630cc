"""Intervals: over patients of one test set (bootstrap), over seeds (Student's t).

Part of `lab_utils.metrics`. The two answer different questions. The bootstrap asks how
much a result would change with other *patients*, the network held fixed; the t interval
asks how much it would change with another *seed*, the test set held fixed.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lab_utils.arguments import flag, function, share, whole
from lab_utils.array_input import Array, as_array, as_numbers, check_joined, check_order
from lab_utils.metrics.patient_groups import patient_codes
from lab_utils.metrics.ranking import auroc, macro_auroc
from lab_utils.metrics.score_inputs import Misread, column_inputs
from lab_utils.profile import profile

Metric = Callable[[ArrayLike, ArrayLike], float]
Counts = NDArray[np.int64]
Interval = tuple[float, float, float]  # mean, low, high

CHUNK = 2_000_000  # weights held at a time by the fast path: 16 MB


def bootstrap_draws(
    metric: Metric,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> Array:
    """The metric on `draws` test sets made by drawing patients with replacement.

    All images of a drawn patient come along, as often as the patient was drawn: images
    of one patient are alike, so drawing images would make the interval too narrow.
    `auroc` and `macro_auroc` of this kit take a fast path with the same result.

    Args:
        metric: f(labels, scores) -> float; it may raise ValueError where undefined.
        labels: first axis N; what the metrics of this kit take, or what yours takes.
        scores: first axis N.
        groups: patient of each image, shape (N,), numbers or names; None if each image is a patient.
        draws: number of test sets.
        seed: a whole number; the same one draws the same patients, for any metric and any scores.

    Returns:
        Shape (draws,). NaN where the draw leaves the metric undefined, for instance
        without a positive image: `np.isnan(values).sum()` counts those. For
        `macro_auroc` that includes a draw that loses one of the classes, since a mean
        over fewer classes is another quantity.

    Raises:
        ValueError: if the lengths differ, `draws` < 1, the metric is undefined on the whole set, there is one
            patient only, or the patient of an image is unknown.
    """
    check_order("labels", labels, "scores", scores)
    check_order("labels", labels, "groups", groups)
    check_joined(labels, scores)
    y, s = as_array("labels", labels), as_array("scores", scores)
    draws, seed = whole("draws", draws, 1, example=1000), whole("seed", seed, 0, example=0)
    if not y.ndim or not s.ndim or len(s) != len(y):
        raise ValueError(f"expected as many scores as labels, one row for each image, got {y.shape} and {s.shape}.")
    _check_metric(metric, y, s)  # what is undefined on the whole set raises here, with its reason
    codes = patient_codes(groups, len(y))
    if metric in (auroc, macro_auroc):
        return _fast_draws(y, s, codes, draws, seed)
    images = np.arange(len(y))
    values = np.full(draws, np.nan)
    for i, count in enumerate(_patient_counts(codes, draws, seed)):
        rows = np.repeat(images, count[codes])
        try:
            values[i] = metric(y[rows], s[rows])
        except Misread:
            raise
        except ValueError:
            continue
    return values


def bootstrap_interval(
    metric: Metric,
    labels: ArrayLike,
    scores: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a metric, resampling patients.

    Takes what `bootstrap_draws` takes. Draws that leave the metric undefined are
    dropped, which is the same as drawing again until it is defined.

    Returns:
        The (1 - confidence) / 2 quantile of the draws, and the opposite one.

    Raises:
        ValueError: as `bootstrap_draws`, if more than half of the draws are undefined,
            or `confidence` is not between 0 and 1.

    References:
        Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    values = bootstrap_draws(metric, labels, scores, groups, draws=draws, seed=seed)
    return _quantiles(values, confidence)


def mean_interval(values: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean of one value per seed and its Student t interval: (mean, low, high).

    With one seed there is no interval: low and high are NaN.

    Raises:
        ValueError: if there is no value, one is not finite, or `confidence` is not
            between 0 and 1.
    """
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes a second to import

    x = as_numbers("values", values)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(f"expected one finite value per seed, shape (n,), got {x}")
    confidence = share("confidence", confidence, example=0.95)
    mean = float(x.mean())
    if len(x) == 1:
        return mean, float("nan"), float("nan")
    half = stdtrit(len(x) - 1, (1 + confidence) / 2) * x.std(ddof=1) / len(x) ** 0.5
    return mean, mean - float(half), mean + float(half)


def jackknife(values: NDArray[np.float64], seeds: int) -> Interval:
    """Mean over pairs of seeds and its 95 % interval; pairs that share a seed are not independent.

    Each seed in turn is left out with all of its pairs (Arvesen 1969, jackknifing U-statistics).

    Args:
        values: one per pair of seeds, shape (S * (S - 1) / 2,), in the order of `itertools.combinations`.
        seeds: S.
    """
    from scipy.special import stdtrit

    members = list(itertools.combinations(range(seeds), 2))
    without = np.array(
        [np.mean([v for v, pair in zip(values, members, strict=True) if s not in pair]) for s in range(seeds)]
    )
    error = np.sqrt((seeds - 1) / seeds * np.sum((without - without.mean()) ** 2))
    half = float(stdtrit(seeds - 1, 0.975) * error)
    mean = float(np.mean(values))
    return mean, mean - half, mean + half


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Mean of a - b over seeds and its t interval: (mean, low, high).

    Entry i of both must come from the same seed (same subset, same data order), so that
    what the seed does to both cancels. With one seed low and high are NaN. Both in the same unit; the difference is
    in it.

    Raises:
        ValueError: if the shapes differ, one side is in percent and the other in fractions, or as `mean_interval`.
    """
    check_order("a", a, "b", b)
    x, y = as_numbers("a", a), as_numbers("b", b)
    if x.shape != y.shape:
        raise ValueError(
            f"expected one value per seed on both sides, got shapes {x.shape} and "
            f"{y.shape}. Run both with the same seeds."
        )
    for percent, fraction in ((x, y), (y, x)):
        if len(x) and _looks_like_percent(percent, fraction):
            raise ValueError(
                f"expected both sides in the same unit, got values like {x.ravel()[0]:g} and {y.ravel()[0]:g}: is one "
                f"of them percent? Divide it by 100."
            )
    return mean_interval(x - y, confidence=confidence)


def interval_text(mean: float, low: float, high: float, *, digits: int = 3, sign: bool = True) -> str:
    """A mean with its interval as a student reads it: ``+0.123  (95 % interval +0.101 to +0.145)``.

    Args:
        mean: a difference; or a value, for which there is `sign`.
        low: lower end of the interval; NaN with one seed, and the text says so.
        high: upper end.
        digits: after the decimal point.
        sign: whether a "+" is written.

    Returns:
        The text; in the smoke profile, which only tests the machinery, without an interval.
    """
    form = f"{'+' * flag('sign', sign)}.{digits}f"
    if profile() == "smoke":
        return f"{mean:{form}}  (smoke mode: no interval)"
    between = f"95 % interval {low:{form}} to {high:{form}}"
    return f"{mean:{form}}  ({'one seed: no interval' if np.isnan(low) else between})"


def _check_metric(metric: Metric, y: NDArray[Any], s: NDArray[Any]) -> None:
    function("metric", metric, example="metrics.auroc")
    value = np.asarray(metric(y, s))
    if value.size != 1 or np.isnan(value).any():
        raise ValueError(
            f"expected a metric that gives one number, got {value} on the whole set. Where it gives one for each "
            f"class, take one of them or their mean."
        )


def _looks_like_percent(a: Array, b: Array) -> bool:
    """Whether a is b in percent, nearly: values of 20 to 100 that are about 100 times those of the other side."""
    return bool(((a >= 20) & (a <= 100) & (b > 0.2) & (b <= 1) & (np.abs(a / 100 - b) < 0.3)).all())


def _quantiles(values: Array, confidence: float) -> tuple[float, float]:
    confidence = share("confidence", confidence, example=0.95)
    defined = values[~np.isnan(values)]
    if len(defined) < len(values) / 2:
        raise ValueError(
            f"the metric is undefined on {len(values) - len(defined)} of {len(values)} "
            f"bootstrap draws: too few patients of a class. Take a larger test set."
        )
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def _patient_counts(codes: Counts, draws: int, seed: int) -> Iterator[Counts]:
    """How often each patient is drawn, one array per draw."""
    rng, patients = np.random.default_rng(seed), int(codes.max()) + 1
    for _ in range(draws):
        yield np.bincount(rng.integers(patients, size=patients), minlength=patients)


def _fast_draws(y: Array, s: Array, codes: Counts, draws: int, seed: int) -> Array:
    """Mean AUROC of each draw over the classes present in the whole set."""
    y, s = column_inputs(y, s)
    present = [k for k in range(y.shape[1]) if {0, 1} <= set(y[:, k])]
    counts = _patient_counts(codes, draws, seed)
    rows = max(1, CHUNK // len(y))
    values = []
    for start in range(0, draws, rows):
        chunk = np.stack([next(counts) for _ in range(min(rows, draws - start))])
        weights = chunk[:, codes].astype(np.float64)  # (draws in chunk, N)
        aurocs = [_weighted_auroc(y[:, k], s[:, k], weights) for k in present]
        values.append(np.mean(aurocs, axis=0))
    return np.concatenate(values)


def _weighted_auroc(y: Array, s: Array, weights: Array) -> Array:
    """AUROC for each row of image weights, (draws, N) -> (draws,), NaN if undefined.

    Sort once; then the weighted pairs a positive wins are cumulative sums of the
    negatives below it, plus half of those that tie with it.
    """
    known = np.flatnonzero(y >= 0)
    order = known[np.argsort(s[known], kind="stable")]
    first = np.flatnonzero(np.diff(s[order], prepend=-np.inf))  # start of each tie
    w = weights[:, order]
    positive = np.add.reduceat(w * (y[order] == 1), first, axis=1)
    negative = np.add.reduceat(w * (y[order] == 0), first, axis=1)
    wins = (positive * (negative.cumsum(axis=1) - negative / 2)).sum(axis=1)
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return np.divide(wins, pairs, out=np.full(len(w), np.nan), where=pairs > 0)
