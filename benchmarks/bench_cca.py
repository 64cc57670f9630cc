"""CCA of 500 and 500 neurons at 10,000 datapoints in float64, against other ways to the same numbers."""

import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lab_utils.similarity import cca, covariances

Array = NDArray[np.float64]
Ratios = Callable[..., list[float]]
Report = Callable[[str, str, list[float], str], None]
NEURONS, DATAPOINTS = 500, 10_000
THREADS = 2  # products of matrices gain from the second core, decompositions hardly: the routes differ in their share


def layers() -> tuple[Array, Array]:
    """Two layers that share half of their variance."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(DATAPOINTS, NEURONS))
    return x, x @ rng.normal(size=(NEURONS, NEURONS)) / NEURONS**0.5 + rng.normal(size=(DATAPOINTS, NEURONS))


def by_pinv(x: Array, y: Array) -> Array:
    """The route of most public code: pseudo-inverses of both covariances, their roots by eigh, an SVD."""
    cov, d = np.cov(x.T, y.T), x.shape[1]

    def inverse_root(matrix: Array) -> Array:
        values, vectors = np.linalg.eigh(np.linalg.pinv(matrix))
        return (vectors * np.sqrt(values.clip(0))) @ vectors.T

    return np.linalg.svd(inverse_root(cov[:d, :d]) @ cov[:d, d:] @ inverse_root(cov[d:, d:]))[1]


def by_qr(x: Array, y: Array) -> Array:
    """Orthonormal bases of both layers, an SVD of their product (Bjorck and Golub)."""
    bases = [np.linalg.qr(z - z.mean(axis=0))[0] for z in (x, y)]
    return np.linalg.svd(bases[0].T @ bases[1], compute_uv=False)


def rows(ratios: Ratios, report: Report, rounds: int) -> None:
    """Print the rows: time against two other routes, and memory against the number of datapoints."""
    x, y = layers()
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    with threadpool_limits(THREADS):
        for name, other, aim in (("pinv and eigh", by_pinv, "at least 2"), ("QR", by_qr, "more than 2")):
            apart = float(np.abs(other(x, y) - cca(x, y)).max())
            found = ratios(lambda other=other: other(x, y), lambda: cca(x, y), rounds=rounds)
            what = f"time by {name} / time of cca, largest difference {apart:.0e} (aim: 1e-8)"
            report("cca", f"{what}, {THREADS} threads", found, aim)
    torch.set_num_threads(before)
    few, many = (_peak(n) for n in (10_000, 1_000_000))
    print(
        f"cca_memory    {many / few:7.2f}   peak for 1,000,000 / for 10,000 datapoints, streamed; aim: 1.0", flush=True
    )


def _peak(datapoints: int) -> int:
    """Bytes that NumPy and Python held at most, while batches of 2,000 datapoints passed by."""
    rng = np.random.default_rng(0)

    def batches() -> Iterator[tuple[Array, Array]]:
        for _ in range(datapoints // 2000):
            yield rng.normal(size=(2000, 20)), rng.normal(size=(2000, 20))

    tracemalloc.start()
    covariances(batches())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most
