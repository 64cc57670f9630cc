"""Say what is wrong with a frozen backbone, with modes (both also in homework 4), and with what the optimizer gets.

Each `explain_*` gets a report of `frozen_networks` and the plan of the network, and raises the hint that fits. It
quotes nothing of the plan unless it is told to `show` names: those of a hidden case stay hidden.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks.frozen_networks import OWN, build, state_of
from lab_utils.checks.outcome import Wrong
from lab_utils.checks.wrong import named

Plan = dict[str, Any]
Report = Mapping[str, Any]
UNUSABLE = "What became of the network after your function cannot be read. It should only change the network."
DIFFERS = "Its name differs from network to network: how does your function find it?"
ANOTHER = "Your function returned another network. Change the network that it gets: the caller keeps on using it."


def explain_freeze(report: Report, plan: Plan, *, show: bool = False) -> None:
    """Raise the hint that fits, unless exactly the classifier learns, and modes and values stayed."""
    model, top = build(plan), plan["classifier"] + "."
    learns = _flags(report, "learns", [name for name, _ in model.named_parameters()])
    modes = {name: module.training for name, module in model.named_modules()}
    modes_stayed = _flags(report, "training", modes) == modes
    if all(learns.values()):
        why = _why_nothing_is_frozen(report, modes_stayed)
        raise Wrong(f"Every parameter can still learn: nothing is frozen. {why}")
    if not any(learns.values()):
        raise Wrong(
            "Every parameter is frozen, also those of the classifier: nothing can learn. "
            + ("The classifier has to learn, whatever was frozen before." if plan["frozen"] else DIFFERS)
        )
    if still := [name for name, flag in learns.items() if not flag and name.startswith(top)]:
        raise Wrong(
            f"A parameter of the classifier is frozen{listed(still, show)}. All of its own must be able to learn, "
            "also where it is more than one layer, whatever its name is and whatever was frozen before."
        )
    if rest := [name for name, flag in learns.items() if flag and not name.startswith(top)]:
        about = _about(rest, plan["classifier"], model)
        raise Wrong(f"A parameter outside the classifier can still learn{listed(rest, show)}. {about}")
    if not modes_stayed:
        raise Wrong(
            "`freeze_backbone` has changed the mode (train or eval) of a layer. Modes are another exercise: here only "
            "`requires_grad` changes."
        )
    if is_changed(report.get("values"), model):
        raise Wrong("`freeze_backbone` has changed values of the network. Only `requires_grad` changes.")


def _why_nothing_is_frozen(report: Report, modes_stayed: bool) -> str:
    if report.get("another") is True:
        return ANOTHER
    if report.get("attribute") is True:
        return (
            "You gave a *module* an attribute `requires_grad`. Python allows it, PyTorch does not look at it. "
            "Parameters have this attribute; a module has a *method* with an underscore at its end."
        )
    if report.get("gradients") is False:
        return (
            "You switched gradients off for the whole program, so the classifier could not learn either. Freeze "
            "parameters, not the program."
        )
    if not modes_stayed:
        return "`eval()` changes how batch norm and dropout compute. The optimizer still changes the weights."
    return "`torch.no_grad()` ends with its block, a copy with your function. Which attribute of a parameter lasts?"


def _about(names: list[str], classifier: str, model: nn.Module) -> str:
    kinds = {type(model.get_submodule(name.rpartition(".")[0])) for name in names}
    if names == [OWN]:
        return "A network can have parameters that belong to none of its layers."
    if all(name.startswith(classifier) for name in names):
        return "The name of a layer can begin like that of the classifier: fc_norm is no part of fc."
    if kinds == {nn.BatchNorm2d}:
        return "Batch norm has parameters too, a weight and a bias for each channel."
    if all(name.endswith(".bias") for name in names):
        return "A bias is a parameter too."
    if kinds == {nn.Linear}:
        return "A linear layer can be part of the backbone: do not choose by the kind or the name of a layer."
    return "Freeze all parameters, of every kind of layer and at every depth, but those of the classifier."


def explain_mode(report: Report, plan: Plan, *, show: bool = False) -> None:
    """Raise the hint that fits, unless frozen batch norms are in eval mode, and all that learns trains."""
    model = build(plan)
    learns = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    if _flags(report, "learns", learns) != learns:
        raise Wrong("`train_mode` has changed `requires_grad`. It should only look at it, and change modes.")
    training = _flags(report, "training", [name for name, _ in model.named_modules()])
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    frozen = [name for name, norm in norms.items() if not any(p.requires_grad for p in norm.parameters())]
    _explain_statistics(report, plan, frozen, any(not training[name] for name in frozen), show)
    if wrong := [name for name in frozen if training[name]]:
        raise Wrong(
            "The statistics of the frozen batch norms stay, but these layers are not in eval mode"
            f"{listed(wrong, show)}: they still use the mean and variance of the batch, so the features of an image "
            "depend on the other images of its batch. Do not change `momentum` or `track_running_stats`. Which method "
            "of a module changes its mode?"
        )
    if wrong := [name for name in norms if name not in frozen and not training[name]]:
        raise Wrong(
            f"A batch norm that learns is in eval mode{listed(wrong, show)}. Only the frozen ones belong there: ask "
            "each batch norm whether its own parameters are frozen. It makes no difference in which mode the network "
            "came."
        )
    top = plan["classifier"].partition(".")[0]  # with the dropout in front of it
    if any(not flag for name, flag in training.items() if name == top or name.startswith(top + ".")):
        raise Wrong(
            "A layer of the classifier is in eval mode, so its dropout does nothing. The classifier trains, in "
            "whatever mode the network came."
        )
    if not training[""]:
        raise Wrong("The network as a whole is still in eval mode. Begin with `model.train()`.")


def _explain_statistics(report: Report, plan: Plan, frozen: list[str], some_in_eval: bool, show: bool) -> None:
    """Raise the hint that fits, unless the statistics of frozen batch norms are as they were."""
    before, values, after = report.get("before"), report.get("values"), report.get("after")
    if is_changed(before, build(plan)) or not isinstance(after, Mapping) or not isinstance(before, Mapping):
        raise Wrong(UNUSABLE)
    statistics = [f"{name}.{kind}" for name in frozen for kind in ("running_mean", "running_var")]
    moved = [name for name in statistics if not _same(before[name], after.get(name))]
    if not moved:
        return
    if report.get("another") is True:
        raise Wrong(ANOTHER)
    if isinstance(values, Mapping) and not all(_same(before[name], values.get(name)) for name in moved):
        raise Wrong("`train_mode` has changed values of the network. It should only change modes.")
    raise Wrong(
        "A part of the network was frozen. After your function and one pass of images the running mean of a frozen "
        f"batch norm has changed{listed(moved, show)}: `model.train()` alone over a frozen backbone does that, and so "
        "does `model.train()` after `eval()`. This mistake stood in all of five real notebooks. In which mode does "
        "batch norm keep its statistics?"
        + (" Batch norms also sit deep inside of blocks." if some_in_eval else "")
        + (" Look at the parameters of the batch norm itself." if set(plan["frozen"]) - set(plan["parts"]) else "")
    )


def explain_optimizer(report: Report, plan: Plan, step: float, *, show: bool = False) -> None:
    """Raise the hint that fits, unless exactly the parameters that learn were returned, each once."""
    learns = {name: parameter.requires_grad for name, parameter in build(plan).named_parameters()}
    moved = report.get("moved")
    if not isinstance(moved, Mapping) or set(moved) != set(learns):
        raise Wrong(UNUSABLE)
    if report.get("kind") == "NoneType":
        raise Wrong("Your function returned None. Does it end with a `return`?")
    if not report.get("names"):
        raise Wrong("A list of parameters should come back, but there is none in what your function returned.")
    if strange := report.get("strange"):
        raise Wrong(
            f"What your function returned holds more than parameters, a {named(strange)}. Names, perhaps? Return "
            "the parameters themselves."
        )
    times = {name: _times(change, step) for name, change in moved.items()}
    if frozen := [name for name, learning in learns.items() if times[name] and not learning]:
        raise Wrong(
            f"The optimizer would get parameters that are frozen{listed(frozen, show)}. It keeps memory for each of "
            "them, and where it finds an old gradient it moves them. This mistake stood in all of five real notebooks. "
            "Pass only what can learn. Which attribute of a parameter tells?"
        )
    if twice := [name for name, count in times.items() if count > 1]:
        raise Wrong(
            f"A parameter is returned twice{listed(twice, show)}. Each that can learn belongs to the optimizer once."
        )
    if not any(times.values()):
        raise Wrong(
            "These are copies, or the `.data` of the parameters. The optimizer needs the parameters themselves, or the "
            "network never changes."
        )
    if missing := [name for name, learning in learns.items() if learning and not times[name]]:
        raise Wrong(
            f"A parameter that can learn is missing{listed(missing, show)}, so it would never change. Go through all "
            "parameters of the network, also those that belong to no layer, and keep what is not frozen; do not choose "
            "by name."
        )


def is_changed(values: Any, model: nn.Module) -> bool:
    """Whether reported values are not those of the network as it was built."""
    expected = state_of(model)
    if not isinstance(values, Mapping) or set(values) != set(expected):
        return True
    return any(not _same(values[name], tensor) for name, tensor in expected.items())


def _flags(report: Report, key: str, names: Iterable[str]) -> dict[str, bool]:
    """Return the flags of the report by name; a network that lost or gained a part cannot be judged."""
    flags = report.get(key)
    if not isinstance(flags, Mapping) or set(flags) != set(names):
        raise Wrong(ANOTHER if report.get("another") is True else UNUSABLE)
    return {name: flags[name] is True for name in names}


def _same(a: Any, b: Any) -> bool:
    """Whether two reported tensors are equal; anything may have been reported."""
    try:
        left, right = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    except (TypeError, ValueError):
        return False
    return left.shape == right.shape and bool(np.allclose(left, right, rtol=1e-6, atol=1e-7))


def _times(change: Any, step: float) -> int:
    """Return how many times a parameter was moved."""
    if isinstance(change, bool) or not isinstance(change, int | float) or not abs(change) < 100:
        raise Wrong(UNUSABLE)
    count = round(change / step)
    if count < 0 or abs(change - count * step) > 1e-3 * step:
        raise Wrong(UNUSABLE)
    return count


def listed(names: list[str], show: bool = True) -> str:
    """The first three names in brackets, and how many follow."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f" ({', '.join(f'`{name}`' for name in names[:3])}{more})" if show else ""
