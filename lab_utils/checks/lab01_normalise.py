"""`normalise` in lab 1; `prepare` in homework 4 is the same for images that are grey."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lab_utils.checks.exercise import Exercise, Probe
from lab_utils.checks.frozen_networks import probe_tensor
from lab_utils.networks import Preprocessing

Numbers = Sequence[float]
MEAN, STD = (0.6, 0.4, 0.2), (0.3, 0.2, 0.1)


def normalise(images: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    """The kit's version: uint8 (N, C, H, W) to float32, /255, then per channel (x - mean) / std."""
    return Preprocessing(tuple(mean), tuple(std), len(mean))(images)


def _on(images: Tensor, mean: Numbers, std: Numbers) -> Probe:
    return lambda student: probe_tensor(student, images, mean, std)


def _images(*shape: int) -> Tensor:
    """Grey levels of all sizes, in no order."""
    numbers = torch.arange(torch.Size(shape).numel())
    return ((numbers * 83 + 7) % 256).to(torch.uint8).reshape(shape)


PROBES = {
    # N = C = H = W, so that mean and std fit every axis: which one was meant shows in the values.
    f"Three RGB images of 3 x 3 pixels, mean {MEAN}, std {STD}": _on(_images(3, 3, 3, 3), MEAN, STD),
    f"Two RGB images, 4 pixels high and 5 wide, mean {MEAN}, std {STD}": _on(_images(2, 3, 4, 5), MEAN, STD),
    "Four grey images, 6 pixels high and 2 wide, mean 0.3, std 0.2": _on(_images(4, 1, 6, 2), [0.3], [0.2]),
    **{
        f"A grey image whose pixels are all {grey}, mean 0.5, std 0.25": _on(
            torch.full((1, 1, 2, 2), grey, dtype=torch.uint8), [0.5], [0.25]
        )
        for grey in (0, 1, 255)
    },
}


def no_tensor(report: Mapping[str, Any]) -> str:
    """Say so where a report of `probe_tensor` holds no tensors; from a sandbox anything may come."""
    if all(isinstance(report.get(key), Tensor | np.ndarray) for key in ("first", "second")):
        return ""
    kind = str(report.get("kind", "nothing"))[:40]
    end = " Does it end with a `return`?" if kind == "NoneType" else ""
    return f"expected a torch tensor, but your function returned a {kind}.{end}"


def _explain(got: Any, expected: Any) -> str:
    if missing := no_tensor(got):
        return missing
    result, right = got["first"], expected["first"]
    if result.shape != right.shape:
        return (
            f"expected the shape to stay {tuple(right.shape)}, got {tuple(result.shape)}. Which shape must the mean "
            "have, so that it stretches over images, rows and columns, but not over channels?"
        )
    far = np.abs(np.asarray(result, dtype=np.float64) - np.asarray(right))
    if (far > 1e-3).any() or not np.isfinite(far).all():
        place = tuple(int(i) for i in np.unravel_index(np.argmax(far), far.shape))
        return (
            f"the pixel {got['input'][place].item()} of channel {place[1]} should become {right[place].item():.4g}, "
            f"got {result[place].item():.4g}."
        )
    return f"the values are right, but they are {got['dtype']}. The weights are float32: return that."


# ---- wrong answers


def _column(values: Numbers) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)


def _by(formula: Callable[[Tensor, Tensor, Tensor], Any]) -> Callable[..., Any]:
    """`formula(x, m, s)` of images from 0 to 1, with mean and std in the right shape."""
    return lambda images, mean, std: formula(images.float() / 255, _column(mean), _column(std))


def _then(change: Callable[[Tensor], Any]) -> Callable[..., Any]:
    """Change the right answer."""
    return lambda *given: change(normalise(*given))


def _along(*shape: int) -> Callable[..., Any]:
    def student(images: Tensor, mean: Numbers, std: Numbers) -> Tensor:
        return (images.float() / 255 - torch.tensor(mean).reshape(shape)) / torch.tensor(std).reshape(shape)

    return student


def _own(axes: tuple[int, ...], correction: int) -> Callable[..., Any]:
    return _by(
        lambda x, m, s: (
            (x - x.mean(axes, keepdim=True)) / x.std(axes, keepdim=True, correction=correction).clip(min=1e-9)
        )
    )


def _writes_into_the_images(images: Tensor, mean: Numbers, std: Numbers) -> Tensor:
    images[:] = normalise(images, mean, std)
    return images


