"""The part of the table of claims that compares activations: mean CCA per stage, on fixed images."""

from __future__ import annotations

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab_utils.data import load_data
from lab_utils.networks import first_conv
from lab_utils.similarity import mean_cca, merged, stage_covariances
from lab_utils.studies.claims_runs import SIDE, Job, grid, keeps_model, model_file, start_network

IMAGES = 800


def probe_images() -> Tensor:
    """The same images for every comparison, uint8 (800, 1, 64, 64); no network was trained on them."""
    return load_data("phantoms", size=SIDE, n_train=1, n_val=IMAGES, n_test=1, seed=1)["val"].images


def trained(job: Job) -> nn.Module:
    """The network after training."""
    model = start_network(job)
    model.load_state_dict(torch.load(model_file(job), weights_only=True))
    return model.eval()


def alike(model_x: nn.Module, model_y: nn.Module, images: Tensor) -> list[float]:
    """Mean CCA of each stage; the datapoints are 4 x 4 positions of every image."""
    return [mean_cca(merged(parts)) for parts in stage_covariances(model_x, model_y, images, per_side=4).values()]


def _jobs(model: str, start: str) -> list[Job]:
    """The runs that kept their network, in the order of their seeds."""
    return [job for job in grid() if keeps_model(job) and (job.model, job.start) == (model, start)]


def to_start(model: str, start: str, images: Tensor) -> NDArray[np.float64]:
    """How alike each trained network is to itself before training, (seeds, stages)."""
    return np.array([alike(trained(job), start_network(job).eval(), images) for job in _jobs(model, start)])


def between_seeds(model: str, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """How alike trained networks of two seeds are.

    Returns:
        start -> (pairs, stages), pairs in the order of `itertools.combinations`; start "mixed" is the mean of the
        random network of one seed with the transferred one of the other, both ways.
    """
    random, transfer = ([trained(job) for job in _jobs(model, start)] for start in ("random", "transfer"))
    return {
        "random": _compared(random, random, images),
        "transfer": _compared(transfer, transfer, images),
        "mixed": _both_ways(random, transfer, images),
    }


def before_training(model: str, images: Tensor) -> dict[str, NDArray[np.float64]]:
    """How alike the networks of two seeds are before the first step, "random" and "mixed" as in `between_seeds`.

    Two transferred networks differ in their heads only.
    """
    random, transfer = ([start_network(job).eval() for job in _jobs(model, start)] for start in ("random", "transfer"))
    return {"random": _compared(random, random, images), "mixed": _both_ways(random, transfer, images)}


def _compared(xs: list[nn.Module], ys: list[nn.Module], images: Tensor, *, turned: bool = False) -> NDArray[np.float64]:
    """Network i of the first list with network j of the second, (pairs, stages); turned: j with i."""
    pairs = itertools.combinations(range(len(xs)), 2)
    return np.array([alike(xs[j], ys[i], images) if turned else alike(xs[i], ys[j], images) for i, j in pairs])


def _both_ways(xs: list[nn.Module], ys: list[nn.Module], images: Tensor) -> NDArray[np.float64]:
    return np.mean([_compared(xs, ys, images, turned=turned) for turned in (False, True)], axis=0)


def filter_orientation(model: str) -> dict[str, list[float]]:
    """How `oriented` the first filters are, per seed: after training from "random" and "transfer", and "before"."""
    networks = {start: [trained(job) for job in _jobs(model, start)] for start in ("random", "transfer")}
    networks["before"] = [start_network(job) for job in _jobs(model, "random")]
    return {start: [oriented(first_conv(net).weight) for net in nets] for start, nets in networks.items()}


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
