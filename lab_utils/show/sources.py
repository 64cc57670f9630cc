"""One colour for each kind of weights that a network starts from, the same wherever they are drawn."""

from os import PathLike

import seaborn as sns

_PLACES = {"none": 0, "random": 0, "scratch": 0, "procedural": 1, "imagenet": 2}
_OTHER = 4  # a file of one's own


def colour_of(weights: str | PathLike[str] | None) -> tuple[float, float, float]:
    """The colour of random, procedural and ImageNet weights (blue, orange, green), or of a file (pink).

    Colour-blind people can tell them apart.

    Args:
        weights: as for `build_model`; "random" and "scratch" are None.
    """
    red, green, blue = sns.color_palette("colorblind")[_PLACES.get(str(weights).lower(), _OTHER)]
    return red, green, blue
