"""Checks of lab 4: its exercises have files of their own."""

from lab_utils.checks.lab04_block import CBR_BLOCK, cbr_block
from lab_utils.checks.lab04_counting import COUNT_PARAMETERS, count_parameters
from lab_utils.checks.lab04_questions import CENSORED, FLOPS, IN_DOMAIN, RECEPTIVE_FIELD
from lab_utils.checks.lab04_steps import STEPS_TO_REACH, steps_to_reach
from lab_utils.checks.lab04_waiting import MEDIAN_STEPS, STILL_WAITING, median_steps, still_waiting

__all__ = [
    "CENSORED",
    "EXERCISES",
    "FLOPS",
    "IN_DOMAIN",
    "RECEPTIVE_FIELD",
    "cbr_block",
    "check_cbr_block",
    "check_count_parameters",
    "check_median_steps",
    "check_steps_to_reach",
    "check_still_waiting",
    "count_parameters",
    "median_steps",
    "steps_to_reach",
    "still_waiting",
]

EXERCISES = (CBR_BLOCK, COUNT_PARAMETERS, STEPS_TO_REACH, STILL_WAITING, MEDIAN_STEPS)
check_cbr_block = CBR_BLOCK.check
check_count_parameters = COUNT_PARAMETERS.check
check_steps_to_reach = STEPS_TO_REACH.check
check_still_waiting = STILL_WAITING.check
check_median_steps = MEDIAN_STEPS.check
