"""A hidden test set of phantoms of hospital B, normal or pneumonia, for homeworks that ask for predictions.

Every two patients are drawn under a key of their own, and images and patients are shuffled and numbered anew: neither
can be found by trying.
"""

import hashlib

import numpy as np
import torch

from lab_utils.checks.hospitals import SHARE_B, normal_or_pneumonia, with_share
from lab_utils.data import LARGEST_SET, Split, make_phantoms
from lab_utils.staff.grading.hidden_set import BITS, Hidden, of_split

IMAGES = 400
PAIR = 8  # images of two patients, as make_phantoms lays them out
MOST_PAIRS = 2000


def draw_test_set(seed: int, homework: str, *, n: int = IMAGES, share: float = SHARE_B) -> Hidden:
    """Draw the test set of a seed: the same on every machine, and another one for every homework.

    Args:
        seed: 0 to 2**63 - 1.
        homework: its name.
        n: number of images.
        share: of them with pneumonia.

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
        pair = make_phantoms(PAIR, site="B", seed=_word(homework, seed, number), start=_start(homework, seed, number))
        usable = (pair.labels == 0).all(dim=1) | (pair.labels[:, 2] == 1)
        if usable.any():
            pairs.append(normal_or_pneumonia(pair))
            for label in (0, 1):
                found[label] += int((pairs[-1].labels == label).sum())
    whole = with_share(_joined(pairs), n, share)
    order = np.array(sorted(range(n), key=lambda image: _digest(homework, seed, image, 1)))
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


def _word(homework: str, seed: int, number: int) -> int:
    return int.from_bytes(_digest(homework, seed, number, 0)[:4], "big")


def _start(homework: str, seed: int, number: int) -> int:
    """The first image of a pair of patients: 27 bits more than the seed of `make_phantoms` has."""
    return PAIR * (int.from_bytes(_digest(homework, seed, number, 0)[4:12], "big") % (LARGEST_SET // PAIR - 1))
