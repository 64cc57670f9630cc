"""The vote of the nearest images. Nothing is fitted, so it measures features alone."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lab_utils.array_input import Array

ROWS = 1024  # images asked about at a time


def knn_votes(bank: Array, labels: Array, asked: Array, *, k: int, temperature: float) -> Array:
    """Shares of the votes of the k nearest images, for each image asked about.

    Near means a large cosine s between features; a neighbour's vote weighs exp(s / temperature). A row of zeros is
    equally far from everything. With several findings each is a vote of its own, among the k nearest of the images
    whose label is known.

    Args:
        bank: features (N, D) of the images that vote, finite.
        labels: (N,) class numbers, or (N, K) findings: 1, 0, and -1 for unknown.
        asked: features (M, D), finite.
        k: neighbours, at least 1; all known ones where there are fewer.
        temperature: above 0; the smaller, the more the nearest one decides.

    Returns:
        (M, K) in [0, 1]; the shares of classes add up to 1. For findings whose labels are all alike see `per_finding`.

    References:
        Wu et al. (2018), arXiv:1805.01978; Matsoukas et al. (2022), arXiv:2203.01825: k = 200, temperature 0.1.
    """
    x, z = _unit_rows(bank), _unit_rows(asked)

    def fit(rows: NDArray[np.bool_], known: NDArray[np.int64]) -> Array:
        near, votes = x[rows], np.eye(known.max() + 1)[known]
        chunks = [z[start : start + ROWS] for start in range(0, len(z), ROWS)]
        return np.concatenate([_vote(chunk @ near.T, votes, k, temperature) for chunk in chunks])

    if labels.ndim == 2:
        return per_finding(fit, labels, len(z))
    return fit(np.ones(len(labels), dtype=bool), labels.astype(np.int64))


def per_finding(fit: Callable[[NDArray[np.bool_], NDArray[np.int64]], Array], labels: Array, count: int) -> Array:
    """One vote, or one classifier, for each finding.

    Args:
        fit: takes the images whose label is known, (N,), and their labels 0 or 1; returns (count, 2).
        labels: (N, K), -1 for unknown.
        count: images asked about.

    Returns:
        (count, K). A finding whose known labels are all alike teaches nothing: its column is the constant
        (positives + 1) / (known + 2), so that its AUROC is 0.5.
    """
    columns = []
    for column in labels.T:
        rows = column >= 0
        known = column[rows].astype(np.int64)
        if len(np.unique(known)) == 2:
            columns.append(fit(rows, known)[:, 1])
        else:
            columns.append(np.full(count, (known.sum() + 1) / (len(known) + 2)))
    return np.stack(columns, axis=1)


def _vote(cosine: Array, votes: Array, k: int, temperature: float) -> Array:
    """Weighted share of each class among the k nearest: (M, N), (N, K) -> (M, K)."""
    k = min(k, len(votes))
    nearest = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
    near = np.take_along_axis(cosine, nearest, axis=1)
    most = near.max(axis=1, keepdims=True)
    weights = np.exp((near - np.where(most - 1 > -500 * temperature, 1, most)) / temperature)  # or all would be 0
    shares: Array = (weights[:, :, None] * votes[nearest]).sum(axis=1)
    return shares / weights.sum(axis=1, keepdims=True)


def _unit_rows(features: Array) -> Array:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.where(norms > 0, norms, 1)
