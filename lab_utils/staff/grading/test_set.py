"""The hidden test set of homework 4: images of hospital B, drawn from a secret seed.

`release` draws a new one for every course: the images go to the students, the labels stay with the instructor. Whoever
knows the seed can draw the labels again, so it has 63 bits and is written nowhere. Every two patients are drawn under a
key of their own, and images and patients are shuffled and numbered anew: neither can be found by trying. The set that
is committed with the kit comes from `DEFAULT_SEED`, which is public, as are its labels: it is for tests and for trying
things out. So are the labels of real data, PneumoniaMNIST or the course's files: where they take the place of the
phantoms (``write_labels(path, of_split(load_data("pneumoniamnist")["test"]))``), marks for predictions rest on trust.
"""

import hashlib
import io
import secrets
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lab_utils.atomic import write_text, write_whole
from lab_utils.checks.homework4_data import SHARE_B, normal_or_pneumonia, with_share
from lab_utils.data import LARGEST_SET, Split, make_phantoms
from lab_utils.text_files import decoded

DEFAULT_SEED = 4
BITS = 63
IMAGES = 400
PAIR = 8  # images of two patients, as make_phantoms lays them out
MOST_PAIRS = 2000
HEADER = "image,label,patient"


class Hidden(NamedTuple):
    """Images uint8 (N, 1, 64, 64), the patient of each from 0, int64 (N,), and labels 0 or 1, int64 (N,)."""

    images: NDArray[np.uint8]
    groups: NDArray[np.int64]
    labels: NDArray[np.int64]


def new_seed() -> int:
    """Return a secret seed. Keep it nowhere: the labels file is all that grading needs."""
    return secrets.randbits(BITS)


def draw_test_set(seed: int, *, n: int = IMAGES, share: float = SHARE_B) -> Hidden:
    """Draw the test set of a seed: the same on every machine.

    Args:
        seed: 0 to 2**63 - 1.
        n: number of images.
        share: of them with pneumonia.

    Raises:
        ValueError: if the seed is out of range.
    """
    if not 0 <= seed < 2**BITS:
        raise ValueError(f"Expected a seed from 0 to 2**{BITS} - 1, got {seed}. Take new_seed().")
    positive = round(n * share)
    pairs: list[Split] = []
    found = [0, 0]
    for number in range(MOST_PAIRS):
        if found[0] >= n - positive and found[1] >= positive:
            break
        pair = make_phantoms(PAIR, site="B", seed=_word(seed, number, 0), start=_start(seed, number))
        usable = (pair.labels == 0).all(dim=1) | (pair.labels[:, 2] == 1)
        if usable.any():
            pairs.append(normal_or_pneumonia(pair))
            for label in (0, 1):
                found[label] += int((pairs[-1].labels == label).sum())
    whole = with_share(_joined(pairs), n, share)
    order = np.array(sorted(range(n), key=lambda image: _digest(seed, image, 1)))
    return of_split(whole.take(order))


def of_split(split: Split) -> Hidden:
    """Return the images of a binary split as a test set, in their order; patients are numbered as they are met."""
    _, first, groups = np.unique(split.groups.numpy(), return_index=True, return_inverse=True)
    number_of = np.argsort(np.argsort(first))
    return Hidden(split.images.numpy(), number_of[groups].astype(np.int64), split.labels.numpy())


def write_images(path: Path, test: Hidden) -> None:
    """Write what students get: images and patients, no labels; whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, images=test.images, groups=test.groups)
    write_whole(path, lambda unfinished: unfinished.write_bytes(buffer.getvalue()))


def write_labels(path: Path, test: Hidden) -> None:
    """Write what the instructor keeps: a CSV file with image, label and patient; whole or not at all."""
    rows = zip(test.labels.tolist(), test.groups.tolist(), strict=True)
    lines = [f"{image},{label},{patient}" for image, (label, patient) in enumerate(rows)]
    write_text(path, "\n".join([HEADER, *lines]) + "\n")


def read_labels(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return labels and patients, in the order of the images.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected the labels of the hidden test set in {path}, found no file.")
    header, *lines = decoded(path.read_bytes(), errors="replace").split() or [""]
    try:
        table = np.array([[int(cell) for cell in line.split(",")] for line in lines], dtype=np.int64)
        good = header == HEADER and table.shape[1:] == (3,) and (table[:, 0] == np.arange(len(table))).all()
        good = good and set(table[:, 1].tolist()) == {0, 1}
    except (ValueError, IndexError):
        good = False
    if not good:
        raise ValueError(
            f"Expected {path} to have the header {HEADER} and one row per image, in order, with labels 0 and 1. "
            "Restore the file that was written when the homework was released."
        )
    return table[:, 1], table[:, 2]


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


def _start(seed: int, number: int) -> int:
    """The first image of a pair of patients: 27 bits more than the seed of `make_phantoms` has."""
    return PAIR * (int.from_bytes(_digest(seed, number, 0)[4:12], "big") % (LARGEST_SET // PAIR - 1))
