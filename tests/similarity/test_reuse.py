"""What a stage has kept. Three mistakes of published code are written here too: each property fails on them."""

import copy
import math

import pytest
import torch
from torch import nn

from lab_utils.networks import blocks, build_model, stages
from lab_utils.similarity import l2_per_stage, reinit_robustness
from lab_utils.transfer import st_init
from tests.tiny import TinyNet, assert_same, state_of


@pytest.fixture
def pair():
    """A network at its start, and the same after all tensors but those of the last stage have moved."""
    start = build_model("small_vit", num_classes=2, seed=0)
    model = copy.deepcopy(start)
    with torch.no_grad():
        for k, stage in enumerate(list(stages(model))[:-1]):
            for parameter in stages(model)[stage].parameters():
                parameter.add_(0.1 * (k + 1))
    return model, start


# ---------------------------------------------------------------- l2


def l2_given_the_whole_network(model, start):
    """The first mistake: for every stage the function gets the network where it should get the stage."""
    pairs = zip(model.named_parameters(), start.named_parameters(), strict=True)
    moved = [float((w - w0).detach().norm()) / w.numel() for (name, w), (_, w0) in pairs if "norm" not in name]
    return dict.fromkeys(stages(model), sum(moved) / len(moved))


def tells_stages_apart(l2, pair):
    """Whether a stage that did not move is at 0, and those that moved are not all alike."""
    *moved, still = l2(*pair).values()
    return still == 0 and min(moved) > 0 and len(set(moved)) == len(moved)


def test_l2_is_that_of_the_stage_and_not_of_the_network(pair):
    assert tells_stages_apart(l2_per_stage, pair)
    assert not tells_stages_apart(l2_given_the_whole_network, pair)


def test_l2_is_worked_out_by_hand():
    start = TinyNet(seed=1)
    model = copy.deepcopy(start)
    model.layer1[0] = nn.Conv2d(8, 16, 3)  # with a bias
    start.layer1[0] = copy.deepcopy(model.layer1[0])
    with torch.no_grad():
        start.stem[0].weight.fill_(2.0)  # 72 numbers
        model.stem[0].weight.fill_(2.5)
        model.layer1[0].bias.copy_(start.layer1[0].bias + 3.0)  # 16 numbers; the weights stay
    found = l2_per_stage(model, start)
    assert found == pytest.approx({"stem": 0.5 * math.sqrt(72) / 72, "layer1": (0 + 3 * math.sqrt(16) / 16) / 2})


def test_norm_layers_do_not_count():
    start = TinyNet(seed=1)
    model = copy.deepcopy(start)
    with torch.no_grad():
        model.stem[1].weight.add_(3)
        model.stem[1].bias.add_(3)
        model.stem[1].running_mean.add_(3)
    assert set(l2_per_stage(model, start).values()) == {0.0}
    assert list(l2_per_stage(model, start, parts=list(blocks(model)))) == ["stem.0", "layer1.0"]


def test_l2_refuses_what_is_unknown_or_built_otherwise():
    with pytest.raises(ValueError, match="Did you mean 'layer1'"):
        l2_per_stage(TinyNet(), TinyNet(), parts=["layer_1"])
    other = TinyNet()
    other.stem[0] = nn.Conv2d(1, 8, 5)
    with pytest.raises(ValueError, match="'stem' to be built alike"):
        l2_per_stage(TinyNet(), other)


# ---------------------------------------------------------------- re-initialisation


def by_substring(model, part, start):
    """The second and the third mistake: every module with a weight whose name holds `part` goes back, none with it."""
    theirs = dict(start.named_modules())
    for name, module in model.named_modules():
        if part in name and isinstance(module, nn.Conv2d | nn.Linear):
            module.load_state_dict(theirs[name].state_dict())


def by_exact_name(model, part, start):
    """What `reinit_robustness` measures, as the network in which the part went back."""
    found = []
    reinit_robustness(model, start, lambda without: found.append(copy.deepcopy(without)) or 0.0, parts=[part])
    model.load_state_dict(found[0].state_dict())


class WithMlp(nn.Module):
    """A head called `fc` above a block with layers `fc1` and `fc2`, as in a ResNet and a transformer."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.conv1 = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Sequential(nn.Linear(4, 4))
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(4, 4), "fc2": nn.Linear(4, 4)})
        self.head = nn.Linear(4, 2)


def went_back(how, part):
    """Names of the tensors that a way to put a part back has changed to those of the start."""
    with torch.random.fork_rng():
        model, start = WithMlp(1), WithMlp(2)
    with torch.no_grad():
        for norm in (model.conv1[1], start.conv1[1]):
            norm.running_mean.uniform_()
            norm.weight.uniform_()
            norm.bias.uniform_()
    how(model, part, start)
    theirs = start.state_dict()
    return {
        name for name, value in model.state_dict().items() if value.is_floating_point() and value.equal(theirs[name])
    } - {"conv1.1.running_var"}  # 1 in both


def test_a_name_means_no_other_layer_that_begins_like_it():
    expected = {"fc.0.weight", "fc.0.bias"}
    assert went_back(by_exact_name, "fc") == expected
    assert went_back(by_substring, "fc") > expected  # and mlp.fc1 and mlp.fc2


def test_a_convolution_goes_back_together_with_its_batch_norm():
    norm = {f"conv1.1.{name}" for name in ("weight", "bias", "running_mean")}
    assert went_back(by_exact_name, "conv1") == {"conv1.0.weight", "conv1.0.bias"} | norm
    assert not norm & went_back(by_substring, "conv1")


def test_each_stage_is_measured_alone_and_the_network_stays():
    model, start = TinyNet(seed=1), TinyNet(seed=2)
    before = state_of(model)

    def stages_of_the_start(without):
        theirs = start.state_dict()
        return sum(value.equal(theirs[key]) for key, value in without.state_dict().items() if key.endswith("0.weight"))

    assert stages_of_the_start(model) == 0
    assert reinit_robustness(model, start, stages_of_the_start) == {"stem": 1, "layer1": 1}
    assert_same(state_of(model), before)


def test_a_fresh_draw_of_the_trained_statistics_can_be_the_start():
    model = build_model("small_vit", num_classes=2, seed=0)
    drawn = copy.deepcopy(model)
    st_init(drawn, model, seed=3)

    def scale(without):
        return float(without.get_submodule("blocks2.1.mlp.0").weight.detach().std())

    found = reinit_robustness(model, drawn, scale, parts=["blocks2.1", "blocks2.0"])
    assert found["blocks2.0"] == scale(model) != found["blocks2.1"] == pytest.approx(scale(model), rel=0.02)


def test_parts_that_are_unknown_and_measures_that_are_none_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'layer1'"):
        reinit_robustness(TinyNet(), TinyNet(), lambda _: 0.0, parts=["layer_1"])
    with pytest.raises(ValueError, match="measure"):
        reinit_robustness(TinyNet(), TinyNet(), 0.5)
