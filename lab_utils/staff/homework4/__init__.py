"""The private part of homework 4; see `lab_utils.staff.grading.key` for the form of such a folder."""
