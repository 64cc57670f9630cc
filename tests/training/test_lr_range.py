import math

import numpy as np
import pytest
import torch

from lab_utils.data import MILD
from lab_utils.training import lr_range_test, lr_suggestion, smooth
from lab_utils.transfer import freeze, param_groups
from tests.tiny import LinearNet, TinyNet, assert_same, state_of, tiny_split

LRS = np.geomspace(1e-6, 1, 121)


def range_test(model, split, **settings):
    return lr_range_test(model, split, **{"device": "cpu", "batch_size": 16, "steps": 30} | settings)


def fall(centre, width=1.0):
    """A loss that falls from 1 to 0 around `centre`, steepest there per log-lr."""
    return 1 / (1 + np.exp((np.log(LRS) - np.log(centre)) / width))


@pytest.mark.parametrize("centre", [1e-4, 1e-3, 1e-2])
def test_suggestion_is_the_steepest_fall_per_log_lr(centre):
    assert lr_suggestion(LRS, fall(centre)) == pytest.approx(centre, rel=1e-6)


def test_fall_after_the_lowest_loss_does_not_count():
    losses = fall(1e-3)
    losses[-10:] = [9, 30, 90, 60, 5, 1, 0.5, 0.4, 0.3, 0.2]
    assert lr_suggestion(LRS, losses) == pytest.approx(1e-3, rel=1e-6)


def test_loss_that_never_falls_is_an_error():
    with pytest.raises(ValueError, match="never falls"):
        lr_suggestion(LRS, np.linspace(1, 2, len(LRS)))


@pytest.mark.parametrize(
    ("lrs", "losses"),
    [
        ([1e-3, 1e-2], [1, 0]),
        ([1e-3, 1e-2, 1e-1], [1, 0]),
        ([1e-3, 1e-1, 1e-2], [2, 1, 0]),
        ([0, 1e-2, 1e-1], [2, 1, 0]),
        ([1e-3, 1e-2, 1e-1], [2, 1, math.nan]),
    ],
)
def test_points_that_are_no_range_test_are_refused(lrs, losses):
    with pytest.raises(ValueError, match="expected"):
        lr_suggestion(lrs, losses)


def test_smoothing_by_hand():
    # weights 1, 1/2, 1/4 by distance
    assert smooth([4.0, 0.0, 8.0], 0.5) == pytest.approx([(4 + 2) / 1.75, (2 + 4) / 2, (1 + 8) / 1.75])
    assert smooth([3.0, 1.0, 2.0], 0.0) == pytest.approx([3, 1, 2])
    assert smooth(np.full(50, 0.7)) == pytest.approx(np.full(50, 0.7))


def test_everything_is_left_bit_for_bit_as_it_was():
    model, split = TinyNet(), tiny_split()
    freeze(model, upto="stem")
    model.train()
    model.stem.eval()
    model.head(torch.ones(1, 16)).sum().backward()
    before, grad = state_of(model), model.head.weight.grad.clone()
    modes = [module.training for module in model.modules()]
    tensors = [id(p) for p in model.parameters()]
    numbers = torch.get_rng_state()
    found = range_test(model, split, augment=MILD)
    assert found.losses[0] != found.losses[-1]
    assert_same(state_of(model), before)
    assert torch.equal(model.head.weight.grad, grad)
    assert model.stem[0].weight.grad is None
    assert [module.training for module in model.modules()] == modes
    assert [id(p) for p in model.parameters()] == tensors
    assert [p.requires_grad for p in model.stem.parameters()] == [False] * 3
    assert torch.equal(torch.get_rng_state(), numbers)


def test_learning_rates_rise_by_a_constant_factor_from_lowest_to_highest():
    found = range_test(TinyNet(), tiny_split(), lr_min=1e-7, lr_max=1e-3)
    assert len(found.lrs) == len(found.losses) == len(found.smoothed) == 30
    assert not found.diverged
    assert (found.lrs[0], found.lrs[-1]) == pytest.approx((1e-7, 1e-3))
    assert np.diff(np.log(found.lrs)) == pytest.approx(math.log(1e4) / 29)


def test_suggestion_trains_where_lowest_and_highest_do_not():
    found = range_test(TinyNet(), tiny_split(80), steps=60)
    assert 1e-5 < found.suggestion < 0.5
    assert found.suggestion == lr_suggestion(found.lrs, found.smoothed)


def test_first_loss_is_that_of_the_untrained_network():
    split = tiny_split(16)
    expected = torch.nn.functional.cross_entropy(LinearNet()((split.images / 255 - 0.5) / 0.25), split.labels)
    assert range_test(LinearNet(), split, precision="fp32").losses[0] == pytest.approx(expected.item(), rel=1e-5)


def test_stops_when_the_loss_explodes():
    found = range_test(LinearNet(), tiny_split(), lr_max=1e6, optimizer="sgd")
    assert found.diverged
    assert len(found.lrs) < 30
    assert found.lrs[-1] < 1e5
    assert all(math.isfinite(loss) for loss in found.losses)


def test_groups_keep_their_ratios():
    model, seen = TinyNet(), []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append([group["lr"] for group in self.param_groups])
            return super().step(closure)

    range_test(model, tiny_split(), optimizer=Spy, params=param_groups(model, 5.0, decay=0.5), lr_max=1e-2)
    assert [lrs[-1] for lrs in seen] == pytest.approx(np.geomspace(1e-6, 1e-2, 30))
    assert all(lrs == pytest.approx([lrs[-1] / 4, lrs[-1] / 2, lrs[-1]]) for lrs in seen)


def test_same_seed_gives_the_same_curve():
    curves = [range_test(TinyNet(), tiny_split(), seed=seed, augment=MILD).losses for seed in (1, 1, 2)]
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.parametrize("settings", [{"lr_min": 0}, {"lr_min": 1, "lr_max": 0.1}, {"steps": 2}])
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(ValueError, match="a range test needs"):
        range_test(TinyNet(), tiny_split(), **settings)


def test_network_that_gives_nan_from_the_start_is_an_error():
    model = TinyNet()
    with torch.no_grad():
        model.head.weight.fill_(math.nan)
    with pytest.raises(RuntimeError, match="not finite after 0 steps"):
        range_test(model, tiny_split())
