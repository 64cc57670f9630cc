"""Checks of lab 4: its three exercises have files of their own."""

from lab_utils.checks.lab04_block import CBR_BLOCK, cbr_block
from lab_utils.checks.lab04_counting import COUNT_PARAMETERS, count_parameters
from lab_utils.checks.lab04_questions import CENSORED, FLOPS, IN_DOMAIN, RECEPTIVE_FIELD
from lab_utils.checks.lab04_steps import STEPS_TO_REACH, steps_to_reach

__all__ = [
    "CENSORED",
    "EXERCISES",
    "FLOPS",
    "IN_DOMAIN",
    "RECEPTIVE_FIELD",
    "cbr_block",
    "check_cbr_block",
    "check_count_parameters",
    "check_steps_to_reach",
    "count_parameters",
    "steps_to_reach",
]

EXERCISES = (CBR_BLOCK, COUNT_PARAMETERS, STEPS_TO_REACH)
check_cbr_block = CBR_BLOCK.check
check_count_parameters = COUNT_PARAMETERS.check
check_steps_to_reach = STEPS_TO_REACH.check
