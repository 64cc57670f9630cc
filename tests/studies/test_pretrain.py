"""Source training: batches, schedule, resuming after a kill, and the file it ends in."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lab_utils.data import make_phantoms, make_photos
from lab_utils.networks import build_model, load_weights
from lab_utils.studies import pretrain, source_training
from lab_utils.studies.pretrain import RECIPES, ship, shipped_tensors, source_images
from lab_utils.studies.source_training import (
    Recipe,
    WarmCosine,
    autocast,
    draw_batch,
    drawn,
    held_out_accuracy,
    make_optimizer,
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
    size=32,
    batch_size=12,
    lr=0.05,
    warmup=2,
    shift=2,
    log_every=3,
)
NAME = "resnet10_w16"
Data = tuple[Tensor, Tensor]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def data() -> Data:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 4
    images = torch.randint(0, 60, (60, 32, 32), generator=generator) + 60 * labels[:, None, None]
    return images.to(torch.uint8), labels


# ---------------------------------------------------------------- batches and schedule


def test_a_batch_depends_on_seed_and_step_alone(data: Data) -> None:
    first, labels = draw_batch(*data, 6, SHORT)
    torch.manual_seed(99)
    again, _ = draw_batch(*data, 6, SHORT)
    other, _ = draw_batch(*data, 7, SHORT)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (12, 1, 32, 32)
    assert labels.shape == (12,)


def test_the_first_steps_see_the_same_images_at_half_the_side(data: Data) -> None:
    large, labels = draw_batch(*data, 2, Recipe(**{**vars(SHORT), "small_steps": 0}))
    small, same = draw_batch(*data, 2, SHORT)
    assert torch.equal(labels, same)
    expected = large.reshape(12, 1, 16, 2, 16, 2).mean(dim=(3, 5))
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


def test_a_batch_in_colour_is_that_of_its_channels(data: Data) -> None:
    grey, labels = draw_batch(*data, 2, SHORT)
    colour = torch.stack([data[0], 255 - data[0], data[0] // 2], dim=1)
    batch, same = draw_batch(colour, data[1], 2, SHORT)
    assert torch.equal(labels, same)
    for channel in range(3):
        alone, _ = draw_batch(colour[:, channel], data[1], 2, SHORT)
        torch.testing.assert_close(batch[:, channel], alone[:, 0])
    torch.testing.assert_close(batch[:, 0], grey[:, 0])


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.2)
    schedule = WarmCosine(optimizer, "cosine", total=1000, warmup=200)
    assert schedule.set(0) == pytest.approx(0.2 / 200)
    assert schedule.set(499) > schedule.set(500) == pytest.approx(0.1)
    assert schedule.set(999) == optimizer.param_groups[0]["lr"] < 1e-6


def test_all_groups_of_the_optimizer_have_the_same_learning_rate() -> None:
    optimizer = make_optimizer(build_model("small_vit", num_classes=2), replace(SHORT, optimizer="adamw"))
    WarmCosine(optimizer, "cosine", total=10, warmup=1).set(4)
    assert [group["lr"] for group in optimizer.param_groups] == [
        pytest.approx(0.05 * (1 + math.cos(0.4 * math.pi)) / 2)
    ] * 2


# ---------------------------------------------------------------- measures


def test_relative_scale_is_one_at_the_start_and_follows_the_weights() -> None:
    model = build_model("resnet10_w32", num_classes=5, seed=0)
    assert relative_scale(model) == pytest.approx([1.0] * 12, abs=0.06)
    with torch.no_grad():
        model.get_submodule("layer4.conv2").weight.mul_(0.25)  # type: ignore[operator]
    assert relative_scale(model)[10] == pytest.approx(0.25, abs=0.01)
    vit = build_model("small_vit", num_classes=5, seed=0)
    assert relative_scale(vit) == pytest.approx([1.0] * (1 + 8 * 4), abs=0.06)  # patches, four matrices in a block


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


def test_the_weights_are_those_of_a_bare_loop(tmp_path: Path, data: Data) -> None:
    torch.manual_seed(0)
    bare = build_model(NAME, num_classes=4).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(bare.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
    for step in range(8):
        x, y = draw_batch(*data, step, SHORT)
        optimizer.param_groups[0]["lr"] = 0.05 * min(1, (step + 1) / 2) * (1 + math.cos(math.pi * step / 8)) / 2
        optimizer.zero_grad()
        with autocast("cpu"):
            logits = bare(x)
        nn.functional.cross_entropy(logits.float(), y, label_smoothing=0.1).backward()
        optimizer.step()
    model, _ = train(NAME, SHORT, data, data, tmp_path / "run.pt")
    assert equal(model, bare)


@pytest.mark.parametrize("killed_at", [1, 3, 6])
def test_a_run_that_was_killed_ends_with_the_same_weights(tmp_path: Path, data: Data, killed_at: int) -> None:
    whole, lines = train(NAME, SHORT, data, data, tmp_path / "whole.pt")
    part, _ = train(NAME, SHORT, data, data, tmp_path / "cut.pt", stop_after=killed_at)
    assert not equal(part, whole)
    torch.manual_seed(123)  # the new process starts from another state
    resumed, again = train(NAME, SHORT, data, data, tmp_path / "cut.pt")
    assert equal(resumed, whole)
    assert len(lines) == 3
    assert [line.rsplit("  ", 1)[0] for line in again] == [line.rsplit("  ", 1)[0] for line in lines]  # but the time


def test_a_line_of_the_log_says_side_loss_accuracy_and_scale(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_training, "held_out_accuracy", lambda *_, small, **__: 0.25 if small else 0.5)
    model, lines = train(NAME, Recipe(**{**vars(SHORT), "small_steps": 6}), data, data, tmp_path / "run.pt")
    assert [line[:15] for line in lines] == ["step     3 of 8", "step     6 of 8", "step     8 of 8"]
    parts = [line[15:].split("  ") for line in lines]
    assert [part[1] for part in parts] == ["side 16 px", "side 16 px", "side 32 px"]
    assert [part[3] for part in parts] == [f"held-out accuracy {value}" for value in ("0.2500", "0.2500", "0.5000")]
    assert parts[-1][4] == "std/init " + " ".join(f"{value:.2f}" for value in relative_scale(model))


def test_a_loss_that_is_not_finite_ends_the_run_with_its_images(tmp_path: Path, data: Data) -> None:
    recipe = Recipe(**{**vars(SHORT), "lr": 1e38})
    train(NAME, recipe, data, data, tmp_path / "run.pt", stop_after=1)
    images = ", ".join(map(str, drawn(60, 1, recipe)[0].tolist()))
    with pytest.raises(RuntimeError, match=rf"at step 2, .* training images \[{images}\]"):
        train(NAME, recipe, data, data, tmp_path / "run.pt")


@pytest.mark.parametrize("change", [{"lr": 0.1}, {"steps": 9}])
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch, change: dict[str, float]
) -> None:
    path = tmp_path / "run.pt"
    train(NAME, SHORT, data, data, path, stop_after=1)
    (name,) = change
    with pytest.raises(ValueError, match=rf"recipe\.{name} was .*Delete it to start afresh"):
        train(NAME, Recipe(**{**vars(SHORT), **change}), data, data, path)
    with pytest.raises(ValueError, match="name was resnet10_w16, is now resnet10_w32"):
        train("resnet10_w32", SHORT, data, data, path)
    other = data[0].flip(0), data[1]
    with pytest.raises(ValueError, match="data was"):
        train(NAME, SHORT, other, data, path)
    with pytest.raises(ValueError, match="held_out was"):
        train(NAME, SHORT, data, other, path)
    monkeypatch.setattr(source_training, "build_model", lambda *_, **__: build_model(NAME, num_classes=4, seed=1))
    with pytest.raises(ValueError, match="the starting weights differ"):
        train(NAME, SHORT, data, data, path)


def test_a_transformer_trains_by_adamw_which_decays_weights_alone(tmp_path: Path, data: Data) -> None:
    recipe = replace(SHORT, optimizer="adamw", lr=1e-3, weight_decay=0.5)
    torch.manual_seed(0)
    bare = build_model("small_vit", num_classes=4).to(memory_format=torch.channels_last)
    decayed = [m.weight for m in bare.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    rest = [p for p in bare.parameters() if all(p is not weight for weight in decayed)]
    assert sorted({p.ndim for p in decayed}) == [2, 4]
    assert sum(p is bare.get_submodule("embed").positions for p in rest) == 1  # besides vectors
    optimizers = [torch.optim.AdamW(part, 1e-3, (0.9, 0.98), weight_decay=d) for part, d in ((decayed, 0.5), (rest, 0))]
    for step in range(8):
        x, y = draw_batch(*data, step, recipe)
        with autocast("cpu"):
            logits = bare(x)
        nn.functional.cross_entropy(logits.float(), y, label_smoothing=0.1).backward()
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 2) * (1 + math.cos(math.pi * step / 8)) / 2
            optimizer.step()
            optimizer.zero_grad()
    model, _ = train("small_vit", recipe, data, data, tmp_path / "run.pt")
    assert equal(model, bare)


def test_training_learns_what_can_be_learnt(tmp_path: Path, data: Data) -> None:
    recipe = Recipe(**{**vars(SHORT), "steps": 60, "small_steps": 20, "log_every": 60})
    _, lines = train(NAME, recipe, data, data, tmp_path / "run.pt")
    assert float(lines[-1].split("accuracy ")[1].split()[0]) > 0.9  # chance is 0.25


def test_source_images_are_fractals_and_then_patches_with_categories_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    images, labels = source_images(SHORT, fractals=8, photos=6, seed=3)
    patches, kinds = make_photos(6, size=32, seed=3)
    assert images.shape == (14, 32, 32)
    assert labels.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, *(4 + kinds)]
    assert torch.equal(images[8:], torch.from_numpy(patches))
    only_fractals, _ = source_images(SHORT, fractals=8, photos=0, seed=3)
    assert torch.equal(only_fractals, images[:8])
    only_photos, their_kinds = source_images(SHORT, fractals=0, photos=6, seed=3)
    assert torch.equal(only_photos, images[8:])
    assert their_kinds.tolist() == kinds.tolist()


def test_phantoms_of_a_source_are_of_other_patients_and_their_category_is_which_findings_they_show() -> None:
    recipe = replace(SHORT, source="same_hospital", size=64, photos=0)
    images, labels = source_images(recipe, 30, 0, seed=1)
    drawn = make_phantoms(30, seed=pretrain.SOURCE_SEED + 1)
    assert torch.equal(images, drawn.images[:, 0])
    cardiomegaly, edema, effusion = drawn.labels[:, [1, 3, 4]].long().T
    assert labels.tolist() == (cardiomegaly + 2 * edema + 4 * effusion).tolist()


def test_what_follows_the_name_of_the_network_is_only_a_name(tmp_path: Path, data: Data) -> None:
    named, _ = train(f"{NAME}-photos", SHORT, data, data, tmp_path / "named.pt", stop_after=1)
    plain, _ = train(NAME, SHORT, data, data, tmp_path / "plain.pt", stop_after=1)
    assert equal(named, plain)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, "4 categories of IFS fractals and 52 of photo patches"),
        ({"photos": 0}, "4 categories of IFS fractals"),
        ({"images": 0}, "52 categories of photo patches"),
        (
            {"photos": 0, "source": "other_hospital", "size": 64},
            "phantoms of other_hospital, which of Cardiomegaly, Edema, Pleural Effusion they show",
        ),
        ({"photos": 0, "source": "noise"}, "white noise with 50 random categories"),
        ({"images": 0, "photos": 104, "colour": True}, "52 categories of photo patches in colour"),
    ],
)
def test_the_manifest_says_what_the_images_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, int], said: str
) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    recipe = replace(SHORT, **{"steps": 2, "small_steps": 1, "warmup": 1} | change)
    entry = pretrain.pretrain("resnet10_w16", recipe)
    assert entry["source"] == said


def test_the_head_has_a_place_for_every_category(tmp_path: Path, data: Data) -> None:
    model, _ = train(NAME, SHORT, (data[0], data[1] + 2), (data[0], data[1] + 2), tmp_path / "run.pt", stop_after=1)
    assert model.get_submodule("head").out_features == 6


# ---------------------------------------------------------------- what is shipped


def test_the_command_ends_in_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    recipe = Recipe(**{**vars(SHORT), "steps": 2, "small_steps": 1, "warmup": 1})
    monkeypatch.setitem(RECIPES, "resnet10_w16", recipe)
    monkeypatch.setattr("sys.argv", ["pretrain", "resnet10_w16"])
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
    missing, unexpected = build_model("resnet10_w16", num_classes=3).load_state_dict(loaded.state_dict, strict=False)
    assert (sorted(missing), unexpected) == (["head.bias", "head.weight"], [])


def test_a_second_network_joins_the_manifest(tmp_path: Path, data: Data) -> None:
    for name in ("resnet10_w16", "cbr_tiny"):
        ship(name, SHORT, build_model(name, num_classes=4), ["line"], data, tmp_path)
    assert sorted(json.loads((tmp_path / "manifest.json").read_text())) == ["cbr_tiny", "resnet10_w16"]


def test_filters_are_kept_in_half_precision_and_vectors_in_full() -> None:
    tensors = shipped_tensors(build_model("cbr_tiny", num_classes=4))
    assert not any(key.startswith("head.") for key in tensors)
    assert tensors["block1.conv.weight"].dtype == torch.float16
    assert tensors["block1.bn.running_var"].dtype == torch.float32


def test_a_name_without_recipe_suggests_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'cbr_tiny'"):
        pretrain.pretrain("cbr_tny")
