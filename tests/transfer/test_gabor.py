import math

import numpy as np
import pytest
import torch

from lab_utils.transfer import gabor_bank


def one(size: int, orientation: float, frequency: float, phase: float, bandwidth: float) -> np.ndarray:
    bank = gabor_bank(size, *(torch.tensor([value]) for value in (orientation, frequency, phase, bandwidth)))
    assert bank.shape == (1, size, size)
    assert bank.dtype == torch.float32
    return bank[0].numpy()


def by_hand(size: int, orientation: float, frequency: float, phase: float, bandwidth: float) -> np.ndarray:
    """The definition, one pixel after the other."""
    sigma = math.sqrt(math.log(2) / 2) / (math.pi * frequency) * (2**bandwidth + 1) / (2**bandwidth - 1)
    values = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            x, y = column - (size - 1) / 2, row - (size - 1) / 2
            u = x * math.cos(orientation) + y * math.sin(orientation)
            bell = math.exp(-(x * x + y * y) / (2 * sigma * sigma))
            values[row, column] = bell * math.cos(2 * math.pi * frequency * u + phase)
    return values


@pytest.mark.parametrize("size", [3, 4, 7])
def test_each_filter_is_the_definition_pixel_by_pixel(size):
    rng = np.random.default_rng(size)
    settings = np.stack([rng.uniform(0, 3), rng.uniform(0.1, 0.4), rng.uniform(0, 6), rng.uniform(1, 2)])
    assert one(size, *settings) == pytest.approx(by_hand(size, *settings), abs=1e-6)


def test_orientation_zero_has_upright_stripes_and_a_quarter_turn_lying_ones():
    upright = one(9, 0, 0.25, 0, 0.2)  # a narrow band is a wide bell: almost a plain wave
    assert upright == pytest.approx(np.tile(upright[4], (9, 1)), abs=0.1)
    assert one(9, math.pi / 2, 0.25, 0, 0.2) == pytest.approx(upright.T, abs=1e-6)


def test_an_eighth_turn_runs_down_the_diagonal():
    tilted = one(9, math.pi / 4, 0.2, 0.7, 1)
    assert tilted == pytest.approx(tilted.T, abs=1e-6)
    assert tilted != pytest.approx(tilted[:, ::-1], abs=0.1)


def test_phase_zero_is_even_and_a_quarter_wave_odd():
    even, odd = one(7, 0.6, 0.2, 0, 1), one(7, 0.6, 0.2, math.pi / 2, 1)
    assert even == pytest.approx(even[::-1, ::-1], abs=1e-6)
    assert odd == pytest.approx(-odd[::-1, ::-1], abs=1e-6)
    assert even[3, 3] == 1
    assert odd[3, 3] == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("bandwidth", [0.8, 1.0, 2.0])
def test_the_spectrum_falls_to_half_its_height_at_the_ends_of_the_band(bandwidth):
    # f2 / f1 = 2^bandwidth and the peak lies in their middle: that is what the formula of sigma means
    frequency = 0.2
    # even plus i times odd has no part at negative frequencies, which would add to the lower end
    pair = one(201, 0, frequency, 0, bandwidth) + 1j * one(201, 0, frequency, -math.pi / 2, bandwidth)
    row = pair.sum(axis=0)
    low = 2 * frequency / (1 + 2**bandwidth)
    peak, *ends = (
        abs(np.sum(row * np.exp(-2j * math.pi * f * (np.arange(201) - 100)))) for f in (0.2, low, low * 2**bandwidth)
    )
    assert [end / peak for end in ends] == pytest.approx([0.5, 0.5], abs=0.01)


def test_filters_of_a_bank_do_not_depend_on_each_other():
    g = torch.Generator().manual_seed(0)
    settings = torch.rand(4, 5, generator=g) + 0.1
    bank = gabor_bank(7, *settings)
    for i in range(5):
        assert torch.equal(bank[i : i + 1], gabor_bank(7, *settings[:, i : i + 1]))


@pytest.mark.parametrize(
    ("size", "settings", "message"),
    [
        (0, torch.ones(4, 2), "size of at least 1"),
        (7, [torch.ones(2), torch.ones(3), torch.ones(2), torch.ones(2)], "one shape"),
        (7, torch.ones(4), "one shape"),
        (7, [torch.ones(2), torch.zeros(2), torch.ones(2), torch.ones(2)], "above 0"),
        (7, [torch.ones(2), torch.ones(2), torch.ones(2), -torch.ones(2)], "above 0"),
    ],
)
def test_what_describes_no_filter_is_refused(size, settings, message):
    with pytest.raises(ValueError, match=message):
        gabor_bank(size, *settings)
