"""Debiased CKA of whole maps: against the formula with matrices of images, and what it must say of itself."""

import numpy as np
import pytest
import torch

from lab_utils.networks import build_model
from lab_utils.similarity import cka_per_stage, collect_activations
from tests.tiny import TinyNet, tiny_split


def hsic(k, m):
    """Song et al. (2012), equation 5, as printed there."""
    n = len(k)
    k, m = (matrix - np.diag(np.diag(matrix)) for matrix in (k, m))
    one = np.ones(n)
    cross = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + cross - 2 / (n - 2) * one @ k @ m @ one) / (n * (n - 3))


def by_formula(x, y):
    k, m = (z.reshape(len(z), -1).astype(float) for z in (x, y))
    k, m = k @ k.T, m @ m.T
    return hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m))


def maps(model, images, stage):
    kept = []
    handle = getattr(model, stage).register_forward_hook(lambda *call: kept.append(call[2].detach().numpy()))
    with torch.no_grad():
        model.eval()(model.preprocessing(images))
    handle.remove()
    return kept[0]


def test_each_value_is_the_mean_over_batches_of_the_printed_formula():
    x, y, images = TinyNet(seed=0), TinyNet(seed=1), tiny_split(22, size=12).images
    found = cka_per_stage(x, y, images, batch_size=10)  # the last two are left out
    for stage in ("stem", "layer1"):
        parts = [
            by_formula(maps(x, images[rows], stage), maps(y, images[rows], stage))
            for rows in (slice(0, 10), slice(10, 20))
        ]
        assert found[stage] == pytest.approx(np.mean(parts), abs=1e-6)


def test_a_network_is_like_itself_and_pooling_would_say_something_else():
    model, images = TinyNet(seed=0), tiny_split(20, size=12).images
    assert list(cka_per_stage(model, model, images).values()) == pytest.approx([1, 1])
    other = TinyNet(seed=1)
    pooled = [collect_activations(net, images)["stem"].numpy() for net in (model, other)]
    assert cka_per_stage(model, other, images)["stem"] != pytest.approx(by_formula(*pooled), abs=1e-3)


def test_a_transformer_has_its_tokens_as_the_map():
    models = [build_model("small_vit", num_classes=2, seed=seed) for seed in (0, 1)]
    found = cka_per_stage(*models, tiny_split(8, size=16).images)
    assert list(found) == ["embed", "blocks1", "blocks2", "blocks3", "blocks4"]
    assert all(value < 1 for value in found.values())


def test_other_stages_and_too_few_images_are_refused():
    images = tiny_split(3, size=16).images
    with pytest.raises(ValueError, match="at least 4 images"):
        cka_per_stage(TinyNet(), TinyNet(), images)
    with pytest.raises(ValueError, match="same stages"):
        cka_per_stage(TinyNet(), build_model("small_vit", num_classes=2, seed=0), tiny_split(8, size=16).images)
