"""Homework 4, task B: say what is wrong with prepared images and with a first layer for grey images."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.checks.frozen_networks import probe_tensor
from lab_utils.checks.outcome import Wrong

Floats = NDArray[np.float64]


def explain_prepared(report: dict[str, Any], images: Floats, mean: Floats, std: Floats, expected: Floats) -> None:
    """Raise the hint that fits, unless `prepare` returned what is expected.

    Args:
        report: of `probe_tensor`.
        images: (N, C, H, W), 0 to 255.
        mean: one per channel of the network.
        std: one per channel of the network.
        expected: (N, len(mean), H, W).
    """
    got = _returned("prepare", report)
    mean, std = mean.reshape(1, -1, 1, 1), std.reshape(1, -1, 1, 1)
    if got.shape != expected.shape:
        raise Wrong(
            "The result of `prepare` has the wrong shape. Expected (N, C, H, W), where C is the length of `mean`: a "
            f"grey image goes into every channel of the network. {_about_shape(got, expected)}"
        )
    if "float" not in str(report["dtype"]):
        raise Wrong(f"The result of `prepare` has the type {report['dtype']}. A network computes with float32.")
    if not np.isfinite(got).all():
        raise Wrong(
            "The result of `prepare` holds NaN or infinite values. Is something divided by 0, or by 255 as uint8?"
        )
    if _near(got, expected):
        return
    for hint, wrong in _mistakes(images, mean, std).items():
        if any(_near(got, np.broadcast_to(each, expected.shape)) for each in wrong if _fits(each, expected)):
            raise Wrong(hint)
    if not _near(got.min(), expected.min()) or not _near(got.max(), expected.max()):
        raise Wrong("The values of `prepare` are wrong. For one pixel: what is it after / 255, - mean and / std?")
    raise Wrong("`prepare` returns the right values in the wrong places: has it turned images, or mixed up channels?")


def _mistakes(images: Floats, mean: Floats, std: Floats) -> dict[str, list[Floats]]:
    """Return what mistakes give, by the hint that fits; mean and std are (1, C, 1, 1)."""
    grey = images / 255
    return {
        "The images are not normalised: the grey levels come out as they went in, or only divided by 255. The "
        "pretrained weights expect the `mean` subtracted and the result divided by `std`. This mistake stood in all of "
        "five real notebooks for this homework, and no error message tells.": [grey, images],
        "The images are not divided by 255 first. `mean` and `std` belong to images from 0 to 1, yours go from 0 to "
        "255.": [(images - mean) / std],
        "Here `mean` and `std` of the images themselves are used. Use those that are given: they belong to the "
        "weights.": _by_own(grey),
        "The images are divided by their own largest value. Divide by 255: a dark image is to stay dark.": [
            (images / images.max() - mean) / std,
            (images / images.max((1, 2, 3), keepdims=True).clip(1) - mean) / std,
        ],
        "Only one of the two steps is there: subtract `mean`, and divide by `std`.": [grey - mean, grey / std],
        "The two steps are there, but not in the right order: first subtract `mean`.": [grey / std - mean],
        "Every channel has its own `mean` and `std`, yours all get the same.": [
            (grey - one_mean) / one_std for one_mean, one_std in _alike(mean, std)
        ],
        "The signs or the factors are not right: subtract `mean`, then divide by `std`.": [
            (grey - mean) * std,
            (grey + mean) / std,
            (mean - grey) / std,
        ],
    }


def explain_unchanged(report: dict[str, Any], before: Floats, name: str) -> None:
    """Raise a hint if the function has changed the tensor that it got."""
    after = report.get("input")
    if not isinstance(after, Tensor | np.ndarray) or not np.array_equal(np.asarray(after), before):
        raise Wrong(f"`{name}` changes the tensor that it gets. Whoever called it still needs it: work on a new one.")


def explain_first_conv(report: dict[str, Any], weight: Floats, expected: Floats) -> None:
    """Raise the hint that fits, unless `first_conv` returned what is expected.

    Args:
        report: of `probe_tensor`.
        weight: (O, C, k, k).
        expected: (O, 1, k, k).
    """
    got, second = _returned("first_conv", report), _returned("first_conv", report, "second")
    if got.shape != expected.shape:
        extra = " Does the sum keep its axis?" if got.shape == expected.shape[:1] + expected.shape[2:] else ""
        raise Wrong(f"The result of `first_conv` has the wrong shape. Expected (O, 1, k, k) for (O, C, k, k).{extra}")
    kept = np.array_equal(np.asarray(report.get("input")), weight)  # else the second call had another weight
    if kept and (second.shape != got.shape or not np.array_equal(got, second)):
        raise Wrong(
            "Called twice with the same weight, `first_conv` returns two different results: it draws new random "
            "filters. The first layer then no longer fits the pretrained layers behind it, and no error tells. Make "
            "the new filters from those that were learned."
        )
    if _near(got, expected):
        return
    if _near(got, weight.mean(1, keepdims=True)):
        raise Wrong(
            "This is the mean over the channels. The layer answers with the right pattern, but too weakly: a grey "
            "image went into *each* of the channels before. What does the convolution do with their answers?"
        )
    if any(_near(got, weight[:, [channel]]) for channel in range(weight.shape[1])):
        raise Wrong("This is one channel of the filters; the others are lost. Before, a grey image went into each.")
    if _proportional(got, expected):
        raise Wrong(
            "The filters keep their pattern, but not their strength: for a grey image the layer should answer as it "
            "did before, when the image went into each channel."
        )
    if not got.any():
        raise Wrong("All new filters are 0. Make them from those that were learned.")
    raise Wrong(
        "The new layer does not answer a grey image as the old one does when the image goes into each of its channels. "
        "Are these filters made from the learned ones?"
    )


def _about_shape(got: Floats, expected: Floats) -> str:
    if got.ndim != expected.ndim:
        return "Yours has not four axes: bring `mean` and `std` into the shape (1, C, 1, 1)."
    if got.shape[1] != expected.shape[1]:
        return "Yours has another number of channels."
    return "Yours has another number of images, or images of another size."


def _returned(name: str, report: dict[str, Any], which: str = "first") -> Floats:
    """Return a reported result as an array, or say that it is no tensor."""
    result = report.get(which)
    if not isinstance(result, Tensor | np.ndarray):
        kind = str(report.get("kind", "nothing"))[:40]
        end = " Does it end with a `return`?" if kind == "NoneType" else ""
        raise Wrong(f"`{name}` should return a tensor, but returned a {kind}.{end}")
    return np.asarray(result, dtype=np.float64)


def _by_own(grey: Floats) -> list[Floats]:
    """Images normalised by their own statistics: of all, and of each image; with both kinds of variance."""
    results = []
    for axes in ((0, 1, 2, 3), (1, 2, 3)):
        for ddof in (0, 1):
            count = int(np.prod([grey.shape[axis] for axis in axes]))
            if count > ddof:
                std = grey.std(axes, keepdims=True, ddof=ddof).clip(1e-9)
                results.append((grey - grey.mean(axes, keepdims=True)) / std)
    return results


def _alike(mean: Floats, std: Floats) -> list[tuple[float, float]]:
    pairs = [(float(m), float(s)) for m, s in zip(mean.flat, std.flat, strict=True)]
    return [(float(mean.mean()), float(std.mean())), *pairs] if len(set(pairs)) > 1 else []


def _fits(each: Floats, expected: Floats) -> bool:
    return each.ndim == expected.ndim and all(a in (1, b) for a, b in zip(each.shape, expected.shape, strict=True))


def _near(got: Any, expected: Any) -> bool:
    return bool(np.allclose(got, expected, rtol=1e-3, atol=1e-3))  # float32, and bf16 is not meant


def _proportional(got: Floats, expected: Floats) -> bool:
    """Whether `got` is `expected` times one number."""
    factor = (got * expected).sum() / max((expected**2).sum(), 1e-12)
    return bool(abs(factor) > 1e-6 and np.allclose(got, factor * expected, rtol=1e-3, atol=1e-4))


def _one_pixel(student: Callable[..., Any]) -> None:
    # (51 / 255 - 0.5) / 0.25 = (0.2 - 0.5) / 0.25 = -1.2, and (255 / 255 - 0.5) / 0.25 = 2
    images = torch.tensor([[[[51, 255]]]], dtype=torch.uint8)
    report = probe_tensor(student, images, [0.5], [0.25])
    expected = np.array([[[[-1.2, 2.0]]]])
    explain_prepared(report, images.double().numpy(), np.array([0.5]), np.array([0.25]), expected)


def _three_channels(student: Callable[..., Any]) -> None:
    # 102 / 255 = 0.4; (0.4 - 0.4) / 0.2 = 0, (0.4 - 0.5) / 0.25 = -0.4, (0.4 - 0.2) / 0.5 = 0.4; the same with 0 -> 0
    images = torch.tensor([[[[102], [0]]]], dtype=torch.uint8)
    mean, std = [0.4, 0.5, 0.2], [0.2, 0.25, 0.5]
    expected = np.array([[[[0.0], [-2.0]], [[-0.4], [-2.0]], [[0.4], [-0.4]]]])
    report = probe_tensor(student, images, mean, std)
    explain_prepared(report, images.double().numpy(), np.array(mean), np.array(std), expected)


def _two_filters(student: Callable[..., Any]) -> None:
    # top left of filter 0: 1 + 2 + 3 = 6; of filter 1: 0.5 - 0.5 + 4 = 4; and so on
    red, green = [[[1.0, 0], [0, 2]], [[0.5, 2], [0, 1]]], [[[2.0, 0], [1, 0]], [[-0.5, 2], [0, 1]]]
    blue = [[[3.0, -1], [0, 1]], [[4.0, 2], [0, -5]]]
    weight = torch.stack([torch.tensor(channel) for channel in (red, green, blue)], dim=1)
    expected = np.array([[[[6.0, -1.0], [1.0, 3.0]]], [[[4.0, 6.0], [0.0, -3.0]]]])
    explain_first_conv(probe_tensor(student, weight), weight.double().numpy(), expected)


PREPARE = (_one_pixel, _three_channels)
FIRST_CONV = (_two_filters,)
