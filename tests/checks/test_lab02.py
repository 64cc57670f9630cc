import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks.lab02 import (
    DRIFT_EXPERIMENT,
    FREEZE_BACKBONE,
    MEASURE_DRIFT,
    TRAIN_AND_WATCH,
    TRAIN_MODE,
    TRAINABLE_PARAMETERS,
)
from lab_utils.networks import build_model, head, preprocess, stages
from tests.checks.homework4.answers import is_frozen, norms_of_grandchildren, with_norms
from tests.checks.notebook_functions import load_function

LAB = "solutions/02_freezing.ipynb"


def learning(model):
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def test_solutions_do_on_a_real_network_what_they_do_on_the_small_ones():
    exercises = (FREEZE_BACKBONE, TRAIN_MODE, TRAINABLE_PARAMETERS)
    freeze_backbone, train_mode, trainable_parameters = (load_function(LAB, each.name) for each in exercises)
    model = build_model("resnet10_w16", num_classes=5, seed=0)
    freeze_backbone(model)
    assert [id(p) for p in trainable_parameters(model)] == [id(p) for p in head(model).parameters()]
    train_mode(model)
    before = copy.deepcopy(model.state_dict())
    model(torch.rand(6, 1, 32, 32))
    assert all(torch.equal(before[name], after) for name, after in model.state_dict().items())
    assert head(model).training


def test_the_drift_of_a_real_network_in_train_mode_is_found_and_in_train_mode_of_the_lab_there_is_none():
    names = ("freeze_backbone", "train_mode", "measure_drift")
    freeze_backbone, train_mode, measure_drift = (load_function(LAB, name) for name in names)
    for mode, moves in ((nn.Module.train, True), (train_mode, False)):
        model = build_model("resnet10_w16", num_classes=5, seed=0)
        freeze_backbone(model)
        before = copy.deepcopy(model.state_dict())
        mode(model)
        model(torch.rand(6, 1, 32, 32))
        drift = measure_drift(before, model.state_dict())
        assert len(drift) == sum(isinstance(module, _BatchNorm) for module in model.modules())
        assert all((max(pair) > 0) == moves for pair in drift.values())


def test_the_solution_takes_a_batch_norm_without_weight_and_bias():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2)).requires_grad_(False)
    load_function(LAB, "train_mode")(model)
    assert [module.training for module in model] == [True, True, False]


# ---- what students write


def freezes(chosen, then=lambda model: None):
    """Freeze the parameters for which `chosen(name, module)` holds."""

    def student(model):
        for name, parameter in model.named_parameters():
            if chosen(name, model.get_submodule(name.rpartition(".")[0])):
                parameter.requires_grad = False
        then(model)

    return student


def head_learns(model):
    head(model).requires_grad_(True)


def compares_identities(model):
    top = {id(parameter) for parameter in head(model).parameters()}
    for parameter in model.parameters():
        parameter.requires_grad = id(parameter) in top
    return model


asks_each_norm = with_norms(is_frozen)


def sets_every_mode(model):
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        module.training = not (isinstance(module, _BatchNorm) and not any(p.requires_grad for p in own))
    return model


def whole_stages(model):
    model.train()
    for stage in stages(model).values():
        if not any(parameter.requires_grad for parameter in stage.parameters()):
            for module in stage.modules():
                module.eval()


def removes_gradients_after_the_step(model, optimizer, criterion, batches, mode, watch):
    optimizer.zero_grad()
    seen = [watch(model)]
    for i in range(len(batches)):
        mode(model)
        criterion(model(batches[i][0]), batches[i][1]).backward()
        optimizer.step()
        optimizer.zero_grad()
        seen += [watch(model)]
    model.eval()
    return tuple(seen)


def drift_with_numpy(before, after):
    layers = [name[: -len(".running_mean")] for name in before if name.endswith("running_mean")]
    result = {}
    for layer in layers:
        (m0, v0), (m1, v1) = (
            [state[f"{layer}.running_{kind}"].numpy() for kind in ("mean", "var")] for state in (before, after)
        )
        change = np.abs((v1 + 1e-5) / (v0 + 1e-5) - 1)
        result[layer] = [np.median(np.abs(m1 - m0) / np.sqrt(v0 + 1e-5)), np.median(change)]
    return result


