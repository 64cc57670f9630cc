"""Source training: batches, schedule, resuming after a kill, and the file it ends in."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lab_utils.data import make_photos
from lab_utils.networks import load_weights
from lab_utils.studies import pretrain, source_training
from lab_utils.studies.pretrain import BUILDERS, RECIPES, ship, shipped_tensors, source_images
from lab_utils.studies.source_training import (
    Recipe,
    draw_batch,
    held_out_accuracy,
    learning_rate,
    relative_scale,
    train,
)

SHORT = Recipe(
    steps=8,
    small_steps=5,
    images=60,
    photos=30,
    held_out=20,
    categories=4,
    size=16,
    batch_size=12,
    lr=0.05,
    warmup=2,
    shift=2,
    log_every=3,
)
Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def data() -> Data:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 4
    images = torch.randint(0, 60, (60, 16, 16), generator=generator) + 60 * labels[:, None, None]
    return images.to(torch.uint8), labels


def small_net(categories: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, categories),
    )  # fmt: skip


# ---------------------------------------------------------------- batches and schedule


def test_a_batch_depends_on_seed_and_step_alone(data: Data) -> None:
    first, labels = draw_batch(*data, 6, SHORT)
    torch.manual_seed(99)
    again, _ = draw_batch(*data, 6, SHORT)
    other, _ = draw_batch(*data, 7, SHORT)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (12, 1, 16, 16)
    assert labels.shape == (12,)


def test_the_first_steps_see_the_same_images_at_half_the_side(data: Data) -> None:
    large, labels = draw_batch(*data, 2, Recipe(**{**vars(SHORT), "small_steps": 0}))
    small, same = draw_batch(*data, 2, SHORT)
    assert torch.equal(labels, same)
    expected = large.reshape(12, 1, 8, 2, 8, 2).mean(dim=(3, 5))
    torch.testing.assert_close(small, expected)


def test_every_image_of_a_batch_is_a_shifted_or_mirrored_original() -> None:
    # The grey level tells the column, so the middle row tells shift and mirroring exactly.
    images = (torch.arange(16) * 10).expand(5, 16, 16).to(torch.uint8)
    recipe = Recipe(**{**vars(SHORT), "batch_size": 200, "small_steps": 0})
    batch, _ = draw_batch(images, torch.zeros(5, dtype=torch.int64), 0, recipe)
    columns = ((batch[:, 0, 8] * 0.25 + 0.5) * 255 / 10).round().int()
    steps = columns[:, 4:12].diff(dim=1)  # clear of the reflected edge
    assert set(steps.flatten().tolist()) == {1, -1}
    mirrored = steps[:, 0] == -1
    assert 60 < int(mirrored.sum()) < 140
    shift = torch.where(mirrored, 15 - columns[:, 8], columns[:, 8]) - 8
    assert set(shift.tolist()) == {-2, -1, 0, 1, 2}


def test_a_batch_without_shift_or_mirroring_is_the_original(data: Data) -> None:
    recipe = Recipe(**{**vars(SHORT), "shift": 0, "small_steps": 0})
    images = torch.cat([data[0], data[0].flip(2)])  # mirrored or not, an image is one of these
    batch, labels = draw_batch(*data, 3, recipe)
    pixels = ((batch[:, 0] * 0.25 + 0.5) * 255).round().to(torch.uint8)
    for image, label in zip(pixels, labels, strict=True):
        match = (images == image).all(dim=(1, 2)).nonzero().flatten()
        assert len(match) == 1
        assert data[1][match % 60] == label


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    recipe = Recipe(steps=1000, small_steps=0, lr=0.2, warmup=200)
    assert learning_rate(0, recipe) == pytest.approx(0.2 / 200)
    assert learning_rate(499, recipe) > learning_rate(500, recipe) == pytest.approx(0.1)
    assert learning_rate(999, recipe) < 1e-6


# ---------------------------------------------------------------- measures


def test_relative_scale_is_one_at_the_start_and_follows_the_weights() -> None:
    torch.manual_seed(0)
    model = BUILDERS["resnet10_w32"](5)
    assert relative_scale(model) == pytest.approx([1.0] * 12, abs=0.06)
    with torch.no_grad():
        model.get_submodule("layer4.conv2").weight.mul_(0.25)  # type: ignore[operator]
    assert relative_scale(model)[10] == pytest.approx(0.25, abs=0.01)


def test_held_out_accuracy_counts_right_answers() -> None:
    class Brightness(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            level = x.mean(dim=(1, 2, 3))
            return torch.stack([-level, level], dim=1)  # names 1 where the image is bright

    images = torch.tensor([0, 255, 255, 0], dtype=torch.uint8)[:, None, None].expand(4, 8, 8)
    labels = torch.tensor([0, 1, 0, 0])
    for small in (False, True):
        assert held_out_accuracy(Brightness(), images, labels, small=small) == 0.75


# ---------------------------------------------------------------- the run


def equal(first: nn.Module, second: nn.Module) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("killed_at", [1, 3, 6])
def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path: Path, data: Data, killed_at: int) -> None:
    whole, lines = train("net", small_net, SHORT, data, data, tmp_path / "whole.pt")
    path = tmp_path / "cut.pt"
    part, _ = train("net", small_net, SHORT, data, data, path, stop_after=killed_at)
    assert not equal(part, whole)
    torch.manual_seed(123)  # the new process starts from another state
    resumed, again = train("net", small_net, SHORT, data, data, path)
    assert equal(resumed, whole)
    assert len(again) == len(lines) == 3

    def without_time(line: str) -> str:
        return line.rsplit("  ", 1)[0].split("loss")[0] + line.split("nats")[1].rsplit("  ", 1)[0]

    assert [without_time(line) for line in again] == [without_time(line) for line in lines]


def test_checkpoints_are_written_along_the_way(tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_training, "CHECKPOINT_SECONDS", 0.0)
    train("net", small_net, SHORT, data, data, tmp_path / "run.pt")
    assert torch.load(tmp_path / "run.pt", weights_only=True)["state"]["step"] == SHORT.steps
    assert [p.name for p in tmp_path.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"steps": 9}])
def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path, data: Data, change: dict[str, float]) -> None:
    path = tmp_path / "run.pt"
    train("net", small_net, SHORT, data, data, path, stop_after=1)
    (name,) = change
    with pytest.raises(ValueError, match=rf"recipe\.{name} was .*Delete it to start afresh"):
        train("net", small_net, Recipe(**{**vars(SHORT), **change}), data, data, path)
    with pytest.raises(ValueError, match="name was net, is now other"):
        train("other", small_net, SHORT, data, data, path)
    other = data[0].flip(0), data[1]
    with pytest.raises(ValueError, match="data was"):
        train("net", small_net, SHORT, other, data, path)
    with pytest.raises(ValueError, match="held_out was"):
        train("net", small_net, SHORT, data, other, path)


def zeros(classes: int) -> nn.Module:
    """The same network from other weights."""
    model = small_net(classes)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def test_a_checkpoint_of_another_start_is_refused(tmp_path: Path, data: Data) -> None:
    train("net", small_net, SHORT, data, data, tmp_path / "run.pt", stop_after=1)
    with pytest.raises(ValueError, match="the starting weights differ"):
        train("net", zeros, SHORT, data, data, tmp_path / "run.pt")


def test_training_learns_what_can_be_learnt(tmp_path: Path, data: Data) -> None:
    recipe = Recipe(**{**vars(SHORT), "steps": 60, "small_steps": 20, "log_every": 60})
    _, lines = train("net", small_net, recipe, data, data, tmp_path / "run.pt")
    assert float(lines[-1].split("accuracy ")[1].split()[0]) > 0.9  # chance is 0.25


def test_source_images_are_fractals_and_then_patches_with_categories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    images, labels = source_images(SHORT, fractals=8, photos=6, seed=3)
    patches, kinds = make_photos(6, size=16, seed=3)
    assert images.shape == (14, 16, 16)
    assert labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, *(4 + kinds)]
    assert torch.equal(images[8:], torch.from_numpy(patches))
    only_fractals, _ = source_images(SHORT, fractals=8, photos=0, seed=3)
    assert torch.equal(only_fractals, images[:8])


def test_the_head_has_a_place_for_every_category(tmp_path: Path, data: Data) -> None:
    model, _ = train("net", small_net, SHORT, (data[0], data[1] + 2), (data[0], data[1] + 2), tmp_path / "run.pt")
    assert model.get_submodule("5").out_features == 6


# ---------------------------------------------------------------- what is shipped


def test_the_command_ends_in_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    recipe = Recipe(**{**vars(SHORT), "size": 32, "steps": 2, "small_steps": 1})
    monkeypatch.setitem(RECIPES, "resnet10_w16", recipe)
    monkeypatch.setattr("sys.argv", ["pretrain", "resnet10_w16"])
    monkeypatch.setattr(source_training, "CHECKPOINT_SECONDS", 0.0)
    pretrain.main()
    printed = capsys.readouterr().out
    folder = tmp_path / "data" / "weights"
    entry = json.loads((folder / "manifest.json").read_text())["resnet10_w16"]
    assert json.dumps(entry["sha256"]) in printed
    names = sorted(p.name for p in folder.iterdir())
    assert names == ["manifest.json", "resnet10_w16.log", "resnet10_w16.safetensors"]
    assert list((tmp_path / "cache" / "pretrain").iterdir()) == []  # the checkpoint has done its work
    assert entry["recipe"]["steps"] == 2
    assert not entry["converged"]
    loaded = load_weights("resnet10_w16", "procedural")
    missing, unexpected = BUILDERS["resnet10_w16"](3).load_state_dict(loaded.state_dict, strict=False)
    assert (sorted(missing), unexpected) == (["head.bias", "head.weight"], [])


def test_a_second_network_joins_the_manifest(tmp_path: Path, data: Data) -> None:
    for name in ("resnet10_w16", "cbr_tiny"):
        ship(name, SHORT, BUILDERS[name](4), ["line"], data, tmp_path)
    assert sorted(json.loads((tmp_path / "manifest.json").read_text())) == ["cbr_tiny", "resnet10_w16"]


def test_filters_are_kept_in_half_precision_and_vectors_in_full() -> None:
    tensors = shipped_tensors(BUILDERS["cbr_tiny"](4))
    assert not any(key.startswith("head.") for key in tensors)
    assert tensors["block1.conv.weight"].dtype == torch.float16
    assert tensors["block1.bn.running_var"].dtype == torch.float32


def test_a_name_without_recipe_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'cbr_tiny'"):
        pretrain.pretrain("cbr_tny")
