import numpy as np
import pytest
import torch

from lab_utils.data import FINDINGS, check_disjoint, load_data, make_phantoms
from lab_utils.data.load import PHANTOM_COUNTS

SMALL = {"n_train": 24, "n_val": 8, "n_test": 16}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_phantoms_are_the_default_with_a_second_hospital():
    splits = load_data(**SMALL)
    assert {part: len(split) for part, split in splits.items()} == {"train": 24, "val": 8, "test": 16, "test_b": 16}
    for split in splits.values():
        assert (split.task, split.class_names) == ("multilabel", FINDINGS)
        assert split.images.shape[1:] == (1, 64, 64)
    check_disjoint(*splits.values())


def test_the_parts_show_different_patients():
    splits = load_data(**SMALL)
    for left, right in (("train", "val"), ("train", "test"), ("val", "test"), ("test", "test_b")):
        assert not torch.equal(splits[left].images[:8], splits[right].images[:8])


def test_more_training_images_change_neither_the_first_ones_nor_the_test():
    few, many = load_data(**SMALL), load_data(**SMALL | {"n_train": 40})
    assert torch.equal(few["train"].images, many["train"].images[:24])
    assert torch.equal(few["test"].images, many["test"].images)


def test_seed_size_and_options_reach_the_phantoms():
    base = load_data(**SMALL)["train"]
    other = load_data(**SMALL, seed=1, size=80, uncertain=0.3)["train"]
    assert other.image_size == 80
    assert not torch.equal(other.groups, base.groups)
    assert (other.labels == -1).any()
    assert not (base.labels == -1).any()


def test_the_usual_numbers_of_phantoms(monkeypatch):
    def tiny(n, **options):
        asked.append((n, options.get("site", "A")))
        return make_phantoms(4, **options)

    asked: list[tuple[int, str]] = []
    monkeypatch.setattr("lab_utils.data.load.load_phantoms", tiny)
    load_data()
    assert asked[:3] == [(n, "A") for n in PHANTOM_COUNTS.values()]
    assert asked[3][1] == "B"


@pytest.mark.parametrize("name", [None, 5, "", "  ", ["phantoms"], b"phantoms", {"a": 1}, True])
def test_what_is_no_name_and_no_path_gets_words(name):
    with pytest.raises(ValueError, match="data to be the name of a set, or the path of a file or a folder"):
        load_data(name)


@pytest.mark.parametrize("name", ["phantoms", "pneumoniamnist_28", "course", "a.npz", "."])
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("n_train", "5"),
        ("n_train", 2.5),
        ("n_val", True),
        ("n_val", 0),
        ("n_test", -3),
        ("n_test", float("nan")),
        ("size", "64"),
        ("size", 0),
        ("size", 64.0),
        ("size", True),
        ("seed", "a"),
        ("seed", None),
        ("seed", -1),
        ("seed", 1.0),
    ],
)
def test_numbers_are_checked_before_anything_is_loaded(name, argument, value):
    with pytest.raises(ValueError, match=rf"^(Expected )?{argument} (to|must) be .*[;,] got {value!r}"):
        load_data(name, **{argument: value})


def test_whole_numbers_of_numpy_are_numbers():
    counts = {name: np.int64(n) for name, n in SMALL.items()}
    assert torch.equal(load_data(**counts, seed=np.int32(0))["train"].images, load_data(**SMALL)["train"].images)


@pytest.mark.parametrize(
    ("name", "option", "words"),
    [
        ("phantoms", "severty", "Did you mean 'severity'"),
        ("phantoms", "sede", "Did you mean 'seed'"),
        ("phantoms", "site", "'phantoms' \\(severity"),
        ("course", "class_names", "'course' \\(only those that all data take"),
        (".", "classes", "Did you mean 'class_names'"),
        ("pneumoniamnist", "patient", "'pneumoniamnist' \\(verify"),
    ],
)
def test_an_option_that_a_loader_does_not_have_gets_words(name, option, words):
    with pytest.raises(TypeError, match=words):
        load_data(name, **{option: 1})


def test_a_file_of_another_kind_and_phantoms_without_a_side_get_words(tmp_path):
    (tmp_path / "set.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"must be an \.npz file .*set\.zip is another file. Unpack"):
        load_data(tmp_path / "set.zip")
    with pytest.raises(ValueError, match="needs a side in pixels"):
        load_data(size=None)


@pytest.mark.parametrize(
    ("name", "nearest"), [("phantom", "phantoms"), ("PneumoniaMNIST", "pneumoniamnist"), ("chest", "chestmnist")]
)
def test_an_unknown_name_suggests_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"Did you mean '{nearest}'"):
        load_data(name)
