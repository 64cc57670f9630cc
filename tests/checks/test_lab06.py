import copy
import math
from itertools import chain

import pytest
import torch
from torch import nn

from lab_utils.checks import lab06
from lab_utils.networks import stages


def assert_rejected(result, word):
    assert result.status == "incorrect"
    assert word in result.hint + result.line, result.hint


# ---- transfuse


def copy_stages(model, source, names, *, buffers=True, extra=()):
    mine, theirs = stages(model), stages(source)
    with torch.no_grad():
        for name in names:
            for a, b in zip(mine[name].parameters(), theirs[name].parameters(), strict=True):
                a.copy_(b)
            for a, b in zip(mine[name].buffers(), theirs[name].buffers(), strict=True):
                if buffers:
                    a.copy_(b)
        for a, b in extra:
            a.copy_(b)
    return list(names)


def prefix(model, upto):
    names = list(stages(model))
    return names[: names.index(upto) + 1]


def by_state_dict(model, source, upto):
    """Another right way."""
    names = prefix(model, upto)
    inside = {n for name in names for n, _ in chain(*(f() for f in stage_names(stages(model)[name])))}
    theirs = source.state_dict()
    model.load_state_dict({k: theirs[k] if k in inside else v for k, v in model.state_dict().items()})
    return names


def stage_names(stage):
    return stage.named_parameters, stage.named_buffers


def by_data(model, source, upto):
    """Right as well: the old way to copy without gradients."""
    for name, stage in stages(model).items():
        for a, b in zip(
            chain(stage.parameters(), stage.buffers()),
            chain(stages(source)[name].parameters(), stages(source)[name].buffers()),
            strict=True,
        ):
            a.data.copy_(b.data)
        if name == upto:
            return prefix(model, upto)


@pytest.mark.parametrize("right", [by_state_dict, by_data])
def test_transfuse_may_be_written_in_other_ways(right, outcome_of):
    result = outcome_of(lab06.check_transfuse, right)
    assert result.status == "correct", result.hint


def head_too(model, source, upto):
    model.load_state_dict(source.state_dict())
    return prefix(model, upto)


def one_too_few(model, source, upto):
    names = prefix(model, upto)
    copy_stages(model, source, names[:-1])
    return names


def one_too_many(model, source, upto):
    names = list(stages(model))
    return copy_stages(model, source, names[: names.index(upto) + 2])


def only_that_one(model, source, upto):
    return copy_stages(model, source, [upto])


def from_the_top(model, source, upto):
    names = list(stages(model))
    return copy_stages(model, source, names[names.index(upto) :])


def all_stages(model, source, upto):
    return copy_stages(model, source, stages(model))


def without_buffers(model, source, upto):
    return copy_stages(model, source, prefix(model, upto), buffers=False)


def wrong_direction(model, source, upto):
    return copy_stages(source, model, prefix(model, upto))


def new_names_only(model, source, upto):
    for name in prefix(model, upto):
        for a, b in zip(stages(model)[name].parameters(), stages(source)[name].parameters(), strict=True):
            a = b  # noqa: F841
    return prefix(model, upto)


def only_convolutions(model, source, upto):
    names = prefix(model, upto)
    for name in names:
        for a, b in zip(stages(model)[name].parameters(), stages(source)[name].parameters(), strict=True):
            if a.ndim == 4:
                a.data.copy_(b.data)
        for a, b in zip(stages(model)[name].buffers(), stages(source)[name].buffers(), strict=True):
            a.copy_(b)
    return names


def shared_tensors(model, source, upto):
    for name in prefix(model, upto):
        for a, b in zip(
            chain(stages(model)[name].parameters(), stages(model)[name].buffers()),
            chain(stages(source)[name].parameters(), stages(source)[name].buffers()),
            strict=True,
        ):
            a.data = b.data
    return prefix(model, upto)


def freezes_too(model, source, upto):
    names = copy_stages(model, source, prefix(model, upto))
    for p, q in zip(model.parameters(), source.parameters(), strict=True):
        p.requires_grad_(q.requires_grad)
    return names


def returns_model(model, source, upto):
    copy_stages(model, source, prefix(model, upto))
    return model


def returns_one_name(model, source, upto):
    return copy_stages(model, source, prefix(model, upto))[-1:]


def children_by_name(model, source, upto):
    """Right for the kit's own networks only: elsewhere a stage is no child."""
    names = prefix(model, upto)
    for name in names:
        model.get_submodule(name).load_state_dict(source.get_submodule(name).state_dict())
    return names


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (head_too, "head has changed"),
        (one_too_few, "`upto` itself is to be copied too"),
        (one_too_many, "one stage too many"),
        (only_that_one, "layer2 alone"),
        (from_the_top, "the top of the network"),
        (all_stages, "all stages"),
        (without_buffers, "buffers"),
        (wrong_direction, "*source* has changed"),
        (new_names_only, "second name"),
        (only_convolutions, "every kind of parameter"),
        (shared_tensors, "share one tensor"),
        (freezes_too, "is frozen too"),
        (returns_model, "not a network"),
        (returns_one_name, "names of the copied stages"),
        (children_by_name, "stem"),
    ],
)
def test_wrong_transfusions_get_the_hint_that_fits(wrong, word, outcome_of):
    assert_rejected(outcome_of(lab06.check_transfuse, wrong), word)


