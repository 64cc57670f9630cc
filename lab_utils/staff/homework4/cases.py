"""The hidden cases of homework 4: what each function is graded on. Never in a release.

Every case draws its inputs. The right values are computed here, outside of the sandbox, and the hints are those of the
public checks, which quote no input.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest, chi2

from lab_utils.checks import frozen_networks as networks
from lab_utils.checks.freezing_hints import explain_freeze, explain_mode
from lab_utils.checks.homework4.decisions import (
    Others,
    explain_mcnemar,
    explain_refusal,
    explain_threshold,
    one_number,
)
from lab_utils.checks.homework4.numbers import (
    explain_different,
    explain_gap_parts,
    explain_known,
    explain_paired,
    two_names,
)
from lab_utils.checks.homework4.tensors import explain_prepared, explain_unchanged
from lab_utils.checks.outcome import Wrong
from lab_utils.staff.grading.cases import Case, Student

Floats = NDArray[np.float64]
Rng = np.random.Generator
Choice = Callable[[dict[str, Any], Rng], list[str]]  # which parts of a plan are frozen

SCRIPT = inspect.getsource(networks)  # travels to where the student's code runs
OTHERS = (0.25, 0.375, 0.625, 0.75)  # thresholds
NAMES = ("stem", "layer1", "features", "body", "encoder", "neck", "conv", "trunk", "head", "fc", "classifier", "top")


def _probe(student: Student, name: str, *args: Any) -> Any:
    """Run one of the probes of frozen_networks.py where the student's code runs."""
    reply = student.through(f"{SCRIPT}\nprobe = {name}\n")(*args)
    if not isinstance(reply, dict):
        raise Wrong("The grader got no usable answer.")
    return reply


# ---------------------------------------------------------------- B1


def _prepare(student: Student, rng: Rng, channels: int, *, full: bool = True, kept: bool = False) -> None:
    shape = (int(rng.integers(2, 5)), 1, int(rng.integers(5, 9)), int(rng.integers(9, 12)))
    images: NDArray[Any] = rng.integers(0, 256 if full else 60, size=shape).astype(np.uint8)
    mean, std = rng.uniform(0.2, 0.6, channels).round(3), rng.uniform(0.15, 0.35, channels).round(3)
    report = _probe(student, "probe_tensor", images, mean.tolist(), std.tolist())
    explain_prepared(report, images, mean.tolist(), std.tolist())
    if kept:
        explain_unchanged(report, images, "prepare")


# ---------------------------------------------------------------- C1, C2


def _plan(rng: Rng, **changes: Any) -> dict[str, Any]:
    """Draw a network: the names of its parts, its depth, its width, its classifier."""
    names = [str(name) for name in rng.permutation(NAMES)]
    parts = int(rng.integers(2, 5))
    usual = {
        "seed": int(rng.integers(2**31)),
        "parts": names[:parts],
        "classifier": names[parts],
        "width": int(rng.integers(3, 7)),
        "deep": bool(rng.integers(2)),
        "first": bool(rng.integers(2)),
        "frozen": [],
        "training": bool(rng.integers(2)),
    }
    return usual | changes


def _freeze(student: Student, plan: dict[str, Any]) -> None:
    explain_freeze(_probe(student, "probe_freeze", plan), plan)


def _freeze_deep(student: Student, rng: Rng) -> None:
    plan = _plan(rng, deep=True, first=True)
    _freeze(student, plan | {"classifier": plan["classifier"] + ".1"})


def _freeze_again(student: Student, rng: Rng) -> None:
    plan = _plan(rng)
    plan["parts"][-1] = plan["classifier"] + "_norm"
    plan["frozen"] = [plan["classifier"], *rng.permutation(plan["parts"])[:1].tolist()]
    _freeze(student, plan)


def _mode(student: Student, rng: Rng, frozen: Choice, **changes: Any) -> None:
    plan = _plan(rng, **changes)
    plan["frozen"] = frozen(plan, rng)
    images = rng.normal(1.0, 2.0, (6, 1, 8, 8)).astype(np.float32)
    explain_mode(_probe(student, "probe_mode", plan, images), plan)


def _nothing(plan: dict[str, Any], rng: Rng) -> list[str]:
    return []


def _backbone(plan: dict[str, Any], rng: Rng) -> list[str]:
    return [*plan["parts"], networks.OWN]


def _some_parts(plan: dict[str, Any], rng: Rng) -> list[str]:
    return list(plan["parts"][: int(rng.integers(1, len(plan["parts"])))])


