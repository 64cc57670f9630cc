"""Similarities that keep what a rotation keeps: linear CKA, biased and not, and Procrustes.

Part of `lab_utils.similarity`. They need no inverse, so they take any number of datapoints; with few
of them, they are biased upwards all the same.
"""

import torch
from torch import Tensor

from lab_utils.arguments import flag
from lab_utils.similarity.covariance import Acts, Covariances, as_covariances, check_varies, warn_if_few


def linear_cka(acts_x: Acts | Covariances, acts_y: Acts | None = None, *, debiased: bool = False) -> float:
    """Centred kernel alignment with a linear kernel: |x^T y|^2 / (|x^T x| |y^T y|), Frobenius norms.

    Unchanged by rotations, reflections and one scale for all neurons of a layer; not by other
    invertible maps: directions of large variance dominate. With few datapoints noise looks alike; then
    take the debiased estimator, whose mean over independent layers is 0, and which may fall below 0.

    Args:
        acts_x: (samples, dx), or the covariances of both layers.
        acts_y: (samples, dy).
        debiased: leave the terms out in which a datapoint meets itself; else warns below
            5 (dx + dy) datapoints.

    Returns:
        In [0, 1]; debiased: about so, NaN where a layer has no similarity left with itself.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, a layer is constant, or the
            debiased estimator gets fewer than 4 datapoints.

    References:
        Kornblith et al. (2019), arXiv:1905.00414; Song et al. (2012), JMLR 13, equation 5 (debiased HSIC).
    """
    cov = as_covariances(acts_x, acts_y)
    check_varies(cov)
    if not flag("debiased", debiased):
        warn_if_few(cov.n, sum(cov.widths))
        return float(((cov.xy**2).sum() / (cov.xx.norm() * cov.yy.norm())).clamp(0, 1))
    if cov.n < 4:
        raise ValueError(f"expected at least 4 datapoints for the debiased estimator, got {cov.n}; take more images")
    return float(_hsic(cov, 0, 1) / (_hsic(cov, 0, 0) * _hsic(cov, 1, 1)).sqrt())


def procrustes(acts_x: Acts | Covariances, acts_y: Acts | None = None) -> float:
    """How well the best rotation (and reflection) turns one layer into the other, in [0, 1].

    With both layers centred and scaled to length 1, d the distance left over by the best rotation,
    this is 1 - d^2 / 2, the sum of the singular values of x^T y. Warns below 5 (dx + dy) datapoints.

    Args:
        acts_x: (samples, dx), or the covariances of both layers.
        acts_y: (samples, dy); the narrower layer is filled up with zeros, in effect.

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or a layer is constant.

    References:
        Schonemann (1966), Psychometrika 31(1); Ding, Denain, Steinhardt (2021), arXiv:2108.01661.
    """
    cov = as_covariances(acts_x, acts_y)
    check_varies(cov)
    warn_if_few(cov.n, sum(cov.widths))
    nuclear = torch.linalg.svdvals(cov.xy).sum()
    return float((nuclear / (cov.xx.trace() * cov.yy.trace()).sqrt()).clamp(0, 1))


def _hsic(cov: Covariances, i: int, j: int) -> Tensor:
    """Debiased dot product of the Gram matrices of layers i and j (0 is x, 1 is y), times n (n - 3).

    The sums over pairs of different datapoints, written with sums over neurons, so that no n x n
    matrix is needed: |a^T b|^2, squared lengths |a|^2 and |b|^2 of the centred rows.
    """
    n, blocks = cov.n, (cov.xx, cov.yy)
    cross = (cov.xy if i != j else blocks[i]) ** 2
    lengths = blocks[i].trace() * blocks[j].trace()
    return cross.sum() - n / (n - 2) * cov.length_length[i, j] + lengths / ((n - 1) * (n - 2))
