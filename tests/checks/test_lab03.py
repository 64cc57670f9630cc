import numpy as np
import pytest
import torch
from torch import nn

from lab_utils.checks import lab03
from lab_utils.networks import head, stages
from lab_utils.training import fit, smooth
from lab_utils.training import lr_suggestion as lr_suggestion_of_smoothed
from lab_utils.transfer import freeze, unfreeze


def assert_rejected(result, word):
    assert result.status == "incorrect"
    assert word in result.hint + result.line, result.hint


# ---- lr_suggestion


def finite(lrs, losses):
    stop = len(losses) if np.isfinite(losses).all() else int(np.argmin(np.isfinite(losses)))
    return lrs[:stop], losses[:stop]


def before_lowest(lrs, losses, slope):
    return lrs[: len(slope)][np.argmin(slope[: np.argmin(losses) + 1])]


def moving_average(lrs, losses):
    lrs, losses = finite(lrs, losses)
    width = 7
    padded = np.pad(losses, width, mode="edge")
    average = np.convolve(np.convolve(padded, np.ones(width) / width, "same"), np.ones(width) / width, "same")
    average = average[width:-width]
    return before_lowest(lrs, average, np.diff(average))


def loop(lrs, losses):
    lrs, losses = finite(lrs, losses)
    y = smooth(losses)
    best, steepest = 0, 0.0
    for i in range(1, int(np.argmin(y))):
        slope = (y[i + 1] - y[i - 1]) / (np.log10(lrs[i + 1]) - np.log10(lrs[i - 1]))
        if slope < steepest:
            best, steepest = i, slope
    return lrs[best]


@pytest.mark.parametrize("student", [moving_average, loop])
def test_other_right_suggestions_pass(student, outcome_of):
    result = outcome_of(lab03.check_lr_suggestion, student)
    assert result.status == "correct", result.hint


def at_the_lowest_loss(lrs, losses):
    lrs, losses = finite(lrs, losses)
    return float(lrs[np.argmin(smooth(losses))])


def at_the_lowest_raw_loss(lrs, losses):
    return float(lrs[np.nanargmin(losses)])


def at_the_end(lrs, losses):
    return float(lrs[-1])


def per_lr(lrs, losses):
    lrs, losses = finite(lrs, losses)
    y = smooth(losses)
    return before_lowest(lrs, y, np.gradient(y, lrs))


def position(lrs, losses):
    lrs, losses = finite(lrs, losses)
    y = smooth(losses)
    return int(np.argmin(np.gradient(y, np.log(lrs))[: np.argmin(y) + 1]))


def logarithm(lrs, losses):
    return np.log10(lab03.lr_suggestion(lrs, losses))


def steepest_rise(lrs, losses):
    lrs, losses = finite(lrs, losses)
    return float(lrs[np.argmax(np.gradient(smooth(losses), np.log(lrs)))])


def not_smoothed(lrs, losses):
    lrs, losses = finite(lrs, losses)
    return before_lowest(lrs, smooth(losses), np.gradient(losses, np.log(lrs)))


def keeps_the_way_back(lrs, losses):
    lrs, losses = finite(lrs, losses)
    return float(lrs[np.argmin(np.gradient(smooth(losses), np.log(lrs)))])


def smooths_nan(lrs, losses):
    y = smooth(losses)
    return before_lowest(lrs, y, np.gradient(y, np.log(lrs)))


def keeps_what_follows_inf(lrs, losses):
    good = np.isfinite(losses)
    y = smooth(losses[good])
    return before_lowest(lrs[good], y, np.gradient(y, np.log(lrs[good])))


def tenth_of_the_lowest(lrs, losses):
    return at_the_lowest_loss(lrs, losses) / 10


def in_between(lrs, losses):
    return lab03.lr_suggestion(lrs, losses) * 1.05


def all_rates(lrs, losses):
    lrs, losses = finite(lrs, losses)
    return lrs[np.gradient(smooth(losses), np.log(lrs)) < 0]


WRONG_SUGGESTIONS = [
    (at_the_lowest_loss, "There the loss is lowest"),
    (at_the_lowest_raw_loss, "There the loss is lowest"),
    (at_the_end, "end of the range"),
    (per_lr, "per learning rate"),
    (position, "position"),
    (logarithm, "positive number"),
    (steepest_rise, "rises fastest"),
    (not_smoothed, "neighbouring batches"),
    (keeps_the_way_back, "turned up"),
    (smooths_nan, "before or after smoothing"),
    (keeps_what_follows_inf, "inf"),
    (tenth_of_the_lowest, "expected about"),
    (in_between, "none of the"),
    (all_rates, "one number"),
]