NOTHING = (
    "The images are not normalised: the grey levels come out as they went in, or only divided by 255. The pretrained "
    "weights expect the `mean` subtracted and the result divided by `std`. This mistake stood in all of five real "
    "notebooks, and no error message tells."
)
RANGE = (
    "The images are not divided by 255 first. `mean` and `std` are for pixels from 0 to 1: in which range are yours?"
)
TWICE = "This is normalised twice: the mean is subtracted and divided by std once too often."
ONE_STEP = "Only one of the two steps is there: subtract `mean`, and divide by `std`."
ORDER = "The two steps are not in the right order: first subtract `mean`, then divide. Check your brackets."
SIGN = "The signs or the factors are not right: subtract `mean`. What comes after it?"
OWN = (
    "Here `mean` and `std` of the images themselves are used. Expected those that are passed in: they belong to the "
    "weights."
)
AXIS = (
    "Every channel has its own `mean` and `std`; here those of another channel were used, or the same for all. Along "
    "which axis do yours stretch?"
)
LARGEST = "The images are divided by their own largest value. Divide by 255: a dark image is to stay dark."
DEVIATION = "std is a standard deviation already: neither its square nor its root is needed."
CUT = "Negative values and values beyond 1 are right: nothing has to be cut off."
WHOLE = "Whole numbers from 0 to 255 can hold neither 0.3 nor -2: turn the images into floats before you compute."
FLOATS = "uint8 has no negative numbers: 3 - 5 becomes 254. Use floats."

WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_by(lambda x, m, s: x), NOTHING),
    (_by(lambda x, m, s: 255 * x), NOTHING),
    (_by(lambda x, m, s: (255 * x - m) / s), RANGE),
    *((_own(axes, c), OWN) for axes in ((0, 1, 2, 3), (1, 2, 3), (0, 2, 3)) for c in (0, 1)),
    (_by(lambda x, m, s: (x / x.max() - m) / s), LARGEST),
    (_by(lambda x, m, s: (x / x.amax((1, 2, 3), keepdim=True) - m) / s), LARGEST),
    (_by(lambda x, m, s: x - m), ONE_STEP),
    (_by(lambda x, m, s: x / s), ONE_STEP),
    (_by(lambda x, m, s: x / s - m), ORDER),
    (_by(lambda x, m, s: x - m / s), ORDER),
    (_by(lambda x, m, s: (x - m.flip(1)) / s.flip(1)), AXIS),
    (_by(lambda x, m, s: (x - m.mean()) / s.mean()), AXIS),
    *((lambda x, mean, std, c=c: (x.float() / 255 - mean[c]) / std[c], AXIS) for c in (0, 1, 2)),
    *((_along(*shape), AXIS) for shape in ((-1, 1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1))),
    (_by(lambda x, m, s: (x - m) * s), SIGN),
    (_by(lambda x, m, s: (x + m) / s), SIGN),
    (_by(lambda x, m, s: (m - x) / s), SIGN),
    (_by(lambda x, m, s: (x / 255 - m) / s), "Is anything divided by 255 twice?"),
    (_by(lambda x, m, s: ((x - m) / s - m) / s), TWICE),
    (_by(lambda x, m, s: ((x - m) / s / 255 - m) / s), TWICE),
    (_by(lambda x, m, s: (x - m) / s**2), DEVIATION),
    (_by(lambda x, m, s: (x - m) / s.sqrt()), DEVIATION),
    (_then(lambda right: right.clamp(0, 1)), CUT),
    (_then(lambda right: right.clamp(-1, 1)), CUT),
    (
        lambda images, mean, std: (images // 255 - _column(mean)) / _column(std),
        "Whole-number division loses everything between 0 and 255. Turn into floats first.",
    ),
    (lambda x, mean, std: (x - (255 * _column(mean)).round().to(torch.uint8)) / 255 / _column(std), FLOATS),
    (_then(lambda right: right.to(torch.uint8)), WHOLE),
    (_then(lambda right: right.to(torch.int64)), WHOLE),
    (_writes_into_the_images, WHOLE),
    (_then(lambda right: right.trunc()), "Something turned the result into whole numbers."),
    (_then(lambda right: right.double()), "Which of your numbers are float64?"),
    (_then(lambda right: right.movedim(1, -1)), "The axes have changed places: channels stay on axis 1."),
    (_then(lambda right: right.numpy()), "Stay with tensors: the network takes no arrays."),
    (_by(lambda x, m, s: ((x if m.numel() == 3 else 255 * x) - m) / s), RANGE),
)

NORMALISE = Exercise(
    "normalise",
    normalise,
    PROBES,
    _explain,
    WRONG,
    "Compute this one pixel by hand with the formula.",
    1e-3,
    steps=(
        "Three things happen to each pixel, in this order: it becomes a float, it goes to the range from 0 to"
        " 1, then the mean is taken off and the rest divided by the std.",
        "`mean` and `std` are plain lists. Make tensors of them first.",
        "A tensor of C numbers meets the last axis, which is the columns. Give it a shape of four axes, so "
        "that its numbers lie along the second axis.",
    ),
)
