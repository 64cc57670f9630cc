"""Checks of lab 1: normalised images, features under the head, a linear probe on them."""

from lab_utils.checks import lab01_probe
from lab_utils.checks.exercise import Exercise
from lab_utils.checks.lab01_features import EXTRACT_FEATURES
from lab_utils.checks.lab01_normalise import NORMALISE

LINEAR_PROBE = Exercise("linear_probe", lab01_probe.linear_probe, cases=lab01_probe.CASES)

EXERCISES = (NORMALISE, EXTRACT_FEATURES, LINEAR_PROBE)
check_normalise = NORMALISE.check
check_extract_features = EXTRACT_FEATURES.check
check_linear_probe = LINEAR_PROBE.check
