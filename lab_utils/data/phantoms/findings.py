"""The five findings: who has them, how strongly, and what each does to the picture.

Whether an image shows a finding depends on a hidden grade: a standard normal number, of which four fifths (of the
variance) belong to the patient and one fifth to the image. The finding is present where the grade exceeds a threshold,
and its `extent` (0 barely, 1 fully) is how far above it lies. So a label of 1 always means something visible, and the
images nearest to the threshold are the hardest to read. Side and place of a finding belong to the patient.

Each finding is drawn by the signs that radiologists read it by, and tests/data/test_phantoms.py measures them. Two are
weaker than in a textbook: with cardiomegaly the heart is wider than without, but often still less than half as wide as
the chest, and vessels show through a consolidation.

References:
    Goodman, Felson's Principles of Chest Roentgenology (Elsevier): heart size, effusion, edema, loss of volume.
    Hansell, Bankier, MacMahon, McLoud, Müller, Remy (2008), Fleischner Society: glossary of terms for thoracic imaging,
    Radiology 246, 697-722, doi:10.1148/radiol.2462070712: atelectasis, consolidation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.data.phantoms.anatomy import Lungs
from lab_utils.data.phantoms.draws import Draws
from lab_utils.data.phantoms.frame import Frame, bump, edge

FINDINGS = ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")

# Correlation of the hidden grades. Heart failure ties cardiomegaly, edema and effusion together; an effusion collapses
# the lung above it (atelectasis).
CORRELATION = np.array(
    [
        [1.00, 0.05, 0.05, 0.05, 0.30],
        [0.05, 1.00, 0.00, 0.35, 0.20],
        [0.05, 0.00, 1.00, 0.05, 0.10],
        [0.05, 0.35, 0.05, 1.00, 0.35],
        [0.30, 0.20, 0.10, 0.35, 1.00],
    ]
)
PATIENT_SHARE = 0.8  # of the variance of a grade; the rest changes from image to image
DOUBT_WIDTH = 0.7  # how far from the threshold readers still hesitate, in sd of the grade

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Grades:
    """What the images of a batch show. Arrays are (B, 5), columns in the order of `FINDINGS`."""

    present: NDArray[np.bool_]
    extent: Floats  # 0 to 1, uniform among the images that have the finding
    margin: Floats  # grade minus threshold, in sd
    threshold: Floats  # (5,)


def draw_grades(patient: Draws, image: Draws, prevalence: Sequence[float], forced: Sequence[str] | None) -> Grades:
    """Draw presence and extent of every finding.

    Args:
        patient: draws of the patients.
        image: draws of the images.
        prevalence: share of images with each finding.
        forced: None, or the findings that every image is to have instead (none of the others).
    """
    mix = np.linalg.cholesky(CORRELATION)
    hidden = np.sqrt(PATIENT_SHARE) * patient.normals(5) + np.sqrt(1 - PATIENT_SHARE) * image.normals(5)
    # Row by row, not one matrix product: the rounding must not depend on the batch.
    grade = (hidden[:, None, :] * mix).sum(axis=2)
    absent = 1 - np.asarray(prevalence)
    threshold = torch.special.ndtri(torch.from_numpy(absent)).numpy()
    margin = grade - threshold
    rank = torch.special.ndtr(torch.from_numpy(grade)).numpy()
    if forced is None:
        extent = ((rank - absent) / (1 - absent)).clip(0, 1)
        return Grades(margin > 0, extent, margin, threshold)
    present = np.broadcast_to([name in forced for name in FINDINGS], grade.shape)
    return Grades(present, rank, margin, threshold)


def read_labels(grades: Grades, reader: Draws, *, label_noise: float, uncertain: float) -> Tensor:
    """Write the report: 1, 0 or -1 per finding, float32 (B, 5).

    Args:
        grades: what the images show.
        reader: draws of the reader, two per finding, taken whether needed or not.
        label_noise: share of labels that say the opposite.
        uncertain: share of labels that are -1, most of them near the threshold.
    """
    slip, doubt = reader.uniforms(len(FINDINGS)), reader.uniforms(len(FINDINGS))
    labels = np.where(slip < label_noise, ~grades.present, grades.present).astype(np.float32)
    hesitation = np.exp(-((grades.margin / DOUBT_WIDTH) ** 2))
    # The mean of that over a standard normal grade, so that `uncertain` is the share of labels.
    spread = DOUBT_WIDTH**2 + 2
    mean = DOUBT_WIDTH / np.sqrt(spread) * np.exp(-(grades.threshold**2) / spread)
    labels[doubt < uncertain * hesitation / mean] = -1
    return torch.from_numpy(labels)


@dataclass(frozen=True)
class Strength:
    """How strongly one finding shows: 0 where absent. All (B, 1, 1)."""

    present: Tensor
    extent: Tensor
    severity: float

    def between(self, least: float, most: float) -> Tensor:
        """From `least` (barely there) to `most`, times the severity; 0 where absent."""
        return self.present * (least + (most - least) * self.extent) * self.severity


def strengths(grades: Grades, severity: float) -> tuple[Strength, ...]:
    """One `Strength` per finding, in the order of `FINDINGS`."""
    present = torch.from_numpy(grades.present.astype(np.float32))
    extent = torch.from_numpy(grades.extent.astype(np.float32))
    return tuple(
        Strength(present[:, k].view(-1, 1, 1), extent[:, k].view(-1, 1, 1), severity) for k in range(len(FINDINGS))
    )


@dataclass(frozen=True)
class Collapse:
    """Loss of lung volume on one side."""

    rise: Tensor  # how far that half of the diaphragm is lifted, (B, H, W)
    shift: Tensor  # how far the mediastinum is pulled over, (B, 1, 1)
    side: Tensor  # 1 on the side of the loss, 0 on the other, (B, H, W)
    sign: Tensor  # 1 = the patient's left, -1 = right, (B, 1, 1)


def volume_loss(patient: Draws, frame: Frame, strength: Strength) -> Collapse:
    """Atelectasis, first part: a collapsed lung is small, so the diaphragm rises and the mediastinum follows."""
    sign = 2 * patient.chance(0.5) - 1
    side = 0.5 + sign * (frame.left - 0.5)
    lost = strength.between(0.04, 0.13)
    return Collapse(lost * side, 0.35 * lost * sign, side, sign)


def atelectasis(patient: Draws, frame: Frame, chest: Lungs, collapse: Collapse, strength: Strength) -> Tensor:
    """Atelectasis, second part: one or two plates and a veil above the diaphragm. Opacity, (B, H, W)."""
    dense = strength.between(0.35, 0.75)
    plates = torch.zeros_like(frame.x)
    for probability, side in ((1.0, 1), (0.5, -1)):
        x = frame.x - side * collapse.sign * patient.uniform(0.25, 0.48)
        y = frame.y - patient.uniform(0.02, 0.34)
        tilt = patient.uniform(-0.5, 0.5)
        along = x * tilt.cos() + y * tilt.sin()
        beside = y * tilt.cos() - x * tilt.sin() - 0.6 * along.square()
        plate = bump((beside / patient.uniform(0.010, 0.022)).square())
        plate = plate * edge(patient.uniform(0.08, 0.20) - along.abs(), 0.02)
        plates = plates + dense * patient.chance(probability) * patient.uniform(0.6, 1.0) * plate
    veil = strength.between(0.05, 0.40) * patient.uniform(0.3, 1.0) * collapse.side
    return plates + veil * edge(frame.y - chest.base + 0.10, 0.05)


def cardiomegaly(strength: Strength) -> Tensor:
    """A large heart: what is added to the ratio of heart to chest width (cardiothoracic ratio), (B, 1, 1)."""
    return strength.between(0.035, 0.13)


def consolidation(patient: Draws, frame: Frame, chest: Lungs, strength: Strength) -> Tensor:
    """One or two patches of lung filled with pus, with ragged borders. Opacity, (B, H, W)."""
    dense = strength.between(0.45, 0.85)
    opacity = torch.zeros_like(frame.x)
    for probability in (1.0, 0.35):
        side = 2 * patient.chance(0.5) - 1
        x = frame.x - side * patient.uniform(0.30, 0.52)
        highest, lowest = chest.top + 0.25, chest.base_left - 0.16  # well inside the lung: it must be seen
        y = frame.y - highest - (lowest - highest) * patient.uniform(0, 1)
        stretch = patient.uniform(0.7, 1.4)
        radius = patient.uniform(0.10, 0.18) * (0.8 + 0.4 * strength.extent)
        distance = ((x * stretch).square() + (y / stretch).square()).sqrt()
        ragged = distance * (1 + 0.35 * frame.patchy.clamp(-1, 1)) + 0.02 * frame.fine
        patch = patient.chance(probability) * edge(radius - ragged, 0.035)
        opacity = torch.maximum(opacity, dense * patch)
    return opacity * (0.85 + 0.15 * frame.fine).clamp_(0, 1.2)


@dataclass(frozen=True)
class Congestion:
    """Water in the lung. Pictures are (B, H, W)."""

    opacity: Tensor  # haze around the hila
    lines: Tensor  # thickened septa
    vessels: Tensor  # factor on the vessels: wider where they are seen, lost in the haze


def edema(patient: Draws, frame: Frame, chest: Lungs, strength: Strength) -> Congestion:
    """Edema: haze like the wings of a butterfly, in which the vessels are lost; short lines at the wall (Kerley B).

    A wing begins at the hilum, grows higher outwards, and ends before the chest wall: there, at the apex and in the
    recess the lung stays clear. Seen from afar it is a soft cloud, the same on both sides.
    """
    span = patient.uniform(0.05, 0.12).sqrt()  # how far the wings reach
    along = (frame.across - 0.16 - 0.4 * span) / (1.1 * span)
    height = 0.10 + 0.9 * span * (frame.across / 0.35).clamp(max=1)
    wings = bump(along.square() + ((frame.y - 0.02) / height).square()) * edge(0.76 - chest.outward, 0.05)
    opacity = (strength.between(0.10, 0.50) * wings * (1 + 0.4 * frame.broad).clamp_(min=0)).clamp_(0, 0.85)
    outside = edge(chest.outward - 0.74, 0.03) * edge(frame.y - 0.02, 0.06)
    septa = torch.cos(90 * frame.y + 2 * frame.broad).clamp_(min=0)
    vessels = (1 + strength.between(0.1, 0.3)) * (1 - 1.6 * opacity).clamp_(min=0)
    return Congestion(opacity, strength.between(0.03, 0.07) * septa * outside, vessels)


def effusion(patient: Draws, frame: Frame, chest: Lungs, strength: Strength) -> Tensor:
    """Pleural effusion: fluid that fills the recess and climbs at the wall (meniscus). Opacity, (B, H, W)."""
    where = patient.uniform(0, 1)  # 0.2 of the patients have it on both sides
    right, left = (where < 0.6).float(), (where > 0.4).float()
    side = right + (left - right) * frame.left
    height = strength.between(0.07, 0.45) * patient.uniform(0.7, 1.1)
    surface = chest.floor - height * (0.55 + 0.75 * chest.outward**3) - 0.02
    return 0.92 * strength.present * side * edge(frame.y - surface, 0.022) * chest.cavity
