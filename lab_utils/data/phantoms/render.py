"""From grades to a picture: the structures of the chest put together."""

from torch import Tensor

from lab_utils.data.phantoms import acquisition, anatomy, findings
from lab_utils.data.phantoms.acquisition import Site
from lab_utils.data.phantoms.draws import Draws
from lab_utils.data.phantoms.findings import Grades
from lab_utils.data.phantoms.frame import place_body


def take_picture(patient: Draws, image: Draws, grades: Grades, site: Site, size: int, severity: float) -> Tensor:
    """Put the structures together: what absorbs is added, air is taken away. Grey levels (B, H, W)."""
    atelectasis, cardiomegaly, consolidation, edema, effusion = findings.strengths(grades, severity)
    frame = place_body(patient, image, size, tilt=site.tilt)
    collapse = findings.volume_loss(patient, frame, atelectasis)
    chest = anatomy.lungs(patient, image, frame, shift=collapse.shift, rise=collapse.rise)
    enlarged = findings.cardiomegaly(cardiomegaly) + site.magnified
    silhouette, thickness = anatomy.heart(patient, image, frame, chest, enlarged=enlarged, shift=collapse.shift)
    water = findings.edema(patient, frame, chest, edema)

    air = chest.field * chest.depth * (1 - 0.86 * silhouette) * (1 - water.opacity)
    air = air * (1 - findings.consolidation(patient, frame, chest, consolidation).clamp_(0, 0.95))
    air = air * (1 - findings.effusion(patient, frame, chest, effusion))
    air = air * (1 - findings.atelectasis(patient, frame, chest, collapse, atelectasis).clamp_(0, 0.9))

    tissue, body = anatomy.soft_tissue(patient, frame)
    dense = anatomy.mediastinum(patient, frame, shift=collapse.shift) + anatomy.spine(patient, frame)
    dense = dense + 0.16 * thickness + anatomy.clavicles(patient, image, frame, chest)
    dense = dense + anatomy.scapulae(patient, image, frame) + 0.02 * frame.broad
    markings = 0.55 * water.vessels * anatomy.vessels(patient, frame, chest, shift=collapse.shift)
    markings = (markings + 0.022 * frame.fine + water.lines) * chest.field
    total = tissue + body * dense - patient.uniform(0.44, 0.54) * air + markings
    total = total + anatomy.ribs(patient, frame, chest) + anatomy.breasts(patient, frame)
    total = total + anatomy.abdomen(patient, image, frame, chest)
    total = total + acquisition.devices(patient, image, frame, site)

    grey = acquisition.exposure(image, total, site)
    return acquisition.overlay(image, acquisition.quantum_noise(image, grey, site), site)
