"""The small residual network has the size, the stages and the arithmetic it claims."""

import pytest
import torch
from torch import nn

from lab_utils.networks import resnet10
from lab_utils.networks.small_resnet import BasicBlock


@pytest.mark.parametrize(("width", "backbone"), [(32, 1_227_104), (16, 307_888)])
def test_parameters_are_counted_by_hand(width: int, backbone: int) -> None:
    def convolution(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side * side + 2 * outputs  # weights, batch-norm scale and shift

    w = width
    expected = convolution(1, w, 7) + 2 * convolution(w, w, 3)
    for c in (w, 2 * w, 4 * w):
        expected += convolution(c, 2 * c, 3) + convolution(2 * c, 2 * c, 3) + convolution(c, 2 * c, 1)
    assert expected == backbone
    model = resnet10(width=width, num_classes=5)
    assert sum(p.numel() for p in model.parameters()) == backbone + 5 * (8 * width + 1)


def test_stages_have_the_documented_shapes() -> None:
    model = resnet10(width=16, num_classes=4, in_channels=3).eval()
    assert [name for name, _ in model.named_children()] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    x = torch.randn(2, 3, 64, 64)
    for name, channels, side in [("stem", 16, 32), ("layer1", 16, 32), ("layer2", 32, 16), ("layer3", 64, 8)]:
        x = model.get_submodule(name)(x)
        assert tuple(x.shape) == (2, channels, side, side)
    assert tuple(model.layer4(x).shape) == (2, 128, 4, 4)
    assert tuple(model(torch.randn(2, 3, 64, 64)).shape) == (2, 4)


def test_a_block_whose_branch_is_silent_passes_its_input() -> None:
    block = BasicBlock(4, 4, stride=1).eval()
    nn.init.zeros_(block.bn2.weight)
    x = torch.randn(2, 4, 6, 6)
    torch.testing.assert_close(block(x), x.clamp_min(0))


def test_no_relu_works_in_place() -> None:
    relus = [m for m in resnet10(width=16, num_classes=2).modules() if isinstance(m, nn.ReLU)]
    assert len(relus) == 9
    assert not any(m.inplace for m in relus)
