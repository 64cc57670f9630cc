"""Checks of lab 3: a learning rate, the first layer, learning rates by depth, fine-tuning; its questions."""

from lab_utils.checks.lab03_conv1 import ADAPT_CONV1
from lab_utils.checks.lab03_fine_tune import FINE_TUNE
from lab_utils.checks.lab03_lr import LR_SUGGESTION
from lab_utils.checks.lab03_param_groups import PARAM_GROUPS
from lab_utils.checks.lab03_questions import FAIR, INTERVAL, NEW_CONV1, WHICH_DEPTH, WHICH_RATE

__all__ = [
    "EXERCISES",
    "FAIR",
    "INTERVAL",
    "NEW_CONV1",
    "WHICH_DEPTH",
    "WHICH_RATE",
    "check_adapt_conv1",
    "check_fine_tune",
    "check_lr_suggestion",
    "check_param_groups",
]

EXERCISES = (LR_SUGGESTION, ADAPT_CONV1, PARAM_GROUPS, FINE_TUNE)
check_lr_suggestion = LR_SUGGESTION.check
check_adapt_conv1 = ADAPT_CONV1.check
check_param_groups = PARAM_GROUPS.check
check_fine_tune = FINE_TUNE.check
