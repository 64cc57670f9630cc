"""Batches of a split on their way to the device that trains on them."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from lab_utils.data import OnDisk, Split

Batch = tuple[Tensor, Tensor]  # images uint8 (B, C, H, W) and labels, on the device


def resident(split: Split, device: torch.device) -> Split:
    """The split on `device`, where that has room for it, else as it is.

    A quarter of the free memory at most: the rest is for the network.
    """
    if split.images.device == device or device.type == "cpu":
        return split
    size = split.images.numel() * split.images.element_size()
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return split.to(device) if size <= free / 4 else split


class Reader:
    """From positions in a split (B,) to the batch on the device.

    Attributes:
        split: the images and labels, on the device if that has room for them.
        device: where to compute.
    """

    def __init__(self, split: Split, device: torch.device) -> None:
        self.split, self.device = resident(split, device), device

    def __call__(self, indices: Tensor) -> Batch:
        """One batch, now."""
        return self._sent(indices, self._read(indices))

    def each(self, batches: Iterator[Tensor]) -> Generator[tuple[Tensor, Batch], None, None]:
        """Positions and batch, one after the other.

        Where the images lie in a file, a thread reads the next batch while the caller works on this one. What goes
        wrong in it is raised where its batch would have come. The thread ends with the iterator: close it.
        """
        if not isinstance(self.split.images, OnDisk):
            yield from ((indices, self(indices)) for indices in batches)
            return
        coming: deque[tuple[Tensor, Future[Tensor]]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
            for following in batches:
                coming.append((following, thread.submit(self._read, following)))
                if len(coming) == 2:
                    indices, images = coming.popleft()
                    yield indices, self._sent(indices, images.result())
            for indices, images in coming:
                yield indices, self._sent(indices, images.result())

    def _read(self, indices: Tensor) -> Tensor:
        images = self.split.images.index_select(0, indices.to(self.split.images.device))
        if self.device.type == "cuda" and not images.is_cuda:
            images = images.pin_memory()  # or the copy would wait for the device
        return images

    def _sent(self, indices: Tensor, images: Tensor) -> Batch:
        labels = self.split.labels.index_select(0, indices.to(self.split.labels.device))
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)
