"""Lab 3's checks: other right answers pass, and wrong ways to fine-tune get the hint that fits."""

import numpy as np
import pytest
import torch
from torch import nn

from lab_utils.checks import lab03
from lab_utils.networks import head, stages
from lab_utils.training import fit, smooth
from lab_utils.training import lr_suggestion as lr_suggestion_of_smoothed
from lab_utils.transfer import freeze, unfreeze

lr_suggestion, param_groups, fine_tune = (e.kit for e in (lab03.LR_SUGGESTION, lab03.PARAM_GROUPS, lab03.FINE_TUNE))


# ---- other right answers


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


def by_einsum(weight):
    return torch.einsum("ochw->ohw", weight)[:, None]


def by_colour(weight):
    red, green, blue = weight.detach().unbind(1)
    return (red + green + blue).unsqueeze(1)


def one_group_each(model, lr, decay):
    groups = [{"params": head(model).parameters(), "lr": lr, "weight_decay": 0.0}]
    for stage in reversed(list(stages(model).values())):
        lr = lr * decay
        groups += [{"params": [p], "lr": lr} for p in stage.parameters() if p.requires_grad]
    return groups


def keywords_in_another_order(model, train, val, head_steps, steps, lr, decay, **settings):
    for stage in stages(model).values():
        for p in stage.parameters():
            p.requires_grad = False
    first = fit(model, train, val, lr=lr, params=head(model).parameters(), steps=head_steps, **settings)
    model.requires_grad_(True)
    return first.then(fit(model, train, val, params=param_groups(model, lr, decay), steps=steps, **settings))


def empties_by_hand(model, images, labels, criterion, optimizer):
    model.zero_grad()
    logits = model(images)
    loss = criterion(logits, labels)
    number = float(loss)
    loss.backward()
    optimizer.step()
    model.zero_grad()
    return number


def forward_first(model, images, labels, criterion, optimizer):
    loss = criterion(model(images), labels)
    for p in model.parameters():
        p.grad = None
    loss.backward()
    optimizer.step()
    return np.float32(loss.detach())


def loop_of_its_own(model, batches, criterion, optimizer, epochs):
    history = np.zeros(epochs)
    for epoch in range(epochs):
        model.train()
        for images, labels in batches:
            optimizer.zero_grad()
            loss = criterion(model(images), labels)
            loss.backward()
            optimizer.step()
            history[epoch] += loss.item() * labels.shape[0]
        model.eval()
    return history / sum(len(images) for images, _ in batches)


OTHER_RIGHT_ANSWERS = [
    *((lab03.TRAINING_STEP, student) for student in (empties_by_hand, forward_first)),
    (lab03.TRAIN_LOOP, loop_of_its_own),
    *((lab03.LR_SUGGESTION, student) for student in (moving_average, loop)),
    *((lab03.ADAPT_CONV1, student) for student in (by_einsum, by_colour)),
    (lab03.PARAM_GROUPS, one_group_each),
    (lab03.FINE_TUNE, keywords_in_another_order),
]


@pytest.mark.parametrize(("exercise", "student"), OTHER_RIGHT_ANSWERS)
def test_other_right_answers_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


def test_the_kits_suggestion_is_that_of_the_range_test_and_answers_where_nothing_falls():
    lrs = np.geomspace(1e-5, 1.0, 50)
    losses = 0.7 - 0.3 / (1 + np.exp(-np.log(lrs / 1e-3))) + 0.01 * np.random.default_rng(0).normal(size=50)
    assert lr_suggestion(lrs, losses) == lr_suggestion_of_smoothed(lrs, smooth(losses))
    assert lr_suggestion(lrs, np.linspace(0.5, 2.0, 50)) == lrs[0]


# ---- training_step: what stops with an error of PyTorch


