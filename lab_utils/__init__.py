"""Transfer learning in medical imaging: the package behind the labs."""

__version__ = "0.5.0"

# The first cell of a notebook reads this file as text. By these words, which stand in it from the first version on, it
# tells this package from others of the same name; the version it compares with its own.
MARK = "the package behind the labs"
