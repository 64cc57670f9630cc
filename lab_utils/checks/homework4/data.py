"""The images of homework 4."""

from pathlib import Path

from lab_utils.checks.hospitals import Data, load_hospitals


def load(name: str | Path = "phantoms", *, n_train: int = 1000, n_val: int = 300, n_b: int = 120) -> Data:
    """Load the images of the homework, see `load_hospitals`."""
    return load_hospitals("homework4", name, n_train=n_train, n_val=n_val, n_b=n_b)
