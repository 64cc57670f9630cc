import copy

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab_utils.checks import lab02
from lab_utils.checks.lab02_networks import batch_norms, changed, copy_of_state, images, with_classifier, with_head
from lab_utils.networks import build_model, head, stages
from tests.checks.notebook_functions import load_function

LAB = "02_freezing.ipynb"
EXERCISES = ("freeze_backbone", "train_mode", "trainable_parameters")


@pytest.mark.parametrize("name", EXERCISES)
def test_the_kit_hands_over_its_own_version(name, capsys):
    assert getattr(lab02, f"check_{name}")(None) is getattr(lab02, name)
    assert "THE LAB GOES ON WITH THE KIT'S OWN" in capsys.readouterr().out


def test_solutions_do_on_a_real_network_what_they_do_on_the_small_ones():
    freeze_backbone, train_mode, trainable_parameters = (load_function(f"solutions/{LAB}", name) for name in EXERCISES)
    model = build_model("resnet10_w16", num_classes=5, seed=0)
    freeze_backbone(model)
    assert [id(p) for p in trainable_parameters(model)] == [id(p) for p in head(model).parameters()]
    train_mode(model)
    before = copy_of_state(model)
    model(images())
    assert not changed(before, model)
    assert head(model).training


def test_the_solution_takes_a_batch_norm_without_weight_and_bias():
    train_mode = load_function(f"solutions/{LAB}", "train_mode")
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2)).requires_grad_(False)
    train_mode(model)
    assert [module.training for module in model] == [True, True, False]


def test_the_small_networks_hold_traps_that_can_be_told_apart():
    model = with_head()
    assert len(batch_norms(model)) == 3
    before = copy_of_state(model)
    model.train()(images())
    assert {name.rpartition(".")[2] for name in changed(before, model)} == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    model.eval()
    alone, together = model.features(images()[:2]), model.features(images())[:2]
    assert torch.allclose(alone, together, atol=1e-6)
    assert list(stages(with_classifier())) == ["stem", "body"]


# ---- freeze_backbone: other right answers


def loop_over_stages(model):
    for stage in stages(model).values():
        for parameter in stage.parameters():
            parameter.requires_grad_(False)
    for parameter in head(model).parameters():
        parameter.requires_grad = True


def compares_identities(model):
    top = {id(parameter) for parameter in head(model).parameters()}
    for parameter in model.parameters():
        parameter.requires_grad = id(parameter) in top
    return model


@pytest.mark.parametrize("student", [loop_over_stages, compares_identities])
def test_other_right_ways_to_freeze_pass(student, outcome_of):
    result = outcome_of(lab02.check_freeze_backbone, student)
    assert result.status == "correct", result.hint


# ---- freeze_backbone: wrong answers


def freezes_all(model):
    for parameter in model.parameters():
        parameter.requires_grad = False


def only_weights(model):
    for name, parameter in model.named_parameters():
        if name.endswith("weight"):
            parameter.requires_grad = False
    head(model).requires_grad_(True)


def only_convolutions(model):
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.requires_grad_(False)


def all_but_batch_norm(model):
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.requires_grad_(False)
    head(model).requires_grad_(True)


def all_but_linear(model):
    for module in model.modules():
        if isinstance(module, nn.Conv2d | _BatchNorm):
            module.requires_grad_(False)


def attribute_of_the_module(model):
    for name, child in model.named_children():
        child.requires_grad = name == "head"


def attribute_of_the_network(model):
    model.requires_grad = False
    head(model).requires_grad = True


