"""Homework 4, task B: say what is wrong with prepared images.

What is expected, and which mistakes are known, is that of the same exercise in lab 1.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lab_utils.checks.exercise import Probe, same
from lab_utils.checks.frozen_networks import probe_tensor
from lab_utils.checks.lab01_normalise import NORMALISE, no_tensor
from lab_utils.checks.outcome import Wrong
from lab_utils.checks.wrong import named

Report = dict[str, Any]
Array = NDArray[Any]


def explain_prepared(report: Report, images: Array, mean: Sequence[float], std: Sequence[float]) -> None:
    """Raise the hint that fits, unless `prepare` returned what is expected.

    Args:
        report: of `probe_tensor`.
        images: (N, 1, H, W), uint8.
        mean: one per channel of the network.
        std: one per channel of the network.
    """
    shape = (len(images), len(mean), *images.shape[2:])

    def wide_first(version: Callable[..., Any]) -> Report:
        return probe_tensor(version, np.broadcast_to(images, shape).copy(), mean, std)

    def wide_last(version: Callable[..., Any]) -> Report:
        return {"first": torch.as_tensor(probe_tensor(version, images, mean, std)["first"]).expand(shape)}

    _judge(report, wide_first, wide_last)


def explain_unchanged(report: Report, before: Array, name: str) -> None:
    """Raise a hint if the function has changed the tensor that it got."""
    after = report.get("input")
    if not isinstance(after, Tensor | np.ndarray) or not np.array_equal(np.asarray(after), before):
        raise Wrong(f"`{name}` changes the tensor that it gets. Whoever called it still needs it: work on a new one.")


def _judge(report: Report, *probes: Probe) -> None:
    """Compare the first result with that of lab 1's `normalise`, tried by the first probe, and name a known mistake."""

    def first(of: Report) -> Report:
        return {"first": of.get("first")}

    def known(probe: Probe) -> list[str]:
        return [hint for _, hint in NORMALISE.known(lambda version: first(probe(version)), first(report))]

    assert NORMALISE.kit is not None
    expected = probes[0](NORMALISE.kit)
    if same(first(report), first(expected), 1e-3):  # float32, and bf16 is not meant
        return
    said = no_tensor(report)
    if not said:
        hints = [hint for probe in probes for hint in known(probe)]
        said = " ".join([_explain_images(report, expected), *hints[:1]])
    raise Wrong(f"{said[0].upper()}{said[1:]}")


def _explain_images(got: Report, expected: Report) -> str:
    result, right = np.asarray(got["first"], dtype=np.float64), np.asarray(expected["first"])
    if result.shape != right.shape:
        wrong = "Yours has another number of images, or images of another size."
        if result.ndim != right.ndim:
            wrong = "Yours has not four axes: bring `mean` and `std` into the shape (1, C, 1, 1)."
        elif result.shape[1] != right.shape[1]:
            wrong = "Yours has another number of channels."
        return (
            "the result of `prepare` has the wrong shape. Expected (N, C, H, W), where C is the length of `mean`: a "
            f"grey image goes into every channel of the network. {wrong}"
        )
    if "float" not in (dtype := named(got.get("dtype"))):
        return f"the result of `prepare` has the type {dtype}. A network computes with float32."
    if not np.isfinite(result).all():
        return "the result of `prepare` holds NaN or infinite values. Is something divided by 0, or by 255 as uint8?"
    if same(np.sort(result, axis=None), np.sort(right, axis=None), 1e-3):
        return "`prepare` returns the right values in the wrong places: has it turned images, or mixed up channels?"
    return "the values of `prepare` are wrong. What is one pixel after / 255, - mean and / std?"


# ---- public inputs, with results that can be computed by hand


def _prepared(student: Callable[..., Any], images: Tensor, mean: list[float], std: list[float]) -> None:
    explain_prepared(probe_tensor(student, images, mean, std), images.numpy(), mean, std)


def _one_pixel(student: Callable[..., Any]) -> None:
    # (51 / 255 - 0.5) / 0.25 = (0.2 - 0.5) / 0.25 = -1.2, and (255 / 255 - 0.5) / 0.25 = 2
    _prepared(student, torch.tensor([[[[51, 255]]]], dtype=torch.uint8), [0.5], [0.25])


def _three_channels(student: Callable[..., Any]) -> None:
    # 102 / 255 = 0.4; (0.4 - 0.4) / 0.2 = 0, (0.4 - 0.5) / 0.25 = -0.4, (0.4 - 0.2) / 0.5 = 0.4; the same with 0 -> 0
    _prepared(student, torch.tensor([[[[102], [0]]]], dtype=torch.uint8), [0.4, 0.5, 0.2], [0.2, 0.25, 0.5])


PREPARE = (_one_pixel, _three_channels)
