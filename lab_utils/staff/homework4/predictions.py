"""The predictions of homework 4: the images of hospital B that they are for, and what they are held to.

`release` draws a new test set for every course. Every two patients are drawn under a key of their own, and images and
patients are shuffled and numbered anew: neither can be found by trying. Its hospital B takes pictures in a way that is
drawn, too, and that no kit holds: whoever makes phantoms of "B" by the thousand learns another hospital. Students get
some labelled images of it, of other patients. The set that is committed with the kit comes from `DEFAULT_SEED` and from
the kit's own hospital B, which are public, as are its labels: it is for tests and for trying things out.
"""

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lab_utils.checks.homework4.data import CLASSES, SHARE_B, normal_or_pneumonia, with_share
from lab_utils.checks.homework4.file import COLUMNS, FILE, read_predictions
from lab_utils.data import LARGEST_SET, SITES, Site, Split, make_phantoms
from lab_utils.staff.grading.hidden_set import BITS, Hidden, of_split
from lab_utils.staff.grading.predictions import Column, Predictions

DEFAULT_SEED = 4
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

# AUROC that counts as a trained network. The solution (profile quick) on 30 draws of the kit's hospital B: fine-tuned
# 0.915 to 0.977, fixed 0.704 to 0.841; 13 seeds on 4 draws: 0.906 to 0.982 and 0.711 to 0.867. On eight private
# hospitals, resnet10_w16, cbr_tiny, cbr_small with four seeds each: 0.856 to 0.981 and 0.724 to 0.873. Random weights
# in place of the pretrained ones, fixed: 0.483 to 0.616.
# Pixels alone, 4 x 4 averaged, learned from the homework's 1,000 training images (random forest and gradient boosting):
# 0.718 and 0.728 at the kit's hospital B, 0.66 to 0.82 at four private ones. So "fine-tuned" stands above pixels, and
# "fixed" cannot: honest fixed features are no better than they are. Trees on 2,400 phantoms of the kit's hospital B
# reach 0.81 to 0.86 there, and 0.82 to 0.90 at the private ones: no level that honest work passes keeps them out.
LEVELS = {"fine_tuned": 0.83, "fixed": 0.65}
ADVICE = {
    "fine_tuned": "Was the input normalised as the weights expect it, and did the whole network train long enough?",
    "fixed": "Was the input normalised as the weights expect it, did frozen batch norm stay in eval mode, and did "
    "the new head train long enough?",
}


def draw_course_set(seed: int) -> Hidden:
    """Draw the test set of a course and the labelled sample beside it, from a hospital of its own."""
    site = private_site(seed)
    return draw_test_set(seed, site=site)._replace(sample=draw_test_set(seed, n=SAMPLE, site=site, use=2))


def private_site(seed: int) -> Site:
    """Return the hospital of a seed: patients as at the kit's hospital B, machine and habits within `RANGES`."""
    drawn: dict[str, Any] = {}
    for place, (name, (low, high, narrow, wide)) in enumerate(RANGES.items()):
        start = low + (high - low) * _fraction(seed, 2 * place)
        drawn[name] = (start, start + narrow + (wide - narrow) * _fraction(seed, 2 * place + 1)) if wide else start
    return replace(SITES["B"], **drawn)


def draw_test_set(
    seed: int, *, n: int = IMAGES, share: float = SHARE_B, site: str | Site = "B", use: int = 0
) -> Hidden:
    """Draw the test set of a seed: the same on every machine.

    Args:
        seed: 0 to 2**63 - 1.
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
        pair = make_phantoms(PAIR, site=site, seed=_word(seed, number, use), start=_start(seed, number, use))
        usable = (pair.labels == 0).all(dim=1) | (pair.labels[:, 2] == 1)
        if usable.any():
            pairs.append(normal_or_pneumonia(pair))
            for label in (0, 1):
                found[label] += int((pairs[-1].labels == label).sum())
    whole = with_share(_joined(pairs), n, share)
    order = np.array(sorted(range(n), key=lambda image: _digest(seed, image, use + 1)))
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


def _digest(seed: int, number: int, use: int) -> bytes:
    """A random function of three numbers; not NumPy's, which may change from version to version."""
    return hashlib.sha256(f"homework4 test set {seed} {number} {use}".encode()).digest()


def _word(seed: int, number: int, use: int) -> int:
    return int.from_bytes(_digest(seed, number, use)[:4], "big")


def _fraction(seed: int, number: int) -> float:
    """A number in [0, 1) of the private hospital."""
    return _word(seed, number, 4) / 2**32


def _start(seed: int, number: int, use: int = 0) -> int:
    """The first image of a pair of patients: 27 bits more than the seed of `make_phantoms` has."""
    return PAIR * (int.from_bytes(_digest(seed, number, use)[4:12], "big") % (LARGEST_SET // PAIR - 1))


def _column(name: str) -> Column:
    """Return what a column such as model_1_fine_tuned is held to."""
    model, _, way = name.removeprefix("model_").partition("_")
    return Column(f"model {model}, {way.replace('_', '-')}", LEVELS[way], ADVICE[way])


PREDICTIONS = Predictions(
    FILE, {name: _column(name) for name in COLUMNS}, CLASSES[0], read_predictions, draw_course_set
)
