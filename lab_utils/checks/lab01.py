"""Checks of lab 1: normalised images, features under the head, a linear probe on them."""

from lab_utils.checks.lab01_features import EXTRACT_FEATURES
from lab_utils.checks.lab01_normalise import NORMALISE
from lab_utils.checks.lab01_probe import LINEAR_PROBE

EXERCISES = (NORMALISE, EXTRACT_FEATURES, LINEAR_PROBE)
check_normalise = NORMALISE.check
check_extract_features = EXTRACT_FEATURES.check
check_linear_probe = LINEAR_PROBE.check
