"""Right answers of lab 6 written otherwise; wrong answers stand beside their hints."""

import copy
import math
from itertools import chain

import pytest
import torch
from torch import nn

from lab_utils.checks import lab06
from lab_utils.networks import preprocess, stages


def transfuse_by_state_dict(model, source, upto):
    names = list(stages(model))
    names = names[: names.index(upto) + 1]
    parts = [stages(model)[name] for name in names]
    inside = {name for part in parts for name, _ in chain(part.named_parameters(), part.named_buffers())}
    theirs = source.state_dict()
    model.load_state_dict({k: theirs[k] if k in inside else v for k, v in model.state_dict().items()})
    return names


def transfuse_by_data(model, source, upto):
    """The old way to copy without gradients."""
    copied = []
    for name, stage in stages(model).items():
        theirs = stages(source)[name]
        for a, b in zip(
            chain(stage.parameters(), stage.buffers()), chain(theirs.parameters(), theirs.buffers()), strict=True
        ):
            a.data.copy_(b.data)
        copied.append(name)
        if name == upto:
            return copied


def init_with_normal(model, source, seed):
    g, theirs = torch.Generator().manual_seed(seed), dict(source.named_modules())
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            w = theirs[name].weight.detach()
            draw = torch.normal(float(w.mean()), float(w.std(correction=0)), tuple(w.shape), generator=g)
            module.weight.data = draw.flip(0)  # no number is where the kit has it
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def gabor_one_by_one(size, orientation, frequency, phase, bandwidth):
    """Loops in the place of broadcasting."""
    bank = torch.zeros(len(orientation), size, size)
    for k, (theta, f, phi, b) in enumerate(zip(orientation, frequency, phase, bandwidth, strict=True)):
        sigma = 1 / (math.pi * f) * math.sqrt(math.log(2) / 2) * (2**b + 1) / (2**b - 1)
        for row in range(size):
            for column in range(size):
                x, y = column - (size - 1) / 2, row - (size - 1) / 2
                u = x * math.cos(theta) + y * math.sin(theta)
                bank[k, row, column] = math.exp(-(x**2 + y**2) / (2 * sigma**2)) * math.cos(2 * math.pi * f * u + phi)
    return bank


def renew_by_momentum_one(model, images):
    """One batch, which counts whole."""
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(preprocess(model, images))
    for norm in norms:
        norm.momentum = 0.1
        norm.eval()


def renew_in_batches(model, images):
    model.eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for batch in images.split(20):
            model(preprocess(model, batch))
    for norm in norms:
        norm.momentum = 0.1
    model.eval()


def undo_by_state_dict(trained, start, stage, images, score):
    part = stages(trained)[stage]
    inside = {name for name, _ in chain(part.named_parameters(), part.named_buffers())}
    undone, before = copy.deepcopy(trained), start.state_dict()
    undone.load_state_dict({k: before[k] if k in inside else v for k, v in undone.state_dict().items()})
    lab06.renew_statistics(undone, images)
    undone_score = score(undone)
    return score(trained) - undone_score


@pytest.mark.parametrize(
    ("exercise", "student"),
    [
        (lab06.RENEW_STATISTICS, renew_by_momentum_one),
        (lab06.RENEW_STATISTICS, renew_in_batches),
        (lab06.UNDO_STAGE, undo_by_state_dict),
        (lab06.TRANSFUSE, transfuse_by_state_dict),
        (lab06.TRANSFUSE, transfuse_by_data),
        (lab06.MEAN_VAR_INIT, init_with_normal),
        (lab06.GABOR_BANK, gabor_one_by_one),
    ],
)
def test_other_right_ways_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


def norms_of_the_source(model, source, seed):
    lab06.mean_var_init(model, source, seed)
    for mine, theirs in zip(model.modules(), source.modules(), strict=True):
        if isinstance(mine, nn.BatchNorm2d):
            mine.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (lab06.TRANSFUSE, lambda *arguments: lab06.transfuse(*arguments)[:0], "got []. Copy every tensor"),
        (lab06.TRANSFUSE, lambda *arguments: lab06.transfuse(*arguments) and None, "end with a `return`"),
        (lab06.MEAN_VAR_INIT, norms_of_the_source, "that of the source. Mean and variance"),
        (lab06.UNDO_STAGE, lambda *arguments: 2 * lab06.undo_stage(*arguments), "0.15 is lost, you returned 0.30."),
        (lab06.GABOR_BANK, lambda *arguments: lab06.gabor_bank(*arguments) / 0, "Where do you divide?"),
        (lab06.GABOR_BANK, lambda *arguments: 2 * lab06.gabor_bank(*arguments), "1.0, 0.29, -0.63, -0.46], yours is"),
    ],
)
def test_mistakes_that_nobody_listed_are_told_as_they_are(exercise, student, words):
    assert words in exercise.examine(student).hint
