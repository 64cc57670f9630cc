"""What is asked and said before a public set is decoded: packed files, packages, the disk; and after, what is there."""

import errno
import gzip
import shutil
import sys
from collections import namedtuple
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from lab_utils.data import count_data, dicom, hdf5, load_data, plan_data, pool
from lab_utils.data.picture import read_picture
from lab_utils.text_files import unpacked
from tests.data import trees


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def test_a_plan_of_packed_patches_unpacks_nothing_and_says_what_will_be(tmp_path, capsys, monkeypatch):
    pytest.importorskip("h5py")
    root = trees.pcam(tmp_path / "set", packed=True)
    sizes = [len(gzip.decompress(path.read_bytes())) for path in root.glob("*_x.h5.gz")]
    assert [hdf5.packed_bytes(path) for path in root.glob("*_x.h5.gz")] == sizes
    told = plan_data("pcam", root, size=8)
    assert "Read 32 pictures of 8 slides: normal (16), tumour (16)." in told
    assert "in a time that can be said when unpacked" in told
    assert f"; before that {sum(sizes) / 1e6:.1f} MB are unpacked from 3 files into that cache" in told
    assert count_data("pcam", root) == {"train": 16, "val": 8, "test": 8}
    assert not (tmp_path / "cache").exists()
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, max(sizes) - 1))
        with pytest.raises(OSError, match=r"need, with what has to be unpacked, .* are free.*LAB_CACHE"):
            plan_data("pcam", root, size=8)
        with pytest.raises(OSError, match=r"What is packed in .*train_x\.h5\.gz needs .* are free.*LAB_CACHE"):
            load_data("pcam", root=root, size=8)
    assert not (tmp_path / "cache").exists()
    load_data("pcam", root=root, size=8)
    capsys.readouterr()
    assert "before that" not in plan_data("pcam", root, size=8)
    assert " seconds on " in plan_data("pcam", root, size=16)


def test_a_disk_that_is_full_while_patches_are_unpacked_is_called_so_and_not_damage(tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    root = trees.pcam(tmp_path / "set", packed=True)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    x = root / "camelyonpatch_level_2_split_train_x.h5.gz"
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        for read in (lambda: load_data("pcam", root=root, size=8), lambda: read_picture(x / "000001", 8, 3)):
            with pytest.raises(OSError, match=r"cannot be unpacked into .*No space left.*Free some space") as caught:
                read()
            assert caught.value.errno == errno.ENOSPC
    assert not list((tmp_path / "cache" / "unpacked").iterdir())
    assert len(load_data("pcam", root=root, size=8)["train"]) == 16


def test_what_a_packed_file_of_more_than_4_gb_holds_is_more_than_its_own_size(tmp_path):
    path = tmp_path / "x.h5.gz"
    with path.open("wb") as file:  # sparse: the sizes of PCam's largest
        file.truncate(6_421_353_462 - 4)
        file.seek(0, 2)
        file.write((7_247_757_312 % 2**32).to_bytes(4, "little"))
    assert hdf5.packed_bytes(path) == 7_247_757_312


@pytest.mark.parametrize("packed", ["train.csv", "CheXpert-v1.0-small/train.csv", "train_val_list.txt"])
def test_a_packed_table_that_is_damaged_anywhere_gets_one_paragraph(tmp_path, packed):
    name = {"train.csv": "aptos", "train_val_list.txt": "nih14"}.get(packed, "chexpert")
    getattr(trees, name)(tmp_path)
    whole = gzip.compress((tmp_path / packed).read_bytes())
    (tmp_path / packed).unlink()
    rng = np.random.default_rng(0)
    for i in range(30):
        content = bytearray(whole[: int(rng.integers(2, len(whole)))] if i % 2 else whole)
        content[2 + int(rng.integers(len(content) - 2)) if len(content) > 2 else 1] ^= 0x55
        (tmp_path / f"{packed}.gz").write_bytes(content)
        with suppress(ValueError):  # a byte of the header or the name may not matter
            unpacked(tmp_path / f"{packed}.gz")
    (tmp_path / f"{packed}.gz").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match=r"Expected a whole gzip file in .*Copy it again\."):
        load_data(name, root=tmp_path, size=8)


@pytest.mark.parametrize(("name", "package"), [("pcam", "h5py"), ("rsna", "pydicom"), ("cbis_ddsm", "pydicom")])
def test_a_missing_package_is_named_with_its_pip_line_before_anything_is_done(tmp_path, monkeypatch, name, package):
    getattr(trees, name)(tmp_path / "set")
    hdf5._opened.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    if name != "cbis_ddsm":  # whose editions only its own tables tell apart
        monkeypatch.setattr(f"lab_utils.data.public.{name}.find_table", None)
    monkeypatch.setattr("lab_utils.data.tables.listed.join_copies", None)
    line = {"h5py": hdf5.PIP, "pydicom": dicom.PIP}[package]
    for ask in (lambda: load_data(name, root=tmp_path / "set"), lambda: plan_data(name, tmp_path / "set")):
        with pytest.raises(ImportError, match=f"expected the package {package} for .*set") as caught:
            ask()
        assert str(caught.value).endswith(f"Run: {line}")
    assert not (tmp_path / "cache").exists()


def test_an_edition_that_needs_no_package_is_loaded_without_one(tmp_path, monkeypatch):
    for package in ("pydicom", "h5py"):
        monkeypatch.setitem(sys.modules, package, None)
    assert len(load_data("cbis_ddsm", root=trees.cbis_ddsm(tmp_path, jpeg=True), size=8)["train"]) == 28


@pytest.mark.parametrize("name", ["nih14", "isic2019"])
def test_a_plan_after_decoding_asks_for_nothing_that_is_there(tmp_path, monkeypatch, name):
    monkeypatch.setattr(pool, "MANY", 10)
    getattr(trees, name)(tmp_path)
    count = sum(count_data(name, tmp_path).values())
    parts = load_data(name, root=tmp_path, size=16)
    new = next(path for path in tmp_path.rglob("*") if path.suffix in (".png", ".jpg"))
    usage = namedtuple("usage", "total used free")
    row = parts["train"].images[0].numel()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, row))
    assert f"All {count} pictures of 16 px are decoded already, in " in plan_data(name, tmp_path, size=16)
    with pytest.raises(OSError, match=f"{count} pictures of 32 px need"):
        plan_data(name, tmp_path, size=32)
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(new)
    told = plan_data(name, tmp_path, size=16)
    assert "1 picture to 16 px: 0.0 MB in" in told
    assert f"; {count - 1} are decoded already." in told
