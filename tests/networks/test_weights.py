"""Weights come whole, with their preprocessing, or not at all."""

import gc
import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision import models as tv

from lab_utils.networks import (
    DEFAULT_PREPROCESSING,
    SINGLE_SOURCES,
    Preprocessing,
    build_model,
    load_weights,
    resnet10,
    save_weights,
)
from lab_utils.profile import data_root

GREY = Preprocessing((0.5,), (0.25,), 1)
RGB = Preprocessing((0.2, 0.4, 0.6), (0.1, 0.2, 0.5), 3)


# ---------------------------------------------------------------- preprocessing


def test_only_uint8_images_are_divided_by_255() -> None:
    assert GREY(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)).unique().tolist() == [2.0]
    assert GREY(torch.full((1, 1, 2, 2), 1.0, dtype=torch.float64)).unique().tolist() == [2.0]
    assert GREY(torch.zeros(1, 1, 2, 2)).dtype == torch.float32


def test_grey_is_repeated_for_a_network_that_takes_rgb() -> None:
    out = RGB(torch.full((2, 1, 3, 3), 0.6))
    assert out.shape == (2, 3, 3, 3)
    torch.testing.assert_close(out[0, :, 0, 0], torch.tensor([4.0, 1.0, 0.0]))


def test_rgb_goes_into_a_grey_network_where_there_is_no_colour_to_lose() -> None:
    white = torch.ones(1, 3, 1, 1)
    assert GREY(white).item() == pytest.approx(2.0)


def test_images_are_resized_only_where_the_network_insists() -> None:
    images = torch.rand(1, 1, 20, 30)
    assert GREY(images).shape == (1, 1, 20, 30)
    assert Preprocessing((0.5,), (0.25,), 1, size=24)(images).shape == (1, 1, 24, 24)
    assert Preprocessing((0.5,), (0.25,), 1, min_size=25)(images).shape == (1, 1, 25, 30)
    flat = Preprocessing((0.5,), (0.25,), 1, size=7)(torch.full((1, 1, 20, 20), 0.75))
    torch.testing.assert_close(flat, torch.ones(1, 1, 7, 7))  # a flat image stays what it is


