"""The part of the table of claims that compares activations: mean CCA per stage, on fixed images."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab_utils.data import load_data
from lab_utils.networks import first_conv
from lab_utils.similarity import mean_cca, merged, stage_covariances
from lab_utils.studies.claims_runs import SIDE, job_of, start_network
from lab_utils.studies.kept import network_file
from lab_utils.studies.study import Row


def probe_images(n: int) -> Tensor:
    """The same images for every comparison, uint8 (n, 1, 64, 64); no network was trained on them."""
    return load_data("phantoms", size=SIDE, n_train=1, n_val=n, n_test=1, seed=1)["val"].images


def started(row: Row) -> nn.Module:
    """The network of a run before training."""
    return start_network(job_of(row)).eval()


def trained(row: Row) -> nn.Module:
    """The network of a run after training."""
    model = started(row)
    model.load_state_dict(torch.load(network_file(row["kept"]), weights_only=True))
    return model


def alike(model_x: nn.Module, model_y: nn.Module, images: Tensor) -> list[float]:
    """Mean CCA of each stage; the datapoints are 4 x 4 positions of every image."""
    return [mean_cca(merged(parts)) for parts in stage_covariances(model_x, model_y, images, per_side=4).values()]


def to_start(rows: Sequence[Row], images: Tensor) -> NDArray[np.float64]:
    """How alike each trained network is to itself before training, (seeds, stages)."""
    return np.array([alike(trained(row), started(row), images) for row in rows])


def between_seeds(random: Sequence[Row], transfer: Sequence[Row], images: Tensor) -> dict[str, NDArray[np.float64]]:
    """How alike trained networks of two seeds are.

    Returns:
        start -> (pairs, stages), pairs in the order of `itertools.combinations`; start "mixed" is the mean of the
        random network of one seed with the transferred one of the other, both ways.
    """
    xs, ys = ([trained(row) for row in rows] for rows in (random, transfer))
    return {
        "random": _compared(xs, xs, images),
        "transfer": _compared(ys, ys, images),
        "mixed": _both_ways(xs, ys, images),
    }


def before_training(random: Sequence[Row], transfer: Sequence[Row], images: Tensor) -> dict[str, NDArray[np.float64]]:
    """How alike the networks of two seeds are before the first step, "random" and "mixed" as in `between_seeds`.

    Two transferred networks differ in their heads only.
    """
    xs, ys = ([started(row) for row in rows] for rows in (random, transfer))
    return {"random": _compared(xs, xs, images), "mixed": _both_ways(xs, ys, images)}


def _compared(xs: list[nn.Module], ys: list[nn.Module], images: Tensor, *, turned: bool = False) -> NDArray[np.float64]:
    """Network i of the first list with network j of the second, (pairs, stages); turned: j with i."""
    pairs = itertools.combinations(range(len(xs)), 2)
    return np.array([alike(xs[j], ys[i], images) if turned else alike(xs[i], ys[j], images) for i, j in pairs])


def _both_ways(xs: list[nn.Module], ys: list[nn.Module], images: Tensor) -> NDArray[np.float64]:
    return np.mean([_compared(xs, ys, images, turned=turned) for turned in (False, True)], axis=0)


def filter_orientation(networks: Iterable[nn.Module]) -> list[float]:
    """How `oriented` the first filters of each network are."""
    return [oriented(first_conv(network).weight) for network in networks]


def oriented(weight: Tensor) -> float:
    """How oriented the filters of a first convolution are: 1 for plain stripes, about 0.3 for noise.

    Per filter, the share of its power, without its mean, that lies within 22.5 degrees of its strongest direction in
    the Fourier plane; averaged over the filters.

    Args:
        weight: (O, C, k, k); channels are summed first.
    """
    filters = weight.detach().double().sum(dim=1)
    filters = filters - filters.mean(dim=(1, 2), keepdim=True)
    power = torch.fft.fft2(filters, s=(32, 32)).abs().square().flatten(1)  # (O, 1024)
    f = torch.fft.fftfreq(32, dtype=torch.float64)
    angle = torch.atan2(f[:, None], f[None, :]).flatten()
    directions = torch.arange(0, torch.pi, torch.pi / 16, dtype=torch.float64)
    away = (angle[None] - directions[:, None] + torch.pi / 2).remainder(torch.pi) - torch.pi / 2  # to +-90 degrees
    shares = power @ (away.abs() <= torch.pi / 8).double().T / power.sum(dim=1, keepdim=True)
    return float(shares.max(dim=1).values.mean())
