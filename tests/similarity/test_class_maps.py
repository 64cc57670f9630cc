"""Grad-CAM on networks whose map is worked out by hand."""

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as tv

from lab_utils.networks import DEFAULT_PREPROCESSING, Preprocessing, build_model, preprocess, stages
from lab_utils.similarity import grad_cam
from lab_utils.transfer import freeze


class Linear(nn.Module):
    """Two channels, the image and its negative, averaged; logit 0 is 3 x the first, logit 1 is the second."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 2, 1, bias=False)
        self.head = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.stem.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
            self.head.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
        self.preprocessing = Preprocessing((0.0,), (1.0,), 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.stem(images).mean(dim=(2, 3)))


IMAGES = torch.tensor([[[[0.0, 0.2], [0.4, 1.0]]]])


def test_of_a_linear_network_the_map_is_worked_out_by_hand() -> None:
    # logit 0 is 3 times the mean of the four pixels, so each pixel has a slope of 3 / 4: times its value, times 4
    torch.testing.assert_close(grad_cam(Linear(), IMAGES, 0), 3 * IMAGES[:, 0])
    # logit 1 falls with every pixel: nothing speaks for it
    assert not grad_cam(Linear(), IMAGES, 1).any()


def test_the_mean_of_a_map_without_negative_parts_is_the_logit_of_a_linear_top() -> None:
    torch.testing.assert_close(grad_cam(Linear(), IMAGES, 0).mean(), Linear()(IMAGES)[0, 0])


def test_each_image_can_have_a_class_of_its_own() -> None:
    two = grad_cam(Linear(), torch.cat([IMAGES, IMAGES]), torch.tensor([0, 1]))
    assert two[0].any()
    assert not two[1].any()


def test_the_map_of_a_stage_below_is_that_of_its_own_slopes() -> None:
    model = build_model("resnet10_w16", num_classes=3, seed=0).eval()
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = model.stem(preprocess(model, images))
    rest = model.head(model.layer4(model.layer3(model.layer2(model.layer1(x)))).mean(dim=(2, 3)))
    (slopes,) = torch.autograd.grad(rest[:, 2].sum(), x)
    expected = (slopes.mean(dim=(2, 3), keepdim=True) * x).sum(dim=1).relu() * 256
    got = grad_cam(model, images, 2, stage="stem")
    assert got.shape == (2, 32, 32)
    spread = nn.functional.interpolate(expected[:, None].detach(), size=(32, 32), mode="bilinear")[:, 0]
    torch.testing.assert_close(got, spread, rtol=1e-3, atol=1e-4)


def test_a_network_stays_as_it_is_frozen_or_not() -> None:
    model = build_model("resnet10_w16", num_classes=3, seed=0).train()
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8)
    free = grad_cam(model, images, 1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    freeze(model, upto=list(stages(model))[-1])
    torch.testing.assert_close(grad_cam(model, images, 1), free)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_a_relu_in_place_after_the_stage_is_no_trouble() -> None:
    model = tv.DenseNet(4, (1, 1, 1, 1), 8, num_classes=2).eval()
    vars(model)["preprocessing"] = DEFAULT_PREPROCESSING[3]
    assert grad_cam(model, torch.rand(2, 3, 64, 64), 0).shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"classes": 5}, "classes from 0 to 2"),
        ({"classes": -1}, "classes from 0 to 2"),
        ({"classes": 0, "stage": "layer9"}, "layer4"),
    ],
)
def test_what_is_not_there_is_refused(settings, words) -> None:
    model = build_model("resnet10_w16", num_classes=3, seed=0)
    with pytest.raises(ValueError, match=words):
        grad_cam(model, torch.rand(1, 1, 32, 32), **settings)


def test_a_stage_without_maps_is_refused() -> None:
    model = nn.Sequential()
    model.stem, model.head = nn.Sequential(nn.Flatten(), nn.Linear(4, 4)), nn.Linear(4, 2)
    vars(model)["preprocessing"] = Preprocessing((0.0,), (1.0,), 1)
    with pytest.raises(ValueError, match=r"expected a stage with maps"):
        grad_cam(model, torch.rand(2, 1, 2, 2), 0)
