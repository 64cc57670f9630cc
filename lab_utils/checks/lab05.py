"""Checks of lab 5: `cca`; the other exercises have files of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.lab05_conv import CONV_TO_SAMPLES, conv_to_samples
from lab_utils.checks.lab05_null import NULL_SIMILARITY, null_similarity
from lab_utils.checks.lab05_questions import ALIKE_AT_THE_TOP, CKA_OR_CCA, FEW_IMAGES, REUSE
from lab_utils.checks.lab05_svcca import SVCCA, svcca

__all__ = [
    "ALIKE_AT_THE_TOP",
    "CKA_OR_CCA",
    "EXERCISES",
    "FEW_IMAGES",
    "REUSE",
    "cca",
    "check_cca",
    "check_conv_to_samples",
    "check_null_similarity",
    "check_svcca",
    "conv_to_samples",
    "null_similarity",
    "svcca",
]

Array = NDArray[np.float64]
Correlations = Callable[[Array, Array], Any]


def cca(acts_x: Array, acts_y: Array) -> Array:
    """The kit's version; it does not refuse few datapoints, because the lab shows what they do."""
    return similarity.cca(acts_x, acts_y, guard=False)


def _layers(dx: int = 5, dy: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Centred layers that share some of what they see; neurons correlate within a layer."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(300, 8))
    x = seen[:, :5] @ rng.normal(size=(5, dx))
    y = seen[:, 3:] @ rng.normal(size=(5, dy)) + 0.5 * rng.normal(size=(300, dy))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def _on(x: NDArray[Any], y: NDArray[Any]) -> Probe:
    def probe(student: Correlations) -> Any:
        values = student(x, y)
        return "complex numbers" if np.iscomplexobj(values) else np.asarray(values, dtype=np.float64)

    return probe


X, Y = _layers()
WIDE, NARROW = _layers(dx=3, dy=7, seed=1), _layers(dx=1, dy=5, seed=1)

PROBES = {
    "Two centred layers of 5 and 4 neurons": _on(X, Y),
    "A constant is added to each neuron, which should change nothing": _on(X + np.arange(5) * 10, Y - 7),
    "One neuron is multiplied by 100 and another by 0.01, which should change nothing": _on(
        X * np.array([0.01, 1, 100, 1, 10]), Y
    ),
    "Layers of 3 and 7 neurons": _on(*WIDE),
    "Layers of 7 and 3 neurons": _on(*WIDE[::-1]),
    "Layers of 1 and 5 neurons": _on(*NARROW),
    "Layers of 5 and 1 neurons": _on(*NARROW[::-1]),
    "A layer and an invertible linear map of it": _on(X, X @ np.random.default_rng(3).normal(size=(5, 5)) + 2),
    "A dead neuron (always 0) in the first layer, which adds nothing": _on(np.column_stack([X, 0 * X[:, 0]]), Y),
    "Neurons in the second layer that are copies or sums of others and add nothing": _on(
        X, np.column_stack([Y, Y[:, 0], Y[:, 1] - Y[:, 2]])
    ),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(got, str):
        return f"the result has {got}. np.linalg.eigh (for symmetric matrices) and svd give real ones."
    if got.ndim != 1:
        found = f"the shape {got.shape}" if got.ndim else "one number. Their mean is taken later"
        return f"expected an array with one axis, all {len(expected)} canonical correlations, got {found}."
    if len(got) > 50:
        return f"got {len(got)} correlations. Rows are datapoints, columns are neurons: is something transposed?"
    if len(got) != len(expected):
        return f"{len(expected)} correlations expected, the smaller number of directions, got {len(got)}."
    if not np.isfinite(got).all():
        return "some correlations are NaN or infinite."
    above = " A correlation is at most 1." if got.max() > 1.001 else ""
    return f"expected {np.round(expected, 3)}, got {np.round(got, 3)}.{above}"


# ---- wrong answers


def _centred(z: Array) -> Array:
    return np.asarray(z - z.mean(axis=0))


def _orth(z: NDArray[Any], least: float = 0.0) -> Array:
    u, s, _ = np.linalg.svd(z, full_matrices=False)
    return np.asarray(u[:, s > max(least, 1e-8 * s[0])])


def _by(basis: Callable[[Array], Any]) -> Correlations:
    """Singular values of the product of two bases."""
    return lambda x, y: np.linalg.svd(basis(x).T @ basis(y), compute_uv=False)


def _by_inverse(x: Array, y: Array) -> Array:
    x, y = _centred(x), _centred(y)
    product = np.linalg.inv(x.T @ x) @ (x.T @ y) @ np.linalg.inv(y.T @ y) @ (y.T @ x)
    return np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1].clip(0))[: min(x.shape[1], y.shape[1])]


