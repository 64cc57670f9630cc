import numpy as np
import torch
import torch.nn.functional as F
from sklearn.ensemble import RandomForestClassifier

from lab_utils.checks.homework4 import load
from lab_utils.checks.homework4.file import COLUMNS
from lab_utils.checks.hospitals import images_file, read_images
from lab_utils.metrics import auroc
from lab_utils.staff.grading import hidden_set
from lab_utils.staff.grading.phantom_set import draw_course_set, draw_test_set
from lab_utils.staff.homework4 import predictions as hidden
from tests.checks.notebook_functions import ROOT


def test_the_committed_files_are_what_the_default_seed_gives():
    default = draw_test_set(hidden.DEFAULT_SEED, "homework4")
    images = read_images(images_file("homework4"))
    assert np.abs(images.images.numpy().astype(int) - default.images).max() <= 1  # phantoms: within one grey level
    assert (images.groups.numpy() == default.groups).all()
    labels, groups = hidden_set.read_labels(ROOT / "lab_utils/staff/homework4/labels.csv")
    assert (labels == default.labels).all()
    assert (groups == default.groups).all()


def test_every_column_has_a_level_and_the_file_its_name():
    assert list(hidden.PREDICTIONS.columns) == list(COLUMNS)
    assert {column.level for column in hidden.PREDICTIONS.columns.values()} == set(hidden.LEVELS.values())
    assert hidden.PREDICTIONS.file == "homework4_predictions.csv"  # as `collect` expects it


def test_the_notebook_names_the_levels_that_the_grader_asks_for():
    text = (ROOT / "labs/homework4.ipynb").read_text("utf-8")
    for level in hidden.LEVELS.values():
        assert f"an AUROC of at least {level:.2f}" in text


def test_release_draws_from_a_hospital_of_the_courses_own():
    assert hidden.PREDICTIONS.draw.func is draw_course_set
    assert hidden.PREDICTIONS.draw.keywords == {"homework": "homework4"}


def test_the_level_of_a_fine_tuned_network_stands_above_pixels_of_the_training_images():
    """What trees learn from the images that students have, without any network; `fixed` cannot stand above it."""

    def pixels(images):
        return F.avg_pool2d(torch.as_tensor(images).float(), 4).flatten(1).numpy()

    default = draw_test_set(hidden.DEFAULT_SEED, "homework4")
    train = load("phantoms", n_val=10, n_b=10).train
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0).fit(pixels(train.images), train.labels)
    value = auroc(default.labels, forest.predict_proba(pixels(default.images))[:, 1])
    assert 0.6 < value < hidden.LEVELS["fine_tuned"] - 0.05
