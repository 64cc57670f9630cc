"""Checks and questions of lab 6; each exercise has a file of its own."""

from lab_utils.checks.lab06_gabor import GABOR_BANK, gabor_bank
from lab_utils.checks.lab06_mean_var import MEAN_VAR_INIT, mean_var_init
from lab_utils.checks.lab06_questions import CENSORED, DISAGREE, WHAT_MEAN_VAR_TELLS, WHICH_COPY
from lab_utils.checks.lab06_transfuse import TRANSFUSE, transfuse

__all__ = [
    "CENSORED",
    "DISAGREE",
    "EXERCISES",
    "WHAT_MEAN_VAR_TELLS",
    "WHICH_COPY",
    "check_gabor_bank",
    "check_mean_var_init",
    "check_transfuse",
    "gabor_bank",
    "mean_var_init",
    "transfuse",
]

EXERCISES = (TRANSFUSE, MEAN_VAR_INIT, GABOR_BANK)
check_transfuse = TRANSFUSE.check
check_mean_var_init = MEAN_VAR_INIT.check
check_gabor_bank = GABOR_BANK.check
