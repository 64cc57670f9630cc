"""Gabor filters: stripes of one direction and width under a bell."""

import math

import torch
from torch import Tensor


def gabor_bank(size: int, orientation: Tensor, frequency: Tensor, phase: Tensor, bandwidth: Tensor) -> Tensor:
    """Gabor filters: waves under a round Gaussian.

    With x to the right and y down, in pixels from the centre of the filter, and
    u = x cos(orientation) + y sin(orientation) along the wave:

        g(x, y) = exp(-(x^2 + y^2) / (2 sigma^2)) cos(2 pi frequency u + phase)

        sigma = 1 / (pi frequency) * sqrt(ln 2 / 2) * (2^bandwidth + 1) / (2^bandwidth - 1)

    Args:
        size: side of the filters in pixels.
        orientation: radians, shape (O,); 0 is a wave from left to right, with upright stripes.
        frequency: cycles per pixel, above 0, shape (O,).
        phase: radians, shape (O,).
        bandwidth: full width at half height in octaves, above 0, shape (O,).

    Returns:
        float32 (O, size, size), rows are y.

    Raises:
        ValueError: if the shapes differ, or a size, frequency or bandwidth is not above 0.

    References:
        Petkov and Kruizinga (1997), Computational models of visual neurons specialised in the
        detection of periodic and aperiodic oriented visual stimuli, Biological Cybernetics 76.
    """
    given = [torch.as_tensor(values, dtype=torch.float64) for values in (orientation, frequency, phase, bandwidth)]
    if size < 1 or given[0].ndim != 1 or len({values.shape for values in given}) > 1:
        raise ValueError(
            f"expected a size of at least 1 and four tensors of one shape (O,), got size {size} and shapes "
            f"{[tuple(values.shape) for values in given]}"
        )
    theta, f, phi, octaves = (values.view(-1, 1, 1) for values in given)
    if not ((f > 0).all() and (octaves > 0).all()):
        raise ValueError(
            f"expected frequencies (cycles per pixel) and bandwidths (octaves) above 0, got {f.flatten().tolist()} "
            f"and {octaves.flatten().tolist()}"
        )
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")  # (size, size)
    u = x * theta.cos() + y * theta.sin()  # (O, size, size)
    sigma = math.sqrt(math.log(2) / 2) / (math.pi * f) * (2**octaves + 1) / (2**octaves - 1)
    return (torch.exp(-(x**2 + y**2) / (2 * sigma**2)) * torch.cos(2 * math.pi * f * u + phi)).float()
