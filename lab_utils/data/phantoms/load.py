"""Synthetic frontal chest X-rays with CheXpert's five findings.

Image i of a seed and site is always the same picture, alone or in a batch, on every machine (within one grey level):
the first 500 of a set of 2,000 are the set of 500. Body, side and place of findings belong to the patient; pose,
breath, exposure, devices and grain to the image; how far a finding has gone to both.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from lab_utils.arguments import flag
from lab_utils.data.cache import cached_tensors
from lab_utils.data.phantoms.acquisition import SITES, Site, find_site
from lab_utils.data.phantoms.draws import Draws
from lab_utils.data.phantoms.findings import FINDINGS, Grades, draw_grades, read_labels
from lab_utils.data.phantoms.recipe import LARGEST_SET, Recipe, finding_names
from lab_utils.data.phantoms.render import take_picture
from lab_utils.data.splits import Split
from lab_utils.device import one_thread
from lab_utils.profile import cache_root

GENERATOR_VERSION = 4  # raise it with every change of a single pixel: it is part of the name of each cache file
CHUNK_PIXELS = 65_536  # pixels made at a time: pictures of one structure then stay in the processor's cache
PATIENT, IMAGE, READER, CLINIC = range(4)  # streams of random numbers, per site


def make_phantoms(
    n: int,
    *,
    size: int = 64,
    seed: int = 0,
    site: str | Site = "A",
    severity: float = 1.0,
    images_per_patient: int = 4,
    label_noise: float = 0.0,
    uncertain: float = 0.0,
    start: int = 0,
    findings: Sequence[str] | None = None,
    progress: bool = False,
) -> Split:
    """Make n chest X-rays.

    Patients come one after the other: every two of them share `2 * images_per_patient` images, from 1 to
    `2 * images_per_patient - 1` each. A `start` that is a multiple of that number begins with a new patient.
    Other seeds and the other site have other patients, with other numbers in `groups`.

    Args:
        n: number of images.
        size: side in pixels, 64 to 224; the same seed shows the same bodies at every size.
        seed: names the set.
        site: "A" (outpatients, fixed machine), "B" (intensive care, mobile machine, sicker patients), or a `Site` of
            your own; one with the code of another shares its patients' numbers.
        severity: 0.2 to 2; how much a finding changes the picture.
        images_per_patient: mean number of images of a patient.
        label_noise: share of labels, 0 to 0.5, that say the opposite of what the image shows. The images stay the same.
        uncertain: share of labels, 0 to 0.3, that are -1; mostly barely visible and barely absent findings.
        start: number of the first image.
        findings: None to draw them; else every image has exactly these (an empty tuple: none), the body stays the same.
        progress: show a progress bar if it takes longer than two seconds.

    Returns:
        A multilabel split with one channel; `groups` are the patients.

    Raises:
        ValueError: if an argument is out of range, a site or finding is unknown.
    """
    flag("progress", progress)
    chosen = finding_names(findings)
    recipe = Recipe(n, size, seed, site, severity, images_per_patient, label_noise, uncertain, start, chosen)
    return _as_split(_make(recipe, progress))


def load_phantoms(
    n: int,
    *,
    size: int = 64,
    seed: int = 0,
    site: str = "A",
    severity: float = 1.0,
    images_per_patient: int = 4,
    label_noise: float = 0.0,
    uncertain: float = 0.0,
    start: int = 0,
    findings: Sequence[str] | None = None,
    cache: Path | str | None = None,
) -> Split:
    """The same as `make_phantoms`, kept in a file: the second call takes milliseconds.

    Args:
        n: number of images; all other arguments but the last as in `make_phantoms`.
        size: side in pixels.
        seed: names the set.
        site: "A" or "B".
        severity: how much a finding changes the picture.
        images_per_patient: mean number of images of a patient.
        label_noise: share of wrong labels.
        uncertain: share of labels that are -1.
        start: number of the first image.
        findings: None, or what every image has.
        cache: folder of the file; None means ``cache_root() / "phantoms"``. If a folder named here cannot be written
            that is an error; without the kit's own folder the set is made afresh each time, after a printed note.

    Raises:
        ValueError: as `make_phantoms`.
        OSError: if the folder named by `cache` cannot be written.
    """
    chosen = finding_names(findings)
    recipe = Recipe(n, size, seed, site, severity, images_per_patient, label_noise, uncertain, start, chosen)
    folder = cache_root() / "phantoms" if cache is None else Path(cache)
    key = f"phantoms {GENERATOR_VERSION} {recipe}"
    name = f"phantoms-{site}-{size}px-{n}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.bin"
    build = partial(_make, recipe, progress=True)
    return _as_split(cached_tensors(folder / name, build, key=key, required=cache is not None))


def _as_split(tensors: dict[str, Tensor]) -> Split:
    return Split(tensors["images"], tensors["labels"], tensors["groups"], "multilabel", FINDINGS)


def _make(recipe: Recipe, progress: bool) -> dict[str, Tensor]:
    chunk = max(1, CHUNK_PIXELS // recipe.size**2)
    with (
        one_thread(),
        torch.inference_mode(False),
        torch.no_grad(),
        tqdm(total=recipe.n, desc="phantoms", unit="image", delay=2, disable=not progress, leave=False) as bar,
    ):
        images = torch.empty(recipe.n, 1, recipe.size, recipe.size, dtype=torch.uint8)
        labels = torch.empty(recipe.n, len(FINDINGS), dtype=torch.float32)
        groups = torch.empty(recipe.n, dtype=torch.int64)
        for first in range(0, recipe.n, chunk):
            rows = slice(first, min(first + chunk, recipe.n))
            numbers = np.arange(rows.start, rows.stop, dtype=np.int64) + recipe.start
            images[rows, 0], labels[rows], groups[rows] = _make_chunk(recipe, numbers)
            bar.update(len(numbers))
    return {"images": images, "labels": labels, "groups": groups}


@dataclass(frozen=True)
class Visit:
    """What chance decides about a batch of images before a picture is taken."""

    site: Site
    patients: NDArray[np.int64]  # (B,), numbered within site and seed
    patient: Draws
    image: Draws
    grades: Grades


def draw_visits(recipe: Recipe, numbers: NDArray[np.int64]) -> Visit:
    """Draw patients and findings of the images with these numbers."""
    site = find_site(recipe.site)
    patients = _patients_of(recipe, numbers)
    patient = Draws(recipe.seed, _stream(site, PATIENT), patients, scalars=160, noise=760)
    image = Draws(recipe.seed, _stream(site, IMAGE), numbers, scalars=110, noise=(recipe.size**2 + 1) // 2)
    return Visit(site, patients, patient, image, draw_grades(patient, image, site.prevalence, recipe.findings))


def draw_labels(recipe: Recipe, numbers: NDArray[np.int64], visit: Visit) -> Tensor:
    """Labels (B, 5) of the images with these numbers, as a reader wrote them."""
    reader = Draws(recipe.seed, _stream(visit.site, READER), numbers, scalars=10)
    return read_labels(visit.grades, reader, label_noise=recipe.label_noise, uncertain=recipe.uncertain)


def _make_chunk(recipe: Recipe, numbers: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Images uint8 (B, H, W), labels (B, 5) and patients (B,) of the images with these numbers."""
    visit = draw_visits(recipe, numbers)
    labels = draw_labels(recipe, numbers, visit)
    grey = take_picture(visit.patient, visit.image, visit.grades, visit.site, recipe.size, recipe.severity)
    pictures = grey.clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    elsewhere = (recipe.seed * len(SITES) + visit.site.code) * LARGEST_SET  # patients of other seeds and sites
    return pictures, labels, torch.from_numpy(visit.patients + elsewhere)


def _stream(site: Site, kind: int) -> int:
    return 4 * site.code + kind


def _patients_of(recipe: Recipe, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The patient of each image: a random cut divides every pair of patients' images."""
    pair, place = np.divmod(numbers, 2 * recipe.images_per_patient)
    clinic = Draws(recipe.seed, _stream(find_site(recipe.site), CLINIC), pair, scalars=1)
    cut = 1 + np.floor(clinic.uniforms(1)[:, 0] * (2 * recipe.images_per_patient - 1))
    return 2 * pair + (place >= cut)
