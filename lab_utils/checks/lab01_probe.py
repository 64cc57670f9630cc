"""Cases for a student's `linear_probe` (exercise 3 of lab 1)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lab_utils import training
from lab_utils.checks.outcome import Wrong

Floats = NDArray[np.float64]
Probe = Callable[..., Any]

CLOSE = 0.01  # other solvers, and sds over known images only, stay below this


def linear_probe(train_features: Floats, train_labels: Floats, test_features: Floats, C: float = 0.1) -> Floats:
    """The kit's version: one logistic regression per finding on standardised features."""
    return training.linear_probe(train_features, train_labels, test_features, task="multilabel", l2=1 / C)


def _one_probability_per_finding(student: Probe) -> None:
    x, y, z = _data()
    scores = _scores(student(x, y, z), len(z), y.shape[1])
    if np.isin(scores, (0, 1)).all():
        raise Wrong(
            "Every score is 0 or 1: these are decisions. Expected probabilities, so that images can be ranked and a "
            "threshold can be chosen later. Which method of LogisticRegression gives them?"
        )
    if scores.min() < 0 or scores.max() > 1:
        raise Wrong(
            f"Expected probabilities, got scores from {scores.min():.2f} to {scores.max():.2f}. Are these the values "
            "before the sigmoid?"
        )
    if np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise Wrong(
            "The scores of each image add up to 1, so the findings compete. An image can have several findings, or "
            "none: one logistic regression for each of them."
        )
    _compare(scores, x, y, z, "120 images, 3 findings")


def _other_numbers_of_findings(student: Probe) -> None:
    x, y, z = _data(seed=1)
    for columns in ([1], [2, 0]):
        scores = _scores(student(x, y[:, columns], z), len(z), len(columns))
        _compare(scores, x, y[:, columns], z, f"{len(columns)} finding(s)")


def _test_images_one_by_one(student: Probe) -> None:
    x, y, z = _data(seed=2)
    z = z + 2 * x.std(axis=0)  # another hospital: everything is a little brighter
    together = _scores(student(x, y, z), len(z), y.shape[1])
    alone = _scores(student(x, y, z[:1]), 1, y.shape[1])
    if not np.allclose(together[:1], alone, atol=1e-4):
        raise Wrong(
            "A test image got another score alone than among other test images. Its score may depend on the training "
            "images only: from which images do mean and sd come?"
        )
    _compare(together, x, y, z, "test images that are a little brighter than the training images")


def _unknown_labels(student: Probe) -> None:
    x, y, z = _data(seed=3)
    y[::3, 0] = -1
    y[1::4, 2] = -1
    scores = _scores(student(x, y, z), len(z), y.shape[1])
    _compare(scores, x, y, z, "some labels are -1 (unknown)", tolerance=3 * CLOSE)


def _constant_feature(student: Probe) -> None:
    x, y, z = _data(seed=4)
    x[:, 1] = z[:, 1] = 0.0
    hint = (
        "One feature is 0 in every training image, as happens with ReLU, so its sd is 0. What does your code divide "
        "by? StandardScaler knows what to do."
    )
    try:
        result = student(x, y, z)
    except (ValueError, FloatingPointError, ZeroDivisionError, RuntimeWarning) as error:
        if "NaN" in str(error) or "divi" in str(error) or "invalid value" in str(error):
            raise Wrong(hint) from error
        raise
    if not np.isfinite(np.asarray(result, dtype=np.float64)).all():
        raise Wrong(hint)
    _compare(_scores(result, len(z), y.shape[1]), x, y, z, "one feature is 0 in every image")


def _penalty(student: Probe) -> None:
    x, y, z = _data(seed=5)
    for c in (0.001, 3.0):
        scores = _scores(student(x, y, z, C=c), len(z), y.shape[1])
        if np.abs(scores - linear_probe(x, y, z, C=c)).max() > CLOSE and np.allclose(
            scores, linear_probe(x, y, z), atol=CLOSE
        ):
            raise Wrong(f"C = {c} gave what C = 0.1 should give. Does `C` reach LogisticRegression?")
        _compare(scores, x, y, z, f"C = {c}", c=c)


CASES = (
    _one_probability_per_finding,
    _other_numbers_of_findings,
    _test_images_one_by_one,
    _constant_feature,
    _unknown_labels,
    _penalty,
)


