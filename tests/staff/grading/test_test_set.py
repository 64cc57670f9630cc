import numpy as np
import pytest
import torch

from lab_utils.checks.homework4_data import IMAGES_FILE, SHARE_B, read_images
from lab_utils.data import Split, make_phantoms
from lab_utils.staff.grading import test_set as hidden
from tests.checks.notebook_functions import ROOT


@pytest.fixture(scope="module")
def default():
    return hidden.draw_test_set(hidden.DEFAULT_SEED)


def test_the_committed_files_are_what_the_default_seed_gives(default):
    images = read_images(ROOT / "data" / IMAGES_FILE)
    assert np.abs(images.images.numpy().astype(int) - default.images).max() <= 1  # phantoms: within one grey level
    assert (images.groups.numpy() == default.groups).all()
    labels, groups = hidden.read_labels(ROOT / "solutions/homework4_labels.csv")
    assert (labels == default.labels).all()
    assert (groups == default.groups).all()


def test_size_share_and_patients(default):
    assert default.images.shape == (400, 1, 64, 64)
    assert default.images.dtype == np.uint8
    assert default.labels.sum() == 400 * SHARE_B
    patients = np.unique(default.groups)
    assert patients.tolist() == list(range(len(patients)))
    assert np.bincount(default.groups).max() > 3  # several images per patient


def test_patients_are_numbered_in_the_order_in_which_they_are_met(default):
    _, first = np.unique(default.groups, return_index=True)
    assert (np.diff(first) > 0).all()


def test_images_are_shuffled(default):
    assert 0.3 < (np.diff(default.labels) != 0).mean() < 0.7  # not class by class
    assert (np.diff(default.groups) == 0).mean() < 0.1  # not patient by patient


def test_an_image_keeps_its_label(default, monkeypatch):
    """Every image is looked up in the pairs it was drawn from."""
    drawn = {}

    def recorded(*arguments, **settings):
        pair = make_phantoms(*arguments, **settings)
        for image, label in zip(pair.images, pair.labels, strict=True):
            drawn[image.numpy().tobytes()] = label
        return pair

    monkeypatch.setattr(hidden, "make_phantoms", recorded)
    test = hidden.draw_test_set(9, n=40)
    for image, label in zip(test.images, test.labels, strict=True):
        findings = drawn[image.tobytes()]
        assert findings[2] == 1 if label else (findings == 0).all()


def test_images_of_one_patient_stay_one_patient(monkeypatch):
    owners = {}

    def recorded(*arguments, **settings):
        pair = make_phantoms(*arguments, **settings)
        for image, patient in zip(pair.images, pair.groups.tolist(), strict=True):
            owners[image.numpy().tobytes()] = (settings["seed"], patient)
        return pair

    monkeypatch.setattr(hidden, "make_phantoms", recorded)
    test = hidden.draw_test_set(9, n=40)
    pairs = {(owners[image.tobytes()], group) for image, group in zip(test.images, test.groups.tolist(), strict=True)}
    assert len(pairs) == len({owner for owner, _ in pairs}) == len({group for _, group in pairs})


def test_other_seeds_have_other_images_and_labels(default):
    for seed in (hidden.DEFAULT_SEED + 1, hidden.DEFAULT_SEED + 2**32, 2**63 - 1):
        other = hidden.draw_test_set(seed, n=60)
        assert not {image.tobytes() for image in other.images} & {image.tobytes() for image in default.images}


def test_the_keys_use_all_bits_of_the_seed():
    def keys(seed):
        return [(hidden._word(seed, pair, 0), hidden._start(seed, pair)) for pair in range(3)]

    assert len({str(keys(7 ^ (1 << bit))) for bit in range(63)}) == 63
    starts = [hidden._start(7, pair) for pair in range(200)]
    assert all(start % hidden.PAIR == 0 for start in starts)
    assert len(set(starts)) == 200
    assert max(starts) > 2**29


def test_secret_seeds_are_long_and_differ():
    seeds = [hidden.new_seed() for _ in range(50)]
    assert len(set(seeds)) == 50
    assert max(seeds) > 2**60
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="new_seed"):
        hidden.draw_test_set(seed)


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
    with np.load(ROOT / "data" / IMAGES_FILE) as file:
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


def test_joined_pairs_keep_patients_of_different_draws_apart():
    pair = make_phantoms(4, site="B")
    binary = Split(pair.images, pair.groups * 0, pair.groups * 0, "binary", ("a", "b"))
    assert hidden._joined([binary, binary]).groups.tolist() == [0] * 4 + [1] * 4
