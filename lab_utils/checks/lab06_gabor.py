"""Check of `gabor_bank` in lab 6."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong

Bank = Callable[[int, Tensor, Tensor, Tensor, Tensor], Tensor]
Settings = tuple[float, float, float, float]

# The mistakes that can be recognised by what they compute, and what to look at.
HINTS = {
    "rows and columns": "Rows and columns are exchanged: orientation 0 must have upright stripes. Look at meshgrid's "
    "`indexing`.",
    "corner": "The centre of your filters is not their middle. For 7 pixels x runs from -3 to 3.",
    "even centre": "For an even size the centre lies between two pixels: (size - 1) / 2, not size // 2.",
    "no 2 pi": "The wave is too long: f counts whole cycles per pixel, and the cosine takes radians.",
    "sine": "The wave is shifted by a quarter: with phase 0 the middle of the filter is a maximum.",
    "minus sine": "The wave is shifted by a quarter: with phase 0 the middle of the filter is a maximum.",
    "degrees": "The orientation is in radians already.",
    "minus": "The wave runs in the mirrored direction. Look at the signs in u.",
    "bell": "The bell has the wrong width. Look at the exponent: x^2 + y^2 over twice the square of sigma.",
    "e for 2": "The bell has the wrong width. The bandwidth is in octaves: powers of 2, not of e.",
    "sigma": "The bell has the wrong width. Check sigma, factor by factor.",
    "no bell": "Stripes without a bell: the filter must fade towards its border.",
    "no phase": "The phase makes no difference in your filters.",
    "phase inside": "Add the phase to the whole angle, after 2 pi f u: it must not be multiplied by f or 2 pi.",
}


def gabor_bank(size: int, orientation: Tensor, frequency: Tensor, phase: Tensor, bandwidth: Tensor) -> Tensor:
    """The kit's version."""
    return transfer.gabor_bank(size, orientation, frequency, phase, bandwidth)


def _tensors(filters: list[Settings]) -> list[Tensor]:
    return [torch.tensor(values) for values in zip(*filters, strict=True)]


def _shape(student: Bank) -> None:
    for count, size in ((6, 7), (1, 5), (3, 4)):
        result: Any = student(size, *_tensors([(0.3, 0.2, 0.1, 1.0)] * count))
        if not isinstance(result, Tensor):
            raise Wrong(f"Expected a tensor, got a {type(result).__name__}.")
        shape, expected = tuple(result.shape), (count, size, size)
        if shape == expected:
            continue
        given = f"{count} filters of {size} pixels: expected the shape {expected}, got {shape}."
        if shape == (size, size):
            raise Wrong(f"{given} That is one filter. `.view(-1, 1, 1)` lets each number spread over its own filter.")
        if shape == (size, size, count):
            raise Wrong(f"{given} The number of the filter comes first.")
        if shape == (count, 1, size, size):
            raise Wrong(f"{given} Leave out the axis of channels: the lab adds it later.")
        raise Wrong(f"{given} One filter of {size} x {size} pixels for each entry of `orientation`.")


def _upright(student: Bank) -> None:
    _compare(student, 7, [(0.0, 0.2, 0.0, 1.0)], "Orientation 0, phase 0")


def _lying(student: Bank) -> None:
    _compare(student, 7, [(math.pi / 2, 0.15, 1.0, 1.5)], "Orientation pi / 2, phase 1")


def _any_filter(student: Bank) -> None:
    _compare(student, 9, [(0.6, 0.17, 0.8, 1.4)], "Orientation 0.6, frequency 0.17, phase 0.8, bandwidth 1.4")
    _compare(student, 7, [(2.4, 0.3, 4.0, 2.0)], "Orientation 2.4, frequency 0.3, phase 4, bandwidth 2")


def _even_size(student: Bank) -> None:
    _compare(student, 4, [(0.4, 0.2, 0.5, 1.0)], "A filter of 4 pixels")


def _many(student: Bank) -> None:
    filters = [(0.1, 0.1, 0.0, 1.0), (1.0, 0.3, 2.0, 1.2), (2.0, 0.2, 5.0, 2.0), (3.0, 0.15, 1.0, 0.7)]
    _compare(student, 7, filters, "A bank of four filters")


def _compare(student: Bank, size: int, filters: list[Settings], what: str) -> None:
    given = _tensors(filters)
    result, expected = student(size, *given), gabor_bank(size, *given)
    if not bool(torch.isfinite(result).all()):
        raise Wrong(f"{what}: your filters hold NaN or infinite values. Where do you divide?")
    if torch.allclose(result.float(), expected, atol=1e-4):
        return
    if len(filters) > 1:
        off = [k for k in range(len(filters)) if not torch.allclose(result[k].float(), expected[k], atol=1e-4)]
        raise Wrong(f"{what}: number {off[0]} is wrong, though alone it would be right. Are the filters mixed up?")
    raise Wrong(f"{what}: {_mistake(result.float(), size, filters[0])}")


def _mistake(result: Tensor, size: int, settings: Settings) -> str:
    for name, wrong in _wrong_banks(size, *settings).items():
        if torch.allclose(result[0], wrong.float(), atol=1e-3):
            return HINTS[name]
    expected = gabor_bank(size, *_tensors([settings]))[0]
    row = size // 2
    return (
        f"the filter is not the one of the formula. Its middle row should be "
        f"{[round(v, 2) for v in expected[row].tolist()]}, yours is {[round(v, 2) for v in result[0, row].tolist()]}."
    )


def _wrong_banks(size: int, theta: float, f: float, phi: float, b: float) -> dict[str, Tensor]:
    """What each of the known mistakes gives, (size, size); the filter itself is not among them."""
    centred, corner = torch.arange(size) - (size - 1) / 2, torch.arange(size).float()
    root = math.sqrt(math.log(2) / 2) / (math.pi * f)
    sigma = root * (2**b + 1) / (2**b - 1)

    def draw(
        place: Tensor = centred,
        *,
        angle: float = theta,
        width: float = 2 * sigma**2,
        wave: float = 2 * math.pi * f,
        shift: float = phi,
        sign: int = 1,
        indexing: str = "ij",
    ) -> Tensor:
        y, x = torch.meshgrid(place, place, indexing=indexing)
        u = x * math.cos(angle) + sign * y * math.sin(angle)
        return torch.exp(-(x**2 + y**2) / width) * torch.cos(wave * u + shift)

    by_e = root * (math.exp(b) + 1) / (math.exp(b) - 1)
    found = {
        "rows and columns": draw(indexing="xy"),
        "corner": draw(corner),
        "even centre": draw(torch.arange(size) - float(size // 2)),
        "no 2 pi": draw(wave=f),
        "sine": draw(shift=phi - math.pi / 2),
        "minus sine": draw(shift=phi + math.pi / 2),
        "degrees": draw(angle=math.radians(theta)),
        "minus": draw(sign=-1),
        "bell": draw(width=sigma**2),
        "e for 2": draw(width=2 * by_e**2),
        "sigma": draw(width=2 * (sigma / math.pi) ** 2),
        "no bell": draw(width=math.inf),
        "no phase": draw(shift=0.0),
        "phase inside": draw(shift=2 * math.pi * f * phi),
    }
    right = draw()
    return {name: bank for name, bank in found.items() if not torch.allclose(bank, right, atol=1e-3)}


GABOR_BANK = Exercise("gabor_bank", gabor_bank, cases=(_shape, _upright, _lying, _any_filter, _even_size, _many))
