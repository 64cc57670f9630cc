import numpy as np
import pytest

from lab_utils.checks.homework4 import load
from lab_utils.checks.homework4.file import COLUMNS
from lab_utils.checks.hospitals import images_file, read_images
from lab_utils.staff.grading import hidden_set
from lab_utils.staff.grading.phantom_set import draw_course_set, draw_test_set
from lab_utils.staff.homework4 import predictions as hidden
from tests.checks.notebook_functions import ROOT
from tests.staff.without_network import without_network

ASKED = {way: level for way, level in hidden.LEVELS.items() if level is not None}


def test_the_committed_files_are_what_the_default_seed_gives():
    default = draw_test_set(hidden.DEFAULT_SEED, "homework4")
    images = read_images(images_file("homework4"))
    assert np.abs(images.images.numpy().astype(int) - default.images).max() <= 1  # phantoms: within one grey level
    assert (images.groups.numpy() == default.groups).all()
    labels, groups = hidden_set.read_labels(ROOT / "lab_utils/staff/homework4/labels.csv")
    assert (labels == default.labels).all()
    assert (groups == default.groups).all()


def test_every_column_has_the_level_of_its_way_and_the_file_its_name():
    assert list(hidden.PREDICTIONS.columns) == list(COLUMNS)
    for name, column in hidden.PREDICTIONS.columns.items():
        assert column.level == hidden.LEVELS[name.partition("_")[2].partition("_")[2]]
    assert hidden.PREDICTIONS.file == "homework4_predictions.csv"  # as `collect` expects it


def test_the_notebook_names_the_levels_that_the_grader_asks_for_and_no_other():
    text = (ROOT / "labs/homework4.ipynb").read_text("utf-8")
    for level in ASKED.values():
        assert f"an AUROC of at least {level:.2f}" in text
    assert text.count("an AUROC of at least") == len(ASKED)


def test_release_draws_from_a_hospital_of_the_courses_own():
    assert hidden.PREDICTIONS.draw.func is draw_course_set
    assert hidden.PREDICTIONS.draw.keywords == {"homework": "homework4"}


@pytest.fixture(scope="module")
def pixels():
    return without_network(load("phantoms", n_val=10, n_b=10).train, "homework4")


def test_every_level_that_earns_points_stands_above_pixels_as_they_are_without_a_network(pixels):
    assert pixels.max() < min(ASKED.values())


def test_pixels_rank_too_well_for_a_level_of_fixed_networks(pixels):
    """Why `fixed` has none: honest fixed networks reach 0.73 to 0.92, and at every hospital some pixels pass 0.73."""
    assert hidden.LEVELS["fixed"] is None
    assert (pixels.max(axis=0) > 0.73).all()
