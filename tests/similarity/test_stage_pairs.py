"""Both networks see the same images in one order, and no more is kept than sums."""

import gc

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lab_utils.networks import build_model
from lab_utils.similarity import (
    Covariances,
    bootstrap_parts,
    cca,
    collect_activations,
    conv_to_samples,
    covariances,
    linear_cka,
    mean_cca,
    merged,
    stage_covariances,
)
from lab_utils.similarity import stage_pairs as stage_similarity
from tests.similarity.test_activations import grey_images, hooks_of, small
from tests.tiny import TinyNet


@pytest.fixture
def nets() -> tuple[nn.Module, nn.Module]:
    return TinyNet(seed=0), TinyNet(seed=1)


IMAGES = grey_images(30, 16)


def samples(model: nn.Module, stage: str, images: Tensor = IMAGES) -> Tensor:
    return conv_to_samples(collect_activations(model, images, stages=[stage], pooled=False)[stage])


def test_streamed_positions_give_what_all_activations_at_once_give(nets: tuple[nn.Module, nn.Module]) -> None:
    found = stage_covariances(*nets, IMAGES, batch_size=7)
    assert list(found) == [("stem", "stem"), ("layer1", "layer1")]
    for stage, positions in (("stem", 7 * 7), ("layer1", 5 * 5)):
        cov = merged(found[stage, stage])
        assert cov.n == 30 * positions
        expected = cca(samples(nets[0], stage), samples(nets[1], stage))
        np.testing.assert_allclose(cca(cov), expected, atol=1e-6)


def test_pooled_and_across_stages(nets: tuple[nn.Module, nn.Module]) -> None:
    pair = ("stem", "layer1")
    found = stage_covariances(*nets, IMAGES, pairs=[pair], conv="pooled", batch_size=7)
    acts = [collect_activations(net, IMAGES)[stage] for net, stage in zip(nets, pair, strict=True)]
    assert merged(found[pair]).n == 30
    assert linear_cka(merged(found[pair]), debiased=True) == pytest.approx(linear_cka(*acts, debiased=True), abs=1e-6)


def test_a_network_is_like_itself_in_every_stage_since_the_order_is_the_same(nets: tuple[nn.Module, nn.Module]) -> None:
    for found in stage_covariances(nets[0], nets[0], IMAGES, batch_size=4).values():
        assert mean_cca(merged(found)) == pytest.approx(1, abs=1e-9)


def test_another_order_of_the_images_is_a_draw_of_the_null(nets: tuple[nn.Module, nn.Module]) -> None:
    draws = [stage_covariances(nets[0], nets[0], IMAGES, permute=seed, batch_size=8) for seed in (0, 0, 1)]
    values = [mean_cca(merged(draw["layer1", "layer1"])) for draw in draws]
    assert values[0] == values[1] != values[2]
    assert max(values) < 0.3
    straight = stage_covariances(nets[0], nets[0], IMAGES)["layer1", "layer1"]
    mixed = draws[0]["layer1", "layer1"]
    torch.testing.assert_close(merged(mixed).yy, merged(straight).yy)  # every row is still there, once


def test_a_position_is_not_compared_with_itself_in_the_null() -> None:
    # All images are one image: only the mixed positions keep the null from seeing full similarity.
    images = grey_images(1, 16).expand(30, -1, -1, -1)
    net = TinyNet(seed=0)
    found = stage_covariances(net, net, images, pairs=[("layer1", "layer1")], permute=0)
    assert mean_cca(merged(found["layer1", "layer1"])) < 0.3


def test_per_side_takes_positions_evenly(nets: tuple[nn.Module, nn.Module]) -> None:
    found = stage_covariances(*nets, IMAGES, per_side=3)
    for stage, stride in (("stem", 3), ("layer1", 2)):  # 7 and 5 positions per side
        cov = merged(found[stage, stage])
        assert cov.n == 30 * 9
        maps = collect_activations(nets[0], IMAGES, stages=[stage], pooled=False)[stage]
        mean = conv_to_samples(maps, stride=stride).double().mean(dim=0)
        torch.testing.assert_close(cov.mean[: cov.split], mean, atol=1e-6, rtol=1e-6)


