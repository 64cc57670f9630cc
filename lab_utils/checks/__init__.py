"""Exercises, their checks, and help after an attempt: ``from lab_utils.checks import hint, lab00, progress``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"helping": ["hint", "sample_answer", "solution"], "progress_lines": ["progress"]}
)
