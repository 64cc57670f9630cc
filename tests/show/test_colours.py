import itertools
from pathlib import Path

from matplotlib.colors import to_hex

from lab_utils.show import colour_of, look_of, name_of
from lab_utils.studies import family


def test_each_source_of_weights_has_one_colour_of_its_own():
    assert colour_of(None) == colour_of("random") == colour_of("scratch")
    assert colour_of("ImageNet") == colour_of("imagenet")
    assert colour_of(Path("a.pt")) == colour_of("b.safetensors")
    assert len({colour_of(weights) for weights in (None, "procedural", "imagenet", "a.pt")}) == 4


def test_the_colours_differ_also_for_those_who_do_not_tell_red_from_green():
    # Viénot, Brettel & Mollon (1999): what a deuteranope sees of linear RGB; red and green become one number.
    seen = []
    for weights in (None, "procedural", "imagenet"):
        red, green, blue = (value**2.2 for value in colour_of(weights))
        seen.append((0.29275 * red + 0.70725 * green, blue))
    pairs = itertools.combinations(seen, 2)
    assert min(max(abs(a - b) for a, b in zip(one, other, strict=True)) for one, other in pairs) > 0.1


def test_every_start_has_a_colour_of_its_own_that_is_no_networks():
    starts = ("random", "transfer", "imagenet", "Mean Var", "permuted", "Gabor conv1", "ST", "up to stem", "a.pt")
    colours = {to_hex(colour_of(start)) for start in starts}
    networks = {look_of(network)["color"] for network in family.NETWORKS}
    assert len(colours) == len(starts)
    assert len(networks) == len(family.NETWORKS)
    assert not colours & networks
    assert colour_of("up to layer2") == colour_of("up to stem") == colour_of("slim")


def test_networks_of_a_kind_share_a_marker_and_have_names_for_readers():
    markers = {network: look_of(network)["marker"] for network in family.NETWORKS}
    assert {marker for network, marker in markers.items() if "cbr" in network} == {"o"}
    assert {marker for network, marker in markers.items() if "resnet" in network} == {"s"}
    assert not any("_" in name_of(network) for network in family.NETWORKS)
    assert name_of("densenet121") == "densenet121"
