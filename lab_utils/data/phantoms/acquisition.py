"""How a picture is taken: the hospital's machine, what lies on the patient, exposure and noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lab_utils.data.phantoms.draws import Draws
from lab_utils.data.phantoms.frame import Frame, bump, edge, pixel_grid
from lab_utils.names import did_you_mean

Range = tuple[float, float]


@dataclass(frozen=True)
class Site:
    """One hospital: whom it sees and how it takes pictures."""

    code: int  # keeps the patients of two hospitals apart
    prevalence: tuple[float, ...]  # share of images with each of `FINDINGS`
    gain: Range  # contrast
    offset: Range  # brightness, 1 = white
    gamma: Range
    noise: Range  # sd of the quantum noise where the picture is mid-grey
    tilt: float  # largest rotation, radians
    magnified: float  # beam from the front makes the heart look larger: added to its share of the chest width
    tube: float  # share of images with a line or tube
    pacemaker: float
    leads: float  # share of images with monitor leads on the chest
    marker: float  # share of images with a side marker
    collimated: float  # share of images with a dark frame


SITES = {
    # A: an outpatient department with a fixed machine.
    "A": Site(
        code=0, prevalence=(0.25, 0.22, 0.18, 0.25, 0.35), gain=(0.85, 1.20), offset=(-0.06, 0.08), gamma=(0.75, 1.30),
        noise=(0.008, 0.030), tilt=0.09, magnified=0.0, tube=0.20, pacemaker=0.08, leads=0.05, marker=0.6,
        collimated=0.05,
    ),
    # B: an intensive care unit with a mobile machine: patients lie, are sicker, and the picture is grainy and flat.
    "B": Site(
        code=1, prevalence=(0.35, 0.30, 0.25, 0.38, 0.48), gain=(0.62, 0.90), offset=(0.04, 0.20), gamma=(0.90, 1.60),
        noise=(0.025, 0.065), tilt=0.14, magnified=0.02, tube=0.65, pacemaker=0.10, leads=0.55, marker=0.9,
        collimated=0.5,
    ),
}  # fmt: skip


def find_site(name: str | Site) -> Site:
    """Return the hospital of that name; one of the caller's own is returned as it is.

    Raises:
        ValueError: naming the nearest hospital.
    """
    if isinstance(name, Site):
        return name
    if name in SITES:
        return SITES[name]
    raise ValueError(
        f"site must be one of {', '.join(map(repr, SITES))}; got {name!r}.{did_you_mean(str(name)[-1:], SITES)} "
        "Site 'A' is the hospital to train on, 'B' the one that differs."
    )


def devices(patient: Draws, image: Draws, frame: Frame, site: Site) -> Tensor:
    """Tubes, a pacemaker and monitor leads: bright, and no sign of any finding."""
    x, y = frame.x, frame.y
    mouth = image.uniform(-0.15, 0.15)
    path = x - mouth * edge(y + 0.2, 0.2) - 0.06 * torch.sin(3 * y)
    tube = bump((path / 0.010).square()) * edge(image.uniform(-0.1, 0.5) - y, 0.02)
    attenuation = 0.16 * image.chance(site.tube) * tube
    box = (x - patient.uniform(0.38, 0.55)).square() + (y + patient.uniform(0.35, 0.50)).square()
    attenuation = attenuation + 0.35 * patient.chance(site.pacemaker) * edge(0.085 - box.sqrt(), 0.012)
    wire = y - image.uniform(-0.45, -0.1) - image.uniform(-0.7, 0.7) * x - 0.10 * torch.sin(5 * x + 6 * mouth)
    end = x - image.uniform(-0.5, 0.5)
    lead = bump((wire / 0.008).square()) * edge(end, 0.01) + 2.5 * bump((wire.square() + end.square()) / 0.0008)
    return attenuation + 0.14 * image.chance(site.leads) * lead


def exposure(image: Draws, body_attenuation: Tensor, site: Site) -> Tensor:
    """Turn attenuation into grey levels from 0 to 1, with the uneven beam of a real tube."""
    grid_x, grid_y = pixel_grid(body_attenuation.shape[-1])
    uneven = 0.05 * (grid_x * image.uniform(-1, 1) + grid_y * image.uniform(-1, 1))
    grey = body_attenuation.clamp(min=0) * image.uniform(*site.gain) + image.uniform(*site.offset) + uneven
    return (grey / 1.15).clamp_(1e-3, 1).log_().mul_(image.uniform(*site.gamma)).exp_()


def overlay(image: Draws, grey: Tensor, site: Site) -> Tensor:
    """The side marker (a lead letter L on the patient's left) and the edge of the beam."""
    grid_x, grid_y = pixel_grid(grey.shape[-1])
    x = grid_x - image.uniform(0.70, 0.88)
    y = grid_y + image.uniform(0.66, 0.90)
    stem = ((x + 0.025).abs() < 0.016) & (y.abs() < 0.06)
    foot = ((x - 0.005).abs() < 0.046) & ((y - 0.045).abs() < 0.016)
    grey = grey + image.chance(site.marker) * image.uniform(0.3, 0.6) * (stem | foot)
    border_x, border_y = 1 - image.uniform(0.01, 0.10), 1 - image.uniform(0.01, 0.08)
    beam = edge(border_x - grid_x.abs(), 0.004) * edge(border_y - grid_y.abs(), 0.004)
    return grey * (1 - image.chance(site.collimated) * (1 - beam))


def quantum_noise(image: Draws, grey: Tensor, site: Site) -> Tensor:
    """Grain, stronger in the bright parts where few photons arrive."""
    size = grey.shape[-1]
    return grey + image.uniform(*site.noise) * image.noise(size) * (0.5 + grey)
