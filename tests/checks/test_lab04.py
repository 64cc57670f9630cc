"""Right answers of lab 4 written otherwise, and the kit's own counts; wrong answers stand beside their hints."""

import numpy as np
import pytest
from torch import nn

from lab_utils.checks import lab04
from lab_utils.networks import build_model


class Block(nn.Module):
    """A block written as a class, with the pool before ReLU: the maximum of the positive parts is the same."""

    def __init__(self, in_channels, out_channels, kernel, pool):
        super().__init__()
        self.norm = nn.BatchNorm2d(out_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding="same", bias=False)
        self.pool = pool

    def forward(self, x):
        x = self.norm(self.conv(x))
        return (nn.functional.max_pool2d(x, 3, 2, 1) if self.pool else x).relu()


def count_by_name(model, rule):
    total, first = 0, True
    for name, p in model.named_parameters():
        if rule == "all":
            total += p.numel() if p.requires_grad else 0
        elif name.startswith(("head", "fc")):
            total += p.numel() if p.ndim == 2 else 0
        elif p.ndim == 4:
            total += 0 if first else p.numel()
            first = False
    return total


def steps_in_a_loop(steps, values, threshold):
    if values[0] >= threshold:
        return steps[0], True
    for i in range(1, len(values)):
        if values[i] >= threshold:
            line = np.interp(threshold, values[i - 1 : i + 1], steps[i - 1 : i + 1])
            return line, np.bool_(True)
    return int(steps[-1]), False


@pytest.mark.parametrize(
    ("exercise", "student"),
    [
        (lab04.CBR_BLOCK, lambda *arguments: Block(*arguments)),
        (lab04.COUNT_PARAMETERS, count_by_name),
        (lab04.STEPS_TO_REACH, steps_in_a_loop),
    ],
)
def test_other_right_ways_pass(exercise, student):
    result = exercise.examine(student)
    assert result.status == "correct", result.hint


def test_a_count_that_nobody_listed_is_told_by_how_much_it_is_off():
    result = lab04.COUNT_PARAMETERS.examine(lambda model, rule: lab04.count_parameters(model, rule) + 1_017)
    assert "1,017 too many. Print the names" in result.hint


@pytest.mark.parametrize(
    ("name", "everything", "paper"),
    [
        ("cbr_large_t", 8_539_173, 8_532_480),
        ("cbr_large_w", 8_443_461, 8_432_128),
        ("cbr_small", 2_114_341, 2_108_672),
        ("cbr_tiny", 1_079_845, 1_076_480),
    ],
)
def test_the_counts_are_those_of_the_paper(name, everything, paper):
    model = build_model(name, num_classes=5, in_channels=3, seed=0)
    assert lab04.count_parameters(model, "all") == everything
    assert lab04.count_parameters(model, "paper") == paper


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="'all' or 'paper'"):
        lab04.count_parameters(nn.Conv2d(1, 1, 1), "papers")
