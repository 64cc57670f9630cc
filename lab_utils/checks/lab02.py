"""Checks of lab 2: freeze a backbone, hand the optimizer what is left, train, and measure what moved all the same."""

from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks import freezing
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.freezing_hints import Plan, is_changed, listed
from lab_utils.checks.frozen_networks import build, state_of
from lab_utils.checks.lab02_drift import MEASURE_DRIFT
from lab_utils.checks.lab02_experiment import DRIFT_EXPERIMENT
from lab_utils.checks.lab02_loop import TRAIN_AND_WATCH
from lab_utils.checks.outcome import Function, Wrong
from lab_utils.transfer import freeze, train_mode, trainable_parameters


def freeze_backbone(model: nn.Module) -> None:
    """The kit's version: exactly the parameters of the head are trainable afterwards."""
    freeze(model)


def _freeze(student: Function, plan: Plan) -> None:
    freezing.check_freeze(lambda model, classifier: student(model), plan)


def _modes_and_nothing_else(student: Function, plan: Plan) -> None:
    freezing.check_mode(student, plan)
    model, untouched = build(plan), build(plan)
    student(model)
    if _switches(model) != _switches(untouched):
        raise Wrong(
            "Do not change `momentum` or `track_running_stats` of a batch norm: they stay like that, also when it "
            "learns again. Which method of a module changes its mode?"
        )
    if is_changed(state_of(model), untouched):
        raise Wrong("Your function has changed values of the network. It should only change modes.")


def _switches(model: nn.Module) -> list[Any]:
    return [(m.momentum, m.track_running_stats) for m in model.modules() if isinstance(m, _BatchNorm)]


def _list_in_order(student: Function, plan: Plan) -> None:
    def given(model: nn.Module) -> Any:
        found = student(model)
        is_list = isinstance(found, list | tuple)
        dicts = is_list and any(isinstance(entry, dict) for entry in found)
        if dicts or not is_list:
            kind = "list of dicts" if dicts else type(found).__name__
            once = "It can be read only once: the second reader finds it empty. " if hasattr(found, "__next__") else ""
            raise Wrong(f"Expected a list of parameters, got a {kind}. {once}Make a list.")
        return found

    report = freezing.check_optimizer(given, plan)
    if report["names"] != [name for name, parameter in build(plan).named_parameters() if parameter.requires_grad]:
        raise Wrong(
            f"The list has the right parameters in another order{listed(report['names'])}. Keep the order of "
            "`model.parameters()`: a saved optimizer knows its parameters by their place."
        )


# The kit finds stages, so a network here has no parameter of its own.
FREEZE_BACKBONE = Exercise(
    "freeze_backbone",
    freeze_backbone,
    cases=freezing.cases(freezing.TO_FREEZE, _freeze, own=False),
    steps=(
        "There are two parts, and each needs one line: everything, and the head.",
        "A module has a method that sets the flag of all its parameters at once: `requires_grad_`. Which of "
        "the two parts comes first?",
    ),
)
TRAIN_MODE = Exercise(
    "train_mode",
    train_mode,
    cases=freezing.cases(freezing.MODES, _modes_and_nothing_else, own=False),
    steps=(
        "Put the whole network into training mode first. After that some modules go back.",
        "`model.modules()` goes through all modules, also those inside of others. Which of them are batch norms?",
        "How do you see that a batch norm is frozen? Look at the flag of its own weight. A batch norm without"
        " a weight (`affine` is False) has nothing to freeze.",
    ),
)
TRAINABLE_PARAMETERS = Exercise(
    "trainable_parameters",
    trainable_parameters,
    cases=freezing.cases(freezing.TO_LEARN, _list_in_order, own=False),
    steps=(
        "`model.parameters()` gives all of them in the right order. Which one property tells the frozen ones "
        "from the others?",
        "Collect the parameters themselves in a list: no names, no copies.",
    ),
)

EXERCISES = (FREEZE_BACKBONE, TRAINABLE_PARAMETERS, TRAIN_AND_WATCH, MEASURE_DRIFT, TRAIN_MODE, DRIFT_EXPERIMENT)
check_freeze_backbone = FREEZE_BACKBONE.check
check_trainable_parameters = TRAINABLE_PARAMETERS.check
check_train_and_watch = TRAIN_AND_WATCH.check
check_measure_drift = MEASURE_DRIFT.check
check_train_mode = TRAIN_MODE.check
check_drift_experiment = DRIFT_EXPERIMENT.check
