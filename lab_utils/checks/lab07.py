"""Checks and questions of lab 7; each exercise has a file of its own."""

from lab_utils.checks.lab07_frechet import FRECHET_DISTANCE, frechet_distance
from lab_utils.checks.lab07_gain import RELATIVE_GAIN, relative_gain
from lab_utils.checks.lab07_knn import KNN_ACCURACY, knn_accuracy
from lab_utils.checks.lab07_l2 import L2_PER_STAGE, l2_per_stage
from lab_utils.checks.lab07_questions import ARITHMETIC, CONFOUNDED, FAR_OR_FEW, SAME_NUMBER, WHAT_ST_TELLS
from lab_utils.checks.lab07_st_init import ST_INIT, st_init

__all__ = [
    "ARITHMETIC",
    "CONFOUNDED",
    "EXERCISES",
    "FAR_OR_FEW",
    "SAME_NUMBER",
    "WHAT_ST_TELLS",
    "check_frechet_distance",
    "check_knn_accuracy",
    "check_l2_per_stage",
    "check_relative_gain",
    "check_st_init",
    "frechet_distance",
    "knn_accuracy",
    "l2_per_stage",
    "relative_gain",
    "st_init",
]

EXERCISES = (RELATIVE_GAIN, FRECHET_DISTANCE, ST_INIT, KNN_ACCURACY, L2_PER_STAGE)
check_relative_gain = RELATIVE_GAIN.check
check_frechet_distance = FRECHET_DISTANCE.check
check_st_init = ST_INIT.check
check_knn_accuracy = KNN_ACCURACY.check
check_l2_per_stage = L2_PER_STAGE.check
