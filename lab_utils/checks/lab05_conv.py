"""Check of `conv_to_samples` in lab 5: positions become datapoints, channels stay neurons."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong

Fold = Callable[[Tensor, int], Tensor]


def conv_to_samples(maps: Tensor, stride: int = 1) -> Tensor:
    """The kit's version."""
    return similarity.conv_to_samples(maps, stride=stride)


def _maps(*shape: int) -> Tensor:
    """Every value tells where it is: 1000 b + 100 c + 10 h + w."""
    b, c, h, w = torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij")
    return 1000 * b + 100 * c + 10 * h + w


def _fold(student: Fold, maps: Tensor, *stride: int) -> Tensor:
    result: Any = student(maps, *stride)
    if not isinstance(result, Tensor):
        raise Wrong(f"Expected a tensor, got a {type(result).__name__}.")
    return result


def _shape(student: Fold) -> None:
    maps = _maps(2, 3, 4, 5)
    result = _fold(student, maps)
    if result.shape == (40, 3):
        return
    reasons: dict[tuple[int, ...], str] = {
        (3, 40): "This is the transpose: your channels are the datapoints.",
        (2, 60): "Here every position is a neuron of its own. It is to be a datapoint of its own.",
        (2, 3): "This averages over space. Here every position is to count.",
        (60, 2): "Now the images are the neurons.",
    }
    reason = reasons.get(tuple(result.shape), "Rows: image and position. Columns: channels.")
    raise Wrong(f"Maps of shape (2, 3, 4, 5) should give (40, 3), got {tuple(result.shape)}. {reason}")


def _places(student: Fold) -> None:
    maps = _maps(2, 3, 4, 5)
    result, right = _fold(student, maps), conv_to_samples(maps)
    if torch.equal(result, right):
        return
    if any(len(set((row % 100).tolist())) > 1 for row in result):
        raise Wrong(
            "A row mixes values of different positions. reshape alone does not change the order in memory: first move "
            "the axis of the channels to the end (permute)."
        )
    if sorted(result[:, 0].tolist()) == sorted(right[:, 0].tolist()):
        raise Wrong(
            "Every row is a whole datapoint, but in another order: first all positions of the first image, row by row, "
            "then the next image. In which order are your axes before you flatten them?"
        )
    raise Wrong(
        f"The first row should hold the channels at position (0, 0): {right[0].tolist()}, got {result[0].tolist()}."
    )


def _stride(student: Fold) -> None:
    maps = _maps(2, 3, 8, 8)
    result, right = _fold(student, maps, 4), conv_to_samples(maps, 4)
    if result.shape == right.shape and torch.equal(result, right):
        return
    rows = len(result)
    reasons = {
        128: "The stride changed nothing.",
        32: "Every 4th position in both directions: one in 16 remains, yours keeps one in 4.",
    }
    reason = reasons.get(rows, "Take positions 0, 4, 8, ... of the height and of the width.")
    if rows == len(right) and result.shape == right.shape:
        reason = (
            "The number is right, but these are other positions. Take 0, 4, 8, ... of height and width, no averages."
        )
    raise Wrong(f"Two images, maps of 8 x 8, stride 4: {len(right)} rows expected, got {rows}. {reason}")


def _odd_sizes(student: Fold) -> None:
    maps = _maps(1, 2, 5, 7)
    result, right = _fold(student, maps, 2), conv_to_samples(maps, 2)
    if result.shape != right.shape or not torch.equal(result, right):
        raise Wrong(
            f"A map of 5 x 7 with stride 2 has the positions 0, 2, 4 in height and 0, 2, 4, 6 in width: 12 rows, got "
            f"{len(result)} (or other ones)."
        )


CONV_TO_SAMPLES = Exercise("conv_to_samples", conv_to_samples, cases=(_shape, _places, _stride, _odd_sizes))
