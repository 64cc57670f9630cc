"""The hidden test set of a course: drawn at the first release, kept by the instructor, the same in every later one."""

from itertools import count
from pathlib import Path

from lab_utils.staff.grading.test_set import draw_test_set, new_seed, write_images, write_labels


def hidden_images(folder: Path, homework: str, *, new: bool = False) -> tuple[bytes, bool]:
    """Return the file with the test images, and whether the set was drawn now.

    Args:
        folder: the instructor's working folder; images and labels are kept there.
        homework: its name.
        new: draw a new set also where there is one. Predictions for the old one are then worth nothing; its labels
            are kept under another name.
    """
    images, labels = folder / f"{homework}_images.npz", folder / f"{homework}_labels.csv"
    drawn = new or not (images.is_file() and labels.is_file())
    if drawn:
        if labels.is_file():  # so that labels which are there always belong to the images; nothing is lost
            names = (labels.with_name(f"{homework}_labels_of_older_set_{number}.csv") for number in count(1))
            labels.replace(next(path for path in names if not path.exists()))
        hidden = draw_test_set(new_seed())
        write_images(images, hidden)
        write_labels(labels, hidden)
    return images.read_bytes(), drawn
