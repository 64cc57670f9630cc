"""One colour and one name for each start and each network, the same in every figure of every lab.

Starts have the colours of seaborn's palette for colour-blind people; networks have others, the "muted" ones of Paul Tol
(Colour Schemes, SRON/EPS/TN/09-002), and a marker for each kind of network, so that no colour means two things.
"""

from os import PathLike

import seaborn as sns
from matplotlib.colors import to_rgb

Colour = tuple[float, float, float]

_STARTS: dict[str, int | str] = {
    **dict.fromkeys(("none", "random", "scratch"), 0),  # blue
    **dict.fromkeys(("procedural", "transfer", "pretrained"), 1),  # orange
    "imagenet": 2,  # green
    "mean var": 3,  # red
    "partial": 5,  # brown: some stages pretrained, such as "up to stem"
    "permuted": 7,  # grey
    "st": "#a39200",  # dark yellow: the palette's own cannot be seen on white
    "gabor": 9,  # light blue
}
_OWN_FILE = 4  # pink

_NETWORKS = {  # the colour of Tol's "muted", and how readers call it
    "cbr_tiny": ("#cc6677", "CBR-Tiny"),
    "cbr_small": ("#ddcc77", "CBR-Small"),
    "cbr_large_t": ("#aa4499", "CBR-LargeT"),
    "cbr_large_w": ("#882255", "CBR-LargeW"),
    "resnet10_w16": ("#88ccee", "ResNet-10, 16 wide"),
    "resnet10_w32": ("#44aa99", "ResNet-10, 32 wide"),
    "resnet18": ("#117733", "ResNet-18"),
    "resnet50": ("#332288", "ResNet-50"),
    "efficientnet_lite0": ("#999933", "EfficientNet-Lite0"),
    "small_vit": ("#661100", "small ViT"),
}
_MARKERS = {"cbr": "o", "resnet": "s", "efficientnet": "D", "small_vit": "^", "vit": "^"}


def colour_of(start: str | PathLike[str] | None) -> Colour:
    """The colour of a start of training: of random, procedural or ImageNet weights, of Mean Var, Gabor ...

    Args:
        start: weights as for `build_model` (a file of one's own is pink), or the name of a start: "transfer", "Mean
            Var", "permuted", "Gabor conv1", "ST", "up to stem". "random" and "scratch" are None.
    """
    words = str(start).lower()
    words = {"gabor conv1": "gabor", "slim": "partial"}.get(words, words)
    place = _STARTS["partial"] if words.startswith("up to ") else _STARTS.get(words, _OWN_FILE)
    red, green, blue = to_rgb(place) if isinstance(place, str) else sns.color_palette("colorblind")[place]
    return red, green, blue


def look_of(network: str) -> dict[str, str]:
    """Colour and marker of a network, to be passed to `plot_curves` or `Axes.plot`; an unknown one is black."""
    colour, _ = _NETWORKS.get(network, ("#222222", ""))
    return {"color": colour, "marker": next((m for kind, m in _MARKERS.items() if network.startswith(kind)), "P")}


def name_of(network: str) -> str:
    """How readers call a network: "CBR-Tiny" for "cbr_tiny"; other names as they are."""
    return _NETWORKS.get(network, ("", network))[1]
