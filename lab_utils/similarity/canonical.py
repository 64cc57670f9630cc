"""Compare what two layers represent.

Every similarity takes ``(acts_x, acts_y)`` of shape (samples, neurons), row i of both from the same
datapoint, or the `Covariances` of both, gathered batch by batch. All compute in float64 and return
a number in [0, 1] (`linear_cka(debiased=True)` may fall below 0), where 1 means the same up to

* any invertible linear map of the neurons: `cca`, `mean_cca`, `pwcca`; nearly so `svcca`;
* turns, reflections and one common scale: `linear_cka`, `procrustes`.

No value means anything without its null: `null(cca, x, y)` draws it, `bootstrap` the interval.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.arguments import flag, number
from lab_utils.similarity.covariance import (
    Acts,
    Covariances,
    as_covariances,
    check_varies,
    guard_enough,
    to_numpy,
)

Array = NDArray[np.float64]

# Directions with less than this share of the largest direction's variance are linearly dependent:
# what float32 activations leave of a sum of other neurons. Variances are relative to each neuron's own.
RANK = 1e-10
# Above this smallest pivot a Cholesky factor is safe; below it, eigenvectors tell what to drop.
PIVOT = 1e-8


def cca(acts_x: Acts | Covariances, acts_y: Acts | None = None, *, guard: bool = True) -> Array:
    """All canonical correlations: of the best pair of linear combinations, of the next best, ...

    Unchanged by any invertible linear map of either layer. Constant neurons and linearly dependent
    ones are left out. With few datapoints per neuron even noise correlates: see `guard`.

    Args:
        acts_x: (samples, dx), or the covariances of both layers.
        acts_y: (samples, dy).
        guard: refuse n <= dx + dy, where correlations of 1 appear in any data, and warn below
            5 (dx + dy). False is for showing just that.

    Returns:
        Shape (min(rank_x, rank_y),), descending, in [0, 1].

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, a layer is constant, or there
            are too few datapoints.

    References:
        Bjorck & Golub (1973), Math. Comp. 27(123); Raghu et al. (2017), SVCCA, arXiv:1706.05806.
    """
    cov = as_covariances(acts_x, acts_y)
    if flag("guard", guard):
        guard_enough(cov.n, sum(cov.widths))
    return to_numpy(_singular_values(_whitened(cov)[1]))


def mean_cca(acts_x: Acts | Covariances, acts_y: Acts | None = None, *, guard: bool = True) -> float:
    """Mean of the canonical correlations; arguments and errors as `cca`."""
    return float(cca(acts_x, acts_y, guard=guard).mean())


def svcca(
    acts_x: Acts | Covariances,
    acts_y: Acts | None = None,
    *,
    threshold: float = 0.99,
    guard: bool = True,
) -> float:
    """Mean CCA of the directions of each layer that carry most of its variance.

    Each layer keeps its fewest principal directions that together explain at least `threshold` of
    its *variance* (squared singular values). So a direction that hardly varies counts for nothing,
    and the result depends on the scale of the neurons.

    Args:
        acts_x: (samples, dx), or the covariances of both layers.
        acts_y: (samples, dy).
        threshold: share of the variance to keep, in (0, 1].
        guard: as for `cca`, with the numbers of directions kept in the place of dx and dy.

    Raises:
        ValueError: as `cca`, or if `threshold` is out of range.

    References:
        Raghu et al. (2017), SVCCA, arXiv:1706.05806.
    """
    cov = as_covariances(acts_x, acts_y)
    check_varies(cov)
    white_x, white_y = _principal(cov.xx, threshold), _principal(cov.yy, threshold)
    if flag("guard", guard):
        guard_enough(cov.n, white_x.shape[1] + white_y.shape[1])
    return float(_singular_values(white_x.T @ cov.xy @ white_y).mean())


def pwcca(acts_x: Acts | Covariances, acts_y: Acts | None = None, *, guard: bool = True) -> float:
    """Mean of the canonical correlations, weighted by what each means to the first layer.

    The weight of correlation i is the sum over the first layer's neurons of |<h_i, x_j>|, where h_i
    is its canonical variate (of length 1, uncorrelated with the others) and x_j a neuron's centred
    activations. Not symmetric: swapping the layers gives another number.

    Arguments and errors as `cca`.

    References:
        Morcos, Raghu, Bengio (2018), arXiv:1806.05759, equation 2.
    """
    cov = as_covariances(acts_x, acts_y)
    if flag("guard", guard):
        guard_enough(cov.n, sum(cov.widths))
    white_x, between = _whitened(cov)
    u, rho, _ = torch.linalg.svd(between, full_matrices=False)
    weights = ((white_x @ u).T @ cov.xx).abs().sum(dim=1)  # (k,); (acts_x - mean) @ white_x @ u are the variates
    return float((weights * rho.clamp(0, 1)).sum() / weights.sum())


# ------------------------------------------------------------------------ whitening


def _whitened(cov: Covariances) -> tuple[Tensor, Tensor]:
    """The matrix w_x (dx, rank_x) with w^T scatter w = 1, and w_x^T xy w_y, of shape (rank_x, rank_y)."""
    check_varies(cov)
    dead = cov.constant()
    white_x, white_y = _whiten(cov.xx, dead[: cov.split]), _whiten(cov.yy, dead[cov.split :])
    return white_x, white_x.T @ cov.xy @ white_y


def _whiten(scatter: Tensor, dead: Tensor) -> Tensor:
    """By Cholesky where the neurons are independent, else by eigenvectors: (d, d) -> (d, rank)."""
    alive = (~dead).nonzero().squeeze(1)
    inner = scatter[alive][:, alive]
    scale = inner.diagonal().rsqrt()
    correlation = inner * scale[:, None] * scale
    factor, failed = torch.linalg.cholesky_ex(correlation)
    if not int(failed) and float(factor.diagonal().min()) ** 2 > PIVOT:
        eye = torch.eye(len(alive), dtype=scatter.dtype, device=scatter.device)
        white = torch.linalg.solve_triangular(factor, eye, upper=False).T
    else:
        values, vectors = torch.linalg.eigh(correlation)
        kept = values > RANK * values[-1]
        white = vectors[:, kept] * values[kept].rsqrt()
    result = scatter.new_zeros(len(scatter), white.shape[1])
    result[alive] = white * scale[:, None]
    return result


def _principal(scatter: Tensor, threshold: float) -> Tensor:
    """Whitened principal directions that explain `threshold` of the variance, (d, kept)."""
    threshold = number("threshold", threshold, example=0.99)
    if not 0 < threshold <= 1:
        raise ValueError(f"expected threshold in (0, 1], the share of the variance to keep, got {threshold}; try 0.99")
    values, vectors = torch.linalg.eigh(scatter)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    explained = values.cumsum(0) / values.sum()
    # rounding may keep the sum a hair below 1: what rank tells is the most that there is
    most = int((values > RANK * values[0]).sum())
    kept = min(int((explained < threshold * (1 - 1e-12)).sum()) + 1, most)
    return vectors[:, :kept] * values[:kept].rsqrt()


def _singular_values(matrix: Tensor) -> Tensor:
    return torch.linalg.svdvals(matrix).clamp(0, 1)
