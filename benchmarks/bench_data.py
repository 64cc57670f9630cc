"""Large sets: decoding them, training from their file, and the memory that takes."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import v2

from lab_utils.data import OnDisk, Split, load_data, make_phantoms
from lab_utils.data.decode import decode
from lab_utils.data.pool import LARGE, decode_large, sources_of
from lab_utils.data.pool_folder import pool_of
from lab_utils.data.pool_rows import checksum
from lab_utils.networks import build_model
from lab_utils.training import fit

Report = Callable[[str, str, list[float], str], None]
PICTURES, SIZE = 500, 224
MANY = 200_000  # pictures of the made-up set


@contextmanager
def folder_and_cache() -> Iterator[Path]:
    """An empty folder, with an empty cache in it."""
    before = os.environ.get("LAB_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LAB_CACHE"] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            os.environ.pop("LAB_CACHE")
            if before is not None:
                os.environ["LAB_CACHE"] = before


def pictures(root: Path, n: int) -> list[Path]:
    """JPEGs of 390 x 320 px, grey, as large as those of CheXpert-small: drawn chests in two classes."""
    images = make_phantoms(min(n, 50), size=SIZE, seed=0).images[:, 0].numpy()
    for i in range(n):
        path = root / f"class{i % 2}" / f"{i:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[i % len(images)]).resize((390, 320)).save(path, quality=90)
    return sorted(root.rglob("*.jpg"))


def decoding(rounds: int, report: Report) -> None:
    """Pictures per CPU-second of the kit, over those of an epoch of ImageFolder and DataLoader."""
    with folder_and_cache() as folder:
        paths = pictures(folder / "set", PICTURES)
        steps = [v2.Grayscale(), v2.Resize((SIZE, SIZE), antialias=True), v2.PILToTensor()]
        loader = DataLoader(datasets.ImageFolder(folder / "set", v2.Compose(steps)), batch_size=32)
        ours, theirs = [], []
        for number in range(rounds + 1):
            os.environ["LAB_CACHE"] = str(folder / f"cache{number}")  # nothing is kept from the last time
            start = time.process_time()
            decode(paths, SIZE, 1)
            middle = time.process_time()
            for _ in loader:
                pass
            ours.append(middle - start)
            theirs.append(time.process_time() - middle)
    each = [f"{PICTURES / statistics.median(seconds[1:]):,.0f}" for seconds in (ours, theirs)]
    report(
        "decoding",
        f"pictures per CPU-second / the same of ImageFolder + DataLoader ({each[0]} / {each[1]})",
        [b / a for a, b in zip(ours[1:], theirs[1:], strict=True)],
        "more than 1",
    )


def from_file(rounds: int, ratios: Callable[..., list[float]], report: Report) -> None:
    """A step of `fit` on images that lie in a file, over one on images in memory."""
    with folder_and_cache() as folder:
        paths = pictures(folder / "set", 600)
        stored = decode_large(paths, SIZE, 1, root=folder / "set")
        assert isinstance(stored, OnDisk)
        labels = torch.arange(len(paths)) % 2
        splits = [
            Split(images, labels, torch.arange(len(paths)), "binary", ("class0", "class1"))
            for images in (stored, stored.clone())
        ]
        model = build_model("resnet10_w16", num_classes=2, seed=0)
        file, memory = (
            lambda split=split: fit(model, split, steps=8, batch_size=32, progress=False) for split in splits
        )
        found = ratios(file, memory, rounds=rounds)
    report("from_file", f"step of fit from a file / in memory, resnet10_w16, {SIZE} px", found, "at most 1.05")


def memory_large() -> None:
    """Peak memory of opening a made-up set, for the first and the second time, and of training on it."""
    with folder_and_cache() as folder:
        make_large(folder / "set")
        for what in ("first opening", "second opening"):
            found = _in_process(str(folder / "set"))
            print(
                f"memory_large  {found['peak']:7.2f}   GB, {found['images']:,} images of {SIZE} px, {what} "
                f"{found['seconds']:.1f} s, then 5 steps ({found['before']:.2f} GB before: PyTorch and a network); "
                "aim: under 1.5",
                flush=True,
            )


def make_large(root: Path) -> None:
    """Files of one byte with a table, and their pool: a file of 10 GB that is all holes, so every image is black."""
    (root / "scans").mkdir(parents=True)
    lines = ["image,patient,label"]
    for i in range(MANY):
        (root / "scans" / f"{i:06}.png").write_bytes(b"?")
        lines.append(f"{i:06}.png,p{i // 3:06},{'ab'[i // 3 % 2]}")
    (root / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pool = pool_of(root, SIZE, 1)
    pool.folder.mkdir(parents=True)
    with pool.pixels.open("wb") as pixels:
        pixels.truncate(MANY * pool.row)
    assert MANY * pool.row > LARGE
    pool.save(sources_of(sorted((root / "scans").iterdir())), np.full(MANY, checksum(bytes(pool.row))))
    time.sleep(2.5)  # a folder that has just changed is not remembered


def _in_process(root: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, root], check=True, capture_output=True, encoding="utf-8")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def open_and_train(root: str) -> None:
    """In a process of its own: what `memory_large` measures."""
    import resource

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6

    warnings.simplefilter("ignore")  # all of its images are the same
    torch.set_num_threads(1)
    model = build_model("resnet10_w16", num_classes=2, seed=0)
    few = make_phantoms(32, size=SIZE, seed=0)
    small = Split(few.images, torch.arange(32) % 2, few.groups, "binary", ("a", "b"))
    fit(model, small, steps=1, progress=False)
    before, start = peak(), time.perf_counter()
    columns = {"table": "labels.csv", "file": "image", "label": "label", "patient": "patient", "channels": 1}
    splits = load_data("folder", root=root, size=SIZE, **columns)
    seconds = time.perf_counter() - start
    fit(model, splits["train"], steps=5, progress=False)
    images = sum(map(len, splits.values()))
    print(json.dumps({"before": before, "peak": peak(), "seconds": seconds, "images": images}))


if __name__ == "__main__":
    open_and_train(sys.argv[1])
