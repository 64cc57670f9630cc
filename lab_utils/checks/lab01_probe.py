"""`linear_probe` (exercise 3 of lab 1)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lab_utils import training
from lab_utils.checks.exercise import Exercise, Probe, difference, same

Floats = NDArray[np.float64]
Student = Callable[..., Any]

CLOSE = 0.015  # other solvers, and sds over known images only, stay below this


def linear_probe(train_features: Floats, train_labels: Floats, test_features: Floats, C: float = 0.1) -> Floats:
    """The kit's version: one logistic regression per finding on standardised features."""
    return training.linear_probe(train_features, train_labels, test_features, task="multilabel", l2=1 / C)


def _data(seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Training features (120, 6) of very different sizes, labels (120, 3), test features (40, 6)."""
    rng = np.random.default_rng(seed)
    size, shift = np.array([1.0, 30.0, 0.01, 5.0, 200.0, 1.0]), np.array([0.0, 100.0, 0.5, -3.0, 0.0, 7.0])
    noise = rng.normal(size=(160, 6))
    labels = (noise[:, :3] + noise[:, 3:] + 0.7 * rng.normal(size=(160, 3)) > [0.2, 0.8, -0.3]).astype(np.float64)
    features = noise * size + shift
    return features[:120], labels[:120], features[120:]


def _on(seed: int, columns: tuple[int, ...] = (0, 1, 2), **settings: float) -> Probe:
    x, y, z = _data(seed)
    return lambda student: student(x, y[:, columns], z, **settings)


def _brighter(student: Student) -> list[Any]:
    x, y, z = _data(seed=2)
    z = z + 2 * x.std(axis=0)  # another hospital
    return [student(x, y, z), student(x, y, z[:1])]


def _constant_feature(student: Student) -> Any:
    x, y, z = _data(seed=4)
    x[:, 1] = z[:, 1] = 0.0
    return student(x, y, z)


def _unknown_labels(student: Student) -> Any:
    x, y, z = _data(seed=3)
    y[::3, 0] = y[1::4, 2] = -1
    return student(x, y, z)


PROBES: dict[str, Probe] = {
    "120 images, 3 findings": _on(0),
    "1 finding": _on(1, (1,)),
    "2 findings": _on(1, (2, 0)),
    "Test images that are brighter than the training images, all of them and one alone": _brighter,
    "One feature is 0 in every image, as happens with ReLU, so its sd is 0": _constant_feature,
    "Some labels are -1 (unknown)": _unknown_labels,
    "C = 0.001": _on(5, C=0.001),
    "C = 3": _on(5, C=3.0),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, list) and isinstance(got, list):  # several calls
        return _explain(*next(pair for pair in zip(got, expected, strict=True) if not same(*pair, CLOSE)))
    images, findings = expected.shape
    wanted = f"({images}, {findings}), one row per test image and one column per finding"
    if not isinstance(got, np.ndarray):
        many = f" of {len(got)}" if isinstance(got, list | tuple) else ""
        return f"expected one NumPy array of shape {wanted}; got a {type(got).__name__}{many}."
    if got.shape != expected.shape:
        return f"expected shape {wanted}; got {got.shape}. Every finding needs its column, from a model of its own."
    if not np.isfinite(got).all():
        return "some scores are not finite numbers."
    if np.isin(got, (0, 1)).all():
        return "every score is 0 or 1: these are decisions. Expected probabilities: images are to be ranked."
    if got.min() < 0 or got.max() > 1:
        return f"expected probabilities, got scores from {got.min():.2f} to {got.max():.2f}."
    if findings > 1 and np.allclose(got.sum(axis=1), 1, atol=1e-3):
        return "the scores of each image add up to 1, so the findings compete."
    return f"the probabilities differ, {difference(got, expected)}"


# ---- wrong answers


def _usual(
    *,
    scale: Callable[[Floats, Floats], tuple[Floats, Floats]] = lambda x, z: _by(x, x, z),
    use: Callable[[Floats], Floats] = lambda labels: labels,
    known: Callable[[Floats], Any] = lambda labels: labels >= 0,
    c: Callable[[float], float] = lambda C: C,
    score: Callable[[Any, Floats], Any] = lambda model, z: model.predict_proba(z)[:, 1],
    end: Callable[[list[Floats]], Any] = lambda columns: np.stack(columns, axis=1),
    **options: Any,
) -> Student:
    """The usual solution, with one thing done differently."""

    def student(train_features: Floats, train_labels: Floats, test_features: Floats, C: float = 0.1) -> Any:
        x, z = scale(train_features, test_features)
        columns = []
        for labels in use(train_labels).T:
            model = LogisticRegression(C=c(C), max_iter=1000, **options)
            columns.append(score(model.fit(x[known(labels)], labels[known(labels)]), z))
        return end(columns)

    return student


def _by(reference: Floats, *parts: Floats) -> tuple[Any, ...]:
    """Standardise by the mean and sd of `reference`."""
    scaler = StandardScaler().fit(reference)
    return tuple(scaler.transform(part) for part in parts)


def _one_class_per_image(x: Floats, y: Floats, z: Floats, C: float = 0.1) -> Any:
    x, z = _by(x, x, z)
    return LogisticRegression(C=C, max_iter=1000).fit(x, y.argmax(axis=1)).predict_proba(z)


def _leaves_all(x: Floats, y: Floats, z: Floats, C: float = 0.1) -> Floats:
    complete = (y >= 0).all(axis=1)
    return linear_probe(x[complete], y[complete], z, C)


def _nan_to_the_end(x: Floats, y: Floats, z: Floats, C: float = 0.1) -> Floats:
    return linear_probe(x, y, z, C) * (np.nan if (x.std(axis=0) == 0).any() else 1)


def _softmax(odds: list[Floats]) -> Floats:
    return np.exp(np.stack(odds, axis=1)) / np.exp(odds).sum(axis=0)[:, None]


EVERYONE = (
    "The score of a test image may depend on the training images only. The test images have helped to compute mean and "
    "sd: use the training images only."
)
NO_SD = "This is what you get if the features are not divided by their sd."
DECISIONS = "Which method of LogisticRegression gives probabilities?"
ONE_EACH = "An image can have several findings, or none: each needs its own logistic regression."
ABSENT = "predict_proba gives two columns, absent and present. Keep one of them."
CLASS = "-1 was taken as a class of its own. It means: nobody knows."
ZERO = "A sd of 0: what does your code divide by? StandardScaler knows what to do."
REACH = "Does `C` reach LogisticRegression?"
WRONG: tuple[tuple[Student, str], ...] = (
    (_usual(scale=lambda x, z: (*_by(x, x), *_by(z, z))), EVERYONE),
    (_usual(scale=lambda x, z: _by(np.concatenate([x, z]), x, z)), EVERYONE),
    (_usual(scale=lambda x, z: _by(z, x, z)), EVERYONE),
    (_usual(scale=lambda x, z: (x, z)), NO_SD),
    (_usual(scale=lambda x, z: (x, z), solver="newton-cholesky"), NO_SD),
    (_usual(scale=lambda x, z: (x - x.mean(0), z - x.mean(0)), solver="newton-cholesky"), NO_SD),
    (_usual(scale=lambda x, z: (*_by(x, x), z)), "The training features are standardised, the test features are not."),
    (_usual(score=lambda model, z: model.decision_function(z), end=_softmax), ONE_EACH),
    (_one_class_per_image, ONE_EACH),
    (lambda x, y, z, C=0.1: linear_probe(x, y[:, :1], z, C)[:, 0], ONE_EACH),
    (_usual(use=lambda y: y[:, :1].repeat(y.shape[1], 1)), "Every column is the first finding: which labels are used?"),
    (_usual(score=lambda model, z: model.predict(z)), DECISIONS),
    (_usual(score=lambda model, z: model.decision_function(z)), "Are these the values before the sigmoid?"),
    (_usual(score=lambda model, z: model.predict_proba(z)[:, 0]), "A finding is ABSENT: which column is which?"),
    (_usual(score=lambda model, z: model.predict_proba(z)), ABSENT),
    (_usual(score=lambda model, z: model.predict_proba(z), end=list), f"{ABSENT} Collect the findings as columns."),
    (_usual(end=np.stack), "It lies on its side: turn it with .T, or collect the findings as columns."),
    (_usual(known=lambda labels: labels > -2), CLASS),
    (_usual(known=lambda labels: labels > -2, score=lambda model, z: model.predict_proba(z)[:, -1]), CLASS),
    (_usual(use=lambda y: np.maximum(y, 0)), "Unknown (-1) was counted as absent (0)."),
    (_usual(use=np.abs), "Unknown (-1) was counted as present (1)."),
    (_leaves_all, "Images with one unknown label were left out for all findings. Leave them out for this one only."),
    (_usual(scale=lambda x, z: ((x - x.mean(0)) / x.std(0), (z - x.mean(0)) / x.std(0))), ZERO),
    (_nan_to_the_end, ZERO),
    (_usual(c=lambda C: 0.1), f"This is what C = 0.1 gives. {REACH}"),
    (_usual(c=lambda C: 1.0), f"This is what C = 1 gives, scikit-learn's own choice. {REACH}"),
    (_usual(c=lambda C: 1e6), f"This is what you get without penalty. {REACH}"),
    (_usual(c=lambda C: 1 / C), "C is the inverse of the penalty's strength: pass it on as it is."),
)

LINEAR_PROBE = Exercise(
    "linear_probe",
    linear_probe,
    PROBES,
    _explain,
    WRONG,
    "Are the features standardised, with the training images' mean and sd? Is the penalty C?",
    CLOSE,
    steps=(
        "Fit a `StandardScaler` on the training features only. Then both sets go through the same scaler.",
        "Write a loop over the columns of the labels. In each column leave out the rows whose label is "
        "unknown, in features and labels alike.",
        "`predict_proba` gives two columns: the probability of 0 and that of 1. Which one is asked for? It "
        "goes into one column of the result.",
    ),
)
