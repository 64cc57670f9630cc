"""The arguments of a set of phantoms, checked."""

import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab_utils.arguments import as_whole
from lab_utils.data.phantoms.acquisition import Site, find_site
from lab_utils.data.phantoms.findings import FINDINGS
from lab_utils.names import nearest

SIZES = (64, 224)  # smallest and largest side in pixels
LARGEST_SET = 2**30


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a set looks like."""

    n: int
    size: int = 64
    seed: int = 0
    site: str | Site = "A"
    severity: float = 1.0
    images_per_patient: int = 4
    label_noise: float = 0.0
    uncertain: float = 0.0
    start: int = 0
    findings: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        find_site(self.site)
        for name in ("n", "size", "seed", "images_per_patient", "start"):  # sums of NumPy's small types overflow
            if (number := as_whole(getattr(self, name))) is not None:
                object.__setattr__(self, name, number)
        _check_range("n", self.n, 1, LARGEST_SET, "the number of images")
        _check_range("size", self.size, *SIZES, "the side of the pictures in pixels")
        _check_range("seed", self.seed, 0, 2**32 - 1, "a whole number that names the set")
        _check_range("severity", self.severity, 0.2, 2.0, "1 is the usual course, below it findings are fainter")
        _check_range("images_per_patient", self.images_per_patient, 1, 64, "the mean number of images of a patient")
        _check_range("label_noise", self.label_noise, 0.0, 0.5, "the share of labels that say the opposite")
        _check_range("uncertain", self.uncertain, 0.0, 0.3, "the share of labels that are -1")
        _check_range("start", self.start, 0, LARGEST_SET - self.n, "the number of the first image")


def finding_names(findings: Sequence[str] | None) -> tuple[str, ...] | None:
    """Check the names of the findings to force; None stays None.

    Raises:
        ValueError: naming the nearest finding.
    """
    if findings is None:
        return None
    listed = isinstance(findings, Iterable) and not isinstance(findings, str)
    for name in findings if listed else [findings]:
        if not listed or name not in FINDINGS:
            near = (*nearest(name, FINDINGS), FINDINGS[0])[0]
            raise ValueError(
                f"findings must be a list of names out of {', '.join(FINDINGS)}; got {findings!r}. Write for example "
                f"findings=[{near!r}], [] for a healthy chest, or None to draw them."
            )
    return tuple(findings)


def _check_range(name: str, value: float, low: float, high: float, meaning: str) -> None:
    whole = isinstance(low, int)
    wanted = "a whole number" if whole else "a number"
    right_type = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
    if not right_type or not low <= value <= high:
        raise ValueError(f"{name} must be {wanted} from {low} to {high} ({meaning}); got {value!r}. Choose one inside.")