def test_parts_are_images_in_order_and_add_up(nets: tuple[nn.Module, nn.Module]) -> None:
    whole = stage_covariances(*nets, IMAGES)["stem", "stem"]
    parts = stage_covariances(*nets, IMAGES, parts=4, batch_size=5)["stem", "stem"]
    assert [part.n // 49 for part in parts] == [8, 8, 7, 7]
    assert mean_cca(merged(parts)) == pytest.approx(mean_cca(whole[0]), abs=1e-6)
    first = stage_covariances(*nets, IMAGES[:8])["stem", "stem"][0]
    torch.testing.assert_close(parts[0].scatter, first.scatter, atol=1e-4, rtol=1e-4)
    value, low, high = bootstrap_parts(mean_cca, parts, draws=20)
    assert low < value < high


def test_modes_and_hooks_are_as_before_also_after_an_error(nets: tuple[nn.Module, nn.Module]) -> None:
    for net in nets:
        net.train()
    before = [buffer.clone() for net in nets for buffer in net.buffers()]
    stage_covariances(*nets, IMAGES)
    with pytest.raises(ValueError, match="Expected a stage of TinyNet, got 'layer2'"):
        stage_covariances(*nets, IMAGES, pairs=[("stem", "layer2")])
    with pytest.raises(ValueError, match=r"same size from 'stem' and 'layer1', got 49 and 25.*pooled"):
        stage_covariances(*nets, IMAGES, pairs=[("stem", "layer1")])
    for net in nets:
        assert all(module.training for module in net.modules())
        assert hooks_of(net) == 0
    assert all(torch.equal(a, b) for a, b in zip(before, (b for net in nets for b in net.buffers()), strict=True))


def test_networks_of_other_kinds_need_named_pairs_and_pooling(nets: tuple[nn.Module, nn.Module]) -> None:
    other = build_model("resnet10_w16", num_classes=2, seed=0)
    with pytest.raises(ValueError, match=r"same stages.*pairs=\[\('layer1', 'layer4'\)\]"):
        stage_covariances(nets[0], other, IMAGES)
    pair = ("layer1", "layer2")
    cov = merged(stage_covariances(nets[0], other, IMAGES, pairs=[pair], conv="pooled")[pair])
    assert (cov.widths, cov.n) == ((16, 32), 30)


@pytest.mark.parametrize(("kind", "stage", "positions"), [("vit", "blocks1", 17), ("swin", "stage2", 16)])
def test_tokens_are_positions_too(kind: str, stage: str, positions: int) -> None:
    model = small(kind)
    cov = merged(stage_covariances(model, model, grey_images(5), pairs=[(stage, stage)])[stage, stage])
    assert (cov.n, cov.split) == (5 * positions, 16)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"conv": "mean"}, "positions, pooled"),
        ({"per_side": 0}, "per_side to be a whole number of at least 1"),
        ({"parts": 31}, "number of images, 30, got 31"),
        ({"pairs": []}, "at least one pair"),
        ({"batch_size": 0}, "batch_size to be a whole number of at least 1"),
    ],
)
def test_arguments_out_of_range_are_refused(
    nets: tuple[nn.Module, nn.Module], settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stage_covariances(*nets, IMAGES, **settings)


def test_a_loader_is_refused_because_it_may_shuffle(nets: tuple[nn.Module, nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"tensor of at least one image.*got DataLoader"):
        stage_covariances(*nets, DataLoader(TensorDataset(IMAGES), shuffle=True))


def test_never_more_than_a_batch_of_positions_is_held(
    nets: tuple[nn.Module, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def watch(batches: list[tuple[Tensor, Tensor]]) -> Covariances:
        held.append(sum(t.numel() for t in gc.get_objects() if type(t) is Tensor and t.ndim == 2 and len(t) > 40))
        return covariances(batches)

    monkeypatch.setattr(stage_similarity, "covariances", watch)
    stage_covariances(*nets, IMAGES, pairs=[("stem", "stem")], batch_size=3)
    assert len(held) == 10
    assert held[-1] == held[0]  # two matrices of 3 x 49 positions: nothing of the batches before
