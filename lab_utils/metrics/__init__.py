"""Metrics on (labels, scores), intervals, steps to a goal, cost, and the published bands."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
