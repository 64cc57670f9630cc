"""The CBR family agrees with the counts and the geometry of the paper."""

import pytest
import torch
from torch import nn

from lab_utils.networks import cbr_large_t, cbr_large_w, cbr_small, cbr_tiny
from lab_utils.networks.cbr import CBR

BUILDERS = {"LargeT": cbr_large_t, "LargeW": cbr_large_w, "Small": cbr_small, "Tiny": cbr_tiny}


def build(name: str, **kwargs: int) -> CBR:
    with torch.device("meta"):
        return BUILDERS[name](**kwargs)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("LargeT", 8_532_480), ("LargeW", 8_432_128), ("Small", 2_108_672), ("Tiny", 1_076_480)],
)
def test_counting_as_the_papers_table_does_gives_its_numbers(name: str, expected: int) -> None:
    # Convolution weights without conv1, no batch norm, a head of five classes without bias.
    model = build(name, num_classes=5, in_channels=3)
    convolutions = [m.weight.numel() for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert sum(convolutions[1:]) + model.head.weight.numel() == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("LargeT", 8_539_173), ("LargeW", 8_443_461), ("Small", 2_114_341), ("Tiny", 1_079_845)],
)
def test_every_trainable_parameter_is_counted(name: str, expected: int) -> None:
    model = build(name, num_classes=5, in_channels=3)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == expected


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("LargeT", [(32, 32), (64, 16), (128, 8), (256, 4), (512, 4)]),
        ("LargeW", [(64, 32), (128, 16), (256, 8), (512, 4)]),
        ("Small", [(32, 32), (64, 16), (128, 8), (256, 4)]),
        ("Tiny", [(32, 32), (64, 16), (128, 8), (256, 4)]),
    ],
)
def test_blocks_halve_the_side_as_the_paper_says(name: str, shapes: list[tuple[int, int]]) -> None:
    model = build(name, num_classes=2, in_channels=1)
    children = [child for child, _ in model.named_children()]
    assert children == [f"block{k}" for k in range(1, len(shapes) + 1)] + ["head"]
    x = torch.empty(2, 1, 64, 64, device="meta")
    for child, (channels, side) in zip(children, shapes, strict=False):
        x = model.get_submodule(child)(x)
        assert tuple(x.shape) == (2, channels, side, side)
    assert model(torch.empty(2, 1, 64, 64, device="meta")).shape == (2, 2)


@pytest.mark.parametrize("side", [27, 33, 50])
def test_any_side_from_odd_to_even_goes_through(side: int) -> None:
    model = build("Tiny", num_classes=3, in_channels=1)
    assert model(torch.empty(2, 1, side, side, device="meta")).shape == (2, 3)


@pytest.mark.parametrize("name", BUILDERS)
def test_convolutions_have_no_bias_and_relu_is_not_in_place(name: str) -> None:
    model = build(name, num_classes=2, in_channels=1)
    assert all(m.bias is None for m in model.modules() if isinstance(m, nn.Conv2d))
    assert not any(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))
    assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == len(model.block_names)


def test_a_forward_pass_by_hand_agrees() -> None:
    torch.manual_seed(0)
    model = cbr_tiny(num_classes=3, in_channels=1).eval()
    images = torch.randn(2, 1, 16, 16)
    state = model.state_dict()
    x = images
    for k in range(1, 5):
        x = torch.conv2d(x, state[f"block{k}.conv.weight"], padding=2)
        x = x / (1 + 1e-5) ** 0.5  # fresh batch norm: mean 0, variance 1, eps 1e-5
        x = torch.nn.functional.max_pool2d(x.clamp_min(0), 3, 2, 1)
    expected = x.mean((2, 3)) @ state["head.weight"].T + state["head.bias"]
    torch.testing.assert_close(model(images), expected)