@pytest.mark.filterwarnings("ignore:invalid value", "ignore:All-NaN")
@pytest.mark.parametrize(("student", "word"), WRONG_SUGGESTIONS)
def test_a_wrong_suggestion_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab03.check_lr_suggestion, student), word)


def test_the_kits_suggestion_is_that_of_the_range_test_and_answers_where_nothing_falls():
    lrs = np.geomspace(1e-5, 1.0, 50)
    losses = 0.7 - 0.3 / (1 + np.exp(-np.log(lrs / 1e-3))) + 0.01 * np.random.default_rng(0).normal(size=50)
    assert lab03.lr_suggestion(lrs, losses) == lr_suggestion_of_smoothed(lrs, smooth(losses))
    assert lab03.lr_suggestion(lrs, np.linspace(0.5, 2.0, 50)) == lrs[0]


# ---- adapt_conv1


def by_einsum(weight):
    return torch.einsum("ochw->ohw", weight)[:, None]


def by_colour(weight):
    red, green, blue = weight.detach().unbind(1)
    return (red + green + blue).unsqueeze(1)


@pytest.mark.parametrize("student", [by_einsum, by_colour])
def test_other_right_filters_pass(student, outcome_of):
    result = outcome_of(lab03.check_adapt_conv1, student)
    assert result.status == "correct", result.hint


def changes_the_network(weight):
    total = weight.detach().sum(dim=1, keepdim=True)
    weight.data[:, 0] += weight.data[:, 1] + weight.data[:, 2]
    return total


def new_layer(weight):
    return nn.Conv2d(1, len(weight), weight.shape[-1])


WRONG_FILTERS = [
    (lambda weight: weight.mean(dim=1, keepdim=True), "three times too small"),
    (lambda weight: weight[:, :1], "red"),
    (lambda weight: weight[:, 1:2], "green"),
    (lambda weight: weight.sum(dim=1), "axis of channels"),
    (lambda weight: weight.sum(dim=0, keepdim=True), "joined the filters"),
    (lambda weight: torch.randn(len(weight), 1, *weight.shape[2:]) / 10, "nothing in common"),
    (lambda weight: torch.zeros_like(weight[:, :1]), "nothing in common"),
    (lambda weight: (weight * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True), "colour"),
    (lambda weight: weight.sum(dim=1, keepdim=True) / 3**0.5, "rescaled"),
    (lambda weight: weight.sum(dim=1, keepdim=True).float(), "Keep the type"),
    (lambda weight: weight.sum(dim=1, keepdim=True).detach().numpy(), "Expected a tensor"),
    (lambda weight: weight.sum(dim=1).view(6, 1, 5, 5), "stopped with RuntimeError"),
    (lambda weight: weight, "only the colours go"),
    (new_layer, "not a layer"),
    (changes_the_network, "have changed"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_FILTERS)
def test_wrong_filters_get_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab03.check_adapt_conv1, student), word)


# ---- param_groups


def made_by(rate, keep=lambda name, p: p.requires_grad, count=1):
    """A student's function: `rate(lr, decay, k, total)` at k places below the head."""

    def student(model, lr, decay):
        places = [*stages(model).values(), head(model)]
        groups = []
        for place, part in enumerate(places):
            k = len(places) - 1 - place
            chosen = [p for name, p in part.named_parameters() if keep(name, p)]
            if chosen:
                groups += [{"params": chosen, "lr": rate(lr, decay, k, len(places))}] * count
        return groups

    return student


def by_power(lr, decay, k, total):
    return lr * decay**k


def one_group_each(model, lr, decay):
    groups = [{"params": head(model).parameters(), "lr": lr, "weight_decay": 0.0}]
    for stage in reversed(list(stages(model).values())):
        lr = lr * decay
        groups += [{"params": [p], "lr": lr} for p in stage.parameters() if p.requires_grad]
    return groups


def test_other_right_groups_pass(outcome_of):
    result = outcome_of(lab03.check_param_groups, one_group_each)
    assert result.status == "correct", result.hint


def without_head(model, lr, decay):
    return [
        {"params": list(stage.parameters()), "lr": lr * decay ** (k + 1)}
        for k, stage in enumerate(reversed(list(stages(model).values())))
    ]


