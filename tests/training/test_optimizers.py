import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from lab_utils.training.optimizers import SCHEDULES, Schedule, lr_factor, make_optimizer, parameter_groups
from lab_utils.transfer import freeze, param_groups
from tests.tiny import TinyNet


def sgd(lr=0.1):
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)


def factors(name, total, warmup=0):
    return [lr_factor(name, step, total=total, warmup=warmup) for step in range(total)]


def torch_lrs(make, total):
    optimizer = sgd(lr=1.0)
    scheduler = make(optimizer)
    lrs = []
    for _ in range(total):
        lrs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return lrs


@pytest.mark.parametrize("total", [2, 4, 10, 100, 101])
def test_cosine_agrees_with_torch(total):
    expected = torch_lrs(lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, T_max=total), total)
    assert factors("cosine", total) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("total", [4, 10, 37, 100])
def test_one_cycle_agrees_with_torch(total):
    def make(optimizer):
        return lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, cycle_momentum=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch complains of the order at its very last step
        expected = torch_lrs(make, total - 1)
    assert factors("one_cycle", total)[:-1] == pytest.approx(expected, abs=1e-9)
    assert factors("one_cycle", total)[-1] == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("patience", [1, 3, 10])
def test_plateau_agrees_with_torch(patience):
    # Bad epochs that torch lets pass are one fewer than the epochs after which the rate falls.
    rng = torch.Generator().manual_seed(0)
    losses = [1 / (1 + epoch) for epoch in range(5)] + (0.2 + torch.rand(60, generator=rng)).tolist()
    losses[40] = 0.01
    optimizer = sgd()
    theirs = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=patience - 1, eps=0)
    ours = Schedule(sgd(), "plateau", total=1000, patience=patience)
    for step, loss in enumerate(losses):
        theirs.step(loss)
        ours.end_epoch(loss)
        assert ours.set(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
    assert ours.drop < 1


def test_plateau_divides_by_ten_after_ten_epochs_without_a_fall():
    schedule = Schedule(sgd(lr=0.1), "plateau", total=1000)
    schedule.end_epoch(1.0)
    for _ in range(9):
        schedule.end_epoch(1.0)
    assert schedule.set(0) == pytest.approx(0.1)
    schedule.end_epoch(1.0)
    assert schedule.set(0) == pytest.approx(0.01)


def test_plateau_state_survives_saving():
    schedule = Schedule(sgd(), "plateau", total=1000, patience=3)
    for loss in (1.0, 1.0, 1.0):
        schedule.end_epoch(loss)
    other = Schedule(sgd(), "plateau", total=1000, patience=3)
    other.load_state_dict(schedule.state_dict())
    other.end_epoch(1.0)
    assert other.set(0) == pytest.approx(0.01)


@pytest.mark.parametrize("name", ["constant", "cosine", "plateau"])
def test_warmup_rises_in_a_line_and_then_the_schedule_begins(name):
    assert factors(name, 20, warmup=5)[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors(name, 20, warmup=5)[5:] == pytest.approx(factors(name, 15))


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_keeps_the_ratios_of_the_groups(name):
    model = TinyNet()
    optimizer = make_optimizer(
        "adamw", parameter_groups(model, param_groups(model, 0.1, decay=0.5), lr=9, weight_decay=0)
    )
    schedule = Schedule(optimizer, name, total=30, warmup=0 if name == "one_cycle" else 4)
    for step in range(30):
        assert schedule.set(step) == optimizer.param_groups[-1]["lr"]
        schedule.end_epoch(1.0)
        stem, layer1, head = (group["lr"] for group in optimizer.param_groups)
        assert layer1 / head == pytest.approx(0.5)
        assert stem / head == pytest.approx(0.25)


@pytest.mark.parametrize(("name", "warmup"), [("constant", 10), ("cosine", 11), ("constant", -1), ("one_cycle", 2)])
def test_warmup_that_does_not_fit_is_refused(name, warmup):
    with pytest.raises(ValueError, match="warmup must be shorter"):
        Schedule(sgd(), name, total=10, warmup=warmup)


def test_frozen_parameters_never_reach_the_optimizer():
    model = TinyNet()
    freeze(model, upto="stem")
    stem = {id(p) for p in model.stem.parameters()}
    for params in (None, model.parameters(), [{"params": model.parameters()}]):
        groups = parameter_groups(model, params, lr=0.1, weight_decay=0)
        chosen = {id(p) for group in groups for p in group["params"]}
        assert chosen == {id(p) for p in model.parameters()} - stem


def test_nothing_trainable_is_an_error_that_says_so():
    model = TinyNet().requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        parameter_groups(model, None, lr=0.1, weight_decay=0)
    with pytest.raises(ValueError, match="nothing to train"):
        parameter_groups(model, [], lr=0.1, weight_decay=0)


def test_parameters_of_another_network_are_refused():
    with pytest.raises(ValueError, match="not in this network"):
        parameter_groups(TinyNet(), param_groups(TinyNet(), 0.1), lr=0.1, weight_decay=0)


@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf")])
def test_learning_rate_must_be_positive(lr):
    with pytest.raises(ValueError, match="positive number"):
        parameter_groups(TinyNet(), None, lr=lr, weight_decay=0)


def test_names_make_the_optimizers_they_say():
    groups = parameter_groups(TinyNet(), None, lr=0.1, weight_decay=0.01)
    made = {name: make_optimizer(name, groups) for name in ("adam", "adamw", "sgd")}
    assert [type(optimizer) for optimizer in made.values()] == [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD]
    assert made["sgd"].defaults["nesterov"]
    assert made["sgd"].defaults["momentum"] == 0.9
    for optimizer in made.values():
        assert (optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["weight_decay"]) == (0.1, 0.01)


def test_own_optimizer_gets_groups_with_lr_and_weight_decay():
    groups = parameter_groups(TinyNet(), None, lr=0.1, weight_decay=0.01)
    optimizer = make_optimizer(partial(torch.optim.RMSprop, alpha=0.5), groups)
    assert isinstance(optimizer, torch.optim.RMSprop)
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert optimizer.param_groups[0]["alpha"] == 0.5
