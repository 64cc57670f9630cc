import numpy as np
import pytest
import torch

from lab_utils.checks.hospitals import images_file, read_images
from lab_utils.data import Split
from lab_utils.staff.grading import hidden_set as hidden
from lab_utils.staff.grading.hidden_set import hidden_images, read_labels


def drawn_from(seed):
    labels = np.random.default_rng(seed).permutation(np.arange(60) % 2)
    return hidden.Hidden(np.zeros((60, 1, 8, 8), np.uint8) + labels[:, None, None, None], np.arange(60), labels)


def test_a_course_keeps_its_hidden_set_until_a_new_one_is_asked_for_and_no_labels_are_lost(tmp_path):
    def get(new=False):
        return hidden_images(tmp_path, "homework5", drawn_from, new=new)

    first, drawn = get()
    assert drawn
    labels, _ = read_labels(tmp_path / "homework5_labels.csv")
    assert get() == (first, False)
    second, drawn = get(new=True)
    assert drawn
    assert second != first
    new, _ = read_labels(tmp_path / "homework5_labels.csv")
    assert not np.array_equal(new, labels)
    get(new=True)
    for number, expected in ((1, labels), (2, new)):
        older, _ = read_labels(tmp_path / f"homework5_labels_of_older_set_{number}.csv")
        np.testing.assert_array_equal(older, expected)


def test_secret_seeds_are_long_and_differ(tmp_path):
    seeds = []

    def draw(seed):
        seeds.append(seed)
        return small()

    for _ in range(50):
        hidden_images(tmp_path, "homework5", draw, new=True)
    assert len(set(seeds)) == 50
    assert max(seeds) > 2**60
    assert all(0 <= seed < 2**63 for seed in seeds)


def small():
    return hidden.Hidden(np.zeros((3, 1, 8, 8), np.uint8), np.array([0, 1, 0]), np.array([1, 0, 1]))


def test_files_are_read_as_they_were_written(tmp_path):
    hidden.write_images(tmp_path / "a.npz", small())
    hidden.write_labels(tmp_path / "a.csv", small())
    assert read_images(tmp_path / "a.npz").groups.tolist() == [0, 1, 0]
    assert [part.tolist() for part in hidden.read_labels(tmp_path / "a.csv")] == [[1, 0, 1], [0, 1, 0]]
    assert (tmp_path / "a.csv").read_text() == "image,label,patient\n0,1,0\n1,0,1\n2,1,0\n"
    before = (tmp_path / "a.npz").read_bytes()
    hidden.write_images(tmp_path / "a.npz", small())
    assert (tmp_path / "a.npz").read_bytes() == before


def test_the_images_that_students_get_hold_no_labels(tmp_path):
    hidden.write_images(tmp_path / "a.npz", small())
    with np.load(tmp_path / "a.npz") as file:
        assert sorted(file.files) == ["groups", "images"]
    with np.load(images_file("homework4")) as file:
        assert sorted(file.files) == ["groups", "images"]


@pytest.mark.parametrize(
    "text",
    [
        "image,label\n0,1\n",
        "image,label,patient\n0,1,0\n0,0,1\n",
        "image,label,patient\n0,2,0\n1,1,0\n",
        "x",
        "image,label,patient\n0,a,0\n",
        "image,label,patient\n",
        "image,label,patient\n0,1,0\n1,0\n",
    ],
)
def test_a_damaged_file_of_labels_is_refused(text, tmp_path):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match="image,label,patient"):
        hidden.read_labels(tmp_path / "a.csv")


def test_missing_labels_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no file"):
        hidden.read_labels(tmp_path / "a.csv")


def test_a_split_of_real_data_becomes_a_test_set_in_its_order():
    images, labels = torch.arange(4, dtype=torch.uint8).view(4, 1, 1, 1), torch.tensor([1, 0, 0, 1])
    test = hidden.of_split(Split(images, labels, torch.tensor([70, 5, 70, 9]), "binary", ("normal", "pneumonia")))
    assert test.images.flatten().tolist() == [0, 1, 2, 3]
    assert test.groups.tolist() == [0, 1, 0, 2]
    assert test.labels.tolist() == [1, 0, 0, 1]
