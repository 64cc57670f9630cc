"""The networks on which lab 2 and homework 4, task C, try a student's functions, and how."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from lab_utils.checks.freezing_hints import Plan, explain_freeze, explain_mode, explain_optimizer
from lab_utils.checks.frozen_networks import probe_freeze, probe_mode, probe_optimizer
from lab_utils.checks.outcome import Case, Function, Wrong

IMAGES = torch.linspace(0, 3, 4 * 64).reshape(4, 1, 8, 8)  # rising: every part of the batch has its own statistics
STEP = 0.25


def _plan(**changes: Any) -> Plan:
    usual = {"seed": 0, "parts": ["stem", "body"], "classifier": "head", "width": 3, "deep": False, "first": False}
    return usual | {"frozen": [], "training": True} | changes


_UNFROZEN = _plan(classifier="classifier.1")
_FROZEN = _UNFROZEN | {"frozen": ["stem", "body"]}

# The first words of a hint: the network, in words.
TO_FREEZE = {
    "The classifier is called `head`": _plan(),
    "The classifier is `classifier.1`, of several layers, and the network is in eval mode": _plan(
        classifier="classifier.1", deep=True, first=True, training=False
    ),
    "The classifier `fc` and the `stem` came frozen": _plan(
        parts=["stem", "fc_norm"], classifier="fc", frozen=["stem", "fc"]
    ),
}
MODES = {
    "The backbone is frozen": _FROZEN,
    "Nothing is frozen, and the network comes in eval mode": _UNFROZEN | {"training": False},
    "The backbone is frozen, and the network comes in eval mode": _FROZEN | {"training": False},
    "Only the `stem` is frozen": _UNFROZEN | {"frozen": ["stem"], "deep": True, "training": False},
    "Only the weight and the bias of `body.bn` are frozen": _UNFROZEN | {"frozen": ["body.bn"]},
}
TO_LEARN = {
    "Everything in `stem` and `body` is frozen": _plan(frozen=["stem", "body"]),
    "Nothing is frozen": _plan(),
    "The `stem` and `body.conv` are frozen": _plan(frozen=["stem", "body.conv"], deep=True, first=True),
    "Two layers share one weight (this is called weight tying)": _plan(parts=["stem", "body", "neck"], tied=True),
}


def cases(
    situations: Mapping[str, Plan], check: Callable[[Function, Plan], object], **changes: Any
) -> tuple[Case, ...]:
    """Return one case per situation: `check(student, plan)`, with the situation before its hint."""
    return tuple(partial(_case, what, check, plan | changes) for what, plan in situations.items())


def _case(what: str, check: Callable[[Function, Plan], object], plan: Plan, student: Function) -> None:
    try:
        check(student, plan)
    except Wrong as wrong:
        raise Wrong(f"{what}: {wrong.hint}") from None


def check_freeze(student: Function, plan: Plan) -> None:
    """Check ``freeze_backbone(model, classifier)`` on the network of a plan."""
    explain_freeze(probe_freeze(student, plan), plan, show=True)


def check_mode(student: Function, plan: Plan) -> None:
    """Check ``train_mode(model)``."""
    explain_mode(probe_mode(student, plan, IMAGES), plan, show=True)


def check_optimizer(student: Function, plan: Plan) -> dict[str, Any]:
    """Check ``optimizer_parameters(model)``; return the report."""
    report = probe_optimizer(student, plan, STEP)
    explain_optimizer(report, plan, STEP, show=True)
    return report
