"""Sources made on the spot, and how far they are from a task."""

import pytest
import torch

from lab_utils.data import make_fractals, make_phantoms
from lab_utils.networks import build_model
from lab_utils.similarity import collect_activations, frechet_distance
from lab_utils.studies.sources_on_the_spot import SOURCES, draw_source, source_distances


@pytest.fixture
def target() -> torch.Tensor:
    return make_phantoms(60, seed=0).images


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_draws_grey_images_by_seed(name: str) -> None:
    images = draw_source(name, 6, size=64, seed=1)
    assert (images.shape, images.dtype) == ((6, 1, 64, 64), torch.uint8)
    assert torch.equal(images, draw_source(name, 6, size=64, seed=1))
    assert not torch.equal(images, draw_source(name, 6, size=64, seed=2))
    assert images.float().std() > 1


def test_sources_are_what_they_are_called() -> None:
    assert torch.equal(draw_source("fractals", 5, seed=3)[:, 0], torch.from_numpy(make_fractals(5, seed=3)[0]))
    assert torch.equal(draw_source("other_hospital", 5, seed=3), make_phantoms(5, seed=3, site="B").images)
    noise = draw_source("noise", 50).double() / 255
    assert float(noise.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(noise.var()) == pytest.approx(1 / 12, abs=0.002)  # uniform
    with pytest.raises(ValueError, match="Did you mean 'fractals'"):
        draw_source("fractal", 5)


def test_small_images_are_averages_of_large_ones() -> None:
    large, small = (draw_source("same_hospital", 4, size=size, seed=2) for size in (64, 32))
    mean = large.double().reshape(4, 1, 32, 2, 32, 2).mean(dim=(3, 5))
    assert small.dtype == torch.uint8
    assert (small.double() - mean).abs().max() <= 0.5


@pytest.mark.filterwarnings("ignore:.*images are few")
def test_the_distance_is_that_of_the_pooled_features(target: torch.Tensor) -> None:
    model = build_model("cbr_tiny", num_classes=2, seed=0)
    found = source_distances(target, model, stage="block2", sources=["noise"], n=50, seed=7, draws=3)
    assert list(found) == ["itself, in halves", "noise"]
    x, y = (
        collect_activations(model, images, stages=["block2"])["block2"]
        for images in (draw_source("noise", 50, seed=7), target)
    )
    value, low, high = found["noise"]
    assert value == frechet_distance(x, y)
    assert low < value < high


@pytest.mark.filterwarnings("ignore:.*images are few")
def test_the_same_hospital_is_nearest_and_noise_is_far(target: torch.Tensor) -> None:
    model = build_model("cbr_tiny", num_classes=2, seed=0)
    found = {name: value for name, (value, *_) in source_distances(target, model, stage="block1", draws=2).items()}
    near = found.pop("same_hospital"), found.pop("itself, in halves")
    assert max(near) < 0.5 * min(found.values())


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 4 images"):
        source_distances(torch.zeros(3, 1, 64, 64, dtype=torch.uint8), build_model("cbr_tiny", num_classes=2))
