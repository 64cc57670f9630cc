"""Checks of lab 1: normalised images, features under the head, a probe on them, its errors, intervals over seeds."""

from lab_utils.checks.lab01_confusion import CONFUSION
from lab_utils.checks.lab01_features import EXTRACT_FEATURES
from lab_utils.checks.lab01_interval import CHOOSE_THEN_TEST, PAIRED_INTERVAL
from lab_utils.checks.lab01_normalise import NORMALISE
from lab_utils.checks.lab01_probe import LINEAR_PROBE

EXERCISES = (NORMALISE, EXTRACT_FEATURES, LINEAR_PROBE, CONFUSION, PAIRED_INTERVAL, CHOOSE_THEN_TEST)
check_normalise = NORMALISE.check
check_extract_features = EXTRACT_FEATURES.check
check_linear_probe = LINEAR_PROBE.check
check_confusion = CONFUSION.check
check_paired_interval = PAIRED_INTERVAL.check
check_choose_then_test = CHOOSE_THEN_TEST.check
