"""Covariances of two layers, gathered in one pass over batches: all that the similarities need.

A conv layer gives a datapoint per position, millions of them, and a similarity needs only their
means, covariances and a few moments of their lengths. `covariances` adds batch to batch, in
float64, so that memory does not grow with the number of datapoints.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.array_input import as_numbers
from lab_utils.device import default_device

Acts: TypeAlias = Tensor | NDArray[Any]

# A neuron whose sd is below this share of its mean is constant: what is left is rounding.
CONSTANT = 1e-12
ENOUGH = 5  # datapoints per neuron below which a similarity is mostly chance


@dataclass(frozen=True, eq=False)
class Covariances:
    """Sums over datapoints of two layers side by side, z = [x, y], about their means.

    Add two of disjoint datapoints to get those of all: nothing else is needed to go through
    batches, or to draw blocks of images with replacement.

    Attributes:
        n: number of datapoints.
        split: neurons of the first layer (dx); the others (dy) are the second's.
        mean: (dx + dy,).
        scatter: sum of z z^T, (dx + dy, dx + dy); n - 1 times the covariance.
        length_z: sum of |x|^2 z and of |y|^2 z, (2, dx + dy).
        length_length: sums of |x|^4, |x|^2 |y|^2 and |y|^4, (2, 2).
    """

    n: int
    split: int
    mean: Tensor
    scatter: Tensor
    length_z: Tensor
    length_length: Tensor

    @property
    def xx(self) -> Tensor:
        """Scatter of the first layer, (dx, dx)."""
        return self.scatter[: self.split, : self.split]

    @property
    def xy(self) -> Tensor:
        """Scatter between the layers, (dx, dy)."""
        return self.scatter[: self.split, self.split :]

    @property
    def yy(self) -> Tensor:
        """Scatter of the second layer, (dy, dy)."""
        return self.scatter[self.split :, self.split :]

    @property
    def widths(self) -> tuple[int, int]:
        """Neurons of the two layers, (dx, dy)."""
        return self.split, len(self.mean) - self.split

    def constant(self) -> Tensor:
        """Which neurons do not vary, (dx + dy,) of bool: dead ones, and those of one value."""
        return self.scatter.diagonal() <= self.n * (CONSTANT * self.mean) ** 2

    def __add__(self, other: "Covariances") -> "Covariances":
        """Moments of both together, each moved to the common mean first (Chan et al. 1983)."""
        if self.widths != other.widths:
            raise ValueError(
                f"expected batches of the same two layers, got {self.widths} and {other.widths} neurons; "
                "make one sum per pair of layers"
            )
        n = self.n + other.n
        mean = self.mean + (other.mean - self.mean) * (other.n / n)
        a, b = self._about(mean), other._about(mean)
        sums = (left + right for left, right in zip(a, b, strict=True))
        return Covariances(n, self.split, mean, *sums)

    def _about(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scatter, length_z and length_length of z - point, of shapes as above."""
        d = self.mean - point
        dx, dy = d[: self.split], d[self.split :]
        squares = torch.stack([dx @ dx, dy @ dy])
        total = torch.stack([self.xx.trace(), self.yy.trace()])  # sum of |x|^2, of |y|^2
        # each layer's part of the shift, (2, D), and what it is on the data
        parts = torch.zeros(2, len(d), dtype=d.dtype, device=d.device)
        parts[0, : self.split], parts[1, self.split :] = dx, dy
        moved = parts @ self.scatter  # sum of (d . x) z, of (d . y) z
        length_z = self.length_z + torch.outer(total + self.n * squares, d) + 2 * moved
        across = 2 * self.length_z @ parts.T + torch.outer(total, squares)
        lengths = self.length_length + across + across.T + 4 * moved @ parts.T + self.n * torch.outer(squares, squares)
        return self.scatter + self.n * torch.outer(d, d), length_z, lengths


def covariances(batches: Iterable[tuple[Acts, Acts]]) -> Covariances:
    """Moments of all batches, in one pass; memory does not grow with their number.

    Args:
        batches: pairs (acts_x, acts_y) of shapes (b, dx) and (b, dy), b at least 1; row i of both
            belongs to the same datapoint.

    Returns:
        The moments, in float64, on CUDA where that is the default device.

    Raises:
        ValueError: if there is no batch, or one is not made of two finite matrices with one row
            per datapoint.

    References:
        Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, Am. Stat. 37(3).
    """
    total: Covariances | None = None
    for acts_x, acts_y in batches:
        part = _of_batch(*checked(acts_x, acts_y))
        total = part if total is None else total + part
    if total is None:
        raise ValueError("expected at least one batch of activations, got none; is the generator used up already?")
    return total


