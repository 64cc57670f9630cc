"""Checks and questions of lab 6; each exercise has a file of its own."""

from lab_utils.checks.lab06_gabor import GABOR_BANK, gabor_bank
from lab_utils.checks.lab06_mean_var import MEAN_VAR_INIT, mean_var_init
from lab_utils.checks.lab06_questions import CENSORED, DISAGREE, WHAT_MEAN_VAR_TELLS, WHICH_COPY
from lab_utils.checks.lab06_statistics import RENEW_STATISTICS, renew_statistics
from lab_utils.checks.lab06_transfuse import TRANSFUSE, transfuse
from lab_utils.checks.lab06_undo import UNDO_STAGE, undo_stage

__all__ = [
    "CENSORED",
    "DISAGREE",
    "EXERCISES",
    "WHAT_MEAN_VAR_TELLS",
    "WHICH_COPY",
    "check_gabor_bank",
    "check_mean_var_init",
    "check_renew_statistics",
    "check_transfuse",
    "check_undo_stage",
    "gabor_bank",
    "mean_var_init",
    "renew_statistics",
    "transfuse",
    "undo_stage",
]

EXERCISES = (TRANSFUSE, MEAN_VAR_INIT, GABOR_BANK, RENEW_STATISTICS, UNDO_STAGE)
check_transfuse = TRANSFUSE.check
check_mean_var_init = MEAN_VAR_INIT.check
check_gabor_bank = GABOR_BANK.check
check_renew_statistics = RENEW_STATISTICS.check
check_undo_stage = UNDO_STAGE.check
