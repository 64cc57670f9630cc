"""Checks of lab 1: normalised images, features under the head, a linear probe on them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lab_utils.checks import lab01_features, lab01_probe
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import Preprocessing
from lab_utils.similarity import extract_features

Normalise = Callable[[Tensor, Sequence[float], Sequence[float]], Tensor]

MEAN, STD = (0.6, 0.4, 0.2), (0.3, 0.2, 0.1)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """The kit's version: uint8 (N, C, H, W) to float32, /255, then per channel (x - mean) / std."""
    return Preprocessing(tuple(mean), tuple(std), len(mean))(images)


def _colour_images(student: Normalise) -> None:
    # N = C = H = W, so that mean and std fit every axis: which one was meant shows in the values.
    _compare(student, _images(3, 3, 3, 3), MEAN, STD, "three RGB images of 3 x 3 pixels")


def _other_shapes(student: Normalise) -> None:
    _compare(student, _images(2, 3, 4, 5), MEAN, STD, "two RGB images, 4 pixels high and 5 wide")
    _compare(student, _images(4, 1, 6, 2), [0.3], [0.2], "four grey images, 6 pixels high and 2 wide")


def _one_image(student: Normalise) -> None:
    together = student(_images(3, 1, 4, 4), [0.5], [0.25])
    alone = student(_images(3, 1, 4, 4)[:1], [0.5], [0.25])
    if not torch.allclose(together[:1], alone, atol=1e-5):
        raise Wrong(
            "The same image came out different alone and among others. Only `mean` and `std`, which belong to the "
            "weights, may be used: nothing may be computed from the images at hand."
        )


def _dark_images(student: Normalise) -> None:
    for grey in (0, 1, 255):
        _compare(student, torch.full((1, 1, 2, 2), grey, dtype=torch.uint8), [0.5], [0.25], f"an image of {grey} only")


def _images(*shape: int) -> Tensor:
    """Grey levels of all sizes, in no order."""
    numbers = torch.arange(torch.Size(shape).numel())
    return ((numbers * 83 + 7) % 256).to(torch.uint8).reshape(shape)


def _compare(student: Normalise, images: Tensor, mean: Sequence[float], std: Sequence[float], given: str) -> None:
    result: object = student(images, mean, std)
    expected = normalise(images, mean, std)
    if not isinstance(result, Tensor):
        raise Wrong(f"Expected a torch tensor, got a {type(result).__name__}.")
    if result.shape != expected.shape:
        raise Wrong(
            f"For {given}, expected the shape to stay {tuple(expected.shape)}, got {tuple(result.shape)}. Which shape "
            "must the mean have, so that it stretches over images, rows and columns, but not over channels?"
        )
    if not result.is_floating_point():
        raise Wrong(
            f"Expected float32, got {result.dtype}. Whole numbers from 0 to 255 can hold neither 0.3 nor -2: turn the "
            "images into floats before you compute."
        )
    if not torch.allclose(result.float(), expected, atol=1e-4):
        hint = _hint_for(result.float(), images, mean, std)
        place = tuple(int(i) for i in ((result - expected).abs() == (result - expected).abs().max()).nonzero()[0])
        raise Wrong(
            f"For {given}, mean {list(mean)} and std {list(std)}: the pixel {images[place].item()} of channel "
            f"{place[1]} should become {expected[place].item():.4g}, got {result[place].item():.4g}. {hint}"
        )
    if result.dtype != torch.float32:
        raise Wrong(f"The values are right, but they are {result.dtype}. The weights are float32: return that.")


def _hint_for(result: Tensor, images: Tensor, mean: Sequence[float], std: Sequence[float]) -> str:
    for value, hint in _mistakes(images, mean, std):
        if torch.allclose(result, value, rtol=1e-3, atol=1e-3):
            return hint
    return "Compute this one pixel by hand with the formula."


def _mistakes(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> list[tuple[Tensor, str]]:
    """Values that a typical mistake gives, and its hint."""
    x = images.float()
    unit = x / 255
    m, s = (torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1) for values in (mean, std))
    right = (unit - m) / s
    per_image = (unit - unit.mean(dim=(1, 2, 3), keepdim=True)) / unit.std(dim=(1, 2, 3), keepdim=True)
    per_channel = (unit - unit.mean(dim=(0, 2, 3), keepdim=True)) / unit.std(dim=(0, 2, 3), keepdim=True)
    own = "You used the mean and sd of these images. Expected those that are passed in: they belong to the weights."
    axis = "Values of another channel's mean and std were used. Along which axis do `mean` and `std` stretch?"
    known = [
        (unit, "You divided by 255 and stopped. What happens to mean and std?"),
        ((x - m) / s, "mean and std are for pixels from 0 to 1. In which range are yours?"),
        ((unit / 255 - m) / s, "Is anything divided by 255 twice?"),
        ((right - m) / s, "This is normalised twice: the mean is subtracted and divided by std once too often."),
        ((right / 255 - m) / s, "This is normalised twice."),
        ((unit - m) * s, "Subtracting is right. What comes after it?"),
        (unit - m, "The mean is subtracted. What happens to std?"),
        (unit / s, "The std is there. What happens to mean?"),
        (unit / s - m, "First subtract, then divide: check your brackets."),
        (unit - m / s, "First subtract, then divide: check your brackets."),
        ((unit - m) / s**2, "std is a standard deviation, not its square."),
        ((unit - m) / s.sqrt(), "std is a standard deviation already: no root is needed."),
        ((unit + m) / s, "Check the sign of the mean."),
        (right.clamp(0, 1), "Negative values are right: nothing has to be cut off."),
        (right.clamp(-1, 1), "Values beyond 1 are right: nothing has to be cut off."),
        ((images // 255 - m) / s, "Whole-number division loses everything between 0 and 255. Turn into floats first."),
        (right.to(torch.uint8).float(), "Something turned the result into whole numbers from 0 to 255."),
        (right.trunc(), "Something turned the result into whole numbers."),
        (
            (x - (255 * m).round()) % 256 / 255 / s,
            "uint8 has no negative numbers: 3 - 5 becomes 254. Use floats.",
        ),
        (per_image, own),
        (per_channel, own),
        ((unit - unit.mean()) / unit.std(), own),
    ]
    if len(mean) > 1:
        if images.shape == right.movedim(1, -1).shape:
            known.append((right.movedim(1, -1), "The axes have changed places: channels stay on axis 1."))
        known.append(((unit - m.flip(1)) / s.flip(1), axis))
        known.append(((unit - m[:, :1]) / s[:, :1], axis))
        for other in ((-1, 1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)):
            if images.shape[other.index(-1)] == len(mean):
                known.append(((unit - m.reshape(other)) / s.reshape(other), axis))
    return known


NORMALISE = Exercise("normalise", normalise, cases=(_colour_images, _other_shapes, _one_image, _dark_images))
EXTRACT_FEATURES = Exercise("extract_features", extract_features, cases=lab01_features.CASES)
LINEAR_PROBE = Exercise("linear_probe", lab01_probe.linear_probe, cases=lab01_probe.CASES)

EXERCISES = (NORMALISE, EXTRACT_FEATURES, LINEAR_PROBE)
check_normalise = NORMALISE.check
check_extract_features = EXTRACT_FEATURES.check
check_linear_probe = LINEAR_PROBE.check
