import numpy as np
import pytest
import torch

from lab_utils.checks.homework4 import load
from lab_utils.checks.hospitals import Unlabelled, normal_or_pneumonia, read_images, with_share
from lab_utils.data import FINDINGS, Split, check_disjoint, make_phantoms


def test_the_parts_have_their_sizes_and_shares_and_no_patient_in_common():
    data = load(n_train=60, n_val=40, n_b=20)
    assert [len(part) for part in (data.train, data.val, data.hospital_b, data.test)] == [60, 40, 20, 400]
    assert [int(part.labels.sum()) for part in (data.train, data.val, data.hospital_b)] == [39, 26, 10]
    check_disjoint(data.train, data.val, data.hospital_b)
    assert isinstance(data.test, Unlabelled)
    assert not hasattr(data.test, "labels")


def test_no_labelled_image_of_hospital_b_is_a_test_image():
    data = load(n_train=20, n_val=20, n_b=120)
    known = {image.numpy().tobytes() for image in data.hospital_b.images}
    assert not known & {image.numpy().tobytes() for image in data.test.images}


def multilabel(rows):
    labels = torch.tensor(rows, dtype=torch.float32)
    images = torch.arange(len(rows), dtype=torch.uint8).view(-1, 1, 1, 1)
    return Split(images, labels, torch.arange(len(rows)), "multilabel", FINDINGS)


def test_pneumonia_is_consolidation_and_normal_is_no_finding():
    split = normal_or_pneumonia(
        multilabel([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 1, 0, 1], [0, 0, -1, 0, 0]])
    )
    assert split.images.flatten().tolist() == [0, 2, 3]
    assert split.labels.tolist() == [0, 1, 1]
    assert (split.task, split.class_names) == ("binary", ("normal", "pneumonia"))


def test_a_share_takes_the_first_of_each_class_in_order():
    split = normal_or_pneumonia(multilabel([[0, 0, 0, 0, 0]] * 3 + [[0, 0, 1, 0, 0]] * 3))
    assert with_share(split, 4, 0.25).images.flatten().tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="at least 4 images of class 1, got 3"):
        with_share(split, 4, 1.0)


def test_a_task_that_is_not_binary_is_refused(tmp_path):
    images = np.zeros((12, 28, 28), np.uint8)
    arrays = {f"{part}_images": images for part in ("train", "val", "test")}
    arrays |= {f"{part}_labels": np.arange(12).reshape(-1, 1) % 3 for part in ("train", "val", "test")}
    np.savez(tmp_path / "three.npz", **arrays)
    with pytest.raises(ValueError, match="needs a binary task"):
        load(tmp_path / "three.npz", n_train=6, n_val=6)


def test_real_data_take_the_place_of_the_phantoms(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        f"{part}_images": rng.integers(0, 255, (20, 28, 28)).astype(np.uint8) for part in ("train", "val", "test")
    }
    arrays |= {f"{part}_labels": np.arange(20).reshape(-1, 1) % 2 for part in ("train", "val", "test")}
    np.savez(tmp_path / "two.npz", **arrays)
    data = load(tmp_path / "two.npz", n_train=10, n_val=8, n_b=6)
    assert [len(part) for part in (data.train, data.val, data.hospital_b, data.test)] == [10, 8, 6, 20]


@pytest.mark.parametrize(
    "arrays",
    [
        {"images": np.zeros((2, 1, 8, 8), np.uint8)},
        {"images": np.zeros((2, 1, 8, 8)), "groups": np.zeros(2, np.int64)},
        {"images": np.zeros((2, 8, 8), np.uint8), "groups": np.zeros(2, np.int64)},
        {"images": np.zeros((2, 1, 8, 8), np.uint8), "groups": np.zeros(3, np.int64)},
        {"images": np.array([{}]), "groups": np.zeros(1, np.int64)},
    ],
)
def test_a_damaged_file_of_images_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(ValueError, match="Restore it from the repository"):
        read_images(tmp_path / "x.npz")


def test_a_missing_file_of_images_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        read_images(tmp_path / "x.npz")


def test_phantoms_hold_the_finding_that_the_task_is_made_of():
    assert normal_or_pneumonia(make_phantoms(40, findings=["Consolidation"])).labels.tolist() == [1] * 40
