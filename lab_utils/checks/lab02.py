"""Checks of lab 2: freeze a backbone, train around it, and hand the optimizer what is left."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lab_utils.checks import lab02_freeze, lab02_modes
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab02_networks import (
    backbone_is_frozen,
    listed,
    trainable_names,
    with_classifier,
    with_fc,
    with_head,
)
from lab_utils.checks.outcome import Wrong
from lab_utils.transfer import freeze, train_mode, trainable_parameters

Parameters = Callable[[nn.Module], Any]


def freeze_backbone(model: nn.Module) -> None:
    """The kit's version: exactly the parameters of the head are trainable afterwards."""
    freeze(model)


# ---- exercise 3


def _list_of_parameters(student: Parameters) -> None:
    model = backbone_is_frozen(with_head())
    given: object = student(model)
    if not isinstance(given, (list, tuple)):
        again = hasattr(given, "__next__")
        raise Wrong(
            f"Expected a list of parameters, got a {type(given).__name__}. "
            + ("It can be read only once: the second reader finds it empty. " if again else "")
            + "Make a list."
        )
    _only_parameters(given)


def _after_freezing_everything_but_the_head(student: Parameters) -> None:
    for model in (with_head(), with_fc(), with_classifier()):
        _compare(student, backbone_is_frozen(model), "Everything but the classifier is frozen.")


def _after_freezing_a_part(student: Parameters) -> None:
    model = with_head()
    _compare(student, model, "Nothing is frozen.")
    model.stem.requires_grad_(False)
    _compare(student, model, "Only the `stem` is frozen.")
    model.body.conv.requires_grad_(False)
    _compare(student, model, "The `stem` and `body.conv` are frozen.")


def _shared_weights(student: Parameters) -> None:
    model = with_head()
    model.body.shortcut[0] = model.stem[0] = nn.Conv2d(1, 4, 1)
    _compare(student, model, "Two layers share one weight (this is called weight tying).")


def _compare(student: Parameters, model: nn.Module, situation: str) -> None:
    given = student(model)
    _only_parameters(given)
    name_of = {id(parameter): name for name, parameter in model.named_parameters()}
    names = [name_of.get(id(parameter), "") for parameter in given]
    wanted = trainable_names(model)
    if "" in names:
        raise Wrong(
            f"{situation} Entry {names.index('')} of your list is not a parameter of the network, but a copy of one. "
            "The optimizer would train the copy."
        )
    if frozen := [name for name in names if name not in wanted]:
        raise Wrong(f"{situation} Your list holds {listed(frozen)}, frozen. Which attribute of a parameter tells?")
    if missing := [name for name in wanted if name not in names]:
        raise Wrong(f"{situation} {listed(missing)} can learn, but your list lacks it, so it would never change.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise Wrong(f"{situation} {twice} is in your list twice. An optimizer should hold every parameter once.")
    if names != wanted:
        raise Wrong(
            f"{situation} The list has the right parameters in another order: {listed(names)}. Keep the order of "
            "`model.parameters()`: a saved optimizer knows its parameters by their place."
        )


def _only_parameters(given: Any) -> None:
    for entry in given:
        if isinstance(entry, str) or (isinstance(entry, tuple) and entry and isinstance(entry[0], str)):
            raise Wrong(f"Your list holds names: {str(entry)[:40]!r}. An optimizer needs the parameters themselves.")
        if not isinstance(entry, torch.Tensor):
            raise Wrong(f"Expected a list of parameters, but it holds a {type(entry).__name__}.")


FREEZE_BACKBONE = Exercise("freeze_backbone", freeze_backbone, cases=lab02_freeze.CASES)
TRAIN_MODE = Exercise("train_mode", train_mode, cases=lab02_modes.CASES)
TRAINABLE_PARAMETERS = Exercise(
    "trainable_parameters",
    trainable_parameters,
    cases=(_list_of_parameters, _after_freezing_everything_but_the_head, _after_freezing_a_part, _shared_weights),
)

EXERCISES = (FREEZE_BACKBONE, TRAIN_MODE, TRAINABLE_PARAMETERS)
check_freeze_backbone = FREEZE_BACKBONE.check
check_train_mode = TRAIN_MODE.check
check_trainable_parameters = TRAINABLE_PARAMETERS.check