def _one_norm(plan: dict[str, Any], rng: Rng) -> list[str]:
    return [f"{rng.choice(plan['parts'][1:])}.{rng.choice(['bn', 'shortcut'])}"]


# ---------------------------------------------------------------- D1, E2


def _scores(rng: Rng, images: int, share: float, threshold: float) -> tuple[NDArray[np.int64], Floats]:
    """Labels and probabilities on a grid that holds the threshold itself, exact also in float32."""
    labels = (rng.random(images) < share).astype(np.int64)
    labels[:4] = [1, 1, 0, 0]
    probs = np.clip(threshold + (2 * rng.integers(-10, 10, images) + 1 + 6 * (2 * labels - 1)) / 64, 0, 1)
    probs[:4] = [threshold, threshold - 1 / 8, threshold + 1 / 8, threshold - 1 / 4]
    order = rng.permutation(images)
    return labels[order], probs[order]


def _paired(student: Student, rng: Rng, threshold: float, *, worse: bool) -> None:
    images = int(rng.integers(60, 140))
    labels, probs_a = _scores(rng, images, 0.5, threshold)
    truth = labels == 1
    right_a = right_b = (probs_a >= threshold) == truth
    while right_a.sum() == right_b.sum():  # until the two models differ
        probs_b = np.clip(probs_a + rng.integers(-16, 17, images) / 32, 0, 1)
        right_b = (probs_b >= threshold) == truth
    if (right_a.sum() < right_b.sum()) != worse:
        probs_a, probs_b, right_a, right_b = probs_b, probs_a, right_b, right_a
    expected = {
        "accuracy_a": right_a.mean(),
        "accuracy_b": right_b.mean(),
        "difference": right_a.mean() - right_b.mean(),
        "only_a_right": (right_a & ~right_b).sum(),
        "only_b_right": (right_b & ~right_a).sum(),
    }
    strict = ((probs_a > threshold) == truth).mean()
    called_a, called_b = probs_a >= threshold, probs_b >= threshold
    right = {"n": images, "right_a": right_a.sum(), "right_b": right_b.sum(), "strict_a": strict}
    right |= {"called_a": (called_a & ~called_b).sum(), "called_b": (called_b & ~called_a).sum()}
    answer = student(labels, probs_a, probs_b, threshold)
    explain_paired(answer, {k: float(v) for k, v in expected.items()}, {k: float(v) for k, v in right.items()})


def _paired_alike(student: Student, rng: Rng) -> None:
    labels, probs = _scores(rng, 50, 0.4, 0.5)
    share = float(((probs >= 0.5) == (labels == 1)).mean())
    expected = {"accuracy_a": share, "accuracy_b": share, "difference": 0.0, "only_a_right": 0.0, "only_b_right": 0.0}
    right = {
        "n": 50.0,
        "right_a": 50 * share,
        "right_b": 50 * share,
        "called_a": 0.0,
        "called_b": 0.0,
        "strict_a": float(((probs > 0.5) == (labels == 1)).mean()),
    }
    explain_paired(student(labels, probs, probs.copy(), 0.5), expected, right)


def _rates(labels: NDArray[np.int64], probs: Floats, threshold: float) -> tuple[float, float, float]:
    """Share of positive images, sensitivity, specificity."""
    called = probs >= threshold
    return float(labels.mean()), float(called[labels == 1].mean()), float((~called[labels == 0]).mean())


def _gap(student: Student, rng: Rng, share_a: float, share_b: float, threshold: float, *, same: bool = False) -> None:
    labels_a, probs_a = _scores(rng, int(rng.integers(80, 160)), share_a, threshold)
    labels_b, probs_b = _scores(rng, int(rng.integers(60, 120)), share_b, threshold)
    if same:  # the same images, but of the positive ones every one twice: sensitivity and specificity stay
        twice = np.concatenate([np.arange(len(labels_a)), np.flatnonzero(labels_a == 1)])
        labels_b, probs_b = labels_a[twice], probs_a[twice]
    pa, sens_a, spec_a = _rates(labels_a, probs_a, threshold)
    pb, sens_b, spec_b = _rates(labels_b, probs_b, threshold)
    at_a, at_b = pa * sens_a + (1 - pa) * spec_a, pb * sens_b + (1 - pb) * spec_b
    moved = pb * sens_a + (1 - pb) * spec_a
    expected = {"gap": at_a - at_b, "from_prevalence": at_a - moved, "from_images": moved - at_b}
    values = {
        "swapped": moved - at_b,
        "sign": moved - at_a,
        "of_b": pa * sens_b + (1 - pa) * spec_b - at_b,
        "level": moved,
        "share": pa - pb,
    }
    explain_gap_parts(student(labels_a, probs_a, labels_b, probs_b, threshold), expected, values)


