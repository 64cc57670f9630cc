"""Fetch a file, prove that it is the right one, and only then give it its name."""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from tqdm.auto import tqdm

from lab_utils.atomic import write_whole

BLOCK = 1 << 20  # bytes
PATIENCE = 30.0  # seconds without an answer until the network counts as absent


def md5_of(path: Path) -> str:
    """MD5 of a file as 32 hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def download(url: str, target: Path, *, md5: str) -> None:
    """Download `url` to `target`, which appears only when it is whole and its MD5 is right.

    Raises:
        RuntimeError: if there is no network, the folder cannot be written, or the bytes are wrong. Nothing half-written
            remains in any case.
    """
    by_hand = (
        f"download {url} in a browser on any computer and put it into {target.parent} as {target.name} (MD5 {md5}), "
        'or work with load_data("phantoms"), which needs no network'
    )

    def fetch(unfinished: Path) -> None:
        with open(unfinished, "wb") as file:
            for block in _blocks(url, target.name, f"Try again, or {by_hand}."):
                file.write(block)
        if (found := md5_of(unfinished)) != md5:
            raise RuntimeError(
                f"{url} should have MD5 {md5}; what came has {found} ({unfinished.stat().st_size:,} bytes) and "
                "was thrown away. The download was cut short or changed on its way (a log-in page?). "
                f"Try again, or {by_hand}."
            )

    try:
        write_whole(target, fetch)
    except OSError as error:
        raise RuntimeError(
            f"{target.name} should be stored in {target.parent}; the folder cannot be written ({error}). Free some "
            "space, or name a folder that you may write to: root=, or the environment variable LAB_CACHE."
        ) from error


def _blocks(url: str, name: str, advice: str) -> Iterator[bytes]:
    """Yield the bytes behind `url`; network trouble becomes a RuntimeError with `advice`."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as response:
            total = int(response.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=name, leave=False) as bar:
                while block := response.read(BLOCK):
                    bar.update(len(block))
                    yield block
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise RuntimeError(
            f"{name} is not on this computer and should come from {url}; the network gave no file ({error}). {advice}"
        ) from error
