import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.ensemble import RandomForestClassifier

from lab_utils.checks.homework4.data import IMAGES_FILE, SHARE_B, load, read_images, read_sample
from lab_utils.checks.homework4.file import COLUMNS
from lab_utils.data import SITES, Split, make_phantoms
from lab_utils.metrics import auroc
from lab_utils.staff.grading import hidden_set
from lab_utils.staff.grading.hidden_set import Hidden
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


def test_the_hospital_of_a_course_is_in_no_kit_and_differs_from_course_to_course():
    sites = [hidden.private_site(seed) for seed in range(20)]
    assert len({*sites, *SITES.values()}) == 22
    for name, (low, high, narrow, wide) in hidden.RANGES.items():
        values = [getattr(site, name) for site in sites]
        starts = [value[0] if wide else value for value in values]
        assert all(low <= start <= high for start in starts)
        assert max(starts) - min(starts) > 0.4 * (high - low)
        assert not wide or all(narrow - 1e-9 <= value[1] - value[0] <= wide + 1e-9 for value in values)
    assert {site.prevalence for site in sites} == {SITES["B"].prevalence}  # the patients are those of hospital B


def test_students_get_labelled_images_of_the_same_hospital_and_of_other_patients(tmp_path, monkeypatch):
    monkeypatch.setattr(hidden, "SAMPLE", 16)
    monkeypatch.setattr(hidden, "IMAGES", 16)
    drawn = hidden.draw_test_set(5, n=16, site=hidden.private_site(5))
    course = drawn._replace(sample=hidden.draw_test_set(5, n=16, site=hidden.private_site(5), use=2))
    assert not {image.tobytes() for image in course.images} & {image.tobytes() for image in course.sample.images}
    hidden_set.write_images(tmp_path / IMAGES_FILE, course)
    assert (read_images(tmp_path / IMAGES_FILE).images.numpy() == course.images).all()
    sample = read_sample(tmp_path / IMAGES_FILE)
    assert (sample.images.numpy() == course.sample.images).all()
    assert sample.labels.tolist() == course.sample.labels.tolist()
    assert not set(sample.groups.tolist()) & set(course.groups.tolist())
    assert read_sample(ROOT / "data" / IMAGES_FILE) is None  # the kit's own file has none


def test_what_release_draws_is_the_private_hospital_with_its_sample(monkeypatch):
    asked = []
    monkeypatch.setattr(hidden, "draw_test_set", lambda seed, **how: asked.append((seed, how)) or Hidden([], [], []))
    assert hidden.PREDICTIONS.draw(9).sample == Hidden([], [], [])
    site = hidden.private_site(9)
    assert asked == [(9, {"n": hidden.SAMPLE, "site": site, "use": 2}), (9, {"site": site})] or asked == [
        (9, {"site": site}),
        (9, {"n": hidden.SAMPLE, "site": site, "use": 2}),
    ]


def test_the_level_of_a_fine_tuned_network_stands_above_pixels_of_the_training_images(default):
    """What trees learn from the images that students have, without any network; `fixed` cannot stand above it."""

    def pixels(images):
        return F.avg_pool2d(torch.as_tensor(images).float(), 4).flatten(1).numpy()

    train = load("phantoms", n_train=300, n_val=10, n_b=10).train
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(pixels(train.images), train.labels)
    value = auroc(default.labels, forest.predict_proba(pixels(default.images))[:, 1])
    assert 0.6 < value < hidden.LEVELS["fine_tuned"] - 0.05
