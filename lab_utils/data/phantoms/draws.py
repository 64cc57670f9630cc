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

_LOW_BYTES = np.uint64(0x00FF00FF00FF00FF)
_LOW_HALVES = np.uint64(0x0000FFFF0000FFFF)
_SD_OF_FOUR_BYTES = float(np.sqrt(4 * (256**2 - 1) / 12))


class Draws:
    """The random numbers of a batch: row i belongs to `numbers[i]` and to no other row.

    Every call takes the next words of each row's stream, so a structure that draws always draws, needed or not.
    """

    def __init__(self, seed: int, stream: int, numbers: NDArray[np.int64], *, scalars: int, noise: int = 0) -> None:
        """Start one stream per row.

        Args:
            seed: key of the whole set, from 0 to 2**64 - 1.
            stream: keeps patients, images and sites apart under one seed.
            numbers: which patient or image each row is; equal numbers get equal rows.
            scalars: how many 64-bit words a row has for single numbers.
            noise: how many more it has for pictures of noise, two pixels each.
        """
        unique, row = np.unique(numbers, return_inverse=True)
        counter = [0, 0, 0, stream]
        raw = np.empty((len(unique), scalars + noise), np.uint64)
        for i, number in enumerate(unique.tolist()):
            raw[i] = np.random.Philox(key=[seed, number], counter=counter).random_raw(scalars + noise)
        words = raw[row.reshape(-1)]
        self._scalars, self._noise = words[:, :scalars], words[:, scalars:]
        self._next_scalar = self._next_noise = 0
        fractions = (self._scalars >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)
        self._fractions = np.ascontiguousarray(fractions.T)[:, :, None, None]  # (scalars, B, 1, 1)

    def uniform(self, low: float, high: float) -> Tensor:
        """One number per row in [low, high), shape (B, 1, 1) to combine with pictures."""
        return torch.from_numpy(self._fraction() * (high - low) + low)

    def chance(self, probability: float) -> Tensor:
        """1 with this probability, else 0; shape (B, 1, 1)."""
        return torch.from_numpy((self._fraction() < probability).astype(np.float32))

    def _fraction(self) -> NDArray[np.float32]:
        self._next_scalar += 1
        row: NDArray[np.float32] = self._fractions[self._next_scalar - 1]
        return row

    def uniforms(self, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1), shape (B, count), at full precision."""
        start, self._next_scalar = self._next_scalar, self._next_scalar + count
        return (self._scalars[:, start : self._next_scalar] >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def normals(self, count: int) -> NDArray[np.float64]:
        """Standard normal numbers, shape (B, count): each the sum of twelve uniform ones."""
        sums: NDArray[np.float64] = self.uniforms(12 * count).reshape(-1, count, 12).sum(axis=2)
        return sums - 6

    def noise(self, cells: int) -> Tensor:
        """Roughly normal white noise (sd 1), shape (B, cells, cells). Four bytes make one value."""
        start, self._next_noise = self._next_noise, self._next_noise + (cells * cells + 1) // 2
        words = np.ascontiguousarray(self._noise[:, start : self._next_noise])
        pairs = (words & _LOW_BYTES) + ((words >> np.uint64(8)) & _LOW_BYTES)
        sums = (pairs + (pairs >> np.uint64(16))) & _LOW_HALVES
        values = sums.astype("<u8", copy=False).view("<u4").astype(np.float32)
        centred = (values - np.float32(510)) * np.float32(1 / _SD_OF_FOUR_BYTES)
        return torch.from_numpy(centred[:, : cells * cells].reshape(-1, cells, cells))
