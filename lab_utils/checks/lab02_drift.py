"""`measure_drift` (exercise 4 of lab 2): how far the statistics of each batch norm moved between two state dicts."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from lab_utils.checks.exercise import Exercise, Probe

State = Mapping[str, Tensor]
EPS = 1e-5  # as in batch norm itself


def measure_drift(before: State, after: State) -> dict[str, tuple[float, float]]:
    """The kit's version: batch norm -> (change of a typical mean in sd, of a typical variance as a fraction)."""
    drift = {}
    for name in before:
        if name.endswith(".running_mean"):
            layer = name.removesuffix(".running_mean")
            old, new = (state[f"{layer}.running_var"] + EPS for state in (before, after))
            shift = (after[name] - before[name]).abs() / old.sqrt()
            drift[layer] = (shift.median().item(), (new / old - 1).abs().median().item())
    return drift


def _state(layers: Mapping[str, tuple[list[float], list[float]]], shift: float = 0.0) -> dict[str, Tensor]:
    """What `state_dict()` of a network holds whose batch norms have these means and variances."""
    state = {"stem.0.weight": torch.full((2, 1), 1.0)}
    for name, (mean, var) in layers.items():
        state |= {f"{name}.weight": torch.ones(len(mean)), f"{name}.bias": torch.full((len(mean),), shift)}
        state |= {f"{name}.running_mean": torch.tensor(mean), f"{name}.running_var": torch.tensor(var)}
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)
    return state | {"head.weight": torch.full((2, 3), shift), "head.bias": torch.zeros(2)}


def _between(*layers: Mapping[str, tuple[list[float], list[float]]]) -> Probe:
    def probe(student: Callable[..., Any]) -> dict[str, Any]:
        before, after = (_state(layer, shift) for shift, layer in enumerate(layers))
        result = student(before, after)
        if not isinstance(result, Mapping):
            return {"returned": f"a {type(result).__name__}", "batch norms": "", "values": {}}
        pairs = {str(name): [float(value) for value in pair] for name, pair in result.items()}
        return {"returned": "a dict", "batch norms": ", ".join(pairs), "values": pairs}

    return probe


_OLD = {
    "stem.1": ([1.0, 2.0, 3.0, 4.0, 5.0], [4.0, 4.0, 4.0, 4.0, 4.0]),
    "layer1.bn1": ([0.0, 0.0, 0.0], [0.25, 0.25, 9.0]),
}
_NEW = {  # in the stem the first channel has moved much more than the others; in layer1 the last one has another scale
    "stem.1": ([7.0, 1.0, 2.5, 4.4, 5.2], [36.0, 2.0, 3.0, 4.4, 5.0]),
    "layer1.bn1": ([-0.3, 0.2, 1.0], [0.5, 0.125, 10.0]),
}
_ONE = {"bn": ([0.0], [4.0])}
PROBES = {
    "One batch norm with one channel: mean 0 to 1, variance 4 to 9": _between(_ONE, {"bn": ([1.0], [9.0])}),
    "One batch norm with one channel: mean 0 to -1, variance 4 to 1": _between(_ONE, {"bn": ([-1.0], [1.0])}),
    "Two batch norms, of five and of three channels": _between(_OLD, _NEW),
    "The same network twice": _between(_OLD, _OLD),
    "A channel that was 0 for all images, so its variance is 0": _between(
        {"bn": ([0.0], [0.0])}, {"bn": ([0.001], [0.0])}
    ),
}


def _explain(got: Any, expected: Any) -> str:
    if got["returned"] != expected["returned"]:
        return f"expected a dict, got {got['returned']}."
    if got["batch norms"] != expected["batch norms"]:
        return f"expected the keys {expected['batch norms']}, got {got['batch norms'] or 'none'}."
    for name, pair in expected["values"].items():
        mine = got["values"][name]
        if len(mine) != 2:
            return f"`{name}`: expected two numbers, got {len(mine)}."
        for what, right, value in zip(("means", "variances"), pair, mine, strict=True):
            if not abs(right - value) < 1e-4 * (1 + abs(right)):
                return f"`{name}`, {what}: expected {right:.4g}, got {value:.4g}."
    return "the dict is not as expected."


