import os
from pathlib import Path
from types import SimpleNamespace

import torch

from lab_utils.data import Split, duplicates
from lab_utils.data.duplicates import describe_duplicates, find_duplicates, join_copies, once


def test_positions_of_every_group_rise_and_any_type_will_do():
    rows = torch.tensor([3.0, 1.0, 3.0, 2.0, 1.0, 3.0])[:, None]
    for kind in (torch.float32, torch.uint8, torch.int64):
        assert find_duplicates(rows.to(kind)) == [[0, 2, 5], [1, 4]]


def test_pictures_of_one_hash_are_compared_pixel_by_pixel(monkeypatch):
    monkeypatch.setattr(duplicates, "hash", lambda content: 0, raising=False)
    assert find_duplicates(torch.tensor([5, 6, 5, 7, 6])[:, None]) == [[0, 2], [1, 4]]


def test_findings_that_differ_in_one_column_are_different_labels():
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    split = Split(images, torch.tensor([[0.0, 1.0], [0.0, -1.0]]), torch.arange(2), "multilabel", ("a", "b"))
    assert "1 picture is there more than once, with different labels" in describe_duplicates({"train": split})
    same = Split(images, torch.tensor([[0.0, 1.0]] * 2), torch.arange(2), "multilabel", ("a", "b"))
    assert describe_duplicates({"train": same}) == ""


def test_parts_of_different_sides_have_nothing_in_common():
    def zeros(side: int) -> Split:
        images = torch.zeros(1, 1, side, side, dtype=torch.uint8)
        return Split(images, torch.tensor([0]), torch.arange(1), "binary", ("a", "b"))

    assert describe_duplicates({"train": zeros(4), "test": zeros(8)}) == ""
    assert describe_duplicates({"train": zeros(4), "test": zeros(4)}) != ""


def write(folder, **contents):
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_files_of_the_same_bytes_have_one_owner_and_chains_are_followed(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"two", c=b"one", d=b"two", e=b"six", f=b"longer")
    assert join_copies(paths, ["p", "q", "q", "r", "s", "t"]) == ["p", "p", "p", "p", "s", "t"]


def test_owners_without_copies_stay_as_they_are(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"two", c=b"three")
    assert join_copies(paths, ["z", "y", "z"]) == ["z", "y", "z"]


def test_files_that_differ_far_from_the_middle_are_not_copies(tmp_path):
    paths = write(tmp_path, a=b"0" * 20_000, b=b"1" + b"0" * 19_999, c=b"0" * 19_999 + b"1")
    assert join_copies(paths, ["p", "q", "r"]) == ["p", "q", "r"]


def test_links_lead_to_one_file(tmp_path):
    paths = write(tmp_path, a=b"one", b=b"one")
    os.link(tmp_path / "a", tmp_path / "c")
    os.symlink(tmp_path / "b", tmp_path / "d")
    assert once([*paths, tmp_path / "c", tmp_path / "d"]) == paths


def test_files_of_a_file_system_without_numbers_are_all_kept(tmp_path, monkeypatch):
    paths = write(tmp_path, a=b"one", b=b"two")
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_dev=1, st_ino=0))
    assert once(paths) == paths
