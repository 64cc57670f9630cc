"""Checks of lab 3: the training step and its loop, learning rates, the first layer, fine-tuning; its questions."""

from lab_utils.checks.lab03_conv1 import ADAPT_CONV1
from lab_utils.checks.lab03_fine_tune import FINE_TUNE
from lab_utils.checks.lab03_loop import TRAIN_LOOP
from lab_utils.checks.lab03_lr import LR_SUGGESTION
from lab_utils.checks.lab03_param_groups import PARAM_GROUPS
from lab_utils.checks.lab03_questions import FAIR, INTERVAL, NEW_CONV1, WHICH_DEPTH, WHICH_RATE
from lab_utils.checks.lab03_step import TRAINING_STEP

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
    "check_train_loop",
    "check_training_step",
]

EXERCISES = (TRAINING_STEP, TRAIN_LOOP, LR_SUGGESTION, ADAPT_CONV1, PARAM_GROUPS, FINE_TUNE)
check_training_step = TRAINING_STEP.check
check_train_loop = TRAIN_LOOP.check
check_lr_suggestion = LR_SUGGESTION.check
check_adapt_conv1 = ADAPT_CONV1.check
check_param_groups = PARAM_GROUPS.check
check_fine_tune = FINE_TUNE.check