def _data(seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Training features (120, 6) of very different sizes, labels (120, 3), test features (40, 6)."""
    rng = np.random.default_rng(seed)
    size, shift = np.array([1.0, 30.0, 0.01, 5.0, 200.0, 1.0]), np.array([0.0, 100.0, 0.5, -3.0, 0.0, 7.0])
    noise = rng.normal(size=(160, 6))
    labels = (noise[:, :3] + noise[:, 3:] + 0.7 * rng.normal(size=(160, 3)) > [0.2, 0.8, -0.3]).astype(np.float64)
    features = noise * size + shift
    return features[:120], labels[:120], features[120:]


def _scores(result: object, images: int, findings: int) -> Floats:
    """The result as an array of shape (images, findings), or what is wrong with it."""
    wanted = f"({images}, {findings}), one row per test image and one column per finding"
    if isinstance(result, list | tuple):
        raise Wrong(f"Expected one NumPy array of shape {wanted}; got a {type(result).__name__} of {len(result)}.")
    if not isinstance(result, np.ndarray):
        raise Wrong(f"Expected a NumPy array, got a {type(result).__name__}.")
    if result.shape == (images, findings):
        return result.astype(np.float64)
    hint = "Collect the findings as columns."
    if result.shape == (findings, images):
        hint = "It lies on its side: turn it with .T, or collect the findings as columns."
    elif result.shape in ((images, findings, 2), (findings, images, 2)):
        hint = "predict_proba gives two columns, absent and present. Keep one of them."
    elif result.shape in ((images,), (images, 1)):
        hint = "There is one score per image only. Every finding needs its own logistic regression."
    raise Wrong(f"Expected shape {wanted}; got {result.shape}. {hint}")


def _compare(
    scores: Floats, x: Floats, y: Floats, z: Floats, given: str, *, c: float = 0.1, tolerance: float = CLOSE
) -> None:
    expected = linear_probe(x, y, z, C=c)
    gap = np.abs(scores - expected).max(axis=0)
    k = int(np.argmax(gap))
    if np.isfinite(gap).all() and gap[k] <= tolerance:
        return
    i = int(np.nanargmax(np.abs(scores[:, k] - expected[:, k])))
    hint = _hint_for(scores, x, y, z, c)
    raise Wrong(
        f"Given {given}: expected {expected[i, k]:.3f} for finding {k} of test image {i}, got {scores[i, k]:.3f}. "
        + hint
    )


def _hint_for(scores: Floats, x: Floats, y: Floats, z: Floats, c: float) -> str:
    for value, hint in _mistakes(x, y, z, c):
        if value.shape == scores.shape and np.abs(scores - value).max() < CLOSE:
            return hint
    return "Are the features standardised, with the training images' mean and sd? Is the penalty C?"


def _mistakes(x: Floats, y: Floats, z: Floats, c: float) -> list[tuple[Floats, str]]:
    """Scores that a typical mistake gives, and its hint."""
    both = np.concatenate([x, z])
    everyone = "The test images have helped to compute mean and sd. Use the training images only."
    known = [
        (
            1 - linear_probe(x, y, z, c),
            "These are the probabilities that a finding is ABSENT: which column is which?",
        ),
        (_fit((x - z.mean(0)) / _sd(z), y, _own(z), c, scale=False), everyone),
        (_fit(_own(x), y, _own(z), c, scale=False), everyone),
        (_fit((x - both.mean(0)) / _sd(both), y, (z - both.mean(0)) / _sd(both), c, scale=False), everyone),
        (_fit(x, y, z, c, scale=False), "This is what you get if the features are not divided by their sd."),
        (_fit(_own(x), y, z, c, scale=False), "The training features are standardised, the test features are not."),
        (_fit(x, y, z, 1.0), "This is what C = 1 gives, scikit-learn's own choice. Does `C` reach LogisticRegression?"),
        (_fit(x, y, z, 1e6), "This is what you get without penalty. Does `C` reach LogisticRegression?"),
        (_fit(x, y, z, 1 / c), "C is the inverse of the penalty's strength: pass it on as it is."),
        (
            _fit(x, y[:, :1].repeat(y.shape[1], 1), z, c),
            "Every column is the first finding: which labels are used?",
        ),
    ]
    if (y < 0).any():
        complete = (y >= 0).all(axis=1)
        known += [
            (_fit(x, y, z, c, unknown="class"), "-1 was taken as a class of its own. It means: nobody knows."),
            (_fit(x, y, z, c, unknown="second"), "-1 was taken as a class of its own. It means: nobody knows."),
            (_fit(x, np.maximum(y, 0), z, c), "Unknown (-1) was counted as absent (0)."),
            (_fit(x, np.abs(y), z, c), "Unknown (-1) was counted as present (1)."),
            (
                _fit(x[complete], y[complete], z, c),
                "Images with one unknown label were left out for all findings. Leave them out for this one only.",
            ),
        ]
    return known


def _fit(x: Floats, y: Floats, z: Floats, c: float, *, scale: bool = True, unknown: str = "leave out") -> Floats:
    """A linear probe with one thing done in another way."""
    if scale:
        scaler = StandardScaler().fit(x)
        x, z = scaler.transform(x), scaler.transform(z)
    columns = []
    for labels in y.T:
        rows = labels >= 0 if unknown == "leave out" else np.full(len(labels), True)
        solver = LogisticRegression(C=c, max_iter=1000).fit(x[rows], labels[rows])
        columns.append(solver.predict_proba(z)[:, 1 if unknown == "second" else -1])
    return np.stack(columns, axis=1)


def _own(features: Floats) -> Floats:
    return (features - features.mean(axis=0)) / _sd(features)


def _sd(features: Floats) -> Floats:
    sd: Floats = features.std(axis=0)
    return np.where(sd > 0, sd, 1)
