"""What is recorded is what the network computed, on every image, and no hook stays behind."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as tv

from lab_utils.networks import Preprocessing, build_model, head, preprocess, stages
from lab_utils.similarity import activations, collect_activations, conv_to_samples, extract_features, record
from lab_utils.transfer import freeze, train_mode


def grey_images(n: int = 7, side: int = 32) -> Tensor:
    return torch.randint(0, 256, (n, 1, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def hooks_of(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


@pytest.fixture
def model() -> nn.Module:
    return build_model("resnet10_w16", num_classes=3, seed=0)


class InPlace(nn.Module):
    """Batch norm, then ReLU in place: the ReLU writes into what a hook on `norm` was given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 2)
        self.preprocessing = Preprocessing((0.5,), (0.25,), 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.relu(self.norm(self.conv(images))).mean(dim=(2, 3)))


def test_an_in_place_relu_does_not_change_what_was_recorded() -> None:
    model = InPlace().eval()
    images = preprocess(model, grey_images())
    with torch.no_grad():
        expected = model.norm(model.conv(images))
        with record(model, ["norm"]) as kept:
            model(images)
    assert expected.min() < 0
    assert torch.equal(kept["norm"], expected)
    collected = collect_activations(model, grey_images(), stages=["norm"], pooled=False)
    torch.testing.assert_close(collected["norm"], expected)


def test_densenets_last_norm_is_kept_from_the_relu_that_follows() -> None:
    torch.manual_seed(0)  # of so small networks some are dead from the start
    model = tv.DenseNet(4, (1, 1, 1, 1), 8, num_classes=2).eval()
    with torch.no_grad(), record(model, ["block4"]) as kept:
        model(torch.randn(2, 3, 32, 32))
    assert kept["block4"].min() < 0


def test_record_keeps_the_last_forward_pass_detached(model: nn.Module) -> None:
    model.eval()
    images = preprocess(model, grey_images())
    with record(model, ["stem", "layer1.bn1"]) as kept:
        assert kept == {}
        assert hooks_of(model) == 2
        model(images[:3])
        model(images[3:])
    assert kept["stem"].shape == (4, 16, 16, 16)
    assert set(kept) == {"stem", "layer1.bn1"}
    assert not kept["stem"].requires_grad
    torch.testing.assert_close(kept["stem"], model.stem(images[3:]).detach())


def test_hooks_are_removed_also_after_an_error(model: nn.Module) -> None:
    images = torch.zeros(1, 3, 8, 8)  # the network wants one channel
    with pytest.raises(RuntimeError, match="channels"), record(model, ["stem", "layer4"]):
        model(images)
    assert hooks_of(model) == 0
    with pytest.raises(ValueError, match="channels"):
        extract_features(model, torch.zeros(2, 5, 8, 8, dtype=torch.uint8))
    assert hooks_of(model) == 0


def test_an_unknown_stage_is_named_with_the_nearest_before_any_hook_is_set(model: nn.Module) -> None:
    with (
        pytest.raises(ValueError, match=r"Expected a stage of ResNet10, got 'layer5'. Did you mean 'layer"),
        record(model, ["stem", "layer5"]),
    ):
        pass
    with pytest.raises(ValueError, match="Did you mean 'stem'"):
        collect_activations(model, grey_images(), stages=["sten"])
    assert hooks_of(model) == 0


def test_batches_do_not_change_the_result_and_the_order_of_images_is_kept(model: nn.Module) -> None:
    images = grey_images(7)
    whole = collect_activations(model, images, batch_size=7)
    parts = collect_activations(model, images, batch_size=3)
    assert list(whole) == ["stem", "layer1", "layer2", "layer3", "layer4"]
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name])
    turned = collect_activations(model, images.flip(0), batch_size=3)
    torch.testing.assert_close(turned["layer2"], whole["layer2"].flip(0))
    features = extract_features(model, images, batch_size=2)
    torch.testing.assert_close(features, extract_features(model, images))


