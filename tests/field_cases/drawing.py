"""Folders of small pictures for the field cases, no two pictures the same."""

from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

numbers = count()


def draw(*paths: Path, value: int = 100) -> None:
    """A flat picture with noise in it at each path; the folders are made."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((16, 16), value, np.uint8)
        pixels[8:] = np.random.default_rng(next(numbers)).integers(0, 255, (8, 16))
        Image.fromarray(pixels).save(path)


def draw_mask(*paths: Path) -> None:
    """A segmentation mask: black, with a white square."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((16, 16), np.uint8)
        i = next(numbers) % 60
        pixels[2 + i // 10 : 12, 2 + i % 10 : 14] = 255
        Image.fromarray(pixels).save(path)


def fill(root: Path, *folders: str, n: int = 6, value: int = 100) -> Path:
    """N pictures in each folder, called after it, so that no two names are the same."""
    for folder in folders:
        name = folder.replace("/", "-").replace(" ", "")
        draw(*(root / folder / f"{name}-{i}.png" for i in range(n)), value=value)
    return root
