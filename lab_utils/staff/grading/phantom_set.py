"""A hidden test set of phantoms of hospital B, normal or pneumonia, for homeworks that ask for predictions.

Every two patients are drawn under a key of their own, and images and patients are shuffled and numbered anew: neither
can be found by trying. A course's hospital B takes pictures in a way that is drawn, too, and that no kit holds: whoever
makes phantoms of "B" by the thousand learns another hospital. Students get labelled images of it, of other patients.
"""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lab_utils.checks.hospitals import SHARE_B, normal_or_pneumonia, with_share
from lab_utils.data import LARGEST_SET, SITES, Site, Split, make_phantoms
from lab_utils.staff.grading.hidden_set import BITS, Hidden, of_split

IMAGES = 400
PAIR = 8  # images of two patients, as make_phantoms lays them out
MOST_PAIRS = 2000
SAMPLE = 240  # labelled images beside a course's test set
# What is drawn of a course's hospital B: from where to where a number, or the lower end of a range, may lie, and how
# wide the range is, at least and at most.
RANGES = {
    "gain": (0.55, 0.80, 0.18, 0.32),
    "offset": (-0.04, 0.12, 0.10, 0.20),
    "gamma": (0.70, 1.20, 0.40, 0.70),
    "noise": (0.015, 0.040, 0.03, 0.05),
    "tilt": (0.08, 0.18, 0.0, 0.0),
    "magnified": (0.0, 0.04, 0.0, 0.0),
    "tube": (0.35, 0.90, 0.0, 0.0),
    "leads": (0.20, 0.80, 0.0, 0.0),
    "marker": (0.40, 1.0, 0.0, 0.0),
    "collimated": (0.20, 0.80, 0.0, 0.0),
}


def draw_course_set(seed: int, homework: str) -> Hidden:
    """Draw the test set of a course and the labelled sample beside it, from a hospital of its own."""
    site = private_site(seed, homework)
    sample = draw_test_set(seed, homework, n=SAMPLE, site=site, use=2)
    return draw_test_set(seed, homework, site=site)._replace(sample=sample)


def private_site(seed: int, homework: str) -> Site:
    """Return the hospital of a seed: patients as at the kit's hospital B, machine and habits within `RANGES`."""
    drawn: dict[str, Any] = {}
    for place, (name, (low, high, narrow, wide)) in enumerate(RANGES.items()):
        start = low + (high - low) * _fraction(homework, seed, 2 * place)
        width = narrow + (wide - narrow) * _fraction(homework, seed, 2 * place + 1)
        drawn[name] = (start, start + width) if wide else start
    return replace(SITES["B"], **drawn)


def draw_test_set(
    seed: int, homework: str, *, n: int = IMAGES, share: float = SHARE_B, site: str | Site = "B", use: int = 0
) -> Hidden:
    """Draw the test set of a seed: the same on every machine, and another one for every homework.

    Args:
        seed: 0 to 2**63 - 1.
        homework: its name.
        n: number of images.
        share: of them with pneumonia.
        site: the hospital.
        use: other numbers have other patients; 0 or 2.

    Raises:
        ValueError: if the seed is out of range.
    """
    if not 0 <= seed < 2**BITS:
        raise ValueError(f"Expected a seed from 0 to 2**{BITS} - 1, got {seed}. Take secrets.randbits({BITS}).")
    positive = round(n * share)
    pairs: list[Split] = []
    found = [0, 0]
    for number in range(MOST_PAIRS):
        if found[0] >= n - positive and found[1] >= positive:
            break
        pair = make_phantoms(
            PAIR, site=site, seed=_word(homework, seed, number, use), start=_start(homework, seed, number, use)
        )
        usable = (pair.labels == 0).all(dim=1) | (pair.labels[:, 2] == 1)
        if usable.any():
            pairs.append(normal_or_pneumonia(pair))
            for label in (0, 1):
                found[label] += int((pairs[-1].labels == label).sum())
    whole = with_share(_joined(pairs), n, share)
    order = np.array(sorted(range(n), key=lambda image: _digest(homework, seed, image, use + 1)))
    return of_split(whole.take(order))


def _joined(pairs: list[Split]) -> Split:
    """All pairs as one split, with patients numbered anew."""
    keys: dict[tuple[int, int], int] = {}
    groups = [
        keys.setdefault((number, patient), len(keys))
        for number, pair in enumerate(pairs)
        for patient in pair.groups.tolist()
    ]
    return Split(
        torch.cat([pair.images for pair in pairs]),
        torch.cat([pair.labels for pair in pairs]),
        torch.tensor(groups),
        "binary",
        pairs[0].class_names,
    )


def _digest(homework: str, seed: int, number: int, use: int) -> bytes:
    """A random function of three numbers; not NumPy's, which may change from version to version."""
    return hashlib.sha256(f"{homework} test set {seed} {number} {use}".encode()).digest()


def _word(homework: str, seed: int, number: int, use: int) -> int:
    return int.from_bytes(_digest(homework, seed, number, use)[:4], "big")


def _fraction(homework: str, seed: int, number: int) -> float:
    """A number in [0, 1) of the private hospital."""
    return _word(homework, seed, number, 4) / 2**32


def _start(homework: str, seed: int, number: int, use: int = 0) -> int:
    """The first image of a pair of patients: 27 bits more than the seed of `make_phantoms` has."""
    return PAIR * (int.from_bytes(_digest(homework, seed, number, use)[4:12], "big") % (LARGEST_SET // PAIR - 1))