def without_record(model, images, labels, criterion, optimizer):
    optimizer.zero_grad()
    with torch.no_grad():
        loss = criterion(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def goes_back_from_a_number(model, images, labels, criterion, optimizer):
    optimizer.zero_grad()
    loss = criterion(model(images), labels).item()
    loss.backward()
    optimizer.step()
    return loss


def steps_between(model, images, labels, criterion, optimizer):
    loss = criterion(model(images), labels)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@pytest.mark.parametrize(
    ("student", "word"),
    [
        (without_record, "inside of `torch.no_grad()`"),
        (goes_back_from_a_number, "take the number in the last line"),
        (steps_between, "between the forward and the backward pass"),
    ],
)
def test_an_error_of_pytorch_in_a_step_is_told_in_the_words_of_the_lab(student, word):
    result = lab03.TRAINING_STEP.examine(student)
    assert result.status == "incorrect"
    assert word in result.hint, result.hint


def test_another_error_in_a_step_shows_the_students_line():
    def student(model, images, labels, criterion, optimizer):
        return criterion(model(images[:, :1]), labels).item()

    result = lab03.TRAINING_STEP.examine(student)
    assert "RuntimeError" in result.hint
    assert "images[:, :1]" in result.line


# ---- fine_tune: wrong answers


def nothing(model):
    pass


def the_rate(model, lr, decay):
    return {"lr": lr}


def by_depth(model, lr, decay):
    return {"params": param_groups(model, lr, decay)}


def two_parts(
    *,
    before=freeze,
    first=the_rate,
    between=unfreeze,
    second=by_depth,
    end=lambda one, two: one.then(two),
    once=lambda settings: settings,
    images=lambda train, val: (train, val),
):
    """The usual solution, with something done differently."""

    def student(model, train, val, head_steps, steps, lr, decay, **settings):
        before(model)
        one = fit(model, train, val, steps=head_steps, **first(model, lr, decay), **once(settings))
        between(model)
        two = fit(model, *images(train, val), steps=steps, **second(model, lr, decay), **settings)
        return end(one, two)

    return student


def kit_with(change=lambda given: {}, *, before=nothing, end=lambda model, history: history):
    """The kit's version, called with something else."""

    def student(model, train, val, head_steps, steps, lr, decay, **settings):
        before(model)
        given = {"train_split": train, "val": val, "head_steps": head_steps, "steps": steps, "lr": lr, "decay": decay}
        return end(model, fine_tune(model, **given | settings | change(given)))

    return student


def head_part_only(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    return fit(model, train, val, steps=head_steps, lr=lr, **settings)


def all_at_once(model, train, val, head_steps, steps, lr, decay, **settings):
    return fit(model, train, val, steps=head_steps + steps, params=param_groups(model, lr, decay), **settings)


def all_first(model, train, val, head_steps, steps, lr, decay, **settings):
    first = fit(model, train, val, steps=steps, params=param_groups(model, lr, decay), **settings)
    freeze(model)
    return first.then(fit(model, train, val, steps=head_steps, lr=lr, **settings))


def groups_too_early(model, train, val, head_steps, steps, lr, decay, **settings):
    freeze(model)
    groups = param_groups(model, lr, decay)
    first = fit(model, train, val, steps=head_steps, params=groups, **settings)
    unfreeze(model)
    return first.then(fit(model, train, val, steps=steps, params=groups, **settings))


def without_settings(model, train, val, head_steps, steps, lr, decay, **settings):
    return fine_tune(model, train, val, head_steps, steps, lr, decay, progress=False)


def freezes_matrices(model):
    for name, p in model.named_parameters():
        p.requires_grad = name.startswith("head") or p.ndim == 1


class AlwaysTraining(nn.BatchNorm2d):
    """Batch norm as in a loop that calls model.train() over a frozen backbone."""

    def train(self, mode=True):
        return super().train(True)


def drifts(model):
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = AlwaysTraining


def upside_down(model, lr, decay):
    groups = param_groups(model, lr, decay)
    return {"params": [a | {"lr": b["lr"]} for a, b in zip(groups, groups[::-1], strict=True)]}


WRONG_FINE_TUNING = [
    (two_parts(between=nothing, second=the_rate), "between the parts"),
    (two_parts(before=lambda model: model.requires_grad_(False)), "nothing to train"),
    (head_part_only, "Only the first part"),
    (all_at_once, "batch norm in train mode"),
    (all_first, "The head comes first"),
    (
        two_parts(before=nothing, first=lambda model, lr, decay: {"lr": lr, "params": list(head(model).parameters())}),
        "batch norm in train mode",
    ),
    (two_parts(before=lambda model: freeze(model, upto=next(iter(stages(model))))), "still trainable"),
    (two_parts(before=freezes_matrices), "still trainable"),
    (kit_with(before=drifts), "drift in train mode"),
    (kit_with(lambda given: {"head_steps": given["steps"], "steps": given["head_steps"]}), "exchanged"),
    (kit_with(lambda given: {"decay": 1.0}), "rates by depth"),
    (groups_too_early, "before or after you unfroze"),
    (two_parts(first=lambda model, lr, decay: {}), "in the first part the head had"),
    (two_parts(second=upside_down), "should have the rate"),
    (without_settings, "did not get the settings"),
    (two_parts(once=lambda settings: {"progress": False}), "one call of `fit` for each part"),
    (
        kit_with(lambda given: {"train_split": given["val"] or given["train_split"], "val": given["train_split"]}),
        "instead of training images",
    ),
    (two_parts(images=lambda train, val: (val, train)), "validation images too"),
    (kit_with(end=lambda model, history: freeze(model) or history), "Leave everything trainable"),
    (two_parts(end=lambda one, two: (one, two)), "joins them"),
    (two_parts(end=lambda one, two: two), "history ends at step 5"),
    (two_parts(end=lambda one, two: two.then(one)), "head comes first"),
    (kit_with(lambda given: {"val": None}), "measured on `val`"),
    (kit_with(end=lambda model, history: None), "returned None"),
    (kit_with(lambda given: len(given["val"]) and {}), "TypeError"),
    (lambda model, train, val, head_steps, steps, lr, decay, **_: param_groups(model, lr, decay), "not trained at all"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_FINE_TUNING)
def test_wrong_fine_tuning_gets_the_hint_that_fits(student, word):
    result = lab03.FINE_TUNE.examine(student)
    assert result.status == "incorrect"
    assert word in result.hint, result.hint
