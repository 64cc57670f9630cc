"""Hidden test sets of phantoms: the same for a seed, unknown without it."""

from functools import partial

import numpy as np
import pytest

from lab_utils.checks.hospitals import SHARE_B, images_file, read_images, read_sample
from lab_utils.data import SITES, Split, make_phantoms
from lab_utils.staff.grading import hidden_set
from lab_utils.staff.grading import phantom_set as hidden
from lab_utils.staff.grading.hidden_set import Hidden

SEED = 4
draw = partial(hidden.draw_test_set, homework="homework4")


@pytest.fixture(scope="module")
def default():
    return draw(SEED)


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
    test = draw(9, n=40)
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
    test = draw(9, n=40)
    pairs = {(owners[image.tobytes()], group) for image, group in zip(test.images, test.groups.tolist(), strict=True)}
    assert len(pairs) == len({owner for owner, _ in pairs}) == len({group for _, group in pairs})


def test_other_seeds_have_other_images_and_labels(default):
    for seed in (SEED + 1, SEED + 2**32, 2**63 - 1):
        other = draw(seed, n=60)
        assert not {image.tobytes() for image in other.images} & {image.tobytes() for image in default.images}


def test_the_keys_use_all_bits_of_the_seed():
    def keys(seed):
        return [(hidden._word("homework4", seed, pair, 0), hidden._start("homework4", seed, pair)) for pair in range(3)]

    assert len({str(keys(7 ^ (1 << bit))) for bit in range(63)}) == 63
    starts = [hidden._start("homework4", 7, pair) for pair in range(200)]
    assert all(start % hidden.PAIR == 0 for start in starts)
    assert len(set(starts)) == 200
    assert max(starts) > 2**29


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="Take secrets"):
        draw(seed)


def test_joined_pairs_keep_patients_of_different_draws_apart():
    pair = make_phantoms(4, site="B")
    binary = Split(pair.images, pair.groups * 0, pair.groups * 0, "binary", ("a", "b"))
    assert hidden._joined([binary, binary]).groups.tolist() == [0] * 4 + [1] * 4


def test_another_homework_has_another_set_for_the_same_seed(default):
    other = hidden.draw_test_set(SEED, "homework5", n=60)
    assert not {image.tobytes() for image in other.images} & {image.tobytes() for image in default.images}


def test_the_hospital_of_a_course_is_in_no_kit_and_differs_from_course_to_course():
    sites = [hidden.private_site(seed, "homework4") for seed in range(20)]
    assert len({*sites, *SITES.values()}) == 22
    assert hidden.private_site(0, "homework5") not in sites
    for name, (low, high, narrow, wide) in hidden.RANGES.items():
        values = [getattr(site, name) for site in sites]
        starts = [value[0] if wide else value for value in values]
        assert all(low <= start <= high for start in starts)
        assert max(starts) - min(starts) > 0.4 * (high - low)
        assert not wide or all(narrow - 1e-9 <= value[1] - value[0] <= wide + 1e-9 for value in values)
    assert {site.prevalence for site in sites} == {SITES["B"].prevalence}  # the patients are those of hospital B


def test_students_get_labelled_images_of_the_same_hospital_and_of_other_patients(tmp_path):
    site, path = hidden.private_site(5, "homework4"), tmp_path / "images.npz"
    course = draw(5, n=16, site=site)._replace(sample=draw(5, n=16, site=site, use=2))
    assert not {image.tobytes() for image in course.images} & {image.tobytes() for image in course.sample.images}
    hidden_set.write_images(path, course)
    assert (read_images(path).images.numpy() == course.images).all()
    sample = read_sample(path)
    assert (sample.images.numpy() == course.sample.images).all()
    assert sample.labels.tolist() == course.sample.labels.tolist()
    assert not set(sample.groups.tolist()) & set(course.groups.tolist())
    assert read_sample(images_file("homework4")) is None  # the kit's own file has none


def test_what_release_draws_is_the_private_hospital_with_its_sample(monkeypatch):
    asked = []
    monkeypatch.setattr(
        hidden, "draw_test_set", lambda seed, name, **how: asked.append((seed, name, how)) or Hidden([], [], [])
    )
    assert hidden.draw_course_set(9, "homework4").sample == Hidden([], [], [])
    site = hidden.private_site(9, "homework4")
    assert asked == [(9, "homework4", {"n": hidden.SAMPLE, "site": site, "use": 2}), (9, "homework4", {"site": site})]
