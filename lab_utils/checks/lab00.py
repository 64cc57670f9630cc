"""Checks of lab 0: rates at a threshold, AUROC by hand, and a split that keeps every patient on one side."""

from lab_utils.checks.lab00_auroc import AUROC
from lab_utils.checks.lab00_rates import RATES
from lab_utils.checks.lab00_split import SPLIT_BY_PATIENT

EXERCISES = (RATES, AUROC, SPLIT_BY_PATIENT)
check_rates = RATES.check
check_auroc = AUROC.check
check_split_by_patient = SPLIT_BY_PATIENT.check