@pytest.mark.parametrize("shape", [(8, 8), (1, 8, 8), (1, 2, 8, 8), (1, 4, 8, 8)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"Expected images of shape \(B, C, H, W\)"):
        RGB(torch.zeros(shape))


@pytest.mark.parametrize("wrong", [((0.5,), (0.25,), 3), ((0.5, 0.5), (0.25,), 1), ((0.5,), (0.0,), 1), ((), (), 0)])
def test_preprocessing_that_cannot_be_is_refused(wrong: tuple[tuple[float, ...], tuple[float, ...], int]) -> None:
    with pytest.raises(ValueError, match="Expected"):
        Preprocessing(*wrong)


# ---------------------------------------------------------------- shipped weights


def shipped() -> list[str]:
    manifest = data_root() / "weights" / "manifest.json"
    return sorted(json.loads(manifest.read_text())) if manifest.exists() else []


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_file_is_what_the_manifest_says(name: str) -> None:
    folder = data_root() / "weights"
    entry = json.loads((folder / "manifest.json").read_text())[name]
    assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"]
    network, _, source = name.partition("-")
    weights = load_weights(network, source or "procedural")
    channels = entry["preprocessing"]["channels"]
    assert channels == (3 if "colour" in source else 1)
    model = build_model(network, num_classes=7, in_channels=channels)
    missing, unexpected = model.load_state_dict(weights.state_dict, strict=False)
    assert sorted(missing) == ["head.bias", "head.weight"]
    assert unexpected == []
    assert weights.preprocessing == DEFAULT_PREPROCESSING[channels]
    assert all(v.dtype == torch.float32 for v in weights.state_dict.values() if v.is_floating_point())
    assert sum(p.numel() for k, p in model.named_parameters() if not k.startswith("head.")) == entry["parameters"]
    assert entry["converged"] == (entry["source_accuracy"] >= 0.99)
    assert entry["command"] == f"python -m lab_utils.studies.pretrain {name}"
    last = (folder / f"{name}.log").read_text().splitlines()[-1]
    assert f"held-out accuracy {entry['source_accuracy']:.4f}" in last


def test_every_network_with_a_recipe_is_shipped_and_all_files_together_stay_below_25_mb() -> None:
    from lab_utils.studies.pretrain import RECIPES

    folder = data_root() / "weights"
    entries = json.loads((folder / "manifest.json").read_text())
    assert set(entries) == set(RECIPES)
    for name, recipe in RECIPES.items():  # the command in the manifest makes what is shipped
        shipped = {"photos": 0, "source": "", "colour": False} | entries[name]["recipe"]
        keys = ("steps", "small_steps", "photos", "images", "lr", "source", "colour")
        assert {key: shipped[key] for key in keys} == {key: getattr(recipe, key) for key in keys}
    assert sum((folder / entry["file"]).stat().st_size for entry in entries.values()) < 25e6


@pytest.mark.parametrize("source", SINGLE_SOURCES)
def test_the_weights_of_each_source_are_others_and_say_which_they_are(source: str) -> None:
    first = "stem.0.weight"
    loaded, mixed = load_weights("resnet10_w16", source), load_weights("resnet10_w16", "procedural")
    assert loaded.source == source
    assert not torch.equal(loaded.state_dict[first], mixed.state_dict[first])
    channels = loaded.preprocessing.channels
    assert channels == (3 if source == "colour_photos" else 1)
    model = build_model("resnet10_w16", weights=source, num_classes=2, in_channels=channels)
    assert torch.equal(model.state_dict()[first], loaded.state_dict[first])


def test_procedural_weights_of_one_source_have_its_name_too() -> None:
    assert load_weights("small_vit", "photos").info == load_weights("small_vit", "procedural").info


def test_a_network_without_weights_of_a_source_is_told_which_have_them() -> None:
    with pytest.raises(ValueError, match=r"with photos weights \(.*cbr_tiny.*small_vit.*\), got 'resnet10_w32'"):
        load_weights("resnet10_w32", "photos")
    with pytest.raises(ValueError, match=r"with noise weights \(resnet10_w16\), got 'cbr_tiny'"):
        load_weights("cbr_tiny", "noise")
    with pytest.raises(ValueError, match="Did you mean 'fractals'"):
        load_weights("resnet10_w16", "fractal")


# ---------------------------------------------------------------- files

State = dict[str, Tensor]


@pytest.fixture
def state() -> State:
    torch.manual_seed(0)
    return resnet10(width=16, num_classes=3).state_dict()


def test_a_saved_file_comes_back_with_its_preprocessing_and_without_its_head(tmp_path: Path, state: State) -> None:
    other = Preprocessing((0.4,), (0.2,), 1)
    save_weights(tmp_path / "new" / "mine.safetensors", state, other, model_name="resnet10_w16")
    loaded = load_weights("resnet10_w16", tmp_path / "new" / "mine.safetensors")
    assert loaded.preprocessing == other
    assert set(loaded.state_dict) == {k for k in state if not k.startswith("head.")}
    assert all(torch.equal(v, state[k]) for k, v in loaded.state_dict.items())
    assert len(list((tmp_path / "new").iterdir())) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_disk_without_room_is_an_os_error_and_nothing_remains(tmp_path: Path, state: State) -> None:
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    silent = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        with pytest.raises(OSError):  # noqa: PT011 - each system has its own words
            save_weights(tmp_path / "mine.safetensors", state, GREY, model_name="resnet10_w16")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, silent)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"model": s, "step": 3}, lambda s: {"state_dict": s}])
def test_a_pt_file_may_hold_the_weights_or_a_checkpoint_with_them(
    tmp_path: Path, state: State, wrap: Callable[[State], object]
) -> None:
    torch.save(wrap(state), tmp_path / "mine.pt")
    with pytest.warns(UserWarning, match=r"mine.pt does not record how .* mean=\(0.5,\), std=\(0.25,\)"):
        loaded = load_weights("resnet10_w16", str(tmp_path / "mine.pt"))
    assert torch.equal(loaded.state_dict["stem.0.weight"], state["stem.0.weight"])
    assert loaded.preprocessing == DEFAULT_PREPROCESSING[1]


