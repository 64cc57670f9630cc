"""Check of `param_groups` in lab 3: learning rates by depth."""

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor, nn

from lab_utils import transfer
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.outcome import Wrong
from lab_utils.networks import build_model, stages

Groups = list[dict[str, Any]]
MakeGroups = Callable[[nn.Module, float, float], Groups]


def param_groups(model: nn.Module, lr: float, decay: float) -> Groups:
    """The kit's version."""
    return transfer.param_groups(model, lr, decay=decay)


def _network(name: str = "resnet10_w16") -> nn.Module:
    return build_model(name, num_classes=5, seed=0)


def _list_of_groups(student: MakeGroups) -> None:
    result: Any = student(_network(), 0.1, 0.5)
    if not isinstance(result, list | tuple) or not all(isinstance(group, dict) for group in result):
        raise Wrong(f"Expected a list of dicts, got a {type(result).__name__}. One dict for each place.")
    for group in result:
        if not {"params", "lr"} <= set(group):
            raise Wrong(f"A group has the keys {sorted(map(str, group))}. An optimizer wants 'params' and 'lr'.")
        if isinstance(group["params"], Tensor) or any(isinstance(p, str | tuple) for p in _params(group)):
            raise Wrong("'params' must be a list of parameters, without their names.")
        if not isinstance(group["lr"], float | int):
            raise Wrong(f"'lr' must be a number, got a {type(group['lr']).__name__}.")


def _params(group: dict[str, Any]) -> list[Any]:
    """The parameters of a group; a generator is kept as a list, as an optimizer would."""
    group["params"] = list(group["params"])
    return group["params"]


def _everything_once(student: MakeGroups) -> None:
    model = _network()
    _cover(model, student(model, 0.1, 0.5))


def _cover(model: nn.Module, groups: Groups, given: str = "") -> None:
    names = {id(p): name for name, p in model.named_parameters()}
    found = [names.get(id(p), "?") for group in groups for p in _params(group)]
    if "?" in found:
        raise Wrong(f"{given}A group holds something that is no parameter of the model. Copies would never be trained.")
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    if wrong := sorted(frozen & set(found)):
        raise Wrong(f"{given}'{wrong[0]}' is frozen, but it is in a group. Which parameters may an optimizer get?")
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise Wrong(f"{given}'{twice[0]}' is in two places (and {len(twice) - 1} more). Then it gets two rates.")
    missing = [name for name in names.values() if name not in frozen and name not in found]
    if not missing:
        if any(not _params(group) for group in groups):
            raise Wrong(f"{given}A group has no parameters. Leave out what has nothing to train.")
        return
    kind = ""
    if all(name.endswith("bias") for name in missing):
        kind = " All that is missing are biases."
    elif all(model.get_parameter(name).ndim == 1 for name in missing):
        kind = " Only vectors are missing: batch norm has parameters too."
    elif all(name.startswith("head") for name in missing):
        kind = " It is the head that is missing."
    raise Wrong(f"{given}{len(missing)} parameters are in no group, for instance '{missing[0]}': never trained.{kind}")


def _rates(student: MakeGroups) -> None:
    for lr, decay in ((0.1, 0.5), (1e-3, 0.3)):
        _compare_rates(student, _network(), lr, decay)


def _decay_one(student: MakeGroups) -> None:
    _compare_rates(student, _network(), 0.01, 1.0)


def _another_network(student: MakeGroups) -> None:
    for name in ("cbr_tiny", "mobilenet_v3_small"):
        model = _network(name)
        _cover(model, student(model, 0.1, 0.5), f"{name}: ")
        _compare_rates(student, model, 0.1, 0.5, f"{name}, ")


def _frozen_left_out(student: MakeGroups) -> None:
    model = _network()
    transfer.freeze(model, upto="layer2")
    given = "Frozen up to layer2: "
    _cover(model, student(model, 0.1, 0.5), given)
    _compare_rates(student, model, 0.1, 0.5, given)
    transfer.freeze(model)
    _cover(model, student(model, 0.1, 0.5), "Only the head is trainable: ")


def _compare_rates(student: MakeGroups, model: nn.Module, lr: float, decay: float, given: str = "") -> None:
    rate = {id(p): float(group["lr"]) for group in student(model, lr, decay) for p in _params(group)}
    right = {id(p): group["lr"] for group in param_groups(model, lr, decay) for p in group["params"]}
    given = f"{given}lr = {lr:g}, decay = {decay:g}"
    for name, p in reversed(list(model.named_parameters())):  # from the head downwards
        if id(p) not in right or np.isclose(rate[id(p)], right[id(p)], rtol=1e-6, atol=0):
            continue
        reason = _rate_mistake(model, rate, lr, decay)
        raise Wrong(f"{given}: '{name}' should get {right[id(p)]:.3g}, got {rate[id(p)]:.3g}. {reason}")


def _rate_mistake(model: nn.Module, rate: dict[int, float], lr: float, decay: float) -> str:
    places = [
        next((rate[id(p)] for p in stage.parameters() if id(p) in rate), None) for stage in stages(model).values()
    ]
    trained = [value for value in places if value is not None]
    heads = [rate[id(p)] for p in list(model.parameters()) if id(p) in rate][-1]
    if trained and decay < 1:
        if heads < min(lr, trained[0]):
            return "The head is the slowest in yours. From which end do you count?"
        if any(value > heads * (1 + 1e-9) for value in trained):
            return "Below the head the rate grows. Is it multiplied by decay at each place?"
        if np.isclose(heads, lr * decay):
            return "The head is 0 places below itself: what is decay to the power of 0?"
        if np.isclose(trained[-1], heads):
            return f"'{list(stages(model))[-1]}' is one place below the head, so it is not as fast as the head."
        if len(set(trained)) < len(trained):
            return "Two stages have the same rate. Each place downwards multiplies once more by decay."
    return "Write down the places from the head downwards, 0, 1, 2 ..., and the rate of each."


PARAM_GROUPS = Exercise(
    "param_groups",
    param_groups,
    cases=(_list_of_groups, _everything_once, _rates, _decay_one, _frozen_left_out, _another_network),
)