def by_the_name_fc(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("fc.")


def by_the_name_head(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name.startswith("head.")


def fc_anywhere_in_the_name(model):
    for name, parameter in model.named_parameters():
        if "fc" not in name and "head" not in name:
            parameter.requires_grad = False


def last_two(model):
    for parameter in list(model.parameters())[:-2]:
        parameter.requires_grad = False


def weight_of_the_head_only(model):
    model.requires_grad_(False)
    head(model).weight.requires_grad = True


def returns_a_copy(model):
    model = copy.deepcopy(model)
    compares_identities(model)
    return model


def renames_the_variable(model):
    model = copy.deepcopy(model)
    compares_identities(model)


def with_no_grad(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.clone()


def gradients_off_for_ever(model):
    torch.set_grad_enabled(False)


def eval_only(model):
    model.eval()
    head(model).train()


def freezes_and_eval(model):
    compares_identities(model)
    model.eval()


def new_head(model):
    compares_identities(model)
    nn.init.zeros_(head(model).weight)


def never_unfreezes(model):
    for stage in stages(model).values():
        for parameter in stage.parameters():
            parameter.requires_grad = False


def detaches(model):
    for stage in stages(model).values():
        for parameter in stage.parameters():
            parameter.detach()


WRONG_FREEZE = [
    (freezes_all, "nothing can learn"),
    (only_weights, "A bias is a parameter too"),
    (only_convolutions, "every kind of layer"),
    (all_but_batch_norm, "Batch norm has parameters too"),
    (all_but_linear, "part of the backbone"),
    (attribute_of_the_module, "gave a *module* an attribute"),
    (attribute_of_the_network, "gave a *module* an attribute"),
    (by_the_name_fc, "differs from network to network"),
    (by_the_name_head, "differs from network to network"),
    (fc_anywhere_in_the_name, "by the kind or the name"),
    (last_two, "of the classifier"),
    (weight_of_the_head_only, "keeps all of its own"),
    (returns_a_copy, "another network"),
    (renames_the_variable, "nothing is frozen"),
    (with_no_grad, "ends with its block"),
    (gradients_off_for_ever, "whole program"),
    (eval_only, "changes how batch norm and dropout compute"),
    (freezes_and_eval, "Modes are the next exercise"),
    (new_head, "values"),
    (never_unfreezes, "whatever was frozen before"),
    (detaches, "nothing is frozen"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_FREEZE)
def test_a_wrong_freeze_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab02.check_freeze_backbone, student)
    assert result.status == "incorrect"
    assert word in result.hint
    assert torch.is_grad_enabled()


# ---- train_mode: other right answers


def sets_every_mode(model):
    for module in model.modules():
        own = list(module.parameters(recurse=False))
        frozen = isinstance(module, _BatchNorm) and not any(p.requires_grad for p in own)
        module.training = not frozen
    return model


def asks_the_bias(model):
    model.train()
    for module in model.modules():
        if "BatchNorm" in type(module).__name__ and not module.bias.requires_grad:
            module.train(False)


@pytest.mark.parametrize("student", [sets_every_mode, asks_the_bias])
def test_other_right_train_modes_pass(student, outcome_of):
    result = outcome_of(lab02.check_train_mode, student)
    assert result.status == "correct", result.hint


# ---- train_mode: wrong answers


def train_only(model):
    model.train()


def head_and_backbone_train(model):
    model.eval()
    model.train()


def eval_everything(model):
    model.eval()


def only_the_head_trains(model):
    model.eval()
    head(model).train()


def every_batch_norm_in_eval(model):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def momentum_zero(model):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.momentum = 0.0


def no_tracking(model):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.track_running_stats = False


def eval_with_momentum_zero(model):
    sets_every_mode(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.momentum = 0.0


def children_only(model):
    model.train()
    for child in model.children():
        for module in child.children():
            if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
                module.eval()


def never_calls_train(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def only_if_already_training(model):
    if model.training:
        sets_every_mode(model)
    else:
        model.train()


def train_last(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()
    model.train()


def if_the_whole_backbone_is_frozen(model):
    model.train()
    if not any(p.requires_grad for s in stages(model).values() for p in s.parameters()):
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()


def by_stage(model):
    model.train()
    for stage in stages(model).values():
        if not any(parameter.requires_grad for parameter in stage.parameters()):
            for module in stage.modules():
                module.eval()


def freezes_too(model):
    for stage in stages(model).values():
        for parameter in stage.parameters():
            parameter.requires_grad = False
    sets_every_mode(model)


def resets_the_statistics(model):
    sets_every_mode(model)
    for module in batch_norms(model).values():
        module.reset_running_stats()
        module.running_mean.fill_(0.5)


def looks_at_requires_grad_of_the_module(model):
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and not getattr(module, "requires_grad", True):
            module.eval()


WRONG_MODE = [
    (train_only, "In which mode"),
    (head_and_backbone_train, "In which mode"),
    (looks_at_requires_grad_of_the_module, "In which mode"),
    (eval_everything, "dropout"),
    (only_the_head_trains, "dropout"),
    (every_batch_norm_in_eval, "Nothing is frozen"),
    (momentum_zero, "depend on the other images"),
    (no_tracking, "depend on the other images"),
    (eval_with_momentum_zero, "Do not change `momentum`"),
    (children_only, "deep inside"),
    (never_calls_train, "evaluation mode"),
    (only_if_already_training, "whatever the mode was before"),
    (train_last, "In which mode"),
    (if_the_whole_backbone_is_frozen, "Only the `stem`"),
    (by_stage, "batch norm itself"),
    (freezes_too, "evaluation mode"),
    (resets_the_statistics, "values"),
    (returns_a_copy, "another network"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_MODE)
def test_a_wrong_mode_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab02.check_train_mode, student)
    assert result.status == "incorrect"
    assert word in result.hint


# ---- trainable_parameters: other right answers


def by_filter(model):
    return list(filter(lambda parameter: parameter.requires_grad, model.parameters()))


def as_a_tuple(model):
    return tuple(parameter for _, parameter in model.named_parameters() if parameter.requires_grad)


@pytest.mark.parametrize("student", [by_filter, as_a_tuple])
def test_other_right_lists_pass(student, outcome_of):
    result = outcome_of(lab02.check_trainable_parameters, student)
    assert result.status == "correct", result.hint


# ---- trainable_parameters: wrong answers


def all_of_them(model):
    return list(model.parameters())


def only_the_head(model):
    return list(head(model).parameters())


def weights_only(model):
    return [p for name, p in model.named_parameters() if p.requires_grad and name.endswith("weight")]


def weight_of_the_head(model):
    return [head(model).weight]


def generator(model):
    return (parameter for parameter in model.parameters() if parameter.requires_grad)


def filter_object(model):
    return filter(lambda parameter: parameter.requires_grad, model.parameters())


def names(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def pairs(model):
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def dictionary(model):
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def copies(model):
    return [parameter.detach().clone() for parameter in model.parameters() if parameter.requires_grad]


def data_of_them(model):
    return [parameter.data for parameter in model.parameters() if parameter.requires_grad]


def of_every_module(model):
    return [parameter for module in model.modules() for parameter in module.parameters() if parameter.requires_grad]


def twice_if_shared(model):
    return [p for _, p in model.named_parameters(remove_duplicate=False) if p.requires_grad]


def head_first(model):
    return sorted(by_filter(model), key=lambda p: not any(p is q for q in head(model).parameters()))


def backwards(model):
    return by_filter(model)[::-1]


def frozen_ones(model):
    return [parameter for parameter in model.parameters() if not parameter.requires_grad]


def modules(model):
    return [module for module in model.modules() if any(p.requires_grad for p in module.parameters())]


def a_number(model):
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


WRONG_LIST = [
    (all_of_them, "frozen. Which attribute"),
    (only_the_head, "can learn, but your list lacks it"),
    (weights_only, "head.bias"),
    (weight_of_the_head, "head.bias"),
    (generator, "only once"),
    (filter_object, "only once"),
    (names, "names"),
    (pairs, "names"),
    (dictionary, "got a dict"),
    (copies, "copy"),
    (data_of_them, "copy"),
    (of_every_module, "twice"),
    (twice_if_shared, "twice"),
    (head_first, "another order"),
    (backwards, "another order"),
    (frozen_ones, "frozen. Which attribute"),
    (modules, "holds a"),
    (a_number, "got a int"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_LIST)
def test_a_wrong_list_gets_the_hint_that_fits(student, word, outcome_of):
    result = outcome_of(lab02.check_trainable_parameters, student)
    assert result.status == "incorrect"
    assert word in result.hint