def merged(parts: Sequence[Covariances]) -> Covariances:
    """Moments of all parts together; a part may come several times, as the bootstrap draws it."""
    return reduce(Covariances.__add__, parts)


def as_covariances(acts_x: "Acts | Covariances", acts_y: Acts | None) -> Covariances:
    """What every similarity accepts: two matrices, or moments gathered before."""
    if isinstance(acts_x, Covariances):
        if acts_y is not None:
            raise ValueError("expected acts_x and acts_y, or covariances alone, got covariances and acts_y")
        return acts_x
    if acts_y is None:
        raise ValueError("expected the activations of a second layer, acts_y; a layer against itself is (acts, acts)")
    return _of_batch(*checked(acts_x, acts_y))


def checked(acts_x: Acts, acts_y: Acts) -> tuple[Tensor, Tensor]:
    """Both as float64 matrices on the device to compute on.

    Raises:
        ValueError: if they are not two matrices with the same number of rows, at least 1.
    """
    x, y = matrix("acts_x", acts_x), matrix("acts_y", acts_y)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(
            f"expected one row per datapoint in both, got {tuple(x.shape)} and {tuple(y.shape)}; show the same images "
            "to both networks, in the same order, and give (samples, neurons), not the transpose"
        )
    return x, y


def matrix(name: str, acts: Acts) -> Tensor:
    """Activations (samples, neurons) as a float64 matrix on the device to compute on."""
    given = _tensor(name, acts)
    if given.ndim != 2 or given.shape[1] == 0 or given.is_complex():
        raise ValueError(
            f"expected {name} of shape (samples, neurons), got {tuple(given.shape)}; fold a conv layer (B, C, H, W) "
            "with conv_to_samples, or average it over space"
        )
    device = given.device if given.device.type == "cuda" else _device()
    return given.detach().to(device, torch.float64)


def _tensor(name: str, acts: Any) -> Tensor:
    if isinstance(acts, np.ma.MaskedArray):  # as a tensor it would show what is masked
        raise ValueError(f"expected {name} without masked values; leave these datapoints out of both layers")
    return acts if isinstance(acts, Tensor) else torch.from_numpy(np.ascontiguousarray(as_numbers(name, acts)))


def _device() -> torch.device:
    """CUDA where it is the default; MPS has no float64."""
    device = default_device()
    return device if device.type == "cuda" else torch.device("cpu")


def _of_batch(x: Tensor, y: Tensor) -> Covariances:
    z = torch.cat([x, y], dim=1)
    mean = z.mean(dim=0)
    if not bool(mean.isfinite().all()):  # one bad value spoils a mean: cheaper than to look at every value
        raise ValueError("expected finite activations, but some are NaN or infinite; look at the network first")
    z -= mean
    dx = x.shape[1]
    lengths = torch.stack([torch.einsum("ij,ij->i", part, part) for part in (z[:, :dx], z[:, dx:])])  # (2, b)
    return Covariances(len(z), dx, mean, _gram(z), lengths @ z, lengths @ lengths.T)


def _gram(z: Tensor) -> Tensor:
    """z^T z; on the CPU by NumPy, which sees that the result is symmetric and computes half of it."""
    if z.device.type != "cpu":
        return z.T @ z
    array = z.numpy()
    return torch.from_numpy(array.T @ array)


def to_numpy(values: Tensor) -> NDArray[np.float64]:
    """A float64 array on the CPU."""
    array: NDArray[np.float64] = values.detach().cpu().numpy()
    return array


# ------------------------------------------------------------------------ guards


def check_varies(cov: Covariances) -> None:
    """Refuse a layer that is constant over all datapoints: there is nothing to compare."""
    dead = cov.constant()
    for name, part in (("acts_x", dead[: cov.split]), ("acts_y", dead[cov.split :])):
        if bool(part.all()):
            raise ValueError(
                f"expected activations that vary, but all {len(part)} neurons of {name} are constant over the {cov.n} "
                "datapoints; choose other images or another layer"
            )


def warn_if_few(n: int, directions: int) -> None:
    """Warn below 5 datapoints per direction of both layers together."""
    if n < ENOUGH * directions:
        warnings.warn(
            f"{n} datapoints are few for {directions} neurons of both layers: below {ENOUGH * directions} a good part "
            "of the similarity is chance; take more images or positions, and compare with the null",
            stacklevel=4,
        )


def guard_enough(n: int, directions: int) -> None:
    """Refuse n <= directions, in which noise has canonical correlations of 1; warn below 5 per direction."""
    if n <= directions:
        raise ValueError(
            f"expected more datapoints than neurons of both layers together, got {n} for {directions}: correlations "
            f"of 1 would appear in any data; take {ENOUGH * directions} datapoints or more, or fewer directions (svcca)"
        )
    warn_if_few(n, directions)
