"""Images that stay in a file: a tensor which reads its rows only when they are computed with.

Choosing images (a slice, positions, a mask) chooses rows and reads nothing. Everything else, `index_select` first,
reads the rows that it needs and gives an ordinary tensor. Rows are read, not mapped into memory: from a cold disk that
is four times as fast, and the memory of the process does not grow with what it has seen.
"""

import math
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map_only

aten = torch.ops.aten
CHUNK = 256  # rows that go to another device at a time
UNCHANGED = "images that lie in a file cannot be changed in place; take a copy in memory first, images.clone()."


class OnDisk(Tensor):
    """Images uint8 (N, C, H, W), rows of a file of pixels.

    Attributes:
        file: the file, nothing but pixels.
        rows: int64 (N,), the place of each image in it.
        checksums: int64 (N,), the same for two images only if they are the same in every pixel.
    """

    file: Path
    rows: Tensor
    checksums: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, file: Path, shape: tuple[int, ...], rows: Tensor, checksums: Tensor) -> "OnDisk":
        """Images of one shape (C, H, W) at `rows` of the file."""
        images: OnDisk = torch.Tensor._make_wrapper_subclass(
            cls, (len(rows), *shape), dtype=torch.uint8, device=torch.device("cpu")
        )
        images.file, images.rows, images.checksums = file, rows, checksums
        return images

    def choose(self, key: Any) -> "OnDisk":
        """The images at a slice, at positions or of a mask, still in the file."""
        return OnDisk(self.file, tuple(self.shape[1:]), self.rows[key], self.checksums[key])

    def read(self, device: torch.device | str = "cpu") -> Tensor:
        """An ordinary tensor of all images."""
        images = torch.empty(self.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(self), CHUNK):
            rows = self.rows[start : start + CHUNK]
            images[start : start + CHUNK] = read_rows(self.file, rows, tuple(self.shape[1:]))
        return images

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """What PyTorch calls for every operation on such images."""
        images, *others = args
        kwargs = kwargs or {}
        if isinstance(images, OnDisk):
            if func is aten.index_select.default and others[0] == 0:
                return read_rows(images.file, images.rows[others[1]], tuple(images.shape[1:]))
            if func is aten.select.int and others[0] == 0:
                return images.choose(others[1:]).read()[0]
            if func is aten.slice.Tensor and (not others or others[0] == 0):
                return images.choose(slice(*others[1:]))
            if func is aten.index.Tensor and len(others[0]) == 1:
                return images.choose(others[0][0])
            if func is aten.split.Tensor and len(others) == 1:
                return [images.choose(slice(i, i + others[0])) for i in range(0, len(images), others[0])]
            if func is aten.detach.default:
                return images.choose(slice(None))
            if func is aten._to_copy.default and kwargs.get("dtype") in (None, torch.uint8):
                return images.read(kwargs.get("device") or "cpu")
        if func._schema.is_mutable:
            raise RuntimeError(UNCHANGED)
        args, kwargs = tree_map_only(OnDisk, OnDisk.read, (args, kwargs))
        return func(*args, **kwargs)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise RuntimeError(UNCHANGED)

    def numpy(self, *, force: bool = False) -> NDArray[Any]:
        """All pixels, in memory."""
        return self.read().numpy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """To another process go rows, not pixels."""
        return OnDisk, (self.file, tuple(self.shape[1:]), self.rows, self.checksums)

    def __deepcopy__(self, memo: Any) -> "OnDisk":
        return self

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"OnDisk({' x '.join(map(str, self.shape))} of {self.file})"


def read_rows(file: Path, rows: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Rows of a file of pixels, uint8 (len(rows), *shape).

    Raises:
        OSError: if the file is shorter.
    """
    images = torch.empty((len(rows), *shape), dtype=torch.uint8)
    length = math.prod(shape)
    with file.open("rb", buffering=0) as pixels:  # its own: several threads may read
        for image, row in zip(images.flatten(1).numpy(), rows.tolist(), strict=True):
            pixels.seek(row * length)
            if pixels.readinto(image.data) != length:
                raise OSError(f"{file} was cut short or replaced while it was in use. Load the data again.")
    return images
