"""Random numbers that depend on a key and nothing else.

A counter-based generator (Philox) is started afresh for every patient and for every image, so image 17 is the same
whether it is made alone, in a batch, or as the start of a larger set. Only the generator's raw 64-bit words are used:
NumPy may change how it turns them into normals from one version to the next, but never the words.

References:
    Salmon, Moraes, Dror, Shaw (2011). Parallel random numbers: as easy as 1, 2, 3. SC'11.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Words = NDArray[np.uint64]

_LOW_BYTES = np.uint64(0x00FF00FF00FF00FF)
_LOW_HALVES = np.uint64(0x0000FFFF0000FFFF)
_SD_OF_FOUR_BYTES = float(np.sqrt(4 * (256**2 - 1) / 12))


class Draws:
    """The random numbers of a batch: row i belongs to `numbers[i]` and to no other row.

    Every call takes the next words of each row's stream, so a structure that draws always draws, needed or not.
    """

    def __init__(self, seed: int, stream: int, numbers: NDArray[np.int64], *, words: int) -> None:
        """Start one stream per row.

        Args:
            seed: key of the whole set, from 0 to 2**64 - 1.
            stream: keeps patients, images and sites apart under one seed.
            numbers: which patient or image each row is; equal numbers get equal rows.
            words: how many 64-bit words a row may use.
        """
        unique, row = np.unique(numbers, return_inverse=True)
        counter = [0, 0, 0, stream]
        raw = np.empty((len(unique), words), np.uint64)
        for i, number in enumerate(unique.tolist()):
            raw[i] = np.random.Philox(key=[seed, number], counter=counter).random_raw(words)
        self._raw: Words = raw[row.reshape(-1)]
        self._next = 0

    def _take(self, count: int) -> Words:
        start, self._next = self._next, self._next + count
        if self._next > self._raw.shape[1]:
            raise RuntimeError(f"a row holds {self._raw.shape[1]} words but {self._next} are needed: raise `words`.")
        return self._raw[:, start : self._next]

    def uniform(self, low: float, high: float) -> Tensor:
        """One number per row in [low, high), shape (B, 1, 1) to combine with pictures."""
        fraction = (self._take(1) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        return torch.from_numpy(low + np.float32(high - low) * fraction).unsqueeze(-1)

    def chance(self, probability: float) -> Tensor:
        """1 with this probability, else 0; shape (B, 1, 1)."""
        return (self.uniform(0, 1) < probability).float()

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1), shape (B, count), at full precision."""
        return (self._take(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normals(self, count: int) -> NDArray[np.float64]:
        """Standard normal numbers, shape (B, count): each the sum of twelve uniform ones."""
        sums: NDArray[np.float64] = self.uniforms(12 * count).reshape(-1, count, 12).sum(axis=2)
        return sums - 6

    def noise(self, cells: int) -> Tensor:
        """Roughly normal white noise (sd 1), shape (B, cells, cells); `cells` is even. Four bytes make one value."""
        words = np.ascontiguousarray(self._take(cells * cells // 2))
        pairs = (words & _LOW_BYTES) + ((words >> np.uint64(8)) & _LOW_BYTES)
        sums = (pairs + (pairs >> np.uint64(16))) & _LOW_HALVES
        values = sums.astype("<u8", copy=False).view("<u4").astype(np.float32)
        centred = (values - np.float32(510)) * np.float32(1 / _SD_OF_FOUR_BYTES)
        return torch.from_numpy(centred).view(-1, cells, cells)
