"""The healthy chest of a phantom: one function per structure.

A radiograph is a shadow: every structure adds or removes attenuation along the beam, and white means much of it. All
functions work on a batch of B pictures at once, in the coordinates of `frame`. What a patient is born with comes from
`patient` draws, what changes between two pictures from `image` draws.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lab_utils.data.phantoms.draws import Draws
from lab_utils.data.phantoms.frame import Frame, bump, edge

TAU = 2 * math.pi


@dataclass(frozen=True)
class Lungs:
    """Where air is. Pictures are (B, H, W), scalars (B, 1, 1)."""

    cavity: Tensor  # the pleural space, down to the floor of the chest
    field: Tensor  # the part of it above the diaphragm
    depth: Tensor  # how much air the beam meets, 0 to 1
    wall: Tensor  # x of the chest wall at this height
    outward: Tensor  # 0 at the mediastinum, 1 at the chest wall
    diaphragm: Tensor  # y of the diaphragm at this x
    floor: Tensor  # y of the lowest pleural recess on this side
    top: Tensor  # y of the apices
    width: Tensor  # half width of the chest
    base: Tensor  # y of the domes on this side
    base_left: Tensor  # y of the left dome


def lungs(patient: Draws, image: Draws, frame: Frame, *, shift: Tensor, rise: Tensor) -> Lungs:
    """The two lung fields.

    Args:
        patient: draws of the patients.
        image: draws of the images (how deep the breath is).
        frame: body coordinates.
        shift: how far the mediastinum is pulled along x, (B, 1, 1).
        rise: how far the diaphragm is lifted, (B, H, W).
    """
    width, top = patient.uniform(0.66, 0.78), patient.uniform(-0.80, -0.68)
    base_right = patient.uniform(0.31, 0.44) + image.uniform(-0.06, 0.06)
    base_left = base_right + patient.uniform(0.0, 0.09)
    base = base_right + (base_left - base_right) * frame.left - rise
    curve, hilum_gap = patient.uniform(0.16, 0.30), patient.uniform(0.10, 0.14)
    softness = image.uniform(0.012, 0.022)
    down = ((frame.y - top) / (0.55 - top)).clamp_(1e-3, 1.3)  # 0 at the apex, 1 at the base
    root = down.sqrt().sqrt()
    opening = root * root.sqrt()  # down ** 0.375: steep at the apex, then parallel
    wall = 0.29 + (width - 0.29) * opening * (1 + 0.10 * torch.sin(math.pi * down.clamp(max=1)))
    wall = wall - 0.10 * (down - 0.85).clamp_(min=0)
    inner = 0.30 - (0.30 - hilum_gap) * opening
    from_middle = (frame.x - shift).abs()
    diaphragm = base + curve * ((frame.across - 0.34) / 0.36).square() - 0.04
    cavity = edge(wall - frame.across, softness) * edge(from_middle - inner, softness) * edge(frame.y - top, softness)
    field = cavity * edge(diaphragm - frame.y, softness)
    outward = ((frame.across - inner) / (wall - inner + 0.05)).clamp_(0, 1)
    depth = (0.62 + 0.38 * torch.sin(math.pi * outward.clamp(0.02, 0.98))) * (0.75 + 0.25 * down.clamp_(max=1))
    floor = base + 0.8 * curve
    return Lungs(cavity, field, depth, wall, outward, diaphragm, floor, top, width, base, base_left)


def soft_tissue(patient: Draws, frame: Frame) -> tuple[Tensor, Tensor]:
    """Trunk, shoulders and neck. Returns their attenuation and the outline (1 inside the body)."""
    half_width, shoulder = patient.uniform(0.90, 1.04), -patient.uniform(0.74, 0.84)
    outline_x = 0.34 + (half_width - 0.34) * edge(frame.y - shoulder, 0.05)
    ratio = (frame.across / outline_x).clamp_(max=1).square()
    body = edge(outline_x - frame.across, 0.025) * (1 - 0.35 * ratio.square())
    thickness = 0.60 + patient.uniform(0, 0.066) + 0.10 * edge(frame.y - 0.35, 0.25)
    arms = 0.10 * edge(frame.across - 0.88 * outline_x, 0.03) * edge(-0.25 - frame.y, 0.10)
    return body * (thickness + arms), body


def mediastinum(patient: Draws, frame: Frame, *, shift: Tensor) -> Tensor:
    """Great vessels, aortic knob and the air of the trachea and main bronchi."""
    x, y = frame.x - shift, frame.y
    width = patient.uniform(0.10, 0.14) * (1 + 0.3 * edge(y + 0.1, 0.2))
    vessels = 0.26 * bump((x / width).square()) * edge(y + 0.72, 0.08)
    arch_y = -patient.uniform(0.24, 0.34)
    knob_x = (x - patient.uniform(0.11, 0.15)) / 0.075
    knob = patient.uniform(0.10, 0.22) * bump(knob_x.square() + ((y - arch_y) / 0.09).square())
    carina = arch_y + 0.10
    below = (y - carina).clamp(min=0)
    bronchi = frame.across - 1.1 * below - 0.005
    airway = bump((bronchi / 0.034).square()) * edge(carina + 0.14 - y, 0.03) * edge(y + 0.95, 0.05)
    return vessels + knob - 0.12 * airway


def spine(patient: Draws, frame: Frame) -> Tensor:
    """Vertebral bodies with the disc spaces between them."""
    period = torch.cos(frame.y * patient.uniform(38, 46) + patient.uniform(0, TAU))
    curve = frame.x - patient.uniform(-0.03, 0.03) * torch.sin(2 * frame.y)
    return patient.uniform(0.03, 0.08) * bump((curve / 0.06).square()) * (0.75 + 0.25 * period)


def heart(
    patient: Draws, image: Draws, frame: Frame, chest: Lungs, *, enlarged: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    """The heart as a tilted ellipsoid. Returns its silhouette (0 to 1) and its thickness along the beam (0 to 1).

    Args:
        patient: draws of the patients.
        image: draws of the images (phase of the beat, depth of breath).
        frame: body coordinates.
        chest: the lungs it lies between.
        enlarged: added to the ratio of heart to chest width, (B, 1, 1).
        shift: how far the mediastinum is pulled, (B, 1, 1).
    """
    half_width = chest.width * (patient.uniform(0.36, 0.46) + image.uniform(-0.03, 0.03) + enlarged)
    half_height = half_width * patient.uniform(0.80, 1.0)
    angle = patient.uniform(0.35, 0.75)
    x = frame.x - patient.uniform(0.24, 0.34) * half_width - shift
    y = frame.y - (chest.base_left - 0.02 - 0.55 * half_height + 0.05)
    along = (x * angle.cos() + y * angle.sin()) / (1.04 * half_width)
    beside = (y * angle.cos() - x * angle.sin()) / (0.86 * half_height)
    radius = (along.square() + beside.square()).clamp_(min=1e-6).sqrt_()
    thickness = (1 - radius.square()).clamp_(min=0).add_(0.05).sqrt_()
    silhouette = edge(1 - radius, image.uniform(0.05, 0.09))
    return silhouette, silhouette * thickness


def vessels(patient: Draws, frame: Frame, chest: Lungs, *, shift: Tensor) -> Tensor:
    """Hila and the vessels that fan out of them, thinner and fainter to the outside."""
    x = frame.x - shift
    right_x, left_x = -patient.uniform(0.15, 0.19), patient.uniform(0.17, 0.21)
    height = patient.uniform(-0.04, 0.05) - 0.03 * frame.left
    from_hilum_x = x - right_x + (right_x - left_x) * frame.left
    from_hilum_y = frame.y - height
    squared = from_hilum_x.square() + from_hilum_y.square()
    radius = squared.sqrt()
    turn = torch.atan2(from_hilum_y, from_hilum_x)
    branches = patient.uniform(5, 9).floor()
    phase = patient.uniform(0, TAU) + 2 * frame.left
    trunks = torch.cos(branches * turn + phase + radius * (4 + 2.5 * frame.patchy)).clamp_(min=0)
    twigs = torch.cos((2 * branches + 1) * turn + 2 * phase + 7 * radius + 2 * frame.broad).clamp_(min=0)
    near = torch.exp(-radius / 0.22)
    far = torch.exp(-radius / 0.38) * (radius / 0.25).clamp_(max=1)
    hila = patient.uniform(0.12, 0.34) * bump(squared / 0.01)
    return patient.uniform(0.6, 1.3) * (0.30 * _eighth_power(trunks) * near + 0.16 * twigs.square() ** 3 * far) + hila


def _eighth_power(x: Tensor) -> Tensor:
    return x.square().square_().square_()


def ribs(patient: Draws, frame: Frame, chest: Lungs) -> Tensor:
    """Posterior ribs fall outwards, anterior ribs fall inwards; both end at the chest wall."""
    across, y = frame.across, frame.y
    spacing = patient.uniform(0.135, 0.165)
    lowest = patient.uniform(0.55, 0.70)
    thorax = edge(chest.wall + 0.035 - across, 0.015) * edge(y - chest.top + 0.03, 0.03)
    thorax = thorax * edge(lowest - y, 0.06) * edge(across - 0.09, 0.02)
    phase = (TAU / spacing) * (y - 0.42 * across + 0.62 * across.square()) + patient.uniform(0, TAU)
    wave = torch.cos(phase)
    posterior = edge(wave - 0.35, 0.13) * (1 + 0.35 * torch.sin(phase))  # the lower border is denser
    slope = patient.uniform(0.45, 0.75)
    front = torch.cos((TAU / (1.15 * spacing)) * (y + slope * (across - 0.9).square()) + patient.uniform(0, TAU))
    anterior = edge(front - 0.45, 0.15) * edge(across - 0.30, 0.06)
    return patient.uniform(0.035, 0.085) * thorax * (posterior + 0.6 * anterior)


def clavicles(patient: Draws, image: Draws, frame: Frame, chest: Lungs) -> Tensor:
    """Two slightly bent bars across the apices; how high they lie depends on the posture."""
    across = frame.across
    middle = chest.top + patient.uniform(0.10, 0.18) + image.uniform(-0.03, 0.03)
    fall = patient.uniform(0.10, 0.22)
    distance = frame.y - middle + fall * (across - 0.05) - 0.25 * (across - 0.35).square()
    shaft = bump((distance / 0.022).square()) * edge(across - 0.06, 0.02) * edge(0.72 - across, 0.03)
    return patient.uniform(0.05, 0.13) * shaft


def scapulae(patient: Draws, image: Draws, frame: Frame) -> Tensor:
    """The inner border of the shoulder blades over the outer upper lungs."""
    border = patient.uniform(0.52, 0.66) + image.uniform(-0.03, 0.03) + 0.22 * (frame.y + 0.35).square()
    blade = edge(frame.across - border, 0.02) * edge(-0.02 - frame.y, 0.05) * edge(frame.y + 0.72, 0.06)
    return patient.uniform(0.0, 0.05) * blade


def breasts(patient: Draws, frame: Frame) -> Tensor:
    """Soft round shadows over the lower lungs of about half of the patients."""
    density = patient.chance(0.45) * patient.uniform(0.03, 0.10)
    squared = ((frame.across - 0.42) / 0.30).square() + ((frame.y - patient.uniform(0.22, 0.42)) / 0.24).square()
    return density * edge(1 - squared.sqrt(), 0.10)


def abdomen(patient: Draws, image: Draws, frame: Frame, chest: Lungs) -> Tensor:
    """Liver and spleen below the diaphragm, and the air bubble of the stomach on the left."""
    organs = 0.08 * edge(frame.y - chest.diaphragm, 0.03) * chest.cavity
    radius_x = image.uniform(0.08, 0.14)
    squared = ((frame.x - 0.30) / radius_x).square() + ((frame.y - chest.base_left - 0.16) / 0.07).square()
    gas = patient.chance(0.6) * image.uniform(0.03, 0.20)
    return organs - gas * edge(1 - squared.sqrt(), 0.15)