def test_stages_are_looked_up_once_for_all_batches(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = []
    monkeypatch.setattr(activations, "stages_of", lambda network: looked_up.append(network) or stages(network))
    collect_activations(model, grey_images(6), stages=["stem", "layer1", "layer4"], batch_size=2)
    assert len(looked_up) == 1


def test_pooling_averages_over_space(model: nn.Module) -> None:
    maps = collect_activations(model, grey_images(), stages=["layer3"], pooled=False)["layer3"]
    pooled = collect_activations(model, grey_images(), stages=["layer3"])["layer3"]
    assert maps.shape == (7, 64, 4, 4)
    torch.testing.assert_close(pooled, maps.mean(dim=(2, 3)))


def test_the_head_on_the_features_gives_the_logits(model: nn.Module) -> None:
    images = grey_images()
    features = extract_features(model, images)
    assert features.shape == (7, 128)
    assert not features.requires_grad
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(head(model)(features), model(preprocess(model, images)))


def test_a_split_may_be_given_for_its_images(model: nn.Module) -> None:
    split = SimpleNamespace(images=grey_images(), labels=torch.zeros(7))
    assert torch.equal(extract_features(model, split), extract_features(model, grey_images()))


def test_features_train_a_head_outside(model: nn.Module) -> None:
    # tensors made in inference mode would refuse this
    probe = nn.Linear(128, 3)
    probe(extract_features(model, grey_images())).sum().backward()
    assert probe.weight.grad is not None


def test_every_module_is_afterwards_in_the_mode_it_was_in(model: nn.Module) -> None:
    freeze(model, upto="layer2")
    train_mode(model)
    modes = [m.training for m in model.modules()]
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    extract_features(model, grey_images())
    collect_activations(model, grey_images())
    assert [m.training for m in model.modules()] == modes
    assert len(set(modes)) == 2
    assert all(torch.equal(b, buffers[name]) for name, b in model.named_buffers())


def small(kind: str) -> nn.Module:
    if kind == "vit":
        model: nn.Module = tv.VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=2)
    elif kind == "swin":
        model = tv.SwinTransformer([4, 4], 8, [1, 1, 1, 1], [2, 2, 2, 2], [4, 4], num_classes=2)
    else:
        model = tv.squeezenet1_1(num_classes=2)
    vars(model)["preprocessing"] = Preprocessing((0.5,) * 3, (0.25,) * 3, 3)
    return model


@pytest.mark.parametrize(
    ("kind", "stage", "maps", "features"),
    [("vit", "blocks1", (16, 17), 16), ("swin", "stage2", (16, 4, 4), 64), ("squeezenet", "block2", (128, 3, 3), 512)],
)
def test_channels_are_on_axis_1_for_every_network(kind: str, stage: str, maps: tuple[int, ...], features: int) -> None:
    model = small(kind)
    unpooled = collect_activations(model, grey_images(), stages=[stage], pooled=False, batch_size=4)[stage]
    assert unpooled.shape == (7, *maps)
    pooled = collect_activations(model, grey_images(), stages=[stage], batch_size=4)[stage]
    torch.testing.assert_close(pooled, unpooled.flatten(2).mean(dim=2))
    assert extract_features(model, grey_images()).shape == (7, features)


def test_vit_maps_begin_with_the_class_token() -> None:
    model = small("vit")
    images = grey_images(2)
    tokens = collect_activations(model, images, stages=["blocks4"], pooled=False)["blocks4"]
    torch.testing.assert_close(tokens[:, :, 0], extract_features(model, images))


def test_all_stages_of_a_network_have_one_row_per_image(model: nn.Module) -> None:
    collected = collect_activations(model, grey_images(5), batch_size=2)
    assert {name: tuple(values.shape) for name, values in collected.items()} == {
        **{"stem": (5, 16), "layer1": (5, 16), "layer2": (5, 32), "layer3": (5, 64), "layer4": (5, 128)},
    }
    assert list(collected) == list(stages(model))
    assert all(values.dtype == torch.float32 and values.device.type == "cpu" for values in collected.values())


@pytest.mark.parametrize("images", [torch.zeros(0, 1, 8, 8, dtype=torch.uint8), torch.zeros(8, 8), [[0, 1]]])
def test_input_that_is_no_set_of_images_is_refused(model: nn.Module, images: object) -> None:
    with pytest.raises(ValueError, match=r"at least one image.*split\.images"):
        extract_features(model, images)


def test_a_module_with_several_outputs_cannot_be_recorded() -> None:
    model = small("vit")
    with (
        pytest.raises(TypeError, match="one tensor, got tuple"),
        record(model, ["encoder.layers.encoder_layer_0.self_attention"]),
    ):
        model(torch.zeros(1, 3, 32, 32))
    assert hooks_of(model) == 0


def test_every_position_becomes_a_datapoint_and_every_channel_a_neuron() -> None:
    maps = torch.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4)  # value = 24 b + 8 c + 4 h + w
    samples = conv_to_samples(maps)
    assert samples.shape == (2 * 2 * 4, 3)
    assert samples[0].tolist() == [0, 8, 16]  # image 0, position (0, 0)
    assert samples[1].tolist() == [1, 9, 17]  # the next column
    assert samples[4].tolist() == [4, 12, 20]  # the next row
    assert samples[8].tolist() == [24, 32, 40]  # the next image


def test_a_stride_takes_every_so_many_th_position_both_ways() -> None:
    maps = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    samples = conv_to_samples(maps, stride=2)
    assert samples.shape == (2 * 3 * 2, 3)
    places = [(b, h, w) for b in range(2) for h in (0, 2, 4) for w in (0, 2)]
    torch.testing.assert_close(samples, torch.stack([maps[b, :, h, w] for b, h, w in places]))
    assert torch.equal(conv_to_samples(maps, stride=9), maps[:, :, 0, 0])


@pytest.mark.parametrize(("shape", "stride"), [((4, 3), 1), ((4, 3, 7), 1), ((2, 3, 4, 4), 0)])
def test_what_has_no_positions_cannot_be_folded(shape: tuple[int, ...], stride: int) -> None:
    with pytest.raises(ValueError, match=r"expected maps \(B, C, H, W\) and a stride"):
        conv_to_samples(torch.zeros(shape), stride=stride)
