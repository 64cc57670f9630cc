"""`gabor_bank` in lab 6."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise, Probe

Bank = Callable[[int, Tensor, Tensor, Tensor, Tensor], Any]
Settings = tuple[float, float, float, float]


def gabor_bank(size: int, orientation: Tensor, frequency: Tensor, phase: Tensor, bandwidth: Tensor) -> Tensor:
    """The kit's version."""
    return transfer.gabor_bank(size, orientation, frequency, phase, bandwidth)


def _call(student: Bank, size: int, *filters: Settings) -> Any:
    return student(size, *(torch.tensor(values) for values in zip(*filters, strict=True)))


def _shape(count: int, size: int) -> Probe:
    def probe(student: Bank) -> str:
        bank = _call(student, size, *[(0.3, 0.2, 0.1, 1.0)] * count)
        return str(tuple(bank.shape)) if isinstance(bank, Tensor) else f"a {type(bank).__name__}"

    return probe


def _on(size: int, *filters: Settings) -> Probe:
    return lambda student: _call(student, size, *filters).float()


PROBES: dict[str, Probe] = {
    "6 filters of 7 pixels": _shape(6, 7),
    "1 filter of 5 pixels": _shape(1, 5),
    "3 filters of 4 pixels": _shape(3, 4),
    "Orientation 0, phase 0": _on(7, (0.0, 0.2, 0.0, 1.0)),
    "Orientation pi / 2, phase 1": _on(7, (math.pi / 2, 0.15, 1.0, 1.5)),
    "Orientation 0.6, frequency 0.17, phase 0.8, bandwidth 1.4": _on(9, (0.6, 0.17, 0.8, 1.4)),
    "Orientation 2.4, frequency 0.3, phase 4, bandwidth 2": _on(7, (2.4, 0.3, 4.0, 2.0)),
    "A filter of 4 pixels": _on(4, (0.4, 0.2, 0.5, 1.0)),
    "A bank of four filters": _on(
        7, (0.1, 0.1, 0.0, 1.0), (1.0, 0.3, 2.0, 1.2), (2.0, 0.2, 5.0, 2.0), (3.0, 0.15, 1.0, 0.7)
    ),
}


def _explain(got: Any, expected: Any) -> str:
    if isinstance(expected, str):
        return f"expected a tensor of shape {expected}, got {got}."
    if not bool(torch.isfinite(got).all()):
        return "your filters hold NaN or infinite values. Where do you divide?"
    if len(expected) > 1:
        off = int((got - expected).abs().amax(dim=(1, 2)).gt(1e-4).nonzero()[0])
        return f"number {off} is wrong, though alone it would be right. Are the filters mixed up?"
    row = int((got - expected)[0].abs().amax(dim=1).argmax())
    numbers = ([round(v, 2) for v in bank[0, row].tolist()] for bank in (expected, got))
    return "row {} of the filter should be {}, yours is {}.".format(row, *numbers)


# ---- wrong answers


def _bank(
    *,
    indexing: str = "ij",
    centre: Callable[[int], float] = lambda size: (size - 1) / 2,
    wave: float = 2 * math.pi,
    shift: float = 0.0,
    base: float = 2.0,
    angle: Callable[[Tensor], Tensor] = lambda theta: theta,
    sign: int = 1,
    width: float = 2.0,
    sigmas: float = 1.0,
) -> Bank:
    """The formula with one mistake."""

    def bank(size: int, orientation: Tensor, frequency: Tensor, phase: Tensor, bandwidth: Tensor) -> Tensor:
        theta, f, phi, b = (v.view(-1, 1, 1) for v in (angle(orientation), frequency, phase, bandwidth))
        place = torch.arange(size) - centre(size)
        y, x = torch.meshgrid(place, place, indexing=indexing)
        u = x * torch.cos(theta) + sign * y * torch.sin(theta)
        sigma = sigmas * math.sqrt(math.log(2) / 2) / (math.pi * f) * (base**b + 1) / (base**b - 1)
        return torch.exp(-(x**2 + y**2) / (width * sigma**2)) * torch.cos(wave * f * u + phi + shift)

    return bank


def _then(change: Callable[[Tensor], Any]) -> Bank:
    return lambda *arguments: change(gabor_bank(*arguments))


WIDTH = "The bell has the wrong width. "
ROWS = "Rows and columns are exchanged: orientation 0 must have upright stripes. Look at meshgrid's `indexing`."
QUARTER = "The wave is shifted by a quarter: with phase 0 the middle of the filter is a maximum."
INSIDE = "Add the phase to the whole angle, after 2 pi f u: it must not be multiplied by f or 2 pi."
MIXED = "How does each number find its own filter?"

WRONG: tuple[tuple[Bank, str], ...] = (
    (_then(lambda bank: bank.numpy()), "Return a tensor."),
    (_then(lambda bank: bank[0]), "That is one filter. `.view(-1, 1, 1)` lets each number spread over its own filter."),
    (_then(lambda bank: bank.permute(1, 2, 0)), "The number of the filter comes first."),
    (_then(lambda bank: bank[:, None]), "Leave out the axis of channels: the lab adds it later."),
    (_bank(indexing="xy"), ROWS),
    (_then(lambda bank: bank.mT), ROWS),
    (_bank(centre=lambda size: 0), "The centre is not in the middle. For 7 pixels x runs from -3 to 3."),
    (_bank(centre=lambda size: size // 2), "For an even size the centre lies between two pixels."),
    (_bank(wave=1.0), "The wave is too long: f counts whole cycles per pixel, and the cosine takes radians."),
    (_bank(shift=-math.pi / 2), QUARTER),
    (_bank(shift=math.pi / 2), QUARTER),
    (_bank(angle=torch.deg2rad), "The orientation is in radians already."),
    (_bank(sign=-1), "The wave runs in the mirrored direction. Look at the signs in u."),
    (_bank(width=1.0), WIDTH + "Look at the exponent: x^2 + y^2 over twice the square of sigma."),
    (_bank(base=math.e), WIDTH + "The bandwidth is in octaves: powers of 2, not of e."),
    (_bank(sigmas=1 / math.pi), WIDTH + "Check sigma, factor by factor."),
    (_bank(width=math.inf), "Stripes without a bell: the filter must fade towards its border."),
    (lambda size, o, f, phi, b: gabor_bank(size, o, f, 0 * phi, b), "The phase makes no difference in your filters."),
    (lambda size, o, f, phi, b: gabor_bank(size, o, f, 2 * math.pi * f * phi, b), INSIDE),
    (lambda size, o, f, phi, b: gabor_bank(size, o.flip(0), f, phi, b), MIXED),
    (lambda size, o, f, phi, b: gabor_bank(size, o, f, phi, b[:1].expand_as(b)), MIXED),
    (_then(lambda bank: bank - bank.mean()), "The bell is multiplied by the wave. Nothing is subtracted."),
)

GABOR_BANK = Exercise(
    "gabor_bank",
    gabor_bank,
    PROBES,
    _explain,
    WRONG,
    "Compare with the formula, factor by factor.",
    steps=(
        "Write the formula from the outside inwards: a bell times a wave. Both need the places x and y, "
        "counted from the middle of the filter.",
        '`torch.meshgrid(place, place, indexing="ij")` gives y first, then x. The four settings of a filter '
        "need the shape (O, 1, 1).",
        "Compute u, the place along the orientation, then sigma from frequency and bandwidth, each as its own"
        " line. Then put them into the formula.",
    ),
)
