"""What a network expects of its input: understood, refused, and grey on purpose."""

import pytest
import torch

from lab_utils.networks import Preprocessing, to_grey

GREY = Preprocessing((0.5,), (0.25,), 1)
RGB = Preprocessing((0.2, 0.4, 0.6), (0.1, 0.2, 0.5), 3)


def test_brightness_is_that_of_itu_r_601() -> None:
    red, green, blue = torch.eye(3).view(3, 3, 1, 1)
    assert to_grey(torch.stack([red, green, blue])).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    bytes_ = (torch.eye(3) * 255).to(torch.uint8).view(3, 3, 1, 1)
    assert to_grey(bytes_).flatten().tolist() == [76, 150, 29]  # 76.2, 149.7, 29.1
    grey = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    assert to_grey(grey.expand(-1, 3, -1, -1)).equal(grey)


@pytest.mark.parametrize("images", [torch.zeros(2, 1, 4, 4), torch.zeros(3, 4, 4), torch.zeros(1, 3, 2, 2).long()])
def test_what_is_no_colour_image_cannot_become_grey(images: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="Expected colour images"):
        to_grey(images)


def test_a_call_is_a_check_and_a_normalisation() -> None:
    images = torch.randint(0, 256, (2, 1, 5, 6), dtype=torch.uint8)
    assert RGB(images).equal(RGB.normalise(images))
    assert GREY(images).equal((images.float() / 255 - 0.5) / 0.25)


@pytest.mark.parametrize(
    "wrong",
    [((123.7,), (58.4,), 1), ((float("nan"),), (1.0,), 1), ((0.5,), (float("inf"),), 1), ((0.5,), (float("nan"),), 1)],
)
def test_numbers_of_another_scale_are_refused(wrong: tuple[tuple[float, ...], tuple[float, ...], int]) -> None:
    with pytest.raises(ValueError, match=r"mean=\("):
        Preprocessing(*wrong)
