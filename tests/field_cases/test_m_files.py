"""Kind M, data files: archives and cache files that are odd, damaged or hostile."""

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_utils.data import load_data, load_npz
from lab_utils.data.cache import UNSIGNED, Unreadable, cached_tensors, read_tensors, write_tensors
from tests.refusals import refuses

PARTS = ("train", "val", "test")


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {}
    for part in PARTS:
        found[f"{part}_images"] = rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
        found[f"{part}_labels"] = np.array([0, 1] * 3)
    return found


def renamed(path: Path, rename: dict[str, str], more: tuple[str, ...] = ()) -> Path:
    """The archive again, with members of other names, and copies of `more`."""
    np.savez(path, **arrays())
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            archive.writestr(rename.get(name, name), content)
        for name, content in members:
            if name in more:
                archive.writestr(name.removesuffix(".npy"), content)
    return path


def test_arrays_saved_without_a_suffix_are_read_as_numpy_reads_them(tmp_path):
    path = renamed(tmp_path / "x.npz", {"train_images.npy": "train_images", "val_labels.npy": "val_labels"})
    with np.load(path) as expected:
        train = load_npz(path)["train"]
        assert (train.images[:, 0].numpy() == expected["train_images"]).all()


def test_an_array_that_is_there_twice_is_refused(tmp_path):
    path = renamed(tmp_path / "x.npz", {}, more=("train_images.npy",))
    refuses(r"x\.npz must hold every array once; train_images is there several times", load_npz, path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("val_labels.npy", b"")
    refuses("train_images, val_labels is there several times", load_npz, path)


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        ({"train_images.npy": "x_train.npy"}, "train_images is missing, it holds x_train"),
        ({"train_images.npy": "data/train_images.npy"}, "holds data/train_images.* in a folder"),
        (
            {f"val_{kind}.npy": f"valid_{kind}.npy" for kind in ("images", "labels")},
            "val_images, val_labels is missing",
        ),
        ({"train_images.npy": "TRAIN_IMAGES.npy"}, "train_images is missing, it holds TRAIN_IMAGES"),
    ],
)
def test_arrays_of_other_names_are_never_taken_for_these_and_are_named(tmp_path, rename, words):
    refuses(words, load_npz, renamed(tmp_path / "x.npz", rename))


def test_an_archive_with_a_password_is_called_so(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(signature, at + 4)
    path.write_bytes(content)
    refuses(r"x\.npz must be open to read; .*encrypted with a password", load_npz, path)


def test_pickled_objects_are_never_loaded(tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    for key in ("train_labels", "train_images"):
        np.savez(tmp_path / "x.npz", **arrays() | {key: np.array([Trap()] * 6, dtype=object)})
        refuses(f"{key} must be a plain array.*never loaded", load_npz, tmp_path / "x.npz")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(os.name == "nt", reason="no pipes with names")
def test_a_pipe_or_a_folder_with_the_name_of_an_archive_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "folder.npz").mkdir()
    for name in ("pipe.npz", "folder.npz"):
        with pytest.raises(FileNotFoundError, match=rf"{name}; what is there is no file"):
            load_data(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(40), b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_is_named(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    refuses(r"x\.npz (should be a whole \.npz file|must hold the arrays)", load_npz, tmp_path / "x.npz")


def test_any_three_flipped_bytes_of_an_archive_are_refused_by_name_or_change_nothing(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **arrays())
    whole, expected = path.read_bytes(), load_npz(path)
    rng = np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = load_npz(path)
        except ValueError as error:
            assert "x.npz" in str(error)  # noqa: PT017
        else:
            assert all(torch.equal(found[part].images, expected[part].images) for part in PARTS)
            assert all(torch.equal(found[part].labels, expected[part].labels) for part in PARTS)


# ---- the cache
def foreign(header: str) -> bytes:
    """A file with a right checksum that something else has written."""
    text = header.replace("SUM", UNSIGNED).encode()
    unsigned = len(text).to_bytes(8, "little") + text
    return unsigned.replace(UNSIGNED.encode(), hashlib.sha256(b"k" + unsigned).hexdigest().encode())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"junk" * 100,
        b"LABTENSORS1\n" + bytes(100),  # as earlier versions of the kit began
        foreign(""),
        foreign("[]"),
        foreign("{}"),
        foreign('{"__metadata__": {}}'),
        foreign('{"__metadata__": {"sha256": 5}}'),
        foreign('{"__metadata__": {"sha256": "SUM"}, "a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}'),
        foreign('{"__metadata__": {"sha256": "SUM"}, "a": 5}'),
        (2**62).to_bytes(8, "little") + b"{}",
    ],
)
def test_a_cache_file_of_anything_else_is_made_again(tmp_path, content):
    path = tmp_path / "set.bin"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        read_tensors(path, key="k")
    assert cached_tensors(path, lambda: {"a": torch.arange(3)}, key="k")["a"].tolist() == [0, 1, 2]
    assert read_tensors(path, key="k")["a"].tolist() == [0, 1, 2]


@pytest.mark.skipif(os.name == "nt", reason="no pipes with names")
def test_a_pipe_in_the_place_of_a_cache_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "set.bin")
    assert cached_tensors(tmp_path / "set.bin", lambda: {"a": torch.arange(3)})["a"].tolist() == [0, 1, 2]


def test_a_folder_in_the_place_of_a_cache_file_is_a_note(tmp_path, capsys):
    (tmp_path / "set.bin").mkdir()
    assert cached_tensors(tmp_path / "set.bin", lambda: {"a": torch.arange(3)})["a"].tolist() == [0, 1, 2]
    assert "could not be" in capsys.readouterr().out


def test_every_flipped_bit_of_a_cache_file_is_noticed(tmp_path):
    path = tmp_path / "set.bin"
    write_tensors(path, {"a": torch.arange(5)}, key="k")
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        with pytest.raises(Unreadable):
            read_tensors(path, key="k")
