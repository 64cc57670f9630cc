"""Transfer learning in medical imaging: the package behind the labs."""

__version__ = "0.1.0"
