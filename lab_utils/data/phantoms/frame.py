"""Where the body of a phantom is in the picture, and the soft shapes that its structures are drawn with.

Lengths are in half picture widths: x runs from -1 (left edge of the picture, the patient's right side) to 1, y from -1
(top) to 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from lab_utils.data.phantoms.draws import Draws


def edge(distance: Tensor, width: float | Tensor) -> Tensor:
    """0 far outside, 1 far inside, 1/2 where the distance is 0; `width` sets how soft the border is.

    The clamp keeps products of several edges out of the denormal range, where CPUs are ten times slower.
    """
    return (distance * (1 / width)).clamp_(-12, 12).sigmoid_()


def bump(squared_distance: Tensor) -> Tensor:
    """A round blob: 1 in the middle, exp(-1) at squared distance 1."""
    return squared_distance.clamp(max=12).neg_().exp_()


@dataclass(frozen=True)
class Frame:
    """Body coordinates of every pixel, and the patient's own texture there. All are (B, H, W)."""

    x: Tensor
    y: Tensor
    across: Tensor  # distance from the midline
    left: Tensor  # 1 on the patient's left, 0 on the right
    broad: Tensor  # slow waves, mean 0, sd about 1
    patchy: Tensor  # the same, another draw
    fine: Tensor  # lung-marking scale


def pixel_grid(size: int) -> tuple[Tensor, Tensor]:
    """Picture coordinates of the pixel centres: x of shape (1, 1, size), y of shape (1, size, 1)."""
    centres = (torch.arange(size, dtype=torch.float32) + 0.5) / size * 2 - 1
    return centres.view(1, 1, -1), centres.view(1, -1, 1)


def place_body(patient: Draws, image: Draws, size: int, *, tilt: float) -> Frame:
    """Stand the patient before the detector: build belongs to the patient, pose to the image.

    Args:
        patient: draws of the patients.
        image: draws of the images.
        size: side of the picture in pixels.
        tilt: largest rotation in the picture plane, radians.
    """
    angle = image.uniform(-tilt, tilt)
    zoom = patient.uniform(0.81, 0.96) * image.uniform(0.96, 1.04)
    aspect = patient.uniform(0.93, 1.07)
    grid_x, grid_y = pixel_grid(size)
    moved_x = grid_x - patient.uniform(-0.03, 0.03) - image.uniform(-0.06, 0.06)
    moved_y = grid_y - patient.uniform(-0.03, 0.03) - image.uniform(-0.05, 0.05)
    cosine, sine = angle.cos(), angle.sin()
    x = (moved_x * cosine + moved_y * sine) * (zoom * aspect)
    y = (moved_y * cosine - moved_x * sine) * (zoom / aspect)
    bend_x, bend_y, patchy, fine = _texture(patient, x, y).unbind(1)
    x, y = x + 0.012 * bend_x, y + 0.012 * bend_y
    return Frame(x, y, x.abs(), edge(x, 0.01), bend_y, patchy, fine)


def _texture(patient: Draws, x: Tensor, y: Tensor) -> Tensor:
    """Three slow and one fine noise picture that move with the body, (B, 4, H, W)."""
    slow = torch.stack([patient.noise(12) for _ in range(3)], dim=1)
    fine = patient.noise(32)[:, None]
    from_12, from_32 = _spline(12, 64), _spline(32, 64)
    atlas = torch.cat([2.0 * (from_12 @ slow @ from_12.T), 1.4 * (from_32 @ fine @ from_32.T)], dim=1)
    points = torch.stack([x, y], dim=-1)
    return F.grid_sample(atlas, points, padding_mode="reflection", align_corners=False)


def _spline(cells: int, samples: int) -> Tensor:
    """Matrix (samples, cells) that draws a smooth cubic B-spline through a row of cells."""
    at = (torch.arange(samples, dtype=torch.float32) + 0.5) / samples * cells - 0.5
    away = (at[:, None] - torch.arange(cells)).abs()
    near, far = 2 / 3 - away**2 + away**3 / 2, (2 - away).clamp(min=0) ** 3 / 6
    return torch.where(away < 1, near, far)
