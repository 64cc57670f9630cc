"""Checks and questions of lab 6; each exercise has a file of its own."""

from lab_utils.checks.lab06_gabor import check_gabor_bank, gabor_bank
from lab_utils.checks.lab06_mean_var import check_mean_var_init, mean_var_init
from lab_utils.checks.lab06_questions import CENSORED, DISAGREE, WHAT_MEAN_VAR_TELLS, WHICH_COPY
from lab_utils.checks.lab06_transfuse import check_transfuse, transfuse

__all__ = [
    "CENSORED",
    "DISAGREE",
    "WHAT_MEAN_VAR_TELLS",
    "WHICH_COPY",
    "check_gabor_bank",
    "check_mean_var_init",
    "check_transfuse",
    "gabor_bank",
    "mean_var_init",
    "transfuse",
]
