"""Same scale, no features: what is kept of the pretrained weights is exactly what is said."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lab_utils.networks import blocks, build_model, first_conv, head, head_path, preprocess, stages
from lab_utils.transfer import (
    gabor_init,
    mean_var_init,
    permuted_init,
    reinit_stage,
    renew_statistics,
    scale_weights,
    st_init,
    transfuse,
)
from tests.tiny import TinyNet, assert_same, state_of
from tests.transfer.test_freezing import SMALL
from tests.transfer.test_transfusion import prefix_of, trained

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)
INITS = [mean_var_init, permuted_init, st_init]


def outside_norms(model: nn.Module) -> dict[str, Tensor]:
    """Parameters of the backbone that belong to no norm layer."""
    inside = {id(p) for m in model.modules() if isinstance(m, NORMS) for p in m.parameters()}
    return {
        n: p.detach() for stage in stages(model).values() for n, p in stage.named_parameters() if id(p) not in inside
    }


@pytest.fixture(params=SMALL)
def pair(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module]:
    return trained(SMALL[request.param], 1), trained(SMALL[request.param], 2)


# ---- what both have in common


@pytest.mark.parametrize("init", INITS)
def test_norm_layers_start_fresh_and_statistics_are_never_drawn(init, pair):
    model, source = pair
    init(model, source, seed=0)
    for stage in stages(model).values():
        for norm in (m for m in stage.modules() if isinstance(m, NORMS)):
            assert (norm.weight == 1).all()
            assert (norm.bias == 0).all()
            if isinstance(norm, _NormBase):
                assert (norm.running_mean == 0).all()
                assert (norm.running_var == 1).all()
                assert norm.num_batches_tracked == 0


@pytest.mark.parametrize("init", INITS)
def test_head_and_source_are_unchanged(init, pair):
    model, source = pair
    before = state_of(head(model)), state_of(source)
    init(model, source, seed=0)
    assert_same(state_of(head(model)), before[0])
    assert_same(state_of(source), before[1])


@pytest.mark.parametrize("init", INITS)
def test_what_the_network_held_before_does_not_matter(init):
    source = trained(SMALL["resnet10"], 2)
    one, other = trained(SMALL["resnet10"], 1), trained(SMALL["resnet10"], 3)
    for model in (one, other):
        init(model, source, seed=7)
    names = prefix_of(one, list(stages(one)))
    assert_same({n: one.state_dict()[n] for n in names}, {n: other.state_dict()[n] for n in names})


@pytest.mark.parametrize("init", INITS)
def test_each_seed_is_a_new_draw_and_the_same_seed_the_same(init):
    source, drawn = trained(SMALL["cbr"], 2), []
    for seed in (0, 0, 1):
        drawn.append(trained(SMALL["cbr"], 1))
        init(drawn[-1], source, seed=seed)
    assert_same(state_of(drawn[0]), state_of(drawn[1]))
    for name, weight in outside_norms(drawn[0]).items():
        share = (weight == outside_norms(drawn[2])[name]).double().mean()
        assert share < 0.01, name


@pytest.mark.parametrize("init", INITS)
def test_no_weight_stays_where_the_source_has_it(init):
    model, source = trained(SMALL["resnet10"], 1), trained(SMALL["resnet10"], 2)
    init(model, source, seed=0)
    theirs = outside_norms(source)
    for name, weight in outside_norms(model).items():
        together = torch.stack([weight.flatten(), theirs[name].flatten()]).double()
        assert abs(float(torch.corrcoef(together)[0, 1])) < 5 / math.sqrt(weight.numel()), name


@pytest.mark.parametrize("init", INITS)
def test_the_draw_is_no_scaled_copy_of_a_network_built_with_the_same_seed(init):
    source, model = trained(SMALL["cbr"], 2), build_model("cbr_tiny", num_classes=2, in_channels=3, seed=0)
    built = model.block3.conv.weight.detach().clone()
    init(model, source, seed=0)
    together = torch.stack([built.flatten(), model.block3.conv.weight.detach().flatten()])
    assert abs(float(torch.corrcoef(together)[0, 1])) < 0.02


@pytest.mark.parametrize("init", INITS)
def test_the_global_random_numbers_are_left_alone(init):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    init(TinyNet(seed=1), TinyNet(seed=2), seed=0)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("init", INITS)
def test_another_network_is_refused_and_nothing_is_drawn(init):
    model = build_model("resnet10_w16", num_classes=2, seed=0)
    before = state_of(model)
    for source, message in [
        (build_model("resnet10_w16", num_classes=2, in_channels=3, seed=1), "in_channels=1"),
        (build_model("resnet10_w32", num_classes=2, seed=1), "same name"),
        (build_model("cbr_tiny", num_classes=2, seed=1), "Expected a stage of the source"),
    ]:
        with pytest.raises(ValueError, match=message):
            init(model, source, seed=0)
    assert_same(state_of(model), before)


@pytest.mark.parametrize("init", INITS)
def test_transfusing_afterwards_gives_pretrained_below_and_drawn_above(init):
    model, source = trained(SMALL["resnet10"], 1), trained(SMALL["resnet10"], 2)
    init(model, source, seed=0)
    drawn = state_of(model)
    transfuse(model, source, upto="layer1")
    assert torch.equal(model.layer1.conv1.weight, source.layer1.conv1.weight)
    assert torch.equal(model.layer2.conv1.weight, drawn["layer2.conv1.weight"])


# ---- mean_var_init


def test_mean_and_variance_of_each_tensor_are_those_of_the_source():
    model, source = SMALL["resnet"](), SMALL["resnet"]()
    with torch.no_grad():
        for k, weight in enumerate(outside_norms(source).values()):
            weight.normal_(mean=0.1 * k, std=0.5 + k, generator=torch.Generator().manual_seed(k))
    mean_var_init(model, source, seed=0)
    for name, weight in outside_norms(model).items():
        theirs, n = outside_norms(source)[name].double(), weight.numel()
        sd = theirs.std(correction=0)
        assert abs(weight.double().mean() - theirs.mean()) < 4.5 * sd / math.sqrt(n), name  # four and a half errors
        assert abs(weight.double().std() / sd - 1) < 4.5 / math.sqrt(2 * n), name


def test_the_draw_is_normal_whatever_the_source_looks_like():
    model, source = SMALL["cbr"](), SMALL["cbr"]()
    with torch.no_grad():
        weight = source.block3.conv.weight
        weight.zero_()
        weight[:, 0] = 8.0  # one in 64: far from normal
    mean_var_init(model, source, seed=0)
    drawn = model.block3.conv.weight.detach().double().flatten()
    z = (drawn - drawn.mean()) / drawn.std()
    assert float((z**3).mean()) == pytest.approx(0, abs=0.03)  # that of the source is 7.8
    assert float((z**4).mean()) == pytest.approx(3, abs=0.06)


def test_biases_are_drawn_too_and_a_constant_tensor_stays_that_constant():
    class Biased(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.stem[0] = nn.Conv2d(1, 8, 3)

    model, source = Biased(), Biased()
    with torch.no_grad():
        source.stem[0].bias.fill_(0.25)
        source.layer1[0].weight.fill_(0.5)
    mean_var_init(model, source, seed=0)
    assert (model.stem[0].bias == 0.25).all()
    assert (model.layer1[0].weight == 0.5).all()


# ---- st_init


def test_st_draws_weights_and_biases_with_the_unbiased_sd_and_keeps_embeddings_as_published():
    model, source = SMALL["vit"](), trained(SMALL["vit"], 2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    st_init(model, source, seed=0)
    theirs = dict(source.named_parameters())
    kinds = {"kept": 0, "drawn": 0}
    for name, p in model.named_parameters():
        if "pos_embedding" in name or name.endswith("class_token"):
            assert torch.equal(p, theirs[name]), name
            kinds["kept"] += 1
        elif p.ndim > 1 and not name.startswith("heads"):
            assert not torch.equal(p, theirs[name])
            assert not torch.equal(p, before[name])
            kinds["drawn"] += 1
    assert kinds["kept"] == 2
    assert kinds["drawn"] >= 4


def test_wt_st_has_pretrained_blocks_below_and_one_draw_above_for_all_cuts_of_a_run(pair):
    model, source = pair
    st_init(model, source, seed=0)
    drawn, theirs, below = state_of(model), state_of(source), set()
    for name, block in blocks(model).items():  # each cut goes on from the last: the draw is one
        transfuse(model, source, upto=name)
        below |= {n for n, _ in [*block.named_parameters(), *block.named_buffers()]}
        for n, value in model.state_dict().items():
            assert torch.equal(value, theirs[n] if n in below else drawn[n]), (name, n)
    assert sum(not torch.equal(drawn[n], theirs[n]) for n in below) > 3  # ST was another network
    top = state_of(head(model))
    assert_same(top, {key: drawn[f"{head_path(model)}.{key}"] for key in top})


def test_the_positions_of_the_small_transformer_stay_in_st_and_are_drawn_in_mean_var():
    source = trained(SMALL["small_vit"], 2)
    for init, kept in ((st_init, True), (mean_var_init, False)):
        model = SMALL["small_vit"]()
        init(model, source, seed=0)
        assert torch.equal(model.embed.positions, source.embed.positions) is kept
        assert not torch.equal(model.embed.patches.bias, source.embed.patches.bias)


def test_st_takes_the_sd_over_n_minus_1():
    class Two(TinyNet):
        def __init__(self) -> None:
            super().__init__()
            self.stem[0] = nn.Conv2d(1, 1, (1, 2), bias=True)

    drawn = []
    for seed in range(400):
        model, source = Two(), Two()
        with torch.no_grad():
            source.stem[0].weight.copy_(torch.tensor([1.0, -1.0]).view(1, 1, 1, 2))
            source.stem[0].bias.fill_(3.0)
        st_init(model, source, seed=seed)
        assert model.stem[0].bias.item() == 3.0  # one number has no spread
        drawn.append(model.stem[0].weight.detach().flatten())
    # variance 2 over n - 1, 1 over n; its own sd over 800 draws is 2 * (2 / 800) ** 0.5
    assert float(torch.cat(drawn).square().mean()) == pytest.approx(2, abs=4 * 2 * (2 / 800) ** 0.5)


# ---- permuted_init


def test_permuted_weights_are_the_same_numbers_in_another_order(pair):
    model, source = pair
    permuted_init(model, source, seed=0)
    theirs = outside_norms(source)
    for name, weight in outside_norms(model).items():
        assert torch.equal(weight.flatten().sort().values, theirs[name].flatten().sort().values), name


# ---- scale_weights


def test_scaling_multiplies_weights_only(pair):
    model, _ = pair
    before = state_of(model)
    scale_weights(model, 0.5)
    scaled = {name for name, value in outside_norms(model).items() if value.ndim > 1}
    assert scaled
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name] * 0.5 if name in scaled else before[name]), name


def test_before_batch_norm_the_scale_does_not_change_the_output():
    model = build_model("resnet10_w16", num_classes=2, seed=0).train()
    images = torch.randn(4, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = model(images).detach()
    scale_weights(model, 4.0)
    # not exactly: batch norm adds 1e-5 to the variance
    assert model(images).detach().numpy() == pytest.approx(expected.numpy(), abs=1e-3)


@pytest.mark.parametrize("factor", [0.0, -1.0, math.inf, math.nan])
def test_a_factor_that_destroys_the_weights_is_refused(factor):
    with pytest.raises(ValueError, match="factor above 0"):
        scale_weights(TinyNet(), factor)


# ---- gabor_init


def test_gabor_changes_the_first_convolution_only():
    model = build_model("resnet10_w16", num_classes=2, seed=0)
    before = state_of(model)
    gabor_init(model, seed=0)
    assert {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])} == {"stem.0.weight"}


@pytest.mark.parametrize("std", [None, 0.37])
def test_gabor_filters_have_the_scale_asked_for_no_mean_and_one_length(std):
    model = build_model("resnet10_w16", num_classes=2, in_channels=3, seed=0)
    now = float(first_conv(model).weight.detach().std(correction=0))
    gabor_init(model, seed=0, std=std)
    weight = first_conv(model).weight.detach()
    assert float(weight.square().mean().sqrt()) == pytest.approx(now if std is None else std, rel=1e-5)
    assert weight.mean(dim=(2, 3)).abs().max() < 1e-6
    lengths = weight.flatten(1).norm(dim=1)
    assert lengths.numpy() == pytest.approx(float(lengths[0]), rel=1e-5)
    assert torch.equal(weight[:, 0], weight[:, 2])


def test_patches_of_a_transformer_can_be_gabor_filters():
    model = build_model("small_vit", num_classes=2, seed=0)
    before = state_of(model)
    gabor_init(model, seed=1)
    assert [name for name, value in model.state_dict().items() if not value.equal(before[name])] == [
        "embed.patches.weight"
    ]
    filters = model.embed.patches.weight.detach()
    torch.testing.assert_close(filters.mean(dim=(2, 3)), torch.zeros(128, 1), atol=1e-6, rtol=0)


def test_gabor_filters_point_in_all_directions():
    model = build_model("resnet10_w32", num_classes=2, seed=0)
    gabor_init(model, seed=0)
    spectrum = torch.fft.fft2(first_conv(model).weight.detach()[:, 0], s=(64, 64)).abs()[:, :, :32]
    peak = spectrum.flatten(1).argmax(dim=1)
    y, x = peak // 32, peak % 32
    y = torch.where(y > 32, y - 64, y)
    angle = torch.atan2(y.double(), x.double()) % math.pi
    counts = torch.histc(angle, bins=4, min=0, max=math.pi)
    assert (counts >= 3).all(), counts  # 32 filters over four quarters: 8 each on average


def test_gabor_filters_of_two_seeds_differ_and_of_one_seed_do_not():
    drawn = []
    for seed in (0, 0, 1):
        model = build_model("cbr_tiny", num_classes=2, seed=0)
        gabor_init(model, seed=seed)
        drawn.append(model.block1.conv.weight)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_gabor_needs_room_and_a_scale():
    model = TinyNet()
    model.stem[0] = nn.Conv2d(1, 8, 1, bias=False)
    with pytest.raises(ValueError, match="at least 3 px, got 1 x 1"):
        gabor_init(model, seed=0)
    with pytest.raises(ValueError, match="std above 0"):
        gabor_init(TinyNet(), seed=0, std=0.0)


# ---- reinit_stage


def test_one_stage_goes_back_and_no_other(pair):
    model, start = pair
    before, theirs = state_of(model), state_of(start)
    name = list(stages(model))[2]
    reinit_stage(model, name, start)
    inside = prefix_of(model, [name])
    for key, value in model.state_dict().items():
        assert torch.equal(value, theirs[key] if key in inside else before[key]), key
    assert_same(state_of(start), theirs)


def test_all_stages_one_after_the_other_give_the_start_under_the_trained_head():
    model, start = TinyNet(seed=1), TinyNet(seed=2)
    trained_head = state_of(model.head)
    for name in stages(model):
        reinit_stage(model, name, start)
    assert_same(state_of(model.stem), state_of(start.stem))
    assert_same(state_of(model.layer1), state_of(start.layer1))
    assert_same(state_of(model.head), trained_head)


def test_a_stage_that_is_none_is_named_with_the_nearest():
    with pytest.raises(ValueError, match=r"Expected a stage of TinyNet, got 'layer2'. Did you mean 'layer1'"):
        reinit_stage(TinyNet(), "layer2", TinyNet())


# ---- renew_statistics


def grey(n: int = 12) -> Tensor:
    return torch.randint(0, 256, (n, 1, 12, 12), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


def test_statistics_are_those_of_the_images_for_the_weights_there_are_now():
    model, images = TinyNet(), grey()
    scale_weights(model, 3.0)
    renew_statistics(model, images)
    with torch.no_grad():
        first = model.stem[0](preprocess(model, images))
        second = model.layer1[0](torch.relu(nn.functional.batch_norm(first, None, None, training=True)))
    assert model.stem[1].running_mean.numpy() == pytest.approx(first.mean(dim=(0, 2, 3)).numpy(), abs=1e-5)
    assert model.stem[1].running_var.numpy() == pytest.approx(first.var(dim=(0, 2, 3)).numpy(), rel=1e-4)
    assert model.layer1[1].running_mean.numpy() == pytest.approx(second.mean(dim=(0, 2, 3)).numpy(), abs=1e-4)


def test_what_the_statistics_were_before_does_not_matter_and_no_weight_changes():
    model, other = TinyNet(), TinyNet()
    other.stem[1].running_mean.fill_(9.0)
    weights = {n: p.detach().clone() for n, p in model.named_parameters()}
    for each in (model, other):
        renew_statistics(each, grey(), batch_size=5)
    assert_same(state_of(model), state_of(other))
    assert all(torch.equal(p, weights[n]) for n, p in model.named_parameters())


def test_batches_count_alike_and_the_momentum_comes_back():
    model, images = TinyNet(), grey(8)
    renew_statistics(model, images, batch_size=4)
    with torch.no_grad():
        halves = [model.stem[0](preprocess(model, part)).mean(dim=(0, 2, 3)) for part in images.split(4)]
    assert model.stem[1].running_mean.numpy() == pytest.approx((sum(halves) / 2).numpy(), abs=1e-5)
    assert model.stem[1].momentum == 0.1
    assert not any(m.training for m in model.modules())


def test_after_one_stage_went_back_the_next_sees_centred_inputs_again():
    model, start = copy.deepcopy(TinyNet(seed=1)), TinyNet(seed=2)
    with torch.no_grad():
        start.stem[0].weight.mul_(50)
    reinit_stage(model, "stem", start)
    renew_statistics(model, grey())
    with torch.no_grad():
        out = model.stem[1](model.stem[0](preprocess(model, grey())))
    assert float(out.mean()) == pytest.approx(0, abs=0.01)
    assert float(out.std()) == pytest.approx(1, abs=0.05)


def test_one_image_has_no_variance():
    with pytest.raises(ValueError, match="at least two images"):
        renew_statistics(TinyNet(), grey(1))
