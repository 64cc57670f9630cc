"""Checks of lab 5: canonical correlations and their null; the other exercises have files of their own."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab05_conv import CONV_TO_SAMPLES, conv_to_samples
from lab_utils.checks.lab05_null import NULL_SIMILARITY, null_similarity
from lab_utils.checks.lab05_questions import ALIKE_AT_THE_TOP, CKA_OR_CCA, FEW_IMAGES, REUSE
from lab_utils.checks.lab05_svcca import SVCCA, svcca
from lab_utils.checks.outcome import Wrong

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
Correlations = Callable[[Array, Array], Array]

CLOSE = 1e-5


def cca(acts_x: Array, acts_y: Array) -> Array:
    """The kit's version; it does not refuse few datapoints, because the lab shows what they do."""
    return similarity.cca(acts_x, acts_y, guard=False)


def _layers(n: int = 300, dx: int = 5, dy: int = 4, seed: int = 0) -> tuple[Array, Array]:
    """Centred layers that share some of what they see; neurons correlate within a layer."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(n, 8))
    x = seen[:, :5] @ rng.normal(size=(5, dx))
    y = seen[:, 3:] @ rng.normal(size=(5, dy)) + 0.5 * rng.normal(size=(n, dy))
    return x - x.mean(axis=0), y - y.mean(axis=0)


def _correlations(student: Correlations, x: Array, y: Array) -> Array:
    """What the student returns, as an array of numbers."""
    result: Any = student(x, y)
    if np.iscomplexobj(result):
        raise Wrong("The result has complex numbers. np.linalg.eigh (for symmetric matrices) and svd give real ones.")
    values = np.asarray(result, dtype=np.float64)
    if values.ndim == 0:
        raise Wrong("Expected an array with all canonical correlations, got one number. Their mean is taken later.")
    if values.ndim == 2:
        raise Wrong(f"Expected one axis, got the shape {values.shape}. Which numbers of this matrix do you want?")
    return values


def _kind_of_result(student: Correlations) -> None:
    x, y = _layers()
    values = _correlations(student, x, y)
    if len(values) > 50:
        raise Wrong(
            f"Got {len(values)} correlations for layers of 5 and 4 neurons. Rows are datapoints, columns are neurons: "
            "is something transposed?"
        )
    if len(values) != 4:
        raise Wrong(f"Layers of 5 and 4 neurons have 4 canonical correlations (the smaller number), got {len(values)}.")
    if not np.isfinite(values).all():
        raise Wrong("Some correlations are NaN or infinite, for layers without any dead neuron.")


def _plain_layers(student: Correlations) -> None:
    x, y = _layers()
    values, right = _correlations(student, x, y), cca(x, y)
    if np.allclose(values, right, atol=CLOSE):
        return
    if np.allclose(values, right[::-1], atol=CLOSE):
        raise Wrong("The numbers are right, but the largest must come first.")
    if np.allclose(np.sort(values)[::-1], right**2, atol=CLOSE):
        raise Wrong("These are the squares of the correlations. An eigenvalue problem gives squares.")
    if np.allclose(values, right * len(x), rtol=0.02):
        raise Wrong("Divide by the number of datapoints once, not more or less often: the values are far above 1.")
    _not_whitened(values, x, y)
    if values.max() > 1 + CLOSE:
        raise Wrong(f"The largest value is {values.max():.3g}. A correlation is at most 1: are both bases orthonormal?")
    raise Wrong(f"Expected {np.round(right, 3)} for two centred layers, got {np.round(values, 3)}.")


def _not_whitened(values: Array, x: Array, y: Array) -> None:
    """Singular values of the cross-covariance or cross-correlation itself, however scaled."""
    for a, b in ((x, y), (x / x.std(axis=0), y / y.std(axis=0))):
        raw = np.linalg.svd(a.T @ b, compute_uv=False)
        ratio = values / raw
        if np.allclose(ratio, ratio[0], rtol=1e-3):
            raise Wrong(
                "These are the singular values of x^T y. Neurons of one layer correlate with each other too: take an "
                "orthonormal basis of each layer first (whiten it)."
            )


def _off_centre(student: Correlations) -> None:
    x, y = _layers()
    x, y = x + np.arange(5) * 10, y - 7
    values, right = _correlations(student, x, y), cca(x, y)
    if values.shape != right.shape or not np.allclose(values, right, atol=CLOSE):
        reason = "Subtract the mean of each neuron, over the datapoints (which axis is that?)."
        raise Wrong(f"When a constant is added to each neuron, the result changes. {reason}")


def _other_scales(student: Correlations) -> None:
    x, y = _layers()
    x = x * np.array([0.01, 1, 100, 1, 10])
    values = _correlations(student, x, y)
    if values.shape != (4,) or not np.allclose(values, cca(x, y), atol=1e-4):
        raise Wrong(
            "When one neuron is multiplied by 100 and another by 0.01, the result changes. CCA does not look at the "
            "scale; if you drop directions, only drop those with practically no variance."
        )


def _widths(student: Correlations) -> None:
    for dx, dy in ((3, 7), (7, 3), (1, 5), (4, 1)):
        x, y = _layers(dx=min(dx, 5), dy=dy, seed=1) if dx <= 5 else _layers(dx=dy, dy=dx, seed=1)[::-1]
        values, right = _correlations(student, x, y), cca(x, y)
        if values.shape != right.shape:
            got = f"{len(right)} correlations expected, got {len(values)}"
            raise Wrong(f"Layers of {dx} and {dy} neurons: {got}. There are as many as the smaller layer has neurons.")
        if not np.allclose(values, right, atol=CLOSE):
            raise Wrong(f"Layers of {dx} and {dy} neurons: expected {np.round(right, 3)}, got {np.round(values, 3)}.")


def _linear_map(student: Correlations) -> None:
    x, _ = _layers()
    values = _correlations(student, x, x @ np.random.default_rng(3).normal(size=(5, 5)) + 2)
    if not np.allclose(values, 1, atol=1e-4):
        raise Wrong(
            f"A layer and an invertible linear map of it: all correlations should be 1, got {np.round(values, 3)}."
        )


def _dead_neuron(student: Correlations) -> None:
    x, y = _layers()
    dead = np.column_stack([x, np.zeros(len(x))])
    try:
        values = _correlations(student, dead, y)
    except np.linalg.LinAlgError as error:
        raise Wrong(
            f"With a dead neuron (always 0) it stops: {error}. Leave out directions without variance."
        ) from None
    if not np.isfinite(values).all():
        raise Wrong("With a dead neuron (always 0) the result has NaN or inf. Leave out directions without variance.")
    _same_as_without(values, cca(x, y), "a dead neuron (always 0) in the first layer")


def _dependent(student: Correlations) -> None:
    x, y = _layers()
    y = np.column_stack([y, y[:, 0], y[:, 1] - y[:, 2]])
    try:
        values = _correlations(student, x, y)
    except np.linalg.LinAlgError as error:
        raise Wrong(f"With a copy of a neuron it stops: {error}. Leave out directions without variance.") from None
    _same_as_without(values, cca(x, y), "neurons in the second layer that are copies or sums of others")


def _same_as_without(values: Array, right: Array, what: str) -> None:
    """They add nothing new: no correlation changes, and none is added."""
    if values.shape != right.shape:
        raise Wrong(
            f"With {what}: {len(right)} correlations expected, got {len(values)}. Such neurons add no direction: "
            "leave out directions with practically no variance (rounding leaves about 1e-16 of the largest)."
        )
    if not np.allclose(values, right, atol=1e-4):
        raise Wrong(
            f"With {what}: expected {np.round(right, 3)}, got {np.round(values, 3)}. A direction of rounding errors "
            "was counted as a real one: leave out directions with practically no variance."
        )


CCA = Exercise(
    "cca",
    cca,
    cases=(_kind_of_result, _plain_layers, _off_centre, _other_scales, _widths, _linear_map, _dead_neuron, _dependent),
)

EXERCISES = (CCA, NULL_SIMILARITY, CONV_TO_SAMPLES, SVCCA)
check_cca = CCA.check
check_null_similarity = NULL_SIMILARITY.check
check_conv_to_samples = CONV_TO_SAMPLES.check
check_svcca = SVCCA.check