# ---------------------------------------------------------------- D2, E1


def _p(student: Student, a: int, b: int) -> None:
    n, fewer = a + b, min(a, b)
    if n == 0:
        return explain_mcnemar(student(a, b), 0, 1.0, {})
    tail, to_a, to_b = binom.cdf([fewer, a, b], n, 0.5)
    point, expected = binom.pmf(a, n, 0.5), binomtest(a, n).pvalue
    others = {
        "above 1": 2 * tail,
        "one side": tail,
        "side of a": to_a,
        "side of b": to_b,
        "up to a": min(1, 2 * to_a),
        "up to b": min(1, 2 * to_b),
        "exactly": point,
        "exactly, twice": 2 * point,
        "mid-p": 2 * tail - point,
        "chi-square": chi2.sf((a - b) ** 2 / n, 1),
        "corrected": chi2.sf((abs(a - b) - 1) ** 2 / n, 1),
        "statistic": (a - b) ** 2 / n,
        "complement": 1 - expected,
    }
    return explain_mcnemar(student(a, b), n, expected, others)


def _p_of_few(student: Student, rng: Rng, *, better: str) -> None:
    fewer = int(rng.integers(2, 7))
    more = fewer + int(rng.integers(2, 7))
    _p(student, *((more, fewer) if better == "A" else (fewer, more)))


def _p_of_equal(student: Student, rng: Rng) -> None:
    count = int(rng.integers(2, 9))
    _p(student, count, count)
    _p(student, count, count + 3)  # so that 1 for all is wrong


def _p_of_none(student: Student, rng: Rng) -> None:
    _p(student, 0, 0)
    _p(student, 0, int(rng.integers(3, 7)))


def _p_of_many(student: Student, rng: Rng) -> None:
    fewer = int(rng.integers(600, 900))  # 0.5 ** n is 0 in floating point from n = 1075 on
    _p(student, fewer + int(rng.integers(20, 90)), fewer)


def _chosen(
    student: Student, rng: Rng, sensitivity: float, positive: int, *, ties: int = 0, apart: float = 1.5
) -> None:
    """Probabilities on a grid that is exact also in float32; with `ties`, those around the threshold are equal.

    Where the classes lie far `apart`, the threshold lies inside of a straight piece of the ROC curve.
    """
    labels = np.array([1] * positive + [0] * 40)
    probs = np.empty(len(labels))
    probs[np.argsort(rng.normal(apart * labels))] = np.sort(rng.choice(np.arange(1, 256), len(labels), False)) / 256
    place = int(np.ceil(sensitivity * positive - 1e-9)) - 1
    down = np.argsort(-probs[:positive])
    probs[down[max(place - ties, 0) : place + ties]] = probs[down[place]]
    order = rng.permutation(len(labels))
    labels, probs = labels[order], probs[order]
    found: Floats = probs[labels == 1]
    expected = _largest(found, sensitivity)
    answer = student(labels, probs, sensitivity)
    explain_threshold(answer, found, sensitivity, expected, _other_thresholds(labels, probs, sensitivity, expected))


def _largest(probs: Floats, share: float) -> float:
    """The largest threshold that this share of the probabilities reaches."""
    return max(float(value) for value in probs if np.mean(probs >= value) >= share - 1e-9)


def _other_thresholds(labels: NDArray[np.int64], probs: Floats, sensitivity: float, expected: float) -> Others:
    """What mistakes give, by the keys of the hints."""
    values, positive, normal = np.unique(probs), probs[labels == 1], probs[labels == 0]
    found = np.array([np.mean(positive >= value) for value in values])
    spared = np.array([np.mean(normal < value) for value in values])
    strict = [float(value) for value in values if np.mean(positive > value) >= sensitivity - 1e-9]
    sparing = values[spared >= sensitivity - 1e-9]
    return {
        "strict": strict[-1] if strict else None,
        "lowest": float(values[0]),
        "specificity": float(sparing[0]) if len(sparing) else None,
        "turned": _largest(normal, sensitivity),
        "all images": _largest(probs, sensitivity),
        "quantile": float(np.quantile(positive, 1 - sensitivity)),
        "best sum": float(values[np.argmax(found + spared)]),
        "best accuracy": float(values[np.argmax(found * len(positive) + spared * len(normal))]),
        "found": float(np.mean(positive >= expected)),
        "nine tenths": _largest(positive, 0.9),
    }


