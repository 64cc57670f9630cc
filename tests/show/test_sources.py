import itertools
from pathlib import Path

from lab_utils.show import colour_of


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
