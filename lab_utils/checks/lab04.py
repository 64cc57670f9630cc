"""Checks of lab 4: its three exercises have files of their own."""

from lab_utils.checks.lab04_block import cbr_block, check_cbr_block
from lab_utils.checks.lab04_counting import check_count_parameters, count_parameters
from lab_utils.checks.lab04_questions import CENSORED, FLOPS, IN_DOMAIN, RECEPTIVE_FIELD
from lab_utils.checks.lab04_steps import check_steps_to_reach, steps_to_reach

__all__ = [
    "CENSORED",
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