def exchanges_heads(build, criterion, batches, images, lr):
    """Trains with loops of its own, tests whole networks, and puts the old head into the drifted one."""
    fixed, drifted = build(), build()
    for model in (fixed, drifted):
        model.requires_grad_(False)
        head(model).requires_grad_(True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
        for x, y in batches:
            model.train()
            if model is fixed:
                for norm in model.modules():
                    if isinstance(norm, _BatchNorm):
                        norm.eval()
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        model.eval()
    x = preprocess(fixed, images)
    with torch.no_grad():
        logits = {"old": None, "drift": drifted(x), "fixed": fixed(x)}
        head(drifted).load_state_dict(head(fixed).state_dict())
        logits["old"] = drifted(x)
    return logits


def backbone(model):
    return [parameter for stage in stages(model).values() for parameter in stage.parameters()]


RIGHT = [
    (FREEZE_BACKBONE, lambda m: [head_learns(m), [p.requires_grad_(False) for p in backbone(m)]]),
    (FREEZE_BACKBONE, compares_identities),
    (TRAIN_MODE, sets_every_mode),
    (TRAIN_MODE, asks_each_norm),
    (TRAINABLE_PARAMETERS, lambda m: list(filter(lambda p: p.requires_grad, m.parameters()))),
    (TRAINABLE_PARAMETERS, lambda m: tuple(p for _, p in m.named_parameters() if p.requires_grad)),
    (TRAIN_AND_WATCH, removes_gradients_after_the_step),
    (MEASURE_DRIFT, drift_with_numpy),
    (DRIFT_EXPERIMENT, exchanges_heads),
]
WRONG_FREEZE = [
    (lambda m: m.requires_grad_(False), "nothing can learn"),
    (freezes(lambda name, part: name.endswith("weight"), head_learns), "A bias is a parameter too"),
    (freezes(lambda name, part: isinstance(part, nn.Conv2d)), "every kind of layer"),
    (freezes(lambda name, part: isinstance(part, nn.Conv2d | nn.Linear), head_learns), "Batch norm has parameters too"),
    (freezes(lambda name, part: isinstance(part, nn.Conv2d | _BatchNorm)), "part of the backbone"),
    (lambda m: [vars(c).update(requires_grad=n == "head") for n, c in m.named_children()], "*module* an attribute"),
    (lambda m: [vars(m).update(requires_grad=False)], "a *module* an attribute"),
    (lambda m: [p.requires_grad_(n.startswith("fc.")) for n, p in m.named_parameters()], "from network to network"),
    (lambda m: [p.requires_grad_(n.startswith("head.")) for n, p in m.named_parameters()], "from network to network"),
    (freezes(lambda name, part: "fc" not in name and "head" not in name), "by the kind or the name"),
    (lambda m: [p.requires_grad_(False) for p in list(m.parameters())[:-2]], "of the classifier is frozen"),
    (lambda m: [m.requires_grad_(False), head(m).weight.requires_grad_(True)], "(`head.bias`). All of its own"),
    (lambda m: compares_identities(copy.deepcopy(m)), "another network"),
    (lambda m: [compares_identities(copy.deepcopy(m))], "a copy with your function"),
    (torch.no_grad()(lambda m: [p.clone() for p in m.parameters()]), "ends with its block"),
    (lambda m: torch.set_grad_enabled(False), "whole program"),
    (lambda m: [m.eval(), head(m).train()], "changes how batch norm and dropout compute"),
    (lambda m: compares_identities(m).eval(), "Modes are another exercise"),
    (lambda m: nn.init.zeros_(head(compares_identities(m)).weight), "values"),
    (lambda m: [p.requires_grad_(False) for p in backbone(m)], "whatever was frozen before"),
    (lambda m: [p.detach() for p in backbone(m)], "nothing is frozen"),
]
WRONG_MODE = [
    (lambda m: m.train(), "In which mode"),
    (lambda m: m.eval().train(), "In which mode"),
    (with_norms(lambda norm: not getattr(norm, "requires_grad", True)), "In which mode"),
    (lambda m: m.eval(), "dropout"),
    (lambda m: [m.eval(), head(m).train()], "dropout"),
    (with_norms(lambda norm: True), "Nothing is frozen"),
    (with_norms(is_frozen, lambda norm: vars(norm).update(momentum=0.0)), "depend on the other images"),
    (with_norms(is_frozen, lambda norm: vars(norm).update(track_running_stats=False)), "depend on the other images"),
    (with_norms(is_frozen, lambda norm: vars(norm.eval()).update(momentum=0.0)), "Do not change `momentum`"),
    (norms_of_grandchildren, "deep inside"),
    (with_norms(is_frozen, first=lambda model: None), "in which mode the network came"),
    (lambda m: asks_each_norm(m) if m.training else m.train(), "comes in eval mode"),
    (lambda m: [asks_each_norm(m), m.train()], "In which mode"),
    (lambda m: m.train() if any(p.requires_grad for p in backbone(m)) else asks_each_norm(m), "Only the `stem`"),
    (whole_stages, "batch norm itself"),
    (lambda m: [[p.requires_grad_(False) for p in backbone(m)], asks_each_norm(m)], "has changed `requires_grad`"),
    (with_norms(is_frozen, lambda norm: norm.running_mean.fill_(0.5), first=sets_every_mode), "values"),
    (lambda m: nn.init.zeros_(head(sets_every_mode(m)).weight), "values"),
    (lambda m: sets_every_mode(copy.deepcopy(m)), "another network"),
]
WRONG_LIST = [
    (lambda m: list(m.parameters()), "are frozen"),
    (lambda m: list(head(m).parameters()), "can learn is missing"),
    (
        lambda m: [p for name, p in m.named_parameters() if p.requires_grad and "weight" in name],
        "missing (`head.bias`)",
    ),
    (lambda m: [head(m).weight], "missing (`head.bias`)"),
    (lambda m: iter(learning(m)), "only once"),
    (lambda m: (p for p in learning(m)), "only once"),
    (lambda m: filter(lambda p: p.requires_grad, m.parameters()), "only once"),
    (lambda m: [name for name, p in m.named_parameters() if p.requires_grad], "a str. Names"),
    (lambda m: [(name, p) for name, p in m.named_parameters() if p.requires_grad], "a tuple. Names"),
    (lambda m: {name: p for name, p in m.named_parameters() if p.requires_grad}, "got a dict"),
    (lambda m: [{"params": learning(m)}], "got a list of dicts"),
    (lambda m: [p.detach().clone() for p in learning(m)], "copies"),
    (lambda m: [p.data for p in learning(m)], "copies"),
    (lambda m: [p for module in m.modules() for p in module.parameters() if p.requires_grad], "twice"),
    (lambda m: [p for _, p in m.named_parameters(remove_duplicate=False) if p.requires_grad], "twice"),
    (lambda m: sorted(learning(m), key=lambda p: not any(p is q for q in head(m).parameters())), "another order"),
    (lambda m: learning(m)[::-1], "another order"),
    (lambda m: [p for p in m.parameters() if not p.requires_grad], "are frozen"),
    (lambda m: [module for module in m.modules() if any(p.requires_grad for p in module.parameters())], "holds more"),
    (lambda m: sum(p.numel() for p in learning(m)), "got a int"),
]
WRONG = [
    *((FREEZE_BACKBONE, *each) for each in WRONG_FREEZE),
    *((TRAIN_MODE, *each) for each in WRONG_MODE),
    *((TRAINABLE_PARAMETERS, *each) for each in WRONG_LIST),
]


@pytest.mark.parametrize(("exercise", "student"), RIGHT)
def test_other_right_ways_pass(exercise, student):
    found = exercise.examine(student)
    assert found.status == "correct", found.hint


@pytest.mark.parametrize(("exercise", "student", "words"), WRONG)
def test_a_wrong_answer_gets_the_hint_that_fits(exercise, student, words):
    found = exercise.examine(student)
    assert found.status == "incorrect"
    assert words in found.hint
    assert torch.is_grad_enabled()