def test_a_forgotten_return_is_told(outcome_of):
    def no_return(model, source, upto):
        copy_stages(model, source, prefix(model, upto))

    assert_rejected(outcome_of(lab06.check_transfuse, no_return), "return")


# ---- mean_var_init


def convolutions(model):
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}


def new_norms(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def init_with(make, *, norms=new_norms):
    """A `mean_var_init` in which `make(source weight, model weight, generator)` gives the new weights."""

    def mean_var_init(model, source, seed):
        g = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for (_, mine), (_, theirs) in zip(convolutions(model).items(), convolutions(source).items(), strict=True):
                mine.weight.copy_(make(theirs.weight, mine.weight, g))
            norms(model)

    return mean_var_init


def noise(weight, g):
    return torch.randn(weight.shape, generator=g)


def test_mean_var_may_be_written_in_other_ways(outcome_of):
    def with_normal(w, _, g):
        return torch.normal(float(w.mean()), float(w.std(correction=0)), tuple(w.shape), generator=g)

    result = outcome_of(lab06.check_mean_var_init, init_with(with_normal))
    assert result.status == "correct", result.hint


def generator_inside(model, source, seed):
    with torch.no_grad():
        for mine, theirs in zip(convolutions(model).values(), convolutions(source).values(), strict=True):
            g = torch.Generator().manual_seed(seed)
            mine.weight.copy_(theirs.weight.mean() + theirs.weight.std() * noise(theirs.weight, g))
        new_norms(model)


def one_scale_for_all(model, source, seed):
    everything = torch.cat([m.weight.flatten() for m in convolutions(source).values()])
    init_with(lambda w, _, g: everything.mean() + everything.std() * noise(w, g))(model, source, seed)


def all_tensors_drawn(model, source, seed):
    """Batch norm's weights and statistics are drawn as well."""
    g, theirs = torch.Generator().manual_seed(seed), source.state_dict()
    for name, tensor in model.state_dict().items():
        if not name.startswith("head") and tensor.is_floating_point():
            tensor.copy_(theirs[name].mean() + theirs[name].std() * noise(tensor, g))


def statistics_drawn(model):
    new_norms(model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.copy_(1 + torch.randn(module.running_var.shape))


def head_drawn(model, source, seed):
    init_with(lambda w, _, g: w.mean() + w.std() * noise(w, g))(model, source, seed)
    model.head.weight.data.normal_()


def changes_source(model, source, seed):
    init_with(lambda w, _, g: w.normal_(float(w.mean()), float(w.std()), generator=g))(model, source, seed)


def without_shortcuts(model, source, seed):
    before = {n: m.weight.clone() for n, m in convolutions(model).items() if "shortcut" in n}
    init_with(lambda w, _, g: w.mean() + w.std() * noise(w, g))(model, source, seed)
    for name, weight in before.items():
        model.get_submodule(name).weight.data.copy_(weight)


def statistics_only(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()


def right_weights(w, _, g):
    return w.mean() + w.std() * noise(w, g)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (generator_inside, "before the loop or inside"),
        (one_scale_for_all, "one scale for the whole network"),
        (all_tensors_drawn, "should be 1 everywhere"),
        (init_with(right_weights, norms=statistics_drawn), "can not be negative"),
        (init_with(right_weights, norms=statistics_only), "as it was before"),
        (init_with(right_weights, norms=lambda _: None), "starts as new"),
        (head_drawn, "head has changed"),
        (changes_source, "*source* has changed"),
        (without_shortcuts, "shortcuts"),
        (init_with(lambda w, _, g: w.mean() + w.var() * noise(w, g)), "variance of the source"),
        (init_with(lambda w, _, g: w.mean() + w.std().sqrt() * noise(w, g)), "root of the sd"),
        (init_with(lambda w, mine, g: mine.mean() + mine.std() * noise(w, g)), "scale of `model` itself"),
        (init_with(lambda w, _, g: w.std() * noise(w, g)), "mean is 0"),
        (init_with(lambda w, _, g: noise(w, g)), "standard normal"),
        (init_with(lambda w, _, g: w.clone()), "all features are still there"),
        (init_with(lambda w, _, g: w + 0.01 * w.std() * noise(w, g)), "still like that of the source"),
        (
            init_with(lambda w, _, g: w.flatten()[torch.randperm(w.numel(), generator=g)].view_as(w)),
            "shuffled",
        ),
        (
            init_with(lambda w, _, g: (w.mean() + w.std() * noise(w[:1], g)).expand_as(w).contiguous()),
            "again and again",
        ),
        (init_with(lambda w, _, g: w.mean() + w.std() * torch.randn(w.shape)), "Hand your generator"),
    ],
)
def test_wrong_inits_get_the_hint_that_fits(wrong, word, outcome_of):
    assert_rejected(outcome_of(lab06.check_mean_var_init, wrong), word)


def test_a_draw_that_ignores_the_seed_is_told(outcome_of):
    def same_for_all(model, source, seed):
        init_with(right_weights)(model, source, 42)

    assert_rejected(outcome_of(lab06.check_mean_var_init, same_for_all), "fresh draw")


def test_a_copy_that_is_returned_is_told(outcome_of):
    def on_a_copy(model, source, seed):
        model = copy.deepcopy(model)
        init_with(right_weights)(model, source, seed)
        return model

    assert_rejected(outcome_of(lab06.check_mean_var_init, on_a_copy), "returned another network")


# ---- gabor_bank


def bank_with(
    *,
    indexing="ij",
    centre=lambda size: (size - 1) / 2,
    wave=2 * math.pi,
    shift=0.0,
    base=2.0,
    angle=lambda theta: theta,
    sign=1,
    two=2.0,
    bell=True,
    shape=lambda bank: bank,
):
    def gabor_bank(size, orientation, frequency, phase, bandwidth):
        theta, f, phi, b = (v.view(-1, 1, 1) for v in (angle(orientation), frequency, phase, bandwidth))
        place = torch.arange(size) - centre(size)
        y, x = torch.meshgrid(place, place, indexing=indexing)
        u = x * torch.cos(theta) + sign * y * torch.sin(theta)
        sigma = math.sqrt(math.log(2) / 2) / (math.pi * f) * (base**b + 1) / (base**b - 1)
        envelope = torch.exp(-(x**2 + y**2) / (two * sigma**2)) if bell else 1.0
        return shape(envelope * torch.cos(wave * f * u + phi + shift))

    return gabor_bank


def one_by_one(size, orientation, frequency, phase, bandwidth):
    """Right: loops in the place of broadcasting."""
    bank = torch.zeros(len(orientation), size, size)
    for k, (theta, f, phi, b) in enumerate(zip(orientation, frequency, phase, bandwidth, strict=True)):
        sigma = 1 / (math.pi * f) * math.sqrt(math.log(2) / 2) * (2**b + 1) / (2**b - 1)
        for row in range(size):
            for column in range(size):
                x, y = column - (size - 1) / 2, row - (size - 1) / 2
                u = x * math.cos(theta) + y * math.sin(theta)
                bank[k, row, column] = math.exp(-(x**2 + y**2) / (2 * sigma**2)) * math.cos(2 * math.pi * f * u + phi)
    return bank


@pytest.mark.parametrize("right", [bank_with(), one_by_one])
def test_gabor_bank_may_be_written_in_other_ways(right, outcome_of):
    result = outcome_of(lab06.check_gabor_bank, right)
    assert result.status == "correct", result.hint


def mixed_up(size, orientation, frequency, phase, bandwidth):
    return bank_with()(size, orientation.flip(0), frequency, phase, bandwidth)


def first_bandwidth(size, orientation, frequency, phase, bandwidth):
    return bank_with()(size, orientation, frequency, phase, bandwidth[:1].expand_as(bandwidth))


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (bank_with(indexing="xy"), "Rows and columns"),
        (bank_with(centre=lambda size: 0), "centre"),
        (bank_with(centre=lambda size: size // 2), "even size"),
        (bank_with(wave=1.0), "radians"),
        (bank_with(shift=-math.pi / 2), "shifted by a quarter"),
        (bank_with(shift=math.pi / 2), "quarter"),
        (bank_with(base=math.e), "octaves"),
        (bank_with(angle=torch.deg2rad), "radians already"),
        (bank_with(sign=-1), "mirrored"),
        (bank_with(two=1.0), "twice the square"),
        (bank_with(bell=False), "without a bell"),
        (bank_with(shape=lambda bank: bank[:, None]), "axis of channels"),
        (bank_with(shape=lambda bank: bank.permute(1, 2, 0)), "comes first"),
        (bank_with(shape=lambda bank: bank[0]), "one filter"),
        (bank_with(shape=lambda bank: bank.numpy()), "Expected a tensor"),
        (bank_with(shape=lambda bank: bank - bank.mean()), "not the one of the formula"),
        (lambda *args: bank_with()(*args).mT, "Rows and columns"),
        (lambda size, o, f, p, b: bank_with()(size, o, f, 0 * p, b), "phase makes no difference"),
        (lambda size, o, f, p, b: bank_with()(size, o, f, 2 * math.pi * f * p, b), "after 2 pi f u"),
        (mixed_up, "mixed up"),
        (first_bandwidth, "mixed up"),
    ],
)
def test_wrong_banks_get_the_hint_that_fits(wrong, word, outcome_of):
    assert_rejected(outcome_of(lab06.check_gabor_bank, wrong), word)
