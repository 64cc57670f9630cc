import pytest
import torch
import torch.nn.functional as F

from lab_utils.data import MILD, Augment, augment


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def smooth() -> torch.Tensor:
    """Eight copies of one image without detail, so that resampling loses nothing."""
    noise = torch.rand(1, 1, 6, 8, generator=generator(9))
    image = F.interpolate(noise, size=(48, 64), mode="bicubic").clamp(0, 1)
    return image.expand(8, 1, 48, 64).clone()


def draws(batch: int) -> torch.Tensor:
    """The uniform numbers in [-1, 1] behind the changes of generator(0)."""
    return 2 * torch.rand(batch, 7, generator=generator(0)) - 1


def test_no_change_asked_no_change_made(smooth):
    assert torch.equal(augment(smooth, Augment(), generator=generator()), smooth)


def test_a_motion_of_zero_size_returns_the_pixels(smooth):
    still = Augment(degrees=1e-9)
    torch.testing.assert_close(augment(smooth, still, generator=generator()), smooth)


@pytest.mark.parametrize(
    "config",
    [
        Augment(degrees=10),
        Augment(translate=0.1),
        Augment(scale=(0.8, 1.2)),
        Augment(brightness=0.2),
        Augment(contrast=0.2),
        MILD,
    ],
)
def test_identical_images_in_one_batch_come_out_different(smooth, config):
    out = augment(smooth, config, generator=generator())
    distance = torch.cdist(out.flatten(1), out.flatten(1))
    assert (distance + torch.eye(8) * 1e9).min() > 0.01


def test_one_seed_gives_one_result_and_a_used_generator_another(smooth):
    shared = generator()
    first = augment(smooth, MILD, generator=shared)
    assert torch.equal(first, augment(smooth, MILD, generator=generator()))
    assert not torch.equal(first, augment(smooth, MILD, generator=shared))


def test_values_stay_in_range_and_the_input_is_left_alone(smooth):
    before = smooth.clone()
    strong = Augment(20, 0.2, (0.7, 1.3), brightness=0.9, contrast=0.9, flip=True)
    out = augment(smooth, strong, generator=generator())
    assert out.min() == 0
    assert out.max() == 1
    assert out.shape == smooth.shape
    assert torch.equal(smooth, before)


def test_translation_moves_each_image_by_its_own_number_of_pixels():
    images = torch.zeros(50, 1, 32, 40)
    images[:, :, 16, 20] = 1
    out = augment(images, Augment(translate=0.2), generator=generator())
    mass = out[:, 0] / out[:, 0].sum(dim=(1, 2), keepdim=True)
    column = (mass.sum(1) * torch.arange(40.0)).sum(1)
    row = (mass.sum(2) * torch.arange(32.0)).sum(1)
    torch.testing.assert_close(column - 20, draws(50)[:, 2] * 0.2 * 40, atol=1e-3, rtol=0)
    torch.testing.assert_close(row - 16, draws(50)[:, 3] * 0.2 * 32, atol=1e-3, rtol=0)
    assert (column - 20).abs().max() > 6  # uses its range


def test_rotation_and_zoom_carry_a_point_where_geometry_says():
    """On a wide image: pixels are square, so a rotation must not shear."""
    yy, xx = torch.meshgrid(torch.arange(96.0), torch.arange(160.0), indexing="ij")
    x0, y0 = 92.5, 39.5  # 13 px right of the centre (79.5, 47.5) and 8 px above
    blob = torch.exp(-((xx - x0) ** 2 + (yy - y0) ** 2) / 8)
    images = blob.expand(20, 1, 96, 160)
    config = Augment(degrees=40, scale=(0.7, 1.3))
    out = augment(images, config, generator=generator())[:, 0]
    mass = out / out.sum(dim=(1, 2), keepdim=True)
    found = torch.stack([(mass * xx).sum((1, 2)), (mass * yy).sum((1, 2))], dim=1)
    angle = draws(20)[:, 0] * 40 * torch.pi / 180
    zoom = 1 + 0.3 * draws(20)[:, 1]
    dx, dy = x0 - 79.5, y0 - 47.5
    expected = torch.stack(
        [
            79.5 + zoom * (angle.cos() * dx - angle.sin() * dy),
            47.5 + zoom * (angle.sin() * dx + angle.cos() * dy),
        ],
        dim=1,
    )
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_brightness_adds_and_contrast_stretches_about_the_mean():
    image = torch.tensor([[0.3, 0.5], [0.5, 0.7]]).expand(3, 1, 2, 2)
    d = draws(3)
    brighter = augment(image, Augment(brightness=0.2), generator=generator())
    torch.testing.assert_close(brighter[2], image[2] + 0.2 * d[2, 5])
    stretched = augment(image, Augment(contrast=0.5), generator=generator())
    factor = 1 + 0.5 * d[1, 4]
    by_hand = torch.tensor([[0.5 - 0.2 * factor, 0.5], [0.5, 0.5 + 0.2 * factor]])
    torch.testing.assert_close(stretched[1, 0], by_hand)


def test_flip_mirrors_about_half_of_the_images_exactly():
    images = torch.rand(400, 1, 4, 5, generator=generator(1))
    out = augment(images, Augment(flip=True), generator=generator())
    mirrored = (out == images.flip(3)).all(dim=(1, 2, 3))
    kept = (out == images).all(dim=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250


def test_the_default_for_chest_xrays_does_not_mirror():
    assert MILD.flip is False


def test_no_black_corners():
    white = torch.full((16, 1, 32, 32), 0.8)
    out = augment(white, Augment(30, 0.2, (0.6, 1.0)), generator=generator())
    torch.testing.assert_close(out, white)


def test_a_knob_changes_nothing_but_its_own_effect(smooth):
    moved = augment(smooth, Augment(translate=0.1), generator=generator())
    both = Augment(translate=0.1, brightness=0.05)
    lifted = augment(smooth, both, generator=generator())
    added = 0.05 * draws(8)[:, 5, None, None, None]
    torch.testing.assert_close(lifted, (moved + added).clamp(0, 1))


def test_all_channels_of_an_image_move_together(smooth):
    colour = smooth.expand(8, 3, 48, 64)
    out = augment(colour, MILD, generator=generator())
    torch.testing.assert_close(out[:, 0], out[:, 2])


@pytest.mark.parametrize(
    "arguments",
    [
        {"degrees": -1},
        {"degrees": 200},
        {"translate": 1.5},
        {"scale": (1.2, 0.8)},
        {"scale": (0.0, 1.0)},
        {"brightness": -0.1},
        {"contrast": float("nan")},
    ],
)
def test_impossible_amounts_are_refused(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must"):
        Augment(**arguments)


@pytest.mark.parametrize("images", [torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(4, 4)])
def test_anything_but_a_float_batch_is_refused(images):
    with pytest.raises(ValueError, match="expects float images"):
        augment(images, MILD, generator=generator())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_cpu_generator_gives_the_same_images_on_the_gpu(smooth):
    out = augment(smooth.cuda(), MILD, generator=generator())
    assert out.device.type == "cuda"
    expected = augment(smooth, MILD, generator=generator())
    torch.testing.assert_close(out.cpu(), expected, atol=1e-4, rtol=0)
