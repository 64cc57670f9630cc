"""Kind J, colour: pictures with colour do not become grey without a word, and other shapes and scales are refused."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from lab_utils.data import Split
from lab_utils.networks import Preprocessing, build_model, preprocess, to_grey
from lab_utils.similarity import extract_features
from lab_utils.training import evaluate, fit, predict
from tests.refusals import refuses
from tests.tiny import TinyNet

GREY = Preprocessing((0.5,), (0.25,), 1)
RGB = Preprocessing((0.5,) * 3, (0.25,) * 3, 3)


def red_or_green(n: int = 24, size: int = 8) -> Split:
    """Two classes that differ in their colour, of one brightness: 76 red is as bright as 39 green."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 3, size, size, dtype=torch.uint8)
    images[labels == 0, 0], images[labels == 1, 1] = 200, 102
    return Split(images, labels, torch.arange(n), "binary", ("red", "green"))


def with_channels(split: Split, images: Tensor) -> Split:
    return replace(split, images=images)


def test_brightness_does_not_tell_these_classes() -> None:
    grey = to_grey(red_or_green().images)
    assert (int(grey.min()), int(grey.max())) == (60, 60)


@pytest.mark.parametrize(
    "use",
    [
        lambda model, split: fit(model, split, steps=2, batch_size=4),
        predict,
        evaluate,
        lambda model, split: preprocess(model, split.images),
        lambda model, split: preprocess(model, split.images.float() / 255),
        lambda model, split: extract_features(model, split.images),
    ],
    ids=["fit", "predict", "evaluate", "preprocess", "preprocess floats", "extract_features"],
)
def test_colour_is_refused_by_a_grey_network_wherever_pictures_enter(use) -> None:
    refuses(r"in_channels=3.*to_grey", use, TinyNet(), red_or_green())


def test_one_colour_picture_among_grey_ones_is_found_before_training() -> None:
    split = red_or_green()
    images = to_grey(split.images).repeat(1, 3, 1, 1)
    images[17] = split.images[17]
    model = TinyNet()
    before = model.head.weight.clone()
    refuses("1 of 24 have colour", fit, model, with_channels(split, images), steps=2, batch_size=4)
    assert model.head.weight.equal(before)


def test_a_small_coloured_mark_is_colour() -> None:
    images = torch.full((1, 3, 32, 32), 90, dtype=torch.uint8)
    images[0, 0, 3, 4] = 200
    refuses("1 of 1 have colour", GREY, images)


def test_a_network_built_for_colour_sees_it() -> None:
    split = red_or_green()
    model = build_model("cbr_tiny", num_classes=2, in_channels=split.in_channels, seed=0)
    logits = predict(model, with_channels(split, torch.nn.functional.interpolate(split.images, 32)))
    assert not torch.allclose(logits[0], logits[1])


def test_grey_on_purpose_is_the_brightness() -> None:
    split = red_or_green()
    logits = predict(TinyNet(), with_channels(split, to_grey(split.images)))
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))


@pytest.mark.parametrize("noise", [0, 1])
def test_grey_pictures_saved_with_three_channels_go_into_a_grey_network(noise: int) -> None:
    generator = torch.Generator().manual_seed(0)
    grey = torch.randint(2, 250, (4, 1, 8, 8), dtype=torch.uint8, generator=generator)
    three = grey + torch.randint(0, noise + 1, (4, 3, 8, 8), dtype=torch.uint8, generator=generator)  # as JPEG rounds
    torch.testing.assert_close(GREY(three), GREY(grey), atol=4 * noise / 255 + 1e-5, rtol=0)
    split = Split(three, torch.arange(4) % 2, torch.arange(4), "binary", ("a", "b"))
    fit(TinyNet(), split, steps=2, batch_size=4)


def test_grey_pictures_go_into_a_colour_network_as_before() -> None:
    grey = torch.rand(2, 1, 4, 4)
    torch.testing.assert_close(RGB(grey), GREY(grey).expand(-1, 3, -1, -1))


@pytest.mark.parametrize(
    ("images", "advice"),
    [
        (torch.zeros(2, 8, 8, 3), r"permute\(0, 3, 1, 2\)"),
        (torch.zeros(2, 8, 8, 1), r"permute\(0, 3, 1, 2\)"),
        (torch.zeros(2, 8, 8, 4), r"permute\(0, 3, 1, 2\)"),
        (torch.zeros(2, 4, 8, 8), r"images\[:, :3\]"),
        (torch.zeros(2, 2, 8, 8), "in_channels="),
        (torch.zeros(3, 8, 8), r"image\[None\]"),
        (torch.zeros(2, 8, 8), r"images\[:, None\]"),
    ],
    ids=["channels last", "grey, channels last", "RGBA, channels last", "RGBA", "two channels", "one image", "no axis"],
)
@pytest.mark.parametrize("preprocessing", [GREY, RGB], ids=["grey network", "colour network"])
def test_pictures_of_another_shape_are_refused_with_advice(preprocessing, images: Tensor, advice: str) -> None:
    for given in (images, images.to(torch.uint8)):
        refuses(advice, preprocessing, given)


def test_pictures_of_another_scale_or_type_are_refused() -> None:
    floats = torch.full((2, 1, 4, 4), 0.5)
    for wrong in (255 * floats, floats.clone().fill_(torch.nan), 255 * floats.half(), 255 * floats.bfloat16()):
        refuses(r"in \[0, 1\]", GREY, wrong)
    one_bad = floats.clone()
    one_bad[1, 0, 2, 2] = torch.nan
    refuses("NaN", GREY, one_bad)
    for kind in (torch.int64, torch.bool, torch.int16):
        refuses("Expected uint8", GREY, floats.to(kind))


def test_pictures_of_one_value_are_pictures() -> None:
    assert GREY(torch.zeros(1, 1, 4, 4)).unique().tolist() == [-2]
    assert GREY(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)).unique().tolist() == [-2]
