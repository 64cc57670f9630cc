"""The cases of lab 2, exercise 1: freeze a backbone."""

import torch
from torch import nn

from lab_utils.checks.lab02_networks import (
    InPlace,
    Network,
    call_in_place,
    changed,
    copy_of_state,
    listed,
    trainable_names,
    with_classifier,
    with_fc,
    with_head,
)
from lab_utils.checks.outcome import Wrong


def _backbone_frozen(student: InPlace) -> None:
    model = with_head()
    call_in_place(student, model)
    _explain_what_is_trainable(model, "head")


def _any_classifier(student: InPlace) -> None:
    for model in (with_fc(), with_classifier()):
        call_in_place(student, model)
        _explain_what_is_trainable(model, model.classifier_name)


def _whatever_was_before(student: InPlace) -> None:
    model = with_head()
    model.requires_grad_(False)
    call_in_place(student, model)
    if not trainable_names(model):
        raise Wrong(
            "This network came with every parameter frozen, and left with every parameter frozen. "
            "The head must be trainable afterwards, whatever was frozen before."
        )
    _explain_what_is_trainable(model, "head")


def _nothing_else_changed(student: InPlace) -> None:
    for training in (True, False):
        model = with_classifier().train(training)
        before = copy_of_state(model)
        call_in_place(student, model)
        if any(module.training is not training for module in model.modules()):
            raise Wrong(
                f"The network came with training = {training}; afterwards some of its layers have "
                f"{not training}. Modes are the next exercise. Here only `requires_grad` should change."
            )
        if names_changed := changed(before, model):
            raise Wrong(f"The values of {names_changed[0]} have changed. Freezing keeps all values as they are.")


def _explain_what_is_trainable(model: Network, classifier: str) -> None:
    """Raise the hint that fits, unless exactly the classifier is trainable."""
    names = trainable_names(model)
    own = [name for name in names if name.startswith(f"{classifier}.")]
    missing = [n for n, _ in model.named_parameters() if n.startswith(f"{classifier}.") and n not in own]
    others = [name for name in names if name not in own]
    everything = [name for name, _ in model.named_parameters()]
    if names == everything:
        raise Wrong(_why_nothing_is_frozen(model))
    if not names:
        raise Wrong(
            f"Every parameter is frozen, also those of the classifier, here called `{classifier}`: nothing can learn. "
            "The name of the classifier differs from network to network. `head(model)` finds it in all of them."
        )
    if missing:
        raise Wrong(f"{listed(missing)} of the classifier `{classifier}` cannot learn. The head keeps all of its own.")
    if others:
        raise Wrong(f"Still trainable outside the classifier `{classifier}`: {listed(others)}. {_about(others, model)}")


def _why_nothing_is_frozen(model: nn.Module) -> str:
    start = "Afterwards every parameter still has requires_grad = True: nothing is frozen. "
    if any("requires_grad" in vars(module) for module in model.modules()):
        return start + (
            "You gave a *module* an attribute `requires_grad`. Python allows it, PyTorch does not look at it. "
            "Parameters have this attribute; modules have a method with an underscore at the end."
        )
    if not torch.is_grad_enabled():
        return start + (
            "You switched gradients off for the whole program, so the head could not learn either. "
            "Freeze parameters, not the program."
        )
    if any(not module.training for module in model.modules()):
        return start + "`eval()` changes how batch norm and dropout compute. The optimizer still changes the weights."
    return start + "`torch.no_grad()` ends with its block. Which attribute of a parameter lasts?"


def _about(names: list[str], model: nn.Module) -> str:
    kinds = {type(model.get_submodule(name.rpartition(".")[0])).__name__ for name in names}
    if kinds == {"BatchNorm2d"}:
        return "Batch norm has parameters too, a weight and a bias for each channel."
    if all(name.endswith(".bias") for name in names):
        return "A bias is a parameter too."
    if kinds == {"Linear"}:
        return "A linear layer can be part of the backbone: do not choose by the kind or the name of a layer."
    return "Freeze all parameters of the backbone, of every kind of layer."


CASES = (_backbone_frozen, _any_classifier, _whatever_was_before, _nothing_else_changed)
