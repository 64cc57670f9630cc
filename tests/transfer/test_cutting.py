"""A cut network computes what the whole one does up to the cut, and has nothing of what is above."""

import pytest
import torch
from torchvision.models import VisionTransformer

from lab_utils.networks import Preprocessing, build_model, head, preprocess, stages
from lab_utils.similarity import collect_activations
from lab_utils.transfer import cut

IMAGES = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("efficientnet_lite0", "blocks.4"),
        ("resnet10_w16", "layer2"),
        ("resnet18", "layer1"),
        ("small_vit", "blocks2"),
        ("deit_tiny_patch16_224", "blocks.1"),
    ],
)
def test_the_head_gets_the_averaged_maps_of_the_last_stage_that_is_kept(name, after):
    whole = build_model(name, num_classes=2, in_channels=1, seed=0)
    kept = list(stages(whole)).index(after) + 1
    numbers = sum(p.numel() for stage in list(stages(whole).values())[:kept] for p in stage.parameters())
    expected = collect_activations(whole, IMAGES, stages=[after])[after]
    model = cut(whole, after, num_classes=5, seed=1)
    assert model.training
    with torch.no_grad():
        logits = model.eval()(preprocess(model, IMAGES))
    torch.testing.assert_close(logits, head(model)(expected))
    assert logits.shape == (3, 5)
    assert sum(p.numel() for p in model.parameters()) == numbers + sum(p.numel() for p in head(model).parameters())


def test_batch_norm_below_the_cut_learns_in_train_mode_only():
    model = cut(build_model("resnet10_w16", num_classes=2, seed=0), "layer1", num_classes=2, seed=0)
    (mean, *_) = [buffer for name, buffer in model.named_buffers() if name.endswith("running_mean")]
    before = mean.clone()
    model.eval()(preprocess(model, IMAGES))
    assert torch.equal(mean, before)
    model.train()(preprocess(model, IMAGES))
    assert not torch.equal(mean, before)


def test_the_seed_alone_draws_the_head():
    torch.manual_seed(3)
    first = cut(build_model("resnet10_w16", num_classes=2, seed=0), "layer1", num_classes=2, seed=5)
    state = torch.get_rng_state()
    again = cut(build_model("resnet10_w16", num_classes=2, seed=0), "layer1", num_classes=2, seed=5)
    assert torch.equal(head(first).weight, head(again).weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_stages_and_networks_that_cannot_be_traced_to_the_end_of_a_stage_are_refused():
    with pytest.raises(ValueError, match="Did you mean 'layer2'"):
        cut(build_model("resnet10_w16", num_classes=2), "layer_2", num_classes=2, seed=0)
    vit = VisionTransformer(32, 8, 4, 2, 16, 32, num_classes=2)
    vit.preprocessing = Preprocessing((0.5,) * 3, (0.25,) * 3, 3, size=32)
    with pytest.raises(ValueError, match=r"up to 'blocks2'.*network of timm"):
        cut(vit, "blocks2", num_classes=2, seed=0)
