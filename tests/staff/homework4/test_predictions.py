import numpy as np
import pytest

from lab_utils.checks.homework4.data import IMAGES_FILE, SHARE_B, read_images
from lab_utils.checks.homework4.file import COLUMNS
from lab_utils.data import Split, make_phantoms
from lab_utils.staff.grading import hidden_set
from lab_utils.staff.homework4 import predictions as hidden
from tests.checks.notebook_functions import ROOT


@pytest.fixture(scope="module")
def default():
    return hidden.draw_test_set(hidden.DEFAULT_SEED)


def test_the_committed_files_are_what_the_default_seed_gives(default):
    images = read_images(ROOT / "data" / IMAGES_FILE)
    assert np.abs(images.images.numpy().astype(int) - default.images).max() <= 1  # phantoms: within one grey level
    assert (images.groups.numpy() == default.groups).all()
    labels, groups = hidden_set.read_labels(ROOT / "lab_utils/staff/homework4/labels.csv")
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


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="Take secrets"):
        hidden.draw_test_set(seed)


def test_joined_pairs_keep_patients_of_different_draws_apart():
    pair = make_phantoms(4, site="B")
    binary = Split(pair.images, pair.groups * 0, pair.groups * 0, "binary", ("a", "b"))
    assert hidden._joined([binary, binary]).groups.tolist() == [0] * 4 + [1] * 4


def test_every_column_has_a_level_and_the_file_its_name():
    assert list(hidden.PREDICTIONS.columns) == list(COLUMNS)
    assert {column.level for column in hidden.PREDICTIONS.columns.values()} == set(hidden.LEVELS.values())
    assert hidden.PREDICTIONS.file == "homework4_predictions.csv"  # as `collect` expects it


def test_the_notebook_names_the_levels_that_the_grader_asks_for():
    text = (ROOT / "labs/homework4.ipynb").read_text("utf-8")
    for level in hidden.LEVELS.values():
        assert f"an AUROC of at least {level:.2f}" in text
