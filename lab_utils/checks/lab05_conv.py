"""`conv_to_samples` in lab 5: positions become datapoints, channels stay neurons."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lab_utils import similarity
from lab_utils.checks.exercise import Exercise, Probe

Fold = Callable[..., Any]


def conv_to_samples(maps: Tensor, stride: int = 1) -> Tensor:
    """The kit's version."""
    return similarity.conv_to_samples(maps, stride=stride)


def _maps(*shape: int) -> Tensor:
    """Every value tells where it is: 1000 b + 100 c + 10 h + w."""
    b, c, h, w = torch.meshgrid(*(torch.arange(float(n)) for n in shape), indexing="ij")
    return 1000 * b + 100 * c + 10 * h + w


def _on(shape: tuple[int, ...], *stride: int) -> Probe:
    def probe(student: Fold) -> dict[str, Any]:
        result = student(_maps(*shape), *stride)
        found = str(tuple(result.shape)) if isinstance(result, Tensor) else f"a {type(result).__name__}"
        return {"shape": found, "rows": result}

    return probe


PROBES: dict[str, Probe] = {
    "Maps of shape (2, 3, 4, 5)": _on((2, 3, 4, 5)),
    "Maps of 8 x 8, stride 4: positions 0 and 4": _on((2, 3, 8, 8), 4),
    "A map of 5 x 7, stride 2: positions 0, 2, 4 in height and 0, 2, 4, 6 in width": _on((1, 2, 5, 7), 2),
}


def _explain(got: Any, expected: Any) -> str:
    if got["shape"] != expected["shape"]:
        return f"expected a tensor of shape {expected['shape']}, got {got['shape']}."
    mine, right = got["rows"], expected["rows"]
    row = int((mine != right).any(dim=1).nonzero()[0])
    mixed = any(len(set((values % 100).tolist())) > 1 for values in mine)
    return f"row {row} should be {right[row].tolist()}, got {mine[row].tolist()}." + (
        " A row mixes values of different positions." if mixed else ""
    )


# ---- wrong answers


def _folded(order: tuple[int, ...]) -> Fold:
    """The axes in this order, then flattened to rows of C numbers."""
    return lambda maps, stride=1: maps[..., ::stride, ::stride].permute(order).reshape(-1, maps.shape[1])


def _cut(maps: Tensor, stride: int = 1) -> Tensor:
    h, w = (side // stride * stride for side in maps.shape[2:])
    return conv_to_samples(maps[:, :, :h, :w], stride)


WHOLE = [(0, 3, 2, 1), (2, 0, 3, 1), (2, 3, 0, 1), (3, 0, 2, 1), (3, 2, 0, 1)]
MIXED = [(0, 1, 2, 3), (1, 0, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2)]
MOVE = "reshape alone does not change the order in memory: first move the axis of the channels to the end (permute)."
OTHER_ORDER = (
    "Every row is a whole datapoint, but in another order: first all positions of the first image, row by row, then "
    "the next image. In which order are your axes before you flatten them?"
)
POSITIONS = "Take 0, stride, 2 * stride, ... of height and width, no averages."

WRONG: tuple[tuple[Fold, str], ...] = (
    (lambda maps, stride=1: conv_to_samples(maps, stride).numpy(), "Return a tensor, not an array."),
    (lambda maps, stride=1: conv_to_samples(maps, stride).T, "The transpose: your channels are the datapoints."),
    (
        lambda maps, stride=1: maps[..., ::stride, ::stride].flatten(1),
        "Here every position is a neuron of its own. It is to be a datapoint of its own.",
    ),
    (lambda maps, stride=1: maps.mean(dim=(2, 3)), "This averages over space. Here every position is to count."),
    (lambda maps, stride=1: conv_to_samples(maps.transpose(0, 1), stride), "Now the images are the neurons."),
    *((_folded(order), MOVE) for order in MIXED),
    *((_folded(order), OTHER_ORDER) for order in WHOLE),
    (lambda maps, stride=1: conv_to_samples(maps), "The stride changed nothing."),
    (lambda maps, stride=1: conv_to_samples(maps[:, :, ::stride]), "The stride is for both directions."),
    (lambda maps, stride=1: conv_to_samples(maps[..., ::stride]), "The stride is for both directions."),
    (lambda maps, stride=1: conv_to_samples(maps)[:: stride * stride], POSITIONS),
    (lambda maps, stride=1: conv_to_samples(torch.nn.functional.avg_pool2d(maps, stride)), POSITIONS),
    (_cut, "Here the side is no multiple of the stride. The last position counts too."),
)

CONV_TO_SAMPLES = Exercise(
    "conv_to_samples",
    conv_to_samples,
    PROBES,
    _explain,
    WRONG,
    "Rows: image and position. Columns: channels. The values are 1000 * image + 100 * channel + 10 * y + x.",
    steps=(
        "First take the positions: a slice with a step along the height, and one along the width.",
        "Then look at the order of the axes: image, row and column are to change slowest to fastest, and the "
        "channel comes last. `permute` brings the axes into this order.",
        "At last all axes but the channels become one. How many channels are there? It is the second entry of"
        " the shape of `maps`.",
    ),
)
