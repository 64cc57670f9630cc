"""Folders of small pictures for the field cases, no two pictures the same."""

import os
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

UNKNOWN = {"size": 8, "patient": "unknown"}
SHARED = Path(os.environ.get("LAB_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
numbers = count()


def listed(text: str) -> list[tuple[str, ...]]:
    """The cases of a text, divided by semicolons; the folders of a case are divided by commas."""
    return [tuple(case.split(", ")) for case in " ".join(text.split()).split("; ")]


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
    """N pictures in each folder (in "a:3" three), called after it, so that no two names are the same."""
    for folder in folders:
        folder, _, own = folder.partition(":")
        name = folder.replace("/", "-").replace(" ", "")
        (root / folder).mkdir(parents=True, exist_ok=True)
        draw(*(root / folder / f"{name}-{i}.png" for i in range(int(own or n))), value=value)
    return root
