"""Experiments that take long: a grid of runs, stored results, the claims of the paper, source weights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