# ---- wrong answers


def _by(
    means: Callable[..., Tensor] = lambda shift, old, new: shift.abs() / old.sqrt(),
    variances: Callable[..., Tensor] = lambda old, new: (new / old - 1).abs(),
    *,
    eps: float = EPS,
    typical: Callable[[Tensor], Any] = torch.median,
    key: Callable[[str], str] = lambda layer: layer,
    end: Callable[[dict[str, Any]], Any] = lambda drift: drift,
) -> Callable[..., Any]:
    """The usual solution, with one thing done differently."""

    def student(before: State, after: State) -> Any:
        drift = {}
        for name in before:
            if name.endswith(".running_mean"):
                layer = name.removesuffix(".running_mean")
                old, new = (state[f"{layer}.running_var"] + eps for state in (before, after))
                shift = means(after[name] - before[name], old, new)
                drift[key(layer)] = (typical(shift), typical(variances(old, new)))
        return end(drift)

    return student


def _every_tensor(before: State, after: State) -> dict[str, Any]:
    return {name: ((after[name] - before[name]).abs().float().median(), 0.0) for name in before}


SIGN = "The change has a sign. How far something moved has none: take the absolute value, in each channel."
TYPICAL = "A typical channel is the median over the channels: one that moves far does not change it."
WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (_by(lambda shift, old, new: shift / old.sqrt()), SIGN),
    (_by(variances=lambda old, new: new / old - 1), SIGN),
    (_by(lambda shift, old, new: shift / old.sqrt(), lambda old, new: new / old - 1), SIGN),
    (_by(lambda shift, old, new: shift.abs() / old), "You divide by the variance. The sd is its square root."),
    (_by(lambda shift, old, new: shift.abs() / new.sqrt()), "Divide by the *old* sd: how far from where it was?"),
    (_by(lambda shift, old, new: shift.abs()), "In units of the old sd: divide by the root of the old variance."),
    (_by(variances=lambda old, new: (new - old).abs()), "As a fraction of the old variance: divide by it."),
    (_by(variances=lambda old, new: new / old), "A variance that stays is a change of 0, not of 1."),
    (_by(variances=lambda old, new: (new - old).abs() / new), "A fraction of the *old* variance, not of the new one."),
    (_by(variances=lambda old, new: (new.sqrt() / old.sqrt() - 1).abs()), "This is the change of the sd."),
    (_by(typical=torch.mean), TYPICAL),
    (_by(typical=torch.max), "This is the channel that moved furthest. " + TYPICAL),
    (_by(eps=0), "A variance can be 0. Add 1e-5 to each, as batch norm itself does."),
    (_by(end=lambda drift: {name: pair[::-1] for name, pair in drift.items()}), "First the means, then the variances."),
    (_by(key=lambda layer: f"{layer}.running_mean"), "Cut off the end: `name.removesuffix('.running_mean')`."),
    (_by(key=lambda layer: layer.partition(".")[0]), "Keep the whole name: a stage can have several batch norms."),
    (_every_tensor, "Only batch norms have running statistics. Which names end in `.running_mean`?"),
    (_by(end=lambda drift: list(drift.values())), "A dict says which pair belongs to which batch norm."),
    (lambda before, after: _by()(after, before), "`before` and `after` have changed places."),
)

MEASURE_DRIFT = Exercise(
    "measure_drift",
    measure_drift,
    PROBES,
    _explain,
    WRONG,
    "First one number per channel, without sign; then the median over the channels.",
    steps=(
        "Keep the names that end in `.running_mean`. What stands before this end is the name of the layer.",
        "With the name of the layer you find the old and the new variance. Compute for all channels at once.",
        "A tensor has a method for its median; `.item()` makes a number of the result.",
    ),
)
