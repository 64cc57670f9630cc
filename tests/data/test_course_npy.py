import numpy as np
import pytest
import torch

from lab_utils.data import load_course, load_data
from lab_utils.data.course_npy import FILES


@pytest.fixture
def course(tmp_path):
    """The four files at a tenth of their size; every image is filled with its number in its file."""
    for name in FILES:
        n = 20 if name.startswith("test") else 100
        numbers = np.arange(n, dtype=np.uint8)[:, None, None]
        np.save(tmp_path / name, np.broadcast_to(numbers + 100 * ("pneumonia" in name), (n, 32, 32)).copy())
    return tmp_path


def test_the_first_four_fifths_of_each_class_train_and_the_rest_validates(course):
    splits = load_course(course, size=16)
    assert {part: len(split) for part, split in splits.items()} == {"train": 160, "val": 40, "test": 40}
    for split, numbers in ((splits["train"], range(80)), (splits["val"], range(80, 100)), (splits["test"], range(20))):
        assert split.images.shape[1:] == (1, 16, 16)
        for label in (0, 1):
            shown = split.images[split.labels == label, 0, 0, 0]
            assert shown.tolist() == [number + 100 * label for number in numbers]


def test_pneumonia_is_the_positive_class(course):
    assert load_course(course)["train"].class_names == ("normal", "pneumonia")


def test_a_thousand_images_are_cut_at_800(tmp_path):
    for name in FILES:
        np.save(tmp_path / name, np.zeros((1000, 4, 4), np.uint8))
    splits = load_course(tmp_path, size=None)
    assert torch.bincount(splits["train"].labels).tolist() == [800, 800]
    assert torch.bincount(splits["val"].labels).tolist() == [200, 200]


def test_by_name_with_root_by_folder_and_from_the_kits_own_folder(course, tmp_path, monkeypatch):
    by_name = load_data("course", root=course, n_train=10)["train"]
    by_folder = load_data(course, n_train=20)["train"]
    assert torch.equal(by_name.images, by_folder.images[:10])
    assert by_name.labels.sum() == 5
    (tmp_path / "data").mkdir()
    course_folder = tmp_path / "data" / "course"
    course_folder.mkdir()
    for name in FILES:
        (course / name).rename(course_folder / name)
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "data"))
    assert torch.equal(load_data("course", n_train=10)["train"].images, by_name.images)


def test_every_image_is_a_patient_of_its_own(course):
    patients = torch.cat([split.groups for split in load_course(course).values()])
    assert len(patients.unique()) == 240


def test_a_file_in_the_wrong_shape_is_named(course):
    np.save(course / "pneumonia.npy", np.zeros((100, 32), np.uint8))
    with pytest.raises(ValueError, match=r"pneumonia\.npy should hold .* it has shape \(100, 32\)"):
        load_course(course)