def copies(model, lr, decay):
    return [{"params": [p.detach().clone() for p in model.parameters()], "lr": lr}]


def empty_groups(model, lr, decay):
    groups = made_by(by_power)(model, lr, decay)
    return [*groups, {"params": [], "lr": lr}]


def knows_one_network(model, lr, decay):
    names = ("head", "layer4", "layer3", "layer2", "layer1", "stem")
    groups = []
    for k, name in enumerate(names):
        chosen = [p for p in getattr(model, name).parameters() if p.requires_grad]
        groups += [{"params": chosen, "lr": lr * decay**k}] if chosen else []
    return groups


def whole_model_too(model, lr, decay):
    return [*made_by(by_power)(model, lr, decay), {"params": list(model.parameters()), "lr": lr}]


WRONG_GROUPS = [
    (made_by(lambda lr, decay, k, total: lr * decay ** (total - 1 - k)), "From which end"),
    (made_by(lambda lr, decay, k, total: lr / decay**k), "the rate grows"),
    (made_by(lambda lr, decay, k, total: lr * decay ** (k + 1)), "power of 0"),
    (made_by(lambda lr, decay, k, total: lr * decay ** max(k - 1, 0)), "one place below the head"),
    (made_by(lambda lr, decay, k, total: lr * decay ** min(k, 1)), "same rate"),
    (made_by(lambda lr, decay, k, total: lr * (1 - k / total)), "places from the head downwards"),
    (made_by(lambda lr, decay, k, total: lr * decay**k, keep=lambda name, p: True), "is frozen"),
    (made_by(by_power, keep=lambda name, p: "weight" in name), "biases"),
    (made_by(by_power, keep=lambda name, p: p.ndim > 1), "batch norm has parameters"),
    (made_by(by_power, count=2), "in two places"),
    (whole_model_too, "in two places"),
    (without_head, "head that is missing"),
    (copies, "no parameter of the model"),
    (empty_groups, "has no parameters"),
    (knows_one_network, "AttributeError"),
    (lambda model, lr, decay: torch.optim.SGD(model.parameters(), lr=lr), "Expected a list of dicts"),
    (lambda model, lr, decay: [{"params": list(model.named_parameters()), "lr": lr}], "without their names"),
    (lambda model, lr, decay: [{"params": list(model.parameters())}], "'lr'"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_GROUPS)
def test_wrong_groups_get_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab03.check_param_groups, student), word)


# ---- fine_tune


def groups_of(model, lr, decay):
    return lab03.param_groups(model, lr, decay)


def keywords_in_another_order(model, train, val, head_steps, steps, lr, decay, **settings):
    for stage in stages(model).values():
        for p in stage.parameters():
            p.requires_grad = False
    first = fit(model, train, val, lr=lr, params=head(model).parameters(), steps=head_steps, **settings)
    model.requires_grad_(True)
    return first.then(fit(model, train, val, params=groups_of(model, lr, decay), steps=steps, **settings))


def test_other_right_fine_tuning_passes(outcome_of):
    result = outcome_of(lab03.check_fine_tune, keywords_in_another_order)
    assert result.status == "correct", result.hint


def never_unfreezes(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    return first.then(fit(model, train, val, steps=steps, lr=lr, **settings))


def freezes_the_head_too(model, train, val, head_steps, steps, lr, decay, **settings):
    model.requires_grad_(False)
    return fit(model, train, val, steps=head_steps, lr=lr, **settings)


def head_part_only(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    return fit(model, train, val, steps=head_steps, lr=lr, **settings)


def all_at_once(model, train, val, head_steps, steps, lr, decay, **settings):
    return fit(model, train, val, steps=head_steps + steps, params=groups_of(model, lr, decay), **settings)


def all_first(model, train, val, head_steps, steps, lr, decay, **settings):
    first = fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings)
    freeze(model)
    return first.then(fit(model, train, val, steps=head_steps, lr=lr, **settings))


def only_the_optimizer_knows(model, train, val, head_steps, steps, lr, decay, **settings):
    first = fit(model, train, val, steps=head_steps, lr=lr, params=list(head(model).parameters()), **settings)
    return first.then(fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings))


def freezes_one_stage(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model, upto=next(iter(stages(model))))
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings))


def forgets_batch_norm(model, train, val, head_steps, steps, lr, decay, **settings):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("head") or p.ndim == 1
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings))


class AlwaysTraining(nn.BatchNorm2d):
    """Batch norm as in a loop that calls model.train() over a frozen backbone."""

    def train(self, mode=True):
        return super().train(True)


