"""Homework 4, task C: say what is wrong with a frozen backbone, with modes, and with what the optimizer gets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks.homework4_networks import OWN, build, probe_freeze, probe_mode, probe_optimizer, state_of
from lab_utils.checks.outcome import Wrong

Plan = dict[str, Any]
UNUSABLE = "What became of the network after your function cannot be read. It should only change the network."


def explain_freeze(report: Mapping[str, Any], plan: Plan) -> None:
    """Raise the hint that fits, unless exactly the classifier learns, and modes and values stayed."""
    model, top = build(plan), plan["classifier"] + "."
    learns = _flags(report, "learns", [name for name, _ in model.named_parameters()])
    if all(learns.values()):
        raise Wrong(
            "Every parameter can still learn: nothing is frozen. Parameters have an attribute `requires_grad`; a "
            "module has a *method* with an underscore at its end. `eval()` and `torch.no_grad()` do not freeze."
        )
    if not any(learns.values()):
        raise Wrong("Every parameter is frozen, also those of the classifier: nothing can learn.")
    if any(not flag for name, flag in learns.items() if name.startswith(top)):
        raise Wrong(
            "A parameter of the classifier is frozen. All of its own must be able to learn, also where it is more than "
            "one layer, and whatever was frozen before. Its name comes in as an argument."
        )
    if rest := [name for name, flag in learns.items() if flag and not name.startswith(top)]:
        raise Wrong(f"A parameter outside the classifier can still learn. {_about(rest, plan['classifier'])}")
    wanted = {name: module.training for name, module in model.named_modules()}
    if _flags(report, "training", list(wanted)) != wanted:
        raise Wrong("`freeze_backbone` has changed the mode (train or eval) of a layer. Only `requires_grad` changes.")
    if _changed(report.get("values"), model):
        raise Wrong("`freeze_backbone` has changed values of the network. Only `requires_grad` changes.")


def explain_mode(report: Mapping[str, Any], plan: Plan) -> None:
    """Raise the hint that fits, unless frozen batch norms are in eval mode, and all that learns trains."""
    model = build(plan)
    names = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    frozen = {name for name in names if _inside(name, plan["frozen"])}
    training = _flags(report, "training", [name for name, _ in model.named_modules()])
    before, after = report.get("before"), report.get("after")
    if _changed(before, model) or not isinstance(after, Mapping) or not isinstance(before, Mapping):
        raise Wrong(UNUSABLE)
    statistics = [f"{name}.{kind}" for name in sorted(frozen) for kind in ("running_mean", "running_var")]
    if any(not _same(before[name], after.get(name)) for name in statistics):
        deep = any(not training[name] for name in frozen)
        raise Wrong(
            "A part of the network was frozen. After your function and one pass of images the running mean of a frozen "
            "batch norm has changed: `model.train()` alone over a frozen backbone does that, and so does "
            "`model.train()` after `eval()`. This mistake stood in all of five real notebooks. In which mode does "
            "batch norm keep its statistics?" + (" Batch norms also sit deep inside of blocks." if deep else "")
        )
    if any(training[name] for name in frozen):
        raise Wrong(
            "The statistics of the frozen batch norms stay, but these layers are not in eval mode: they still use the "
            "mean of the batch. Do not change `momentum` or `track_running_stats`."
        )
    learning = [name for name in names if name not in frozen]
    if any(not training[name] for name in learning):
        raise Wrong(
            "A batch norm that learns is in eval mode. Only the frozen ones belong there: ask each batch norm whether "
            "its own parameters are frozen. It makes no difference in which mode the network came."
        )
    top = plan["classifier"]
    if any(not flag for name, flag in training.items() if name == top or name.startswith(top + ".")):
        raise Wrong("A layer of the classifier is in eval mode, so its dropout does nothing. The classifier trains.")
    if not training[""]:
        raise Wrong("The network as a whole is still in eval mode. Begin with `model.train()`.")
    wanted = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    if _flags(report, "learns", list(wanted)) != wanted:
        raise Wrong("`train_mode` has changed `requires_grad`. It should only look at it, and change modes.")


def explain_optimizer(report: Mapping[str, Any], plan: Plan, step: float) -> None:
    """Raise the hint that fits, unless exactly the parameters that learn were returned, each once."""
    learns = {name: parameter.requires_grad for name, parameter in build(plan).named_parameters()}
    moved = report.get("moved")
    if not isinstance(moved, Mapping) or set(moved) != set(learns):
        raise Wrong(UNUSABLE)
    if report.get("kind") == "NoneType":
        raise Wrong("`optimizer_parameters` returned None. Does it end with a `return`?")
    if not report.get("entries"):
        raise Wrong("`optimizer_parameters` should return a list of parameters, but there is none in what it returned.")
    if report.get("strange"):
        raise Wrong("What `optimizer_parameters` returned holds more than parameters. Names, perhaps?")
    times = {name: _times(change, step) for name, change in moved.items()}
    if any(times[name] for name, learning in learns.items() if not learning):
        raise Wrong(
            "The optimizer would get parameters that are frozen. It keeps memory for each of them, and where it finds "
            "an old gradient it moves them. This mistake stood in all of five real notebooks. Pass only what can learn."
        )
    if any(count > 1 for count in times.values()):
        raise Wrong("A parameter is returned twice. Each that can learn belongs to the optimizer once.")
    if not any(times.values()):
        raise Wrong(
            "These are copies, or the `.data` of the parameters. The optimizer needs the parameters themselves, or the "
            "network never changes."
        )
    if any(not times[name] for name, learning in learns.items() if learning):
        raise Wrong(
            "A parameter that can learn is missing. Go through all parameters of the network, also those that belong "
            "to no layer, and keep what is not frozen; do not choose by name."
        )


def _flags(report: Mapping[str, Any], key: str, names: list[str]) -> dict[str, bool]:
    """Return the flags of the report by name; a network that lost or gained a part cannot be judged."""
    flags = report.get(key)
    if not isinstance(flags, Mapping) or set(flags) != set(names):
        raise Wrong(UNUSABLE)
    return {name: flags[name] is True for name in names}


def _changed(values: Any, model: torch.nn.Module) -> bool:
    """Whether reported values are not those of the network as it was built."""
    expected = state_of(model)
    if not isinstance(values, Mapping) or set(values) != set(expected):
        return True
    return any(not _same(values[name], tensor) for name, tensor in expected.items())


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


def _inside(name: str, modules: list[str]) -> bool:
    return any(name == module or name.startswith(module + ".") for module in modules)


def _about(names: list[str], classifier: str) -> str:
    if names == [OWN]:
        return "A network can have parameters that belong to none of its layers."
    if all(name.startswith(classifier) for name in names):
        return "The name of a layer can begin like that of the classifier: fc_norm is no part of fc."
    if all(name.endswith(".bias") for name in names):
        return "A bias is a parameter too."
    if all(".bn." in name or ".shortcut.1" in name or name.split(".")[1:2] == ["1"] for name in names):
        return "Batch norm has parameters too, a weight and a bias for each channel."
    return "Freeze all parameters, of every kind of layer and at every depth, but those of the classifier."


def _plan(**changes: Any) -> Plan:
    usual = {
        "seed": 0,
        "parts": ["stem", "body"],
        "classifier": "fc",
        "width": 3,
        "deep": False,
        "first": False,
        "frozen": [],
        "training": True,
    }
    return usual | changes


def _freezes(student: Callable[..., Any]) -> None:
    for plan in (_plan(), _plan(classifier="top.1", deep=True, first=True, training=False)):
        explain_freeze(probe_freeze(student, plan), plan)


def _unfreezes_the_classifier(student: Callable[..., Any]) -> None:
    plan = _plan(parts=["stem", "fc_norm"], frozen=["stem", "fc"])
    explain_freeze(probe_freeze(student, plan), plan)


def _frozen_statistics_stay(student: Callable[..., Any]) -> None:
    images = torch.linspace(0, 3, 4 * 64).reshape(4, 1, 8, 8)
    for plan in (_plan(frozen=["stem", "body", OWN]), _plan(frozen=["stem"], deep=True, training=False)):
        explain_mode(probe_mode(student, plan, images), plan)


def _only_what_learns(student: Callable[..., Any]) -> None:
    for plan in (_plan(frozen=["stem", "body"]), _plan(frozen=["stem", "body", OWN], deep=True)):
        explain_optimizer(probe_optimizer(student, plan, 0.25), plan, 0.25)


FREEZE_BACKBONE = (_freezes, _unfreezes_the_classifier)
TRAIN_MODE = (_frozen_statistics_stay,)
OPTIMIZER_PARAMETERS = (_only_what_learns,)
