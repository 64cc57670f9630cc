"""Costs and receptive fields: worked out by hand, and measured in another way."""

import pytest
import torch
from torch import nn

from lab_utils.metrics import count_flops, receptive_field
from lab_utils.networks import build_model


def test_flops_are_two_for_each_multiplication_of_convolutions_and_head():
    model = build_model("cbr_tiny", num_classes=5, seed=0)
    channels = [1, 32, 64, 128, 256]
    sides = [32, 16, 8, 4]  # "same" padding: the side falls in the pools only
    by_hand = sum(2 * 25 * channels[k] * channels[k + 1] * sides[k] ** 2 for k in range(4)) + 2 * 256 * 5
    assert count_flops(model, 32) == by_hand


def test_counting_changes_neither_mode_nor_statistics():
    model = build_model("resnet10_w16", num_classes=2, seed=0).train()
    model.layer1.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_flops(model, 32)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model.layer1.bn1.training
    assert model.layer2.bn1.training


def test_flops_grow_with_the_number_of_pixels():
    model = build_model("resnet10_w16", num_classes=5, seed=0)
    head = 2 * 128 * 5
    assert count_flops(model, 64) - head == 4 * (count_flops(model, 32) - head)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("cbr_tiny", 91),  # 1 + (4 + 2) (1 + 2 + 4 + 8)
        ("cbr_small", 121),  # 1 + (6 + 2) (1 + 2 + 4 + 8)
        ("cbr_large_w", 121),
        ("cbr_large_t", 217),  # 121 + 6 * 16
        ("resnet18", 435),
        ("resnet50", 427),
    ],
)
def test_receptive_fields_by_hand(name, side):
    assert receptive_field(build_model(name, num_classes=2, seed=0)) == side


@pytest.mark.parametrize("name", ["small_vit", "swin_t", "deit_tiny_patch16_224"])
def test_with_attention_every_place_sees_all(name):
    with torch.device("meta"), pytest.raises(ValueError, match="every place sees the whole image"):
        receptive_field(build_model(name, num_classes=2, in_channels=3))


def seen_from_the_centre(model, stages, side):
    """Width of the region in which a pixel changes the central place, measured by gradients."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    image = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    x = image
    for name in stages:
        x = model.get_submodule(name)(x)
    x[0, 0, x.shape[2] // 2, x.shape[3] // 2].backward()
    columns = (image.grad[0, 0] > 0).any(dim=0).nonzero()
    return int(columns.max() - columns.min()) + 1


def without_maxima(model):
    """Means in place of maxima: a gradient flows to every pixel of the window."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.MaxPool2d):
                setattr(parent, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    return model.double().eval()


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("cbr_tiny", ["block1", "block2", "block3", "block4"]),
        ("resnet10_w16", ["stem", "layer1", "layer2", "layer3", "layer4"]),
    ],
)
def test_the_receptive_field_is_where_gradients_reach(name, stages):
    model = without_maxima(build_model(name, num_classes=2, seed=0))
    assert receptive_field(model) == seen_from_the_centre(model, stages, 256)


def test_a_network_without_convolution_is_refused():
    with pytest.raises(ValueError, match="without a convolution"):
        receptive_field(nn.Linear(3, 2))


def test_flops_are_counted_for_the_channels_that_the_network_takes():
    rgb = build_model("cbr_tiny", num_classes=2, in_channels=3, seed=0)
    assert count_flops(rgb, 32, in_channels=3) > count_flops(build_model("cbr_tiny", num_classes=2, seed=0), 32)
    with pytest.raises(ValueError, match="in_channels=3"):
        count_flops(rgb, 32)
    for side in (0, 32.5, "32", True):
        with pytest.raises(ValueError, match="side="):
            count_flops(rgb, side, in_channels=3)
