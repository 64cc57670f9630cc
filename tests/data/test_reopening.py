"""A large set that was opened before is opened at once, and anew when something has changed."""

import os
import shutil
import time
import warnings
from pathlib import Path

import pytest
import torch

from lab_utils.data import OnDisk, load_data, pool, reopening
from lab_utils.data.public import known
from tests.data import trees


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pool, "LARGE", 1000)
    trees.chexpert(tmp_path / "set")
    age(tmp_path / "set")
    return tmp_path / "set"


def age(root: Path, seconds: float = 3600) -> None:
    """As if nothing had been changed for so long."""
    then = time.time() - seconds
    for path in [root, *root.rglob("*")]:
        os.utime(path, (then, then))


@pytest.fixture
def listed(monkeypatch):
    """Grows by one whenever a set is listed, which takes long for a large one."""
    calls: list[Path] = []

    def load(root, **options):
        calls.append(root)
        return load_table(root, **options)

    load_table = known.load_table
    monkeypatch.setattr(known, "load_table", load)
    return calls


def opened(root, **options):
    return load_data("chexpert", root=root, **{"size": 16} | options)


def assert_same_parts(left, right):
    assert left.keys() == right.keys()
    for part, split in left.items():
        other = right[part]
        assert type(split.images) is type(other.images) is OnDisk
        for name in ("images", "labels", "groups"):
            assert torch.equal(getattr(split, name), getattr(other, name))
        for name in ("task", "class_names", "notes"):
            assert getattr(split, name) == getattr(other, name)


def test_a_second_opening_gives_the_same_parts_and_lists_nothing(root, listed, capsys):
    first = opened(root)
    capsys.readouterr()
    assert_same_parts(first, opened(root))
    assert len(listed) == 1
    assert "Research Use Agreement" in capsys.readouterr().out


def test_warnings_are_given_again(root, listed):
    pictures = sorted(root.rglob("view1_frontal.jpg"))
    shutil.copyfile(pictures[0], pictures[7])  # the same picture twice
    age(root)
    said = []
    for _ in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            opened(root)
        said.append([(str(one.message), one.filename) for one in caught])
    assert len(listed) == 1
    assert said[0] == said[1]
    assert "in more than one part" in said[0][0][0] or "more than once" in said[0][0][0]
    assert said[0][0][1].endswith("test_reopening.py")  # the line of the caller


def add(root):
    shutil.copyfile(next(root.rglob("*.jpg")), root / "CheXpert-v1.0-small" / "train" / "new.jpg")


def remove(root):
    next((root / "CheXpert-v1.0-small" / "train").rglob("*lateral.jpg")).unlink()


def rename(root):
    path = next(root.rglob("*lateral.jpg"))
    path.rename(path.with_name("other.jpg"))


def change_table(root):
    path = next(root.rglob("train.csv"))
    path.write_text(path.read_text().replace(",-1.0", ",1.0"))


def overwrite(root):
    for path in root.rglob("*.jpg"):
        path.write_bytes(path.read_bytes() + b"\0")


def damage_pixels(root):
    for path in (root.parent / "cache").rglob("pixels"):
        path.write_bytes(bytes(path.stat().st_size))


def damage_what_is_kept(root):
    for path in (root.parent / "cache").rglob("opened-*"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize(
    "change",
    [add, remove, rename, change_table, overwrite, damage_pixels, damage_what_is_kept],
    ids=lambda f: f.__name__,
)
def test_what_has_changed_is_noticed(root, listed, change):
    opened(root)
    change(root)
    again = {part: (split.images.clone(), split.labels) for part, split in opened(root).items()}
    assert len(listed) == 2
    shutil.rmtree(root.parent / "cache")
    for part, split in opened(root).items():
        assert torch.equal(again[part][0], split.images)
        assert torch.equal(again[part][1], split.labels)


@pytest.mark.parametrize("options", [{"seed": 1}, {"uncertain": "ones"}, {"n_train": 5}, {"size": 8}])
def test_other_options_are_another_opening(root, listed, options):
    opened(root)
    other = opened(root, **options)
    assert len(listed) == 2
    assert_same_parts(other, opened(root, **options))
    opened(root)
    assert len(listed) == 2


def test_one_picture_overwritten_in_place_is_seen_after_a_folder_was_touched(root, listed, monkeypatch):
    monkeypatch.setattr(reopening, "LOOKED_AT", 0)
    before = opened(root)
    sources = sorted((root / "CheXpert-v1.0-small" / "train").rglob("*frontal.jpg"))
    sources[0].write_bytes(next(root.rglob("*lateral.jpg")).read_bytes())
    assert_same_parts(before, opened(root))  # as the module says
    os.utime(root)
    assert not all(torch.equal(split.images, before[part].images) for part, split in opened(root).items())
    assert len(listed) == 2


def test_a_folder_that_has_just_changed_is_not_kept(root, listed):
    os.utime(root)
    opened(root), opened(root)
    assert len(listed) == 2


def test_a_set_in_memory_leaves_nothing(root, listed, monkeypatch, tmp_path):
    monkeypatch.setattr(pool, "LARGE", 2**29)
    opened(root), opened(root)
    assert len(listed) == 2
    assert not list((tmp_path / "cache").rglob("opened-*"))


def test_a_table_elsewhere_is_watched_and_a_function_keeps_nothing(root, tmp_path, monkeypatch):
    table = tmp_path / "labels.csv"
    shutil.copyfile(next(root.rglob("train.csv")), table)
    age(tmp_path)
    options = {"table": table, "file": "Path", "label": ["Edema"], "task": "multilabel", "blank": "zeros", "size": 16}
    options |= {"uncertain": "zeros"}
    first = load_data("folder", root=root, patient=r"/(patient\d+)/", **options)
    with monkeypatch.context() as patched:
        patched.setattr("lab_utils.data.tables.table.list_table", None)
        assert_same_parts(first, load_data("folder", root=root, patient=r"/(patient\d+)/", **options))
        with pytest.raises(TypeError):
            load_data("folder", root=root, patient=lambda path: path.parts[-3], **options)
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-2]))
    again = load_data("folder", root=root, patient=r"/(patient\d+)/", **options)
    assert sum(map(len, again.values())) == sum(map(len, first.values())) - 2