def _standard(z: Array) -> Array:
    return np.asarray(_centred(z) / z.std(axis=0))


CENTRE = "Subtract the mean of each neuron, over the datapoints (which axis is that?)."
WHITEN = (
    "These are the singular values of x^T y. Neurons of one layer correlate with each other too: take an orthonormal "
    "basis of each layer first (whiten it)."
)
DIVIDE = "Divide by the number of datapoints once, not more or less often."
NO_DIRECTION = "Leave out directions with practically no variance (rounding leaves about 1e-16 of the largest)."
SCALE = "CCA does not look at the scale; if you drop directions, only drop those with practically no variance."

WRONG: tuple[tuple[Correlations, str], ...] = (
    (lambda x, y: np.ones(len(x)), "Which axis holds the neurons?"),
    (lambda x, y: cca(x, y).mean(), "Return all of them."),
    (lambda x, y: _orth(_centred(x)).T @ _orth(_centred(y)), "Which numbers of this matrix do you want?"),
    (lambda x, y: cca(x, y)[::-1], "The numbers are right, but the largest must come first."),
    (lambda x, y: cca(x, y) ** 2, "These are the squares of the correlations. An eigenvalue problem gives squares."),
    (lambda x, y: cca(x, y) * len(x), DIVIDE),
    (lambda x, y: cca(x, y) / len(x), DIVIDE),
    (lambda x, y: np.pad(cca(x, y), (0, x.shape[1]))[: x.shape[1]], "There are as many as the smaller layer has."),
    (_by(_orth), CENTRE),
    (_by(lambda z: _orth(z - z.mean())), CENTRE),
    (_by(_centred), WHITEN),
    (lambda x, y: _by(_centred)(x, y) / len(x), WHITEN),
    (lambda x, y: _by(_centred)(x, y) / (len(x) - 1), WHITEN),
    (lambda x, y: _by(_standard)(x, y) / len(x), WHITEN),
    (_by(lambda z: _centred(z) @ np.linalg.svd(_centred(z), full_matrices=False)[2].T), WHITEN),
    (_by(lambda z: _orth(_centred(z), least=1)), SCALE),
    (_by(lambda z: np.linalg.qr(_centred(z))[0]), NO_DIRECTION),
    (_by_inverse, NO_DIRECTION),
    (_by(lambda z: _orth(_standard(z))), "NaN? What is the standard deviation of a dead neuron?"),
)

CCA = Exercise(
    "cca",
    cca,
    PROBES,
    _explain,
    WRONG,
    "Are both bases orthonormal, and is each of their directions a real one?",
    1e-5,
    steps=(
        "Take the mean of each column off, in both layers. Then look for an orthonormal basis of each: which "
        "of the three results of the SVD is it?",
        "A direction with a singular value of 0 is none. Leave out those that are tiny beside the largest one.",
        "Multiply the transposed first basis by the second one. The canonical correlations are the singular "
        "values of this small matrix.",
    ),
)

EXERCISES = (CCA, NULL_SIMILARITY, CONV_TO_SAMPLES, SVCCA)
check_cca = CCA.check
check_null_similarity = NULL_SIMILARITY.check
check_conv_to_samples = CONV_TO_SAMPLES.check
check_svcca = SVCCA.check
