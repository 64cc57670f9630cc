"""The course's four files of chest X-rays: normal and pneumonia, to train and to test.

``normal.npy`` and ``pneumonia.npy`` (1000, 256, 256), ``test_normal.npy`` and ``test_pneumonia.npy`` (200, 256, 256),
uint8. The first 80 % of each class, 800 images, train and the last 20 %, 200, validate; pneumonia is class 1.

The files do not say who the patients are: every image counts as a patient of its own. Images of one child may well be
on both sides of the cut between training and validation, which makes validation look better than the test. The notes
of each part say so, and how many pictures are in two parts or have two labels.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lab_utils.data.duplicates import describe_duplicates
from lab_utils.data.folders.patients import UNKNOWN
from lab_utils.data.images import chunks_of, read_images
from lab_utils.data.positions import choose
from lab_utils.data.splits import Split, with_notes
from lab_utils.data.validation import check_size, naming

CLASS_NAMES = ("normal", "pneumonia")
FILES = ("normal.npy", "pneumonia.npy", "test_normal.npy", "test_pneumonia.npy")
TRAIN_SHARE = 0.8

Array = NDArray[np.generic]


def load_course(
    root: Path | str,
    *,
    size: int | None = 64,
    n_train: int | None = None,
    n_val: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> dict[str, Split]:
    """Load the course's files: "train", "val" and "test".

    Args:
        root: the folder that holds the four files.
        size: side in pixels to resize to; None keeps 256.
        n_train: None for all images, or how many to draw as `subset` does; likewise `n_val` and `n_test`.
        n_val: images to validate.
        n_test: images to test.
        seed: draws the subsets.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is damaged or does not hold images.
    """
    if size is not None:
        check_size(size)
    root = Path(root).expanduser()
    if missing := [name for name in FILES if not (root / name).is_file()]:
        found = sorted(path.name for path in root.glob("*.npy"))
        raise FileNotFoundError(
            f"{root.absolute()} should hold {', '.join(FILES)}; {', '.join(missing)} is missing, it holds "
            f"{', '.join(found) or 'no .npy file'}. Copy the course's files there, or name their folder with root=."
        )
    normal, sick, test_normal, test_sick = (_open(root / name) for name in FILES)
    cuts = [round(len(array) * TRAIN_SHARE) for array in (normal, sick)]
    parts = {
        "train": (normal[: cuts[0]], sick[: cuts[1]], n_train),
        "val": (normal[cuts[0] :], sick[cuts[1] :], n_val),
        "test": (test_normal, test_sick, n_test),
    }
    splits, first = {}, 0
    for part, (negative, positive, n) in parts.items():
        with naming(f"{root}, {part}"):
            splits[part] = _read_part(negative, positive, n, size=size, seed=seed, first=first)
        first += len(negative) + len(positive)
    return with_notes(splits, UNKNOWN, describe_duplicates(splits))


def _read_part(negative: Array, positive: Array, n: int | None, *, size: int | None, seed: int, first: int) -> Split:
    labels = torch.tensor([0] * len(negative) + [1] * len(positive))
    positions = choose(labels, n, seed=seed)
    chunks = (chunk for array in (negative, positive) for chunk in chunks_of(array))
    images = read_images(chunks, positions, size=size)
    of_image = torch.from_numpy(positions)
    return Split(images, labels[of_image], of_image + first, "binary", CLASS_NAMES)


def _open(path: Path) -> Array:
    """Map a file into memory: only the images in use are read."""
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} should be a whole .npy file of uint8 images; it cannot be read ({error}; "
            f"{path.stat().st_size:,} bytes). Copy it again; files with pickled objects are never loaded."
        ) from error
    if array.ndim != 3 or len(array) < 2:
        raise ValueError(
            f"{path} should hold at least two grey images, shape (N, height, width); it has shape {array.shape}. "
            "An empty class cannot be learned: copy the course's file again."
        )
    return array