def test_half_precision_is_widened_and_counters_are_left_alone(tmp_path: Path, state: State) -> None:
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_weights(tmp_path / "half.safetensors", half, GREY, model_name="resnet10_w16")
    loaded = load_weights("resnet10_w16", tmp_path / "half.safetensors").state_dict
    assert loaded["stem.0.weight"].dtype == torch.float32
    assert loaded["stem.1.num_batches_tracked"].dtype == torch.int64


def test_an_rgb_file_of_a_torchvision_network_gets_imagenets_normalisation(tmp_path: Path) -> None:
    state = tv.shufflenet_v2_x0_5(weights=None).state_dict()
    torch.save(state, tmp_path / "rgb.pth")
    torch.save(state | {"conv1.0.weight": torch.zeros(24, 1, 3, 3)}, tmp_path / "grey.pth")
    with pytest.warns(UserWarning, match="does not record how"):
        assert load_weights("shufflenet_v2_x0_5", tmp_path / "rgb.pth").preprocessing.mean == (0.485, 0.456, 0.406)
    with pytest.warns(UserWarning, match="does not record how"):
        assert load_weights("shufflenet_v2_x0_5", tmp_path / "grey.pth").preprocessing == DEFAULT_PREPROCESSING[1]


def test_a_failed_write_leaves_nothing(tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(tmp_path / "a.safetensors", state, GREY, model_name="resnet10_w16")
    assert list(tmp_path.iterdir()) == []


class Bomb:
    """Would run code if a file were unpickled without care."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("exit 1",)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def save_as_pt(path: Path, content: object) -> None:
    torch.save(content, path)


def save_and_cut(path: Path, state: State) -> None:
    if path.suffix == ".pt":
        save_as_pt(path, state)
    else:
        save_weights(path, state, GREY, model_name="resnet10_w16")
    cut(path)


@pytest.mark.parametrize(
    ("file", "make", "says"),
    [
        ("gone.safetensors", lambda p, s: None, "the file is not there"),
        ("gone.pt", lambda p, s: None, "the file is not there"),
        ("cut.safetensors", save_and_cut, "it is cut short"),
        ("cut.pt", save_and_cut, "it is cut short"),
        ("empty.safetensors", lambda p, s: p.touch(), "it is empty"),
        ("empty.pt", lambda p, s: p.touch(), "it is empty"),
        ("text.pt", lambda p, s: p.write_text("<html>Not found</html>"), "it is a web page"),
        ("note.pt", lambda p, s: p.write_text("hi"), "it is text (it begins with 'hi')"),
        ("code.pt", lambda p, s: save_as_pt(p, {"a": Bomb()}), "could run code"),
        ("list.pt", lambda p, s: save_as_pt(p, [1, 2]), "no tensors under names"),
        ("nothing.pt", lambda p, s: save_as_pt(p, {}), "no tensors under names"),
        (
            "nan.pt",
            lambda p, s: save_as_pt(p, {**s, "stem.0.weight": s["stem.0.weight"] / 0}),
            "stem.0.weight holds NaN",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_what_is_wrong_with_it(
    tmp_path: Path, state: State, file: str, make: Callable[[Path, State], object], says: str
) -> None:
    make(tmp_path / file, state)
    expected = FileNotFoundError if "gone" in file else ValueError
    with pytest.raises(expected) as error:
        load_weights("resnet10_w16", tmp_path / file)
    message = str(error.value)
    assert says in message
    assert str(tmp_path / file) in message
    assert "resnet10_w16" in message
    for wrong in ("\n", "lab_utils.studies.pretrain", "LAB_DATA", "weights_only"):  # of the shipped files; unsafe
        assert wrong not in message


@pytest.mark.parametrize(("typed", "near"), [("procedual", "procedural"), ("imagnet", "imagenet")])
def test_a_misspelt_kind_of_weights_suggests_the_nearest(typed: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"Did you mean '{near}'"):
        load_weights("resnet18", typed)


# ---------------------------------------------------------------- procedural, gone wrong


def tiny_folder(root: Path, state: State) -> Path:
    path = root / "weights" / "resnet10_w16.safetensors"
    save_weights(path, state, GREY, model_name="resnet10_w16")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = {"file": path.name, "sha256": digest, "preprocessing": {"mean": [0.5], "std": [0.25], "channels": 1}}
    (path.parent / "manifest.json").write_text(json.dumps({"resnet10_w16": entry}))
    return path


def test_lab_data_moves_the_folder_of_shipped_weights(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_folder(tmp_path, state)
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    loaded = load_weights("resnet10_w16", "procedural")
    assert loaded.source == "procedural"
    assert torch.equal(loaded.state_dict["stem.0.weight"], state["stem.0.weight"])


@pytest.mark.parametrize(
    ("damage", "kind", "says"),
    [
        (lambda p: p.unlink(), FileNotFoundError, "the file is not there"),
        (cut, ValueError, "SHA-256"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1] + b"x"), ValueError, "SHA-256"),
        (lambda p: (p.parent / "manifest.json").unlink(), FileNotFoundError, "manifest.json"),
        (lambda p: (p.parent / "manifest.json").write_text("{"), ValueError, "not valid JSON"),
    ],
)
def test_damaged_shipped_weights_are_never_used(
    tmp_path: Path,
    state: State,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[Path], object],
    kind: type[Exception],
    says: str,
) -> None:
    damage(tiny_folder(tmp_path, state))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(kind) as error:
        load_weights("resnet10_w16", "procedural")
    for part in (says, str(tmp_path / "weights"), "(1)", "(2)", "(3)"):
        assert part in str(error.value)


def test_a_network_without_procedural_weights_is_told_which_have_them(
    tmp_path: Path, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_folder(tmp_path, state)
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"procedural weights \(resnet10_w16\), got 'resnet18'"):
        load_weights("resnet18", "procedural")


# ---------------------------------------------------------------- ImageNet, without a network


class Served:
    """Stands for torchvision's entry of resnet18, with a file of our own behind the address."""

    name = "IMAGENET1K_V1"

    def __init__(self, url: str) -> None:
        self.url = url
        self.meta: dict[str, object] = {}
        self.transforms = tv.ResNet18_Weights.DEFAULT.transforms


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file whose name ends in its hash, as torchvision's do; TORCH_HOME is an empty folder."""
    first = tmp_path / "made.pth"
    torch.save({"conv1.weight": torch.ones(4, 3, 7, 7)}, first)
    file = tmp_path / f"resnet18-{hashlib.sha256(first.read_bytes()).hexdigest()[:8]}.pth"
    first.rename(file)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    enum = type("Enum", (), {"DEFAULT": Served(file.as_uri())})
    monkeypatch.setattr(tv, "get_model_weights", lambda _: enum)
    yield file
    with warnings.catch_warnings():  # PyTorch leaves the file that it fetches open
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_imagenet_weights_are_fetched_once_into_torch_home(served: Path, tmp_path: Path) -> None:
    loaded = load_weights("resnet18", "imagenet")
    assert loaded.source == "IMAGENET1K_V1"
    assert loaded.preprocessing == Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3)
    folder = tmp_path / "home" / "hub" / "checkpoints"
    assert [p.name for p in folder.iterdir()] == [served.name]
    served.unlink()  # no network any more
    assert torch.equal(load_weights("resnet18", "imagenet").state_dict["conv1.weight"], torch.ones(4, 3, 7, 7))


@pytest.mark.parametrize("damage", [Path.unlink, cut])
def test_a_download_that_fails_leaves_no_file_and_says_three_ways(
    served: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damage(served)
    with pytest.raises(FileNotFoundError) as error:
        load_weights("resnet18", "imagenet")
    folder = tmp_path / "home" / "hub" / "checkpoints"
    for part in (served.name, str(folder), "(1)", "(2)", "(3)", "TORCH_HOME"):
        assert part in str(error.value)
    assert list(folder.iterdir()) == []


def test_a_damaged_file_in_torch_home_is_not_used(served: Path, tmp_path: Path) -> None:
    load_weights("resnet18", "imagenet")
    cut(tmp_path / "home" / "hub" / "checkpoints" / served.name)
    with pytest.raises(ValueError, match="does not begin with"):
        load_weights("resnet18", "imagenet")


def test_our_own_networks_have_no_imagenet_weights() -> None:
    with pytest.raises(ValueError, match="Expected a network of torchvision"):
        load_weights("cbr_tiny", "imagenet")
