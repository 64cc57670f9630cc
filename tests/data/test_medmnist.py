import importlib.util
import io
import os
import runpy
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lab_utils.data import load_data, load_medmnist, load_npz, medmnist, npz
from lab_utils.data.download import md5_of
from lab_utils.data.images import as_uint8, resize
from lab_utils.data.published import PUBLISHED, SIZES, URL, file_of


def arrays(*, side: int = 28, colour: bool = False, columns: int = 1, classes: int = 2) -> dict[str, np.ndarray]:
    """A small set in MedMNIST's format; image i of a part is filled with the value i."""
    found = {}
    for part, n in (("train", 30), ("val", 8), ("test", 12)):
        shape = (n, side, side, 3) if colour else (n, side, side)
        values = np.arange(n, dtype=np.uint8).reshape(n, *[1] * (len(shape) - 1))
        found[f"{part}_images"] = np.broadcast_to(values, shape).copy()
        if columns > 1:
            found[f"{part}_labels"] = (np.arange(n)[:, None] % (np.arange(columns) + 2) == 0).astype(np.uint8)
        else:
            found[f"{part}_labels"] = (np.arange(n) % classes)[:, None].astype(np.uint8)
    return found


def save(path: Path, content: dict[str, np.ndarray]) -> Path:
    np.savez_compressed(path, **content)
    return path


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small file that counts as the published pneumoniamnist at 28 px, at a local address."""
    server = tmp_path / "server"
    server.mkdir()
    path = save(server / "pneumoniamnist.npz", arrays())
    small = PUBLISHED["pneumoniamnist"]._replace(md5=(md5_of(path), "0" * 32, "0" * 32, "0" * 32))
    monkeypatch.setitem(PUBLISHED, "pneumoniamnist", small)
    monkeypatch.setattr(medmnist, "URL", server.as_uri() + "/{}")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return path


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_table_is_that_of_the_medmnist_package(tmp_path, monkeypatch):
    package = importlib.util.find_spec("medmnist")
    if package is None or package.origin is None:
        pytest.skip("the medmnist package is not installed")
    # Only this file: the package itself imports pandas, and makes a folder in the home directory.
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    info = runpy.run_path(str(Path(package.origin).with_name("info.py")))["INFO"]
    tasks = {
        "binary-class": "binary",
        "multi-class": "multiclass",
        "ordinal-regression": "ordinal",
        "multi-label, binary-class": "multilabel",
    }
    for name, known in PUBLISHED.items():
        assert known.task == tasks[info[name]["task"]]
        assert known.class_names == tuple(info[name]["label"].values())
        for side in SIZES:
            suffix = "" if side == 28 else f"_{side}"
            file_name, md5 = file_of(name, side)
            assert md5 == info[name][f"MD5{suffix}"]
            assert URL.format(file_name) == info[name][f"url{suffix}"]


def test_checksums_at_28_pixels_are_the_published_ones():
    assert [PUBLISHED[name].md5[0][:8] for name in sorted(PUBLISHED)] == [
        "02c8a651",
        "0744692d",
        "a8b06965",
        "28209eda",
        "bd4c0672",
    ]


@pytest.mark.parametrize(
    ("file_name", "options", "task", "names"),
    [
        ("my_pneumoniamnist_28.npz", {}, "binary", ("normal", "pneumonia")),
        ("retinamnist.npz", {"classes": 5, "colour": True}, "ordinal", ("0", "1", "2", "3", "4")),
        ("chestmnist_64.npz", {"columns": 14}, "multilabel", PUBLISHED["chestmnist"].class_names),
        ("dermamnist.npz", {"classes": 7, "colour": True}, "multiclass", PUBLISHED["dermamnist"].class_names),
        ("mine.npz", {}, "binary", ("class 0", "class 1")),
        ("mine.npz", {"classes": 3}, "multiclass", ("class 0", "class 1", "class 2")),
        ("mine.npz", {"columns": 2}, "multilabel", ("finding 0", "finding 1")),
    ],
)
def test_task_and_classes_come_from_the_name_or_the_labels(tmp_path, file_name, options, task, names):
    splits = load_npz(save(tmp_path / file_name, arrays(**options)))
    train = splits["train"]
    assert [len(split) for split in splits.values()] == [30, 8, 12]
    assert (train.task, train.class_names) == (task, names)
    assert train.in_channels == (3 if options.get("colour") else 1)
    assert train.images[:, 0, 5, 5].tolist() == list(range(30))
    assert train.labels.dtype == (torch.float32 if task == "multilabel" else torch.int64)


def test_task_and_names_can_be_given(tmp_path):
    path = save(tmp_path / "grades.npz", arrays(classes=3))
    train = load_npz(path, task="ordinal", class_names=("none", "mild", "severe"))["train"]
    assert (train.task, train.class_names) == ("ordinal", ("none", "mild", "severe"))


def test_every_image_is_a_patient_of_its_own(tmp_path):
    splits = load_npz(save(tmp_path / "mine.npz", arrays()))
    patients = torch.cat([split.groups for split in splits.values()])
    assert len(patients.unique()) == 50


def test_channels_last_becomes_channels_first(tmp_path):
    content = arrays(colour=True)
    content["train_images"][..., 1] = 200
    images = load_npz(save(tmp_path / "mine.npz", content))["train"].images
    assert images.shape == (30, 3, 28, 28)
    assert (images[:, 1] == 200).all()
    assert (images[3, [0, 2]] == 3).all()


def test_subsets_are_nested_and_keep_their_patients(tmp_path):
    path = save(tmp_path / "mine.npz", arrays())
    large = load_npz(path, n_train=20, n_test=4)
    small = load_npz(path, n_train=8)
    assert torch.equal(small["train"].images, large["train"].images[:8])
    assert torch.equal(small["train"].groups, large["train"].groups[:8])
    assert small["train"].groups.tolist() == small["train"].images[:, 0, 0, 0].tolist()
    assert small["train"].labels.sum() == 4
    assert len(large["test"]) == 4


def test_a_set_read_in_small_chunks_is_the_same_set(tmp_path, monkeypatch):
    path = save(tmp_path / "mine.npz", arrays())
    whole = load_npz(path, size=16, n_train=21)
    monkeypatch.setattr(npz, "CHUNK", 7)
    in_chunks = load_npz(path, size=16, n_train=21)
    for part in whole:
        assert torch.equal(whole[part].images, in_chunks[part].images)


def test_resizing_is_antialiased_and_keeps_grey_levels():
    stripes = torch.zeros(2, 1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200  # finer than the small image can show: grey, not stripes
    inside = resize(stripes, 16)[..., 2:-2, 2:-2].float()
    assert (inside - 100).abs().max() <= 4
    noise = torch.randint(0, 256, (3, 3, 50, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    exact = F.interpolate(noise.float(), size=(32, 32), mode="bilinear", antialias=True)
    assert (resize(noise, 32).float() - exact).abs().max() <= 1
    flat = torch.full((1, 3, 28, 28), 77, dtype=torch.uint8)
    assert (resize(flat, 64) == 77).all()
    assert resize(flat, 28) is flat
    with pytest.raises(ValueError, match="at least 1; got 0"):
        resize(flat, 0)


def test_floats_in_zero_one_become_grey_levels(tmp_path):
    assert as_uint8(torch.tensor([0.0, 0.5, 1.0])).tolist() == [0, 128, 255]
    content = arrays()
    for part in ("train", "val", "test"):
        content[f"{part}_images"] = (content[f"{part}_images"] / 255).astype(np.float32)
    images = load_npz(save(tmp_path / "mine.npz", content))["train"].images
    assert images[:, 0, 0, 0].tolist() == list(range(30))


def test_downloads_once_then_reads_the_file(published, tmp_path):
    splits = load_medmnist("pneumoniamnist_28", size=28)
    cached = tmp_path / "cache" / "medmnist"
    assert leftovers(cached) == ["pneumoniamnist.npz"]
    published.unlink()
    again = load_medmnist("pneumoniamnist_28", size=28)
    assert torch.equal(splits["train"].images, again["train"].images)


def test_the_folder_of_the_medmnist_package_is_found(published, tmp_path):
    home = tmp_path / "home" / ".medmnist"
    home.mkdir(parents=True)
    published.rename(home / "pneumoniamnist.npz")
    assert len(load_data("pneumoniamnist_28")["train"]) == 30


def test_the_published_side_follows_from_the_size(published, tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    for side in SIZES:
        content = arrays(side=side)
        content["train_images"][:] = side  # grey level: which file was read
        save(root / file_of("pneumoniamnist", side)[0], content)
    for size, side in ((20, 28), (28, 28), (64, 64), (96, 128), (224, 224), (300, 224)):
        images = load_medmnist("pneumoniamnist", size=size, root=root, n_train=2, verify=False)["train"].images
        assert images.shape == (2, 1, size, size)
        assert (images == side).all()


def test_a_file_with_another_checksum_is_refused_by_name_and_loaded_by_path(published, tmp_path):
    root = tmp_path / "files"
    root.mkdir()
    path = save(root / "pneumoniamnist.npz", arrays() | {"extra": np.zeros(1)})
    with pytest.raises(ValueError, match=f"should have MD5 {md5_of(published)}.*it has {md5_of(path)}.*Delete"):
        load_data("pneumoniamnist_28", root=root)
    assert len(load_data("pneumoniamnist_28", root=root, verify=False)["train"]) == 30
    assert load_data(path)["train"].class_names == ("normal", "pneumonia")
    with pytest.raises(ValueError, match="should have MD5"):
        load_data(path, md5="0" * 32)


def test_a_download_cut_short_leaves_nothing_behind(published, tmp_path, monkeypatch):
    published.write_bytes(published.read_bytes()[:-100])
    with pytest.raises(RuntimeError, match=r"should have MD5 .* thrown away"):
        load_medmnist("pneumoniamnist_28", root=tmp_path / "files")
    assert leftovers(tmp_path / "files") == []


def test_a_connection_that_breaks_leaves_nothing_behind(published, tmp_path, monkeypatch):
    class Breaks(io.BytesIO):
        headers = MappingProxyType({"Content-Length": "1000000"})

        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionResetError("connection reset by peer")
            return super().read(10)

    monkeypatch.setattr(urllib.request, "urlopen", lambda *a, **k: Breaks(b"x" * 100))
    with pytest.raises(RuntimeError, match=r"network gave no file \(connection reset by peer\).*needs no network"):
        load_medmnist("pneumoniamnist_28", root=tmp_path / "files")
    assert leftovers(tmp_path / "files") == []


def test_without_network_the_error_names_what_is_here(published, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("Name or service not known")

    load_medmnist("pneumoniamnist_28")
    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    with pytest.raises(RuntimeError, match=r"On this computer already: pneumoniamnist_28"):
        load_medmnist("pneumoniamnist", size=64)


def test_every_published_side_loads(tmp_path):
    for side in SIZES:
        path = save(tmp_path / f"pneumoniamnist_{side}.npz", arrays(side=side))
        assert load_npz(path)["train"].image_size == side


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("packed", [True, False])
def test_a_file_cut_anywhere_is_refused(tmp_path, share, packed):
    path = tmp_path / "mine.npz"
    (np.savez_compressed if packed else np.savez)(path, **arrays())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"mine\.npz should be a whole \.npz file"):
        load_npz(path)


@pytest.mark.parametrize("packed", [True, False])
def test_a_flipped_bit_among_the_pixels_is_noticed(tmp_path, packed):
    path = tmp_path / "mine.npz"
    (np.savez_compressed if packed else np.savez)(path, **arrays())
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("train_images.npy")
    content[member.header_offset + 60 + member.compress_size // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.npz should be a whole \.npz file"):
        load_npz(path)


@pytest.mark.parametrize("at", range(10, 128))
def test_a_damaged_description_of_an_array_is_noticed(tmp_path, at):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    content[content.index(b"\x93NUMPY") + at] ^= 8
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.npz"):
        load_npz(path)


@pytest.mark.parametrize("kind", ["<u2", ">u2", ">i4", "<u4", "<u8", ">f4"])
def test_whole_numbers_and_floats_of_any_type_and_byte_order_become_grey_levels(tmp_path, kind):
    made = arrays()
    scale = 255 if kind[1] == "f" else 1
    changed = {key: (a / scale).astype(kind) if "images" in key else a for key, a in made.items()}
    np.savez(tmp_path / "mine.npz", **changed)
    loaded = load_npz(tmp_path / "mine.npz")["train"].images
    assert torch.equal(loaded[:, 0], torch.from_numpy(made["train_images"]))


SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "pneumoniamnist_resplit_28.npz"
REAL = Path(os.environ.get("LAB_REAL_NPZ", SHARED))


@pytest.mark.skipif(not REAL.exists(), reason="the real file is not here")
def test_a_real_file_loads_in_one_line():
    splits = load_data(REAL, size=64)
    counts = {part: torch.bincount(split.labels).tolist() for part, split in splits.items()}
    assert counts == {"train": [388, 3494], "val": [135, 389], "test": [234, 390]}
    assert splits["train"].class_names == ("normal", "pneumonia")
    assert splits["train"].images.shape == (3882, 1, 64, 64)
    assert 100 < splits["train"].images.float().mean() < 180