def _refused(student: Student, rng: Rng) -> None:
    images = int(rng.integers(20, 40))
    probs, try_it = rng.random(images), student.through(REFUSAL)
    explain_refusal(try_it(np.zeros(images, dtype=np.int64), probs, 0.75))
    one_number("choose_threshold", try_it((probs > 0.5).astype(np.int64), probs, 0.75).get("returned"))


REFUSAL = """
def probe(student, *arguments):
    try:
        return {"returned": student(*arguments)}
    except NotImplementedError:
        raise
    except ValueError as error:
        return {"refused": str(error)}
"""


Run = Callable[[Student, Rng], object]


def _cases(*cases: tuple[str, float, Run]) -> tuple[Case, ...]:
    return tuple(Case(*case) for case in cases)


CASES: dict[str, tuple[Case, ...]] = {
    "choose_models": _cases(
        ("two names", 1, lambda s, r: two_names(s())),
        ("names that the kit or torchvision knows", 1, lambda s, r: explain_known(s())),
        ("two different networks", 1, lambda s, r: explain_different(s())),
    ),
    "prepare": _cases(
        ("a network with one channel", 1, lambda s, r: _prepare(s, r, 1)),
        ("a network with three channels", 1, lambda s, r: _prepare(s, r, 3)),
        ("dark images keep their brightness", 1, lambda s, r: _prepare(s, r, 3, full=False)),
        (
            "any number of channels, and the input stays as it is",
            1,
            lambda s, r: _prepare(s, r, int(r.choice([2, 4, 5])), kept=True),
        ),
    ),
    "freeze_backbone": _cases(
        ("exactly the classifier learns", 1, lambda s, r: _freeze(s, _plan(r, deep=False))),
        ("a classifier of several layers, under any name", 1, _freeze_deep),
        ("whatever was frozen before", 1, _freeze_again),
    ),
    "train_mode": _cases(
        ("frozen batch-norm statistics stay", 1, lambda s, r: _mode(s, r, _backbone, deep=False, training=True)),
        ("half of the backbone frozen", 1, lambda s, r: _mode(s, r, _some_parts, training=False)),
        ("one frozen batch norm", 1, lambda s, r: _mode(s, r, _one_norm, training=True)),
        ("the classifier trains", 1, lambda s, r: _mode(s, r, lambda p, _: p["parts"], deep=True, training=False)),
        ("what learns trains", 1, lambda s, r: _mode(s, r, _nothing, training=False)),
    ),
    "paired_difference": _cases(
        ("threshold one half", 3, lambda s, r: _paired(s, r, 0.5, worse=False)),
        ("another threshold", 3, lambda s, r: _paired(s, r, float(r.choice(OTHERS)), worse=True)),
        ("two models that agree", 1, _paired_alike),
    ),
    "mcnemar": _cases(
        ("the first network is right more often", 2, lambda s, r: _p_of_few(s, r, better="A")),
        ("the second network is right more often", 2, lambda s, r: _p_of_few(s, r, better="B")),
        ("equal counts, and nearly equal ones", 1, _p_of_equal),
        ("no image on which only one is right", 1, _p_of_none),
        ("many images", 2, _p_of_many),
    ),
    "choose_threshold": _cases(
        ("a sensitivity of 0.9", 2, lambda s, r: _chosen(s, r, 0.9, int(r.integers(22, 29)))),
        (
            "a sensitivity that is met exactly",
            2,
            lambda s, r: _chosen(s, r, float(r.choice([0.5, 0.75])), 4 * int(r.integers(5, 9)), apart=4),
        ),
        (
            "positive images with equal probabilities",
            2,
            lambda s, r: _chosen(s, r, 0.8, int(r.integers(26, 30)), ties=3),
        ),
        ("every positive image is found", 1, lambda s, r: _chosen(s, r, 1.0, int(r.integers(20, 30)))),
        ("labels without a positive image", 1, _refused),
    ),
    "explain_gap": _cases(
        ("gap and parts", 3, lambda s, r: _gap(s, r, r.uniform(0.4, 0.6), r.uniform(0.2, 0.35), 0.5)),
        (
            "another threshold, the other direction",
            3,
            lambda s, r: _gap(s, r, r.uniform(0.2, 0.4), r.uniform(0.6, 0.8), float(r.choice(OTHERS))),
        ),
        ("a gap from prevalence alone", 1, lambda s, r: _gap(s, r, r.uniform(0.3, 0.5), 0.5, 0.375, same=True)),
    ),
}
