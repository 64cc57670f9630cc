"""Numbers that stand in multiple-choice questions are those that the kit computes."""

import re

import numpy as np
import pytest

from lab_utils.checks import lab05


def test_the_mean_cca_in_the_question_about_few_images_is_that_of_noise():
    value = float(re.search(r"mean CCA is (0\.\d+)", lab05.FEW_IMAGES.text)[1])
    x, y = (np.random.default_rng(seed).normal(size=(400, 256)) for seed in (0, 1))
    assert np.mean(lab05.cca(x, y)) == pytest.approx(value, abs=0.01)
