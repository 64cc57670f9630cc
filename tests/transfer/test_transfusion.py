"""A transfused prefix is bit-identical to its source, and nothing else has changed."""

import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from lab_utils.networks import Preprocessing, Stage, blocks, build_model, head, stages
from lab_utils.transfer import slim, transfuse, weight_distance
from tests.tiny import TinyNet, assert_same, state_of
from tests.transfer.test_freezing import SMALL


def trained(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A network in which every tensor, buffers too, has values of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = make()
        with torch.no_grad():
            for tensor in [*model.parameters(), *model.buffers()]:
                if tensor.is_floating_point():
                    tensor.copy_(torch.rand_like(tensor) + seed)
                elif not tensor.ndim:  # the counter of a batch norm
                    tensor.fill_(seed)
    return model


@pytest.fixture(params=SMALL)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    return trained(SMALL[request.param], 1), trained(SMALL[request.param], 2)


def prefix_of(model: nn.Module, names: list[str]) -> set[str]:
    chosen = [stages(model)[name] for name in names]
    return {n for stage in chosen for n, _ in [*stage.named_parameters(), *stage.named_buffers()]}


def tensors_of(stage: Stage) -> list[tuple[str, Tensor]]:
    return [*stage.named_parameters(), *stage.named_buffers()]


def all_tensors(model: nn.Module) -> dict[str, Tensor]:
    return {n: t.detach().clone() for n, t in [*model.named_parameters(), *model.named_buffers()]}


# ---- transfuse


@pytest.mark.parametrize("depth", [1, 2, None])
def test_the_prefix_is_bit_identical_and_the_rest_is_untouched(pair, depth):
    model, source = pair
    before, names = all_tensors(model), list(stages(model))
    report = transfuse(model, source, upto=None if depth is None else names[depth - 1])
    inside, theirs = prefix_of(model, names[:depth]), all_tensors(source)
    for name, value in all_tensors(model).items():
        assert torch.equal(value, theirs[name] if name in inside else before[name]), name
    assert list(report.copied) == names[:depth]
    assert list(report.skipped) == [*names[len(report.copied) :], "head"]


def test_a_block_can_be_the_last_that_is_copied(pair):
    model, source = pair
    names = list(blocks(model))
    for last in {names[0], names[len(names) // 2], names[-2]} - set(stages(model)):
        before, theirs = all_tensors(model), all_tensors(source)
        prefix = names[: names.index(last) + 1]
        inside = {n for name in prefix for n, _ in tensors_of(blocks(model)[name])}
        report = transfuse(model, source, upto=last)
        assert list(report.copied) == prefix
        for name, value in all_tensors(model).items():
            assert torch.equal(value, theirs[name] if name in inside else before[name]), name


def test_the_source_is_unchanged_and_shares_no_memory(pair):
    model, source = pair
    before = state_of(source)
    transfuse(model, source)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1)
    assert_same(state_of(source), before)


def test_a_second_time_changes_nothing():
    model, source = trained(SMALL["resnet10"], 1), trained(SMALL["resnet10"], 2)
    first = transfuse(model, source, upto="layer2")
    once = state_of(model)
    assert transfuse(model, source, upto="layer2") == first
    assert_same(state_of(model), once)


def test_step_by_step_is_the_same_as_at_once():
    source = trained(SMALL["cbr"], 2)
    at_once, by_steps = trained(SMALL["cbr"], 1), trained(SMALL["cbr"], 1)
    transfuse(at_once, source, upto="block3")
    for name in ("block1", "block2", "block3"):
        transfuse(by_steps, source, upto=name)
    assert_same(state_of(at_once), state_of(by_steps))


def test_the_head_is_never_copied_even_if_it_fits(pair):
    model, source = pair
    before = state_of(head(model))
    transfuse(model, source)
    assert_same(state_of(head(model)), before)


def test_the_report_counts_every_number_and_says_why_not():
    # stem: 3 x 3 filters of 8 channels, batch norm with 4 x 8 numbers and a counter
    report = transfuse(TinyNet(seed=1), TinyNet(seed=2), upto="stem")
    assert report.copied == {"stem": 8 * 9 + 4 * 8 + 1}
    assert report.skipped == {"layer1": "above stem", "head": "never copied: it belongs to the source task"}
    assert str(report).splitlines()[0].split() == ["stem", "copied", "105", "numbers"]
    assert "layer1  left     above stem" in str(report)


def test_other_numbers_of_classes_do_not_matter():
    model, source = TinyNet(num_classes=2, seed=1), TinyNet(num_classes=7, seed=2)
    transfuse(model, source)
    assert head(model).weight.shape == (2, 16)
    assert torch.equal(model.layer1[0].weight, source.layer1[0].weight)


def test_the_preprocessing_comes_with_the_first_stage():
    model, source = TinyNet(seed=1), TinyNet(seed=2)
    source.preprocessing = Preprocessing(mean=(0.4,), std=(0.2,), channels=1)
    transfuse(model, source, upto="stem")
    assert model.preprocessing == source.preprocessing


def test_frozen_stays_frozen_and_trainable_stays_trainable():
    model, source = TinyNet(seed=1), TinyNet(seed=2)
    model.stem.requires_grad_(False)
    source.requires_grad_(False)
    transfuse(model, source)
    assert [p.requires_grad for p in model.stem.parameters()] == [False] * 3
    assert all(p.requires_grad for p in model.layer1.parameters())


def test_weights_for_other_channels_are_refused_with_what_to_do_and_nothing_is_copied():
    model = build_model("resnet10_w16", num_classes=2, in_channels=1, seed=0)
    source = build_model("resnet10_w16", num_classes=2, in_channels=3, seed=1)
    before = state_of(model)
    with pytest.raises(ValueError, match="build the source with in_channels=1"):
        transfuse(model, source, upto="layer1")
    assert_same(state_of(model), before)


def test_a_difference_high_up_stops_the_copy_before_it_begins():
    model, source = TinyNet(seed=1), TinyNet(seed=2)
    source.layer1[0] = nn.Conv2d(8, 16, 5, bias=False)
    before = state_of(model)
    with pytest.raises(ValueError, match=r"'layer1.0.weight' to have one shape"):
        transfuse(model, source)
    assert_same(state_of(model), before)
    transfuse(model, source, upto="stem")  # what lies above is not asked for
    source.layer1[0] = nn.Conv2d(8, 16, 3, bias=True)
    with pytest.raises(ValueError, match=r"only one of them has 'layer1.0.bias'"):
        transfuse(model, source)


def test_names_of_no_stage_are_refused_with_the_nearest():
    resnet, cbr = SMALL["resnet10"](), SMALL["cbr"]()
    with pytest.raises(ValueError, match=r"Expected a stage of ResNet10, got 'layer_1'. Did you mean 'layer1'"):
        transfuse(resnet, resnet, upto="layer_1")
    with pytest.raises(ValueError, match=r"got 'stem.00'. Did you mean 'stem.0'"):
        transfuse(resnet, resnet, upto="stem.00")
    with pytest.raises(ValueError, match="Expected a stage of the source, a CBR, got 'stem'"):
        transfuse(resnet, cbr)


# ---- weight_distance


def test_distance_is_zero_at_the_start_and_relative_to_it():
    start = TinyNet(seed=1)
    model = copy.deepcopy(start)
    assert set(weight_distance(model, start).values()) == {(0.0, 0.0)}
    with torch.no_grad():
        start.stem[0].weight.fill_(2.0)  # 72 numbers: length 2 * sqrt(72)
        model.stem[0].weight.fill_(2.5)
    found = weight_distance(model, start)
    assert list(found) == ["stem", "layer1"]
    assert found["stem"] == pytest.approx((0.5 * math.sqrt(72), 0.25))
    assert found["layer1"] == (0.0, 0.0)


def test_distance_looks_at_weights_not_at_biases_scales_and_statistics():
    start = TinyNet(seed=1)
    model = copy.deepcopy(start)
    with torch.no_grad():
        model.stem[1].weight.add_(3)
        model.stem[1].running_mean.add_(3)
        model.head.weight.add_(3)
    assert weight_distance(model, start)["stem"] == (0.0, 0.0)


def test_distance_has_one_entry_per_stage_of_every_family(pair):
    model, source = pair
    found = weight_distance(model, source)
    assert list(found) == list(stages(model))
    assert all(distance.raw > 0 and 0 < distance.relative < 1 for distance in found.values())


def test_a_start_of_zeros_has_no_relative_distance():
    start = TinyNet(seed=1)
    with torch.no_grad():
        start.stem[0].weight.zero_()
    assert math.isnan(weight_distance(TinyNet(seed=2), start)["stem"].relative)


# ---- slim

KIT = ["cbr_large_t", "cbr_tiny", "resnet10_w16"]


@pytest.mark.parametrize("name", KIT)
def test_slim_keeps_the_bottom_bit_for_bit_and_the_source_as_it_is(name):
    model = build_model(name, num_classes=3, seed=1)
    before, names = state_of(model), list(stages(model))
    light = slim(model, keep=names[1], width=0.5, seed=0)
    assert_same(state_of(model), before)
    for key in prefix_of(light, names[:2]):
        assert torch.equal(light.state_dict()[key], before[key])
    assert list(stages(light)) == names
    assert light(torch.zeros(2, 1, 32, 32)).shape == (2, 3)
    with torch.no_grad():
        next(iter(light.parameters())).add_(1)
    assert_same(state_of(model), before)


def test_slim_halves_the_channels_above():
    light = slim(build_model("cbr_small", num_classes=2, seed=1), keep="block2", width=0.5, seed=0)
    assert [light.get_submodule(f"block{k}").conv.weight.shape[:2] for k in (1, 2, 3, 4)] == [
        (32, 1),
        (64, 32),
        (64, 64),  # 128 channels became 64
        (128, 64),
    ]
    assert light.block3.conv.kernel_size == (7, 7)
    assert light.head.in_features == 128


def test_slim_with_the_whole_width_is_built_like_the_network_itself():
    model = build_model("resnet10_w16", num_classes=2, seed=1)
    light = slim(model, keep="stem", width=1.0, seed=0)
    assert {k: v.shape for k, v in light.state_dict().items()} == {k: v.shape for k, v in model.state_dict().items()}
    assert light.layer3.conv1.stride == model.layer3.conv1.stride
    assert not torch.equal(light.layer1.conv1.weight, model.layer1.conv1.weight)


def test_slim_keeps_the_last_pooling_of_the_large_network():
    model = build_model("cbr_large_t", num_classes=2, seed=1)
    light = slim(model, keep="block1", width=0.25, seed=0)
    pools = [[isinstance(m.get_submodule(n).pool, nn.MaxPool2d) for n in m.block_names] for m in (model, light)]
    assert pools[0] == pools[1] == [True, True, True, True, False]


def test_the_top_of_slim_depends_on_its_seed_only():
    model = build_model("cbr_tiny", num_classes=2, seed=1)
    one, same, other = (slim(model, keep="block2", width=0.5, seed=seed) for seed in (0, 0, 1))
    assert_same(state_of(one), state_of(same))
    assert not torch.equal(one.block3.conv.weight, other.block3.conv.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


def test_slim_leaves_the_global_random_numbers_alone_and_begins_with_their_scale():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    light = slim(build_model("resnet10_w32", num_classes=2, seed=1), keep="layer1", width=0.5, seed=0)
    assert torch.equal(torch.rand(1), expected)
    weight = light.layer4.conv2.weight  # 128 filters of 3 x 3, He et al. by fan-out
    assert weight.shape == (128, 128, 3, 3)
    assert float(weight.detach().std()) == pytest.approx(math.sqrt(2 / (128 * 9)), rel=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "layer9", "width": 0.5}, "Expected a stage of ResNet10, got 'layer9'"),
        ({"keep": "layer4", "width": 0.5}, "at least one stage must be left"),
        ({"keep": "stem", "width": 0.0}, "width in"),
        ({"keep": "stem", "width": 1.5}, "width in"),
    ],
)
def test_slim_refuses_what_makes_no_hybrid(options, message):
    with pytest.raises(ValueError, match=message):
        slim(build_model("resnet10_w16", num_classes=2), **options, seed=0)


def test_slim_says_which_networks_it_knows():
    with pytest.raises(ValueError, match="CBR family or a resnet10 of this kit, got ResNet"):
        slim(SMALL["resnet"](), keep="layer1", width=0.5, seed=0)
