"""Networks by name: the head, the stages, the input, and weights that fit or do not."""

import copy
import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as tv
from torchvision.models.regnet import BlockParams

from lab_utils.networks import (
    DEFAULT_PREPROCESSING,
    Preprocessing,
    adapt_conv1,
    build_model,
    first_conv,
    head,
    head_path,
    list_models,
    preprocess,
    save_weights,
    stages,
)
from lab_utils.networks.architectures import OURS
from lab_utils.networks.conv1 import adapt_input

IMAGENET = Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3)

# one small network of every family, and whichever differs from its family in its parts
ONE_PER_FAMILY = [
    *(
        "cbr_large_t",
        "cbr_tiny",
        "resnet10_w16",
        "small_vit",
        "alexnet",
        "convnext_tiny",
        "densenet121",
        "efficientnet_b0",
    ),
    *("efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small"),
    *("regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_0"),
    *("squeezenet1_1", "swin_t", "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_32"),
]


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Shapes without numbers. RegNet computes its widths with tensors, which need numbers."""
    original = BlockParams.from_init_params.__func__

    def on_cpu(cls: type, *args: object, **options: object) -> object:
        with torch.device("cpu"):
            return original(cls, *args, **options)

    monkeypatch.setattr(BlockParams, "from_init_params", classmethod(on_cpu))
    for draw in ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "constant_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *_args, **_options: tensor)  # saves half of the time
    with torch.device("meta"):
        yield


def grey_images(n: int = 2, side: int = 40) -> Tensor:
    return torch.randint(0, 256, (n, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(7))


def lively(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give batch norms running statistics that are not 0 and 1, so that mistakes in them show."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=generator) * 0.2)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=generator) + 0.5)
    return model


def saved(model: nn.Module, path: Path) -> Path:
    torch.save(model.state_dict(), path)
    return path


# ------------------------------------------------------------------------- all of them


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", [*OURS, *tv.list_models(module=tv)])
def test_stages_hold_every_parameter_and_buffer_below_the_head_once(name: str) -> None:
    model = build_model(name, num_classes=5, in_channels=1)
    found = stages(model)
    inside = [n for s in found.values() for n, _ in chain(s.named_parameters(), s.named_buffers())]
    top = head_path(model)
    in_head = [f"{top}.{n}" for n, _ in head(model).named_parameters()]
    everything = [n for n, _ in chain(model.named_parameters(), model.named_buffers())]
    assert sorted(inside + in_head) == sorted(everything)
    assert [s.name for s in found.values()] == list(found)
    assert 4 <= len(found) <= 7
    assert getattr(head(model), "out_features", None) == 5 or getattr(head(model), "out_channels", None) == 5
    assert first_conv(model).in_channels == first_conv(model).weight.shape[1] == 1


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", ONE_PER_FAMILY)
def test_stages_are_in_the_order_of_execution_and_the_head_gives_the_logits(name: str) -> None:
    model = build_model(name, num_classes=5, in_channels=3).eval()
    found = stages(model)
    place = {module: k for k, stage in enumerate(found.values()) for module in stage.modules()}
    place |= dict.fromkeys(head(model).modules(), len(found))
    ran: list[int] = []
    for module, k in place.items():
        module.register_forward_hook(lambda *_, k=k: ran.append(k))
    outputs: list[str] = []
    for stage in found.values():
        stage.output.register_forward_hook(lambda *_, name=stage.name: outputs.append(name))
    logits = model(preprocess(model, torch.empty(2, 3, 40, 40, dtype=torch.uint8)))
    assert logits.shape == (2, 5)
    assert ran == sorted(ran)
    assert set(ran) == set(range(len(found) + 1))
    assert outputs == list(found)


@pytest.mark.parametrize(("name", "channels"), [("resnet10_w8", 8), ("resnet10_w16", 16), ("small_vit_w64", 64)])
def test_some_networks_come_in_any_width(name: str, channels: int) -> None:
    model = build_model(name, num_classes=2, seed=0)
    assert first_conv(model).out_channels == channels
    assert (model.name, model.preprocessing) == (name, DEFAULT_PREPROCESSING[1])
    assert model(torch.ones(1, 1, 32, 32)).shape == (1, 2)


def test_the_default_width_of_the_transformer_has_one_name_more() -> None:
    first, second = (build_model(name, num_classes=2, seed=0) for name in ("small_vit", "small_vit_w128"))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("name", ["resnet10_w0", "resnet10_w08", "resnet10_w", "cbr_tiny_w8", "small_vit_wide"])
def test_a_width_that_is_none_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="Expected a model"):
        build_model(name, num_classes=2)
    with pytest.raises(ValueError, match="multiple of 4"):
        build_model("small_vit_w6", num_classes=2)


def test_names_are_unique_and_ours_come_first() -> None:
    names = list_models()
    assert len(names) == len(set(names))
    ours = ["cbr_large_t", "cbr_large_w", "cbr_small", "cbr_tiny", "resnet10_w32", "resnet10_w16", "small_vit"]
    assert names[:7] == ours
    assert set(tv.list_models(module=tv)) < set(names)


# ---------------------------------------------------------- networks not built by the kit


def test_auxiliary_classifiers_of_a_torchvision_build_belong_to_their_stage() -> None:
    with torch.device("meta"):
        model = tv.googlenet(weights=None, init_weights=False, aux_logits=True)
        names = [n for n, _ in stages(model)["inception4"].named_parameters()]
    assert any(n.startswith("aux1.") for n in names)
    assert any(n.startswith("aux2.") for n in names)


@pytest.mark.parametrize("change", ["fc block", "whole classifier", "last of classifier", "heads", "below a norm"])
def test_a_head_that_was_replaced_by_hand_is_found(change: str) -> None:
    new = nn.Linear(7, 2)
    with torch.device("meta"):
        if change == "fc block":
            model = tv.resnet18(weights=None)
            model.fc = wanted = nn.Sequential(nn.Dropout(), new)
        elif change == "whole classifier":
            model = tv.efficientnet_b0(weights=None)
            model.classifier = wanted = new
        elif change == "last of classifier":
            model = tv.vgg11(weights=None)
            model.classifier[6] = wanted = new
        elif change == "heads":
            model = tv.vit_b_32(weights=None)
            model.heads = wanted = new
        else:
            model = tv.convnext_tiny(weights=None)
            model.classifier = nn.Sequential(nn.Flatten(1), nn.LayerNorm(768), new)
            wanted = new
        assert head(model) is wanted
        stages(model)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(4, 2)


def test_children_are_the_stages_of_an_own_network() -> None:
    assert list(stages(Own())) == ["low", "norm"]


def test_a_parameter_outside_every_stage_is_an_error_that_names_it() -> None:
    model = Own()
    model.scale = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"exactly one stage.*scale"):
        stages(model)


def test_a_network_without_a_recognisable_head_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"named 'head'.*build_model"):
        head(nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()))


# ------------------------------------------------------------------------ seeds and names


@pytest.mark.parametrize("name", ["cbr_tiny", "resnet18", "mobilenet_v3_small"])
def test_a_seed_fixes_the_weights_and_leaves_the_global_state_alone(name: str) -> None:
    torch.manual_seed(1)
    state = torch.random.get_rng_state()
    first, second, other = (build_model(name, num_classes=2, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first_conv(first).weight, first_conv(other).weight)


def test_without_a_seed_the_global_state_decides() -> None:
    torch.manual_seed(1)
    first, second = (build_model("resnet10_w16", num_classes=2) for _ in range(2))
    torch.manual_seed(1)
    again = build_model("resnet10_w16", num_classes=2)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, second.head.weight)


def test_a_random_grey_network_starts_with_activations_as_large_as_the_rgb_one() -> None:
    # sums of three independent filters have the variance of a network with one input channel
    grey = first_conv(build_model("resnet18", num_classes=2, in_channels=1, seed=0)).weight
    rgb = first_conv(build_model("resnet18", num_classes=2, in_channels=3, seed=0)).weight
    torch.testing.assert_close(grey, rgb.sum(1, keepdim=True))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "resnet11_w32", "num_classes": 2}, r"a model, got 'resnet11_w32'\. Did you mean 'resnet10_w32'"),
        ({"name": "Densenet121", "num_classes": 2}, r"Did you mean 'densenet121'"),
        ({"name": "resnet18", "num_classes": 0}, r"num_classes.*at least 1, got 0"),
        ({"name": "resnet18", "num_classes": 2, "in_channels": 0}, r"in_channels.*at least 1, got 0"),
    ],
)
def test_bad_arguments_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model(**options)  # type: ignore[arg-type]


# ------------------------------------------------------------------- the first convolution


def test_adapt_conv1_sums_the_rgb_filters() -> None:
    weight = torch.tensor([[[[1.0]], [[2.0]], [[4.0]]]])  # (1, 3, 1, 1)
    assert adapt_conv1(weight, 1).tolist() == [[[[7.0]]]]
    assert adapt_conv1(weight, 3).tolist() == weight.tolist()
    assert adapt_conv1(weight, 6).flatten().tolist() == [0.5, 1.0, 2.0, 0.5, 1.0, 2.0]
    assert adapt_conv1(torch.tensor([[[[3.0]]]]), 3).flatten().tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6, 7])
def test_equal_channels_give_equal_features_after_adaptation_of_grey_filters(channels: int) -> None:
    weight, image = torch.randn(5, 1, 3, 3), torch.randn(2, 1, 9, 9)
    adapted = nn.functional.conv2d(image.expand(-1, channels, -1, -1), adapt_conv1(weight, channels))
    torch.testing.assert_close(adapted, nn.functional.conv2d(image, weight))


def test_adapt_conv1_wants_filters() -> None:
    with pytest.raises(ValueError, match=r"\(O, C, k, k\)"):
        adapt_conv1(torch.zeros(3, 3), 1)


def test_the_channels_own_means_and_stds_move_into_the_network_exactly() -> None:
    # no padding: nothing but rounding may differ
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 2, 3))
    images = torch.rand(2, 1, 8, 8)
    expected = model(IMAGENET(images))
    preprocessing = adapt_input(model, IMAGENET, 1)
    assert preprocessing.channels == 1
    torch.testing.assert_close(model(preprocessing(images)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "border"),
    [("squeezenet1_1", 0), ("resnet18", 2), ("shufflenet_v2_x0_5", 1)],
)
def test_grey_images_have_the_features_they_had_as_rgb(name: str, border: int, tmp_path: Path) -> None:
    path = saved(lively(tv.get_model(name, weights=None)), tmp_path / "weights.pth")
    options = {"weights": path, "num_classes": 2, "seed": 0, "preprocessing": IMAGENET}
    grey, rgb = (build_model(name, in_channels=c, **options).eval() for c in (1, 3))
    assert rgb.preprocessing.mean == IMAGENET.mean
    images = grey_images(side=64)
    features = []
    for model in (grey, rgb):
        low = next(iter(stages(model).values())).output
        low.register_forward_hook(lambda _m, _i, output: features.append(output.clone()))
        with torch.no_grad():
            features.append(model(preprocess(model, images)))
    inner = slice(border, -border or None)
    torch.testing.assert_close(features[0][..., inner, inner], features[2][..., inner, inner], rtol=1e-4, atol=1e-4)
    # at the border the filters meet zeros, which stand for another grey in every channel
    assert (features[0] - features[2]).abs().max() < 0.5 * features[2].std()


def test_colour_input_for_grey_weights_gives_grey_images_the_same_logits(tmp_path: Path) -> None:
    path = tmp_path / "grey.safetensors"
    source = lively(build_model("cbr_tiny", num_classes=7, seed=0))
    save_weights(path, source.state_dict(), Preprocessing((0.4,), (0.2,), 1), model_name="cbr_tiny")
    grey, rgb = (build_model("cbr_tiny", weights=path, num_classes=2, in_channels=c, seed=0).eval() for c in (1, 3))
    images = grey_images()
    torch.testing.assert_close(grey(preprocess(grey, images)), rgb(preprocess(rgb, images)), rtol=1e-4, atol=1e-5)


def test_other_numbers_of_channels_run() -> None:
    model = build_model("resnet18", num_classes=2, in_channels=4, seed=0).eval()
    assert model(preprocess(model, torch.rand(2, 4, 32, 32))).shape == (2, 2)


# --------------------------------------------------------------------------------- weights


def test_the_backbone_is_loaded_and_the_head_is_new_even_where_it_would_fit(tmp_path: Path) -> None:
    source = lively(tv.resnet18(weights=None, num_classes=2))
    path = saved(source, tmp_path / "w.pth")
    options = {"num_classes": 2, "in_channels": 3, "seed": 0, "preprocessing": IMAGENET}
    model = build_model("resnet18", weights=path, keep_head=False, **options)
    for key, value in source.state_dict().items():
        assert torch.equal(model.state_dict()[key], value) != key.startswith("fc."), key
    assert model.training
    assert all(p.requires_grad for p in model.parameters())


def test_weights_of_another_model_are_refused_with_a_few_names(tmp_path: Path) -> None:
    path = saved(tv.shufflenet_v2_x0_5(weights=None), tmp_path / "shufflenet.pth")
    with pytest.raises(ValueError, match=r"weights of squeezenet1_1.*missing 50 \(features.0.weight.*weights=None"):
        build_model("squeezenet1_1", weights=path, num_classes=2)
    with pytest.raises(ValueError, match=r"unexpected 338 \(conv1.0.weight.*\.\.\.\)"):
        build_model("cbr_tiny", weights=path, num_classes=2)
    wide = saved(build_model("resnet10_w32", num_classes=2), tmp_path / "wide.pth")
    with pytest.raises(ValueError, match=r"of another shape \d+ \(stem.0.weight"):
        build_model("resnet10_w16", weights=wide, num_classes=2)


def test_torchvision_files_with_old_names_or_without_counters_load(tmp_path: Path) -> None:
    source = lively(tv.densenet121(weights=None))
    old = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for key, value in source.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "old.pth")
    model = build_model(
        "densenet121", weights=tmp_path / "old.pth", num_classes=2, in_channels=3, preprocessing=IMAGENET
    )
    key = "features.denseblock2.denselayer3.norm1.running_mean"
    assert torch.equal(model.state_dict()[key], source.state_dict()[key])


def test_mnasnet_loads_from_a_plain_mapping(tmp_path: Path) -> None:
    # its own load_state_dict refuses mappings without version metadata
    source = tv.mnasnet0_5(weights=None)
    save_weights(tmp_path / "m.safetensors", source.state_dict(), IMAGENET, model_name="mnasnet0_5")
    model = build_model("mnasnet0_5", weights=tmp_path / "m.safetensors", num_classes=2, in_channels=3)
    assert torch.equal(model.layers[0].weight, source.layers[0].weight)


def test_googlenet_normalises_outside_as_torchvision_does_inside(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        source = lively(tv.googlenet(weights=None, transform_input=True, init_weights=False, aux_logits=True)).eval()
    path = saved(source, tmp_path / "g.pth")
    with pytest.warns(UserWarning, match="does not record how"):
        model = build_model("googlenet", weights=path, num_classes=2, in_channels=3).eval()
    with pytest.raises(ValueError, match="transform_input=True"):
        build_model("googlenet", weights=path, num_classes=2, in_channels=3, preprocessing=IMAGENET)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(preprocess(model, images), source._transform_input(IMAGENET(images)))
    model.fc = source.fc  # and nothing is transformed a second time
    with torch.no_grad():
        torch.testing.assert_close(model(preprocess(model, images)), source(IMAGENET(images)), rtol=1e-4, atol=1e-5)


def test_procedural_weights_of_a_model_without_any_name_those_that_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps({"resnet10_w32": {}, "cbr_tiny": {}}))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"resnet10_w32, cbr_tiny.*'resnet18'"):
        build_model("resnet18", weights="procedural", num_classes=2)


# --------------------------------------------------------------------------- preprocessing


@pytest.mark.parametrize(
    ("name", "side", "given"),
    [("vit_b_32", 224, 28), ("maxvit_t", 224, 256), ("inception_v3", 75, 28), ("inception_v3", 96, 96)],
)
@pytest.mark.usefixtures("meta")
def test_networks_that_insist_on_a_size_get_it(name: str, side: int, given: int) -> None:
    model = build_model(name, num_classes=2)
    images = torch.empty(2, 1, given, given, dtype=torch.uint8)
    assert preprocess(model, images).shape == (2, 1, side, side)


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", ["alexnet", "vgg11", "densenet121", "squeezenet1_0", "convnext_tiny", "swin_t"])
def test_the_smallest_medmnist_images_go_through_every_network(name: str) -> None:
    model = build_model(name, num_classes=2).eval()
    assert model(preprocess(model, torch.empty(2, 1, 28, 28, dtype=torch.uint8))).shape == (2, 2)


def test_a_vit_takes_the_side_its_position_embedding_was_made_for(tmp_path: Path) -> None:
    state = {"encoder.pos_embedding": torch.zeros(1, 1 + 4 * 4, 768)}
    torch.save(state, tmp_path / "vit.pth")
    # all else is missing, and the message must not speak of the embedding's shape
    with torch.device("meta"), pytest.raises(ValueError, match="of another shape 0"):
        build_model("vit_b_32", weights=tmp_path / "vit.pth", num_classes=2)


def test_name_and_preprocessing_travel_with_a_copy_but_not_in_the_state() -> None:
    model = build_model("cbr_tiny", num_classes=2)
    twin = copy.deepcopy(model)
    assert (twin.name, twin.preprocessing) == ("cbr_tiny", model.preprocessing)
    assert stages(twin)["block1"].output is twin.block1
    assert not any("preprocessing" in key for key in model.state_dict())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.randn(2, 1, 8, 8), r"floats in \[0, 1\].*before normalisation"),
        (torch.full((2, 1, 8, 8), float("nan")), r"floats in \[0, 1\]"),
        (torch.zeros(2, 1, 8, 8, dtype=torch.int64), r"got torch.int64"),
        (torch.zeros(2, 5, 8, 8, dtype=torch.uint8), r"channels"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"\(B, C, H, W\)"),
    ],
)
def test_images_that_cannot_be_meant_are_refused(images: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preprocess(build_model("cbr_tiny", num_classes=2), images)


def test_a_model_without_preprocessing_is_told_how_to_get_one() -> None:
    with pytest.raises(ValueError, match=r"build_model.*model\.preprocessing ="):
        preprocess(Own(), grey_images())
