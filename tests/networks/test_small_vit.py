"""The small transformer has the size, the stages and the arithmetic it claims."""

import pytest
import torch
from torch import nn

from lab_utils.metrics import count_flops
from lab_utils.networks import blocks, build_model, preprocess, small_vit, stages
from lab_utils.networks.small_vit import Attention, TransformerBlock
from lab_utils.similarity import collect_activations, extract_features


@pytest.mark.parametrize(("width", "backbone"), [(128, 1_076_608), (64, 276_160)])
def test_parameters_are_counted_by_hand(width: int, backbone: int) -> None:
    def linear(inputs: int, outputs: int) -> int:
        return inputs * outputs + outputs

    w = width
    embed = linear(8 * 8, w) + 8 * 8 * w  # one channel; positions
    block = 2 * 2 * w + linear(w, 3 * w) + linear(w, w) + linear(w, 2 * w) + linear(2 * w, w)
    assert embed + 8 * block + 2 * w == backbone
    model = small_vit(width=width, num_classes=5)
    assert sum(p.numel() for p in model.parameters()) == backbone + 5 * (w + 1)


def test_operations_are_counted_by_hand() -> None:
    tokens, w = 64, 128
    layers = tokens * w * (64 + 8 * (3 * w + w + 2 * w + 2 * w))  # patches, and four matrices in each block
    attention = 8 * 2 * tokens * tokens * w
    assert count_flops(small_vit(num_classes=4), 64) == 2 * (layers + attention + 4 * w)


def test_stages_are_tokens_with_channels_last_and_the_head_gets_their_mean() -> None:
    model = build_model("small_vit", num_classes=4, in_channels=3, seed=0).eval()
    assert list(stages(model)) == ["embed", "blocks1", "blocks2", "blocks3", "blocks4"]
    assert [stage.channel_axis for stage in stages(model).values()] == [-1] * 5
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    tokens = collect_activations(model, images, pooled=False)
    assert {x.shape for x in tokens.values()} == {(3, 128, 64)}  # channels first, as from every network
    pooled = collect_activations(model, images)
    torch.testing.assert_close(pooled["blocks4"], tokens["blocks4"].mean(dim=2))
    torch.testing.assert_close(extract_features(model, images), pooled["blocks4"])
    with torch.no_grad():
        torch.testing.assert_close(model(preprocess(model, images)), model.get_submodule("head")(pooled["blocks4"]))


def test_the_last_norm_belongs_to_the_last_stage() -> None:
    model = small_vit(num_classes=2)
    assert list(blocks(model))[-3:] == ["blocks4.0", "blocks4.1", "blocks4.2"]
    assert isinstance(blocks(model)["blocks4.2"].output, nn.LayerNorm)


def test_attention_is_what_pytorch_computes() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(12, heads=3), nn.MultiheadAttention(12, 3, batch_first=True)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(ours.qkv.weight)
        theirs.in_proj_bias.copy_(ours.qkv.bias)
        theirs.out_proj.weight.copy_(ours.proj.weight)
        theirs.out_proj.bias.copy_(ours.proj.bias)
    x = torch.randn(2, 5, 12)
    torch.testing.assert_close(ours(x), theirs(x, x, x, need_weights=False)[0])


def test_a_block_whose_branches_are_silent_passes_its_input() -> None:
    block = TransformerBlock(8, heads=2, hidden=16)
    for layer in (block.attention.proj, block.mlp[2]):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    x = torch.randn(2, 5, 8)
    assert torch.equal(block(x), x)


def test_a_token_is_a_patch_and_its_position_row_by_row() -> None:
    model = small_vit(num_classes=2)
    x = torch.zeros(1, 1, 64, 64)
    empty = model.embed(x)
    x[0, 0, 16:24, 40:48] = 1.0  # third row of patches, sixth column
    changed = (model.embed(x) - empty).abs().sum(dim=2)[0]
    assert changed.nonzero().flatten().tolist() == [2 * 8 + 5]
    expected = model.embed.positions[0, :, 2, 5] + model.embed.patches.bias
    torch.testing.assert_close(empty[0, 2 * 8 + 5], expected)


def test_positions_of_smaller_images_lie_between_those_they_were_made_for() -> None:
    model = small_vit(num_classes=2)
    grid = torch.arange(8.0)
    with torch.no_grad():
        model.embed.positions.copy_((10 * grid[:, None] + grid).expand(1, 128, 8, 8))
        nn.init.zeros_(model.embed.patches.weight)
    rows = torch.tensor([0.5, 2.5, 4.5, 6.5])  # each of 4 patches covers two of 8
    expected = (10 * rows[:, None] + rows).flatten()
    torch.testing.assert_close(model.embed(torch.zeros(1, 1, 32, 32))[0, :, 0], expected)
    assert model.embed(torch.zeros(1, 1, 24, 128)).shape == (1, 3 * 16, 128)


def test_an_image_that_is_not_whole_patches_is_refused_with_what_to_do() -> None:
    model = build_model("small_vit", num_classes=2)
    with pytest.raises(ValueError, match=r"multiples of 8 px.* got 28 x 28\. Load them .* size=64"):
        model(preprocess(model, torch.zeros(1, 1, 28, 28, dtype=torch.uint8)))


def test_without_positions_the_order_of_the_patches_does_not_matter() -> None:
    model = build_model("small_vit", num_classes=3, seed=0).eval()
    with torch.no_grad():
        model.embed.positions.zero_()  # type: ignore[operator, union-attr]
    patches = torch.randn(64, 8, 8)
    mixed = patches[torch.randperm(64)]
    images = [p.view(8, 8, 8, 8).transpose(1, 2).reshape(1, 1, 64, 64) for p in (patches, mixed)]
    torch.testing.assert_close(model(images[0]), model(images[1]))