def drifting_statistics(model, train, val, head_steps, steps, lr, decay, **settings):
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = AlwaysTraining
    return lab03.fine_tune(model, train, val, head_steps, steps, lr, decay, **settings)


def exchanges_the_steps(model, train, val, head_steps, steps, lr, decay, **settings):
    return lab03.fine_tune(model, train, val, steps, head_steps, lr, decay, **settings)


def one_rate(model, train, val, head_steps, steps, lr, decay, **settings):
    return lab03.fine_tune(model, train, val, head_steps, steps, lr, 1.0, **settings)


def groups_too_early(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    groups = groups_of(model, lr, decay)
    first = fit(model, train, val, steps=head_steps, params=groups, **settings)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups, **settings))


def slow_head(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, **settings)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings))


def upside_down(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    unfreeze(model)
    groups = groups_of(model, lr, decay)
    for group, rate in zip(groups, [group["lr"] for group in groups][::-1], strict=True):
        group["lr"] = rate
    return first.then(fit(model, train, val, steps=steps, params=groups, **settings))


def forgets_the_settings(model, train, val, head_steps, steps, lr, decay, **settings):
    return lab03.fine_tune(model, train, val, head_steps, steps, lr, decay, progress=False)


def settings_once(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=lr, progress=False)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings))


def trains_on_validation(model, train, val, head_steps, steps, lr, decay, **settings):
    return lab03.fine_tune(model, val or train, train, head_steps, steps, lr, decay, **settings)


def validation_in_the_second_part(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    unfreeze(model)
    return first.then(fit(model, val, train, steps=steps, params=groups_of(model, lr, decay), **settings))


def frozen_in_the_end(model, train, val, head_steps, steps, lr, decay, **settings):
    history = lab03.fine_tune(model, train, val, head_steps, steps, lr, decay, **settings)
    freeze(model)
    return history


def two_histories(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    first = fit(model, train, val, steps=head_steps, lr=lr, **settings)
    unfreeze(model)
    return first, fit(model, train, val, steps=steps, params=groups_of(model, lr, decay), **settings)


def second_history_only(model, train, val, head_steps, steps, lr, decay, **settings):
    return two_histories(model, train, val, head_steps, steps, lr, decay, **settings)[1]


def histories_exchanged(model, train, val, head_steps, steps, lr, decay, **settings):
    first, second = two_histories(model, train, val, head_steps, steps, lr, decay, **settings)
    return second.then(first)


def no_validation(model, train, val, head_steps, steps, lr, decay, **settings):
    return lab03.fine_tune(model, train, None, head_steps, steps, lr, decay, **settings)


def nothing_returned(model, train, val, head_steps, steps, lr, decay, **settings):
    lab03.fine_tune(model, train, val, head_steps, steps, lr, decay, **settings)


def needs_val(model, train, val, head_steps, steps, lr, decay, **settings):
    len(val)
    return lab03.fine_tune(model, train, val, head_steps, steps, lr, decay, **settings)


def no_training(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    unfreeze(model)
    return groups_of(model, lr, decay)


WRONG_FINE_TUNING = [
    (never_unfreezes, "between the parts"),
    (freezes_the_head_too, "nothing to train"),
    (head_part_only, "Only the first part"),
    (all_at_once, "batch norm in train mode"),
    (all_first, "The head comes first"),
    (only_the_optimizer_knows, "batch norm in train mode"),
    (freezes_one_stage, "still trainable"),
    (forgets_batch_norm, "still trainable"),
    (drifting_statistics, "drift in train mode"),
    (exchanges_the_steps, "exchanged"),
    (one_rate, "rates by depth"),
    (groups_too_early, "before or after you unfroze"),
    (slow_head, "in the first part the head had"),
    (upside_down, "should have the rate"),
    (forgets_the_settings, "did not get the settings"),
    (settings_once, "one call of `fit` for each part"),
    (trains_on_validation, "instead of training images"),
    (validation_in_the_second_part, "validation images too"),
    (frozen_in_the_end, "Leave everything trainable"),
    (two_histories, "joins them"),
    (second_history_only, "history ends at step 5"),
    (histories_exchanged, "head comes first"),
    (no_validation, "measured on `val`"),
    (nothing_returned, "returned None"),
    (needs_val, "TypeError"),
    (no_training, "not trained at all"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_FINE_TUNING)
def test_wrong_fine_tuning_gets_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab03.check_fine_tune, student), word)
