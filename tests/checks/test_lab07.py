"""Right answers of lab 7 written otherwise; wrong answers stand beside their hints."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import nn

from lab_utils.checks import lab07
from lab_utils.networks import stages

NORMS = (nn.BatchNorm2d, nn.LayerNorm)


def frechet_by_sqrtm(features_x, features_y):
    x, y = (f.mean(axis=(-1, -2)) if f.ndim > 2 else f for f in (features_x, features_y))
    a, b = np.cov(x.T), np.cov(y.T)
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + np.trace(a + b - 2 * linalg.sqrtm(a @ b)).real


def frechet_by_symmetric_roots(features_x, features_y):
    """The trace: tr (S_x S_y)^1/2 = tr (S_x^1/2 S_y S_x^1/2)^1/2, and this matrix is symmetric."""
    x, y = (f.reshape(*f.shape[:2], -1).mean(axis=2) for f in (features_x, features_y))
    values, vectors = np.linalg.eigh(np.cov(x.T))
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    middle = np.linalg.eigvalsh(root @ np.cov(y.T) @ root).clip(0)
    gap = x.mean(0) - y.mean(0)
    return gap @ gap + values.sum() + np.trace(np.cov(y.T)) - 2 * np.sqrt(middle).sum()


def st_by_name(model, source, seed):
    """Looks up every tensor of the source, and draws with numpy."""
    rng = np.random.default_rng(seed)
    theirs = dict(source.named_modules())
    for name, module in model.named_modules():
        if name.startswith("head"):
            continue
        if isinstance(module, nn.Conv2d | nn.Linear):
            for part in ("weight", "bias"):
                if (tensor := getattr(module, part)) is not None:
                    values = getattr(theirs[name], part).detach()
                    draw = rng.normal(values.mean(), values.std(), tuple(values.shape))
                    tensor.data = torch.from_numpy(draw).float()
        elif isinstance(module, NORMS):
            module.reset_parameters()
        else:
            for part, parameter in module.named_parameters(recurse=False):
                parameter.data.copy_(theirs[name].get_parameter(part).data)


def knn_one_by_one(bank, bank_labels, features, labels, k, temperature):
    right = 0
    for row, label in zip(features, labels, strict=True):
        cosines = [row @ other / np.sqrt((row @ row) * (other @ other)) for other in bank]
        votes = {}
        for place in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            number = int(bank_labels[place])
            votes[number] = votes.get(number, 0) + np.exp(cosines[place] / temperature)
        right += max(votes, key=votes.get) == label
    return right / len(labels)


def knn_in_torch(bank, bank_labels, features, labels, k, temperature):
    x, y = (nn.functional.normalize(torch.from_numpy(part), dim=1) for part in (features, bank))
    near, places = (x @ y.T).topk(k, dim=1)
    hot = nn.functional.one_hot(torch.from_numpy(bank_labels))[places]
    votes = ((near / temperature).softmax(dim=1)[:, :, None] * hot).sum(dim=1)
    return (votes.argmax(dim=1) == torch.from_numpy(labels)).double().mean()


def l2_by_name(model, start):
    norms = {id(p) for module in model.modules() if isinstance(module, NORMS) for p in module.parameters()}
    theirs, found = dict(start.named_parameters()), {}
    for name, stage in stages(model).items():
        own = [(full, p) for full, p in stage.named_parameters() if id(p) not in norms]
        found[name] = torch.stack([(p - theirs[full]).square().sum().sqrt() / p.numel() for full, p in own]).mean()
    return found


@pytest.mark.parametrize(
    ("exercise", "student"),
    [
        (lab07.RELATIVE_GAIN, lambda transfer, random: (transfer - random) / random),
        (lab07.FRECHET_DISTANCE, frechet_by_sqrtm),
        (lab07.FRECHET_DISTANCE, frechet_by_symmetric_roots),
        (lab07.ST_INIT, st_by_name),
        (lab07.KNN_ACCURACY, knn_one_by_one),
        (lab07.KNN_ACCURACY, knn_in_torch),
        (lab07.L2_PER_STAGE, l2_by_name),
    ],
)
def test_other_right_ways_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


def norms_of_the_source(model, source, seed):
    lab07.st_init(model, source, seed)
    for mine, theirs in zip(model.modules(), source.modules(), strict=True):
        if isinstance(mine, NORMS):
            mine.load_state_dict(theirs.state_dict())


@pytest.mark.parametrize(
    ("exercise", "student", "words"),
    [
        (lab07.RELATIVE_GAIN, lambda transfer, random: transfer / random - 2, "expected 0.5, got -0.5"),
        (lab07.FRECHET_DISTANCE, lambda x, y: lab07.frechet_distance(x, y) * np.nan, "a root of a number below 0"),
        (lab07.FRECHET_DISTANCE, lambda x, y: lab07.frechet_distance(x, y) + 1, "Look at the formula part by part"),
        (lab07.ST_INIT, norms_of_the_source, "that of the source. Norm layers start as new"),
        (lab07.ST_INIT, lambda m, s, seed: lab07.st_init(m, s, seed) or m.embed, "got another network"),
        (lab07.KNN_ACCURACY, lambda *arguments: 0.0, "expected 0.567, got 0.000. Which images vote"),
        (lab07.L2_PER_STAGE, lambda model, start: dict.fromkeys(stages(model), 1.0), "every stage has the same number"),
        (lab07.L2_PER_STAGE, lambda model, start: {**lab07.l2_per_stage(model, start), "stem": 1.0},
         "stage stem: expected 0.011, got 1."),
    ],
)  # fmt: skip
def test_mistakes_that_nobody_listed_are_told_as_they_are(exercise, student, words):
    assert words in exercise.examine(student).hint


def test_the_arithmetic_of_the_question_holds():
    """With ST = RI the axis (WT - ST) / WT is gain / (1 + gain), and correlates with the gain by itself."""
    rng = np.random.default_rng(0)
    random, transfer = rng.uniform(0.6, 0.7, 50), rng.uniform(0.7, 0.95, 50)
    gain = lab07.relative_gain(transfer, random)
    axis = (transfer - random) / transfer
    assert axis == pytest.approx(gain / (1 + gain))
    assert np.corrcoef(gain, axis)[0, 1] > 0.99


def test_equal_moves_give_an_l2_that_falls_with_the_root_of_the_size():
    """The question about the smallest number: every weight moved by 1, so |w - w0| / N = 1 / sqrt(N)."""

    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.small, self.large, self.head = nn.Linear(4, 4, False), nn.Linear(4, 64, False), nn.Linear(64, 2)

    model, start = Two(), Two()
    for name in ("small", "large"):
        model.get_submodule(name).weight.data = start.get_submodule(name).weight.data + 1
    assert lab07.l2_per_stage(model, start) == pytest.approx({"small": 1 / 4, "large": 1 / 16})
