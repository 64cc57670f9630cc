import numpy as np
import pytest
import torch
from torch import nn

from lab_utils.checks import lab04
from lab_utils.networks import build_model, head


def assert_rejected(result, word):
    assert result.status == "incorrect"
    assert word in result.hint + result.line, result.hint


# ---- cbr_block


class Written(nn.Module):
    """A block written as a class, with the pool before ReLU: the maximum of the positive parts is the same."""

    def __init__(self, in_channels, out_channels, kernel, pool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(out_channels)
        self.pool = pool

    def forward(self, x):
        x = self.norm(self.conv(x))
        return (nn.functional.max_pool2d(x, 3, 2, 1) if self.pool else x).relu()


def block_of(make):
    """A student's function from `make(in, out, kernel) -> layers before the pool` and the right pool."""

    def student(in_channels, out_channels, kernel, pool):
        layers = make(in_channels, out_channels, kernel)
        return nn.Sequential(*layers, *([nn.MaxPool2d(3, 2, padding=1)] if pool else []))

    return student


def pooled_by(make_pool):
    """A student's function with the right layers and another pool."""

    def student(in_channels, out_channels, kernel, pool):
        layers = usual(in_channels, out_channels, kernel)
        return nn.Sequential(*layers, *([make_pool()] if pool else []))

    return student


def conv(in_channels, out_channels, kernel, **settings):
    return nn.Conv2d(in_channels, out_channels, kernel, **{"padding": kernel // 2, "bias": False, **settings})


def usual(in_channels, out_channels, kernel):
    return [conv(in_channels, out_channels, kernel), nn.BatchNorm2d(out_channels), nn.ReLU()]


@pytest.mark.parametrize("student", [Written, block_of(usual)])
def test_other_right_blocks_pass(student, outcome_of):
    result = outcome_of(lab04.check_cbr_block, lambda *args: student(*args))
    assert result.status == "correct", result.hint


def always_pools(in_channels, out_channels, kernel, pool):
    return nn.Sequential(*usual(in_channels, out_channels, kernel), nn.MaxPool2d(3, 2, 1))


def strided(in_channels, out_channels, kernel, pool):
    layers = [conv(in_channels, out_channels, kernel, stride=2 if pool else 1), nn.BatchNorm2d(out_channels), nn.ReLU()]
    return nn.Sequential(*layers)


def forgets_to_run_the_norm(in_channels, out_channels, kernel, pool):
    class Forgetful(Written):
        def forward(self, x):
            x = self.conv(x).relu()
            return nn.functional.max_pool2d(x, 3, 2, 1) if self.pool else x

    return Forgetful(in_channels, out_channels, kernel, pool)


def applied(in_channels, out_channels, kernel, pool):
    return nn.Sequential(*usual(in_channels, out_channels, kernel))(torch.zeros(1, in_channels, 8, 8))


KEPT = {}


def remembers(*arguments):
    if arguments not in KEPT:
        KEPT[arguments] = Written(*arguments)
    return KEPT[arguments]


def adds_dropout(in_channels, out_channels, kernel):
    return [*usual(in_channels, out_channels, kernel), nn.Dropout(0.5)]


WRONG_BLOCKS = [
    (block_of(lambda i, o, k: [nn.Conv2d(i, o, k, padding=k // 2), nn.BatchNorm2d(o), nn.ReLU()]), "has a bias"),
    (block_of(lambda i, o, k: [conv(i, o, k), nn.ReLU(), nn.BatchNorm2d(o)]), "order of its layers"),
    (block_of(lambda i, o, k: [conv(i, o, k), nn.BatchNorm2d(o)]), "the R in CBR"),
    (block_of(lambda i, o, k: [conv(i, o, k), nn.ReLU()]), "0 batch norms"),
    (block_of(lambda i, o, k: [*usual(i, o, k), *usual(o, o, k)]), "2 convolutions"),
    (block_of(lambda i, o, k: [conv(i, o, k), nn.BatchNorm2d(o), nn.LeakyReLU()]), "not ReLU"),
    (block_of(lambda i, o, k: [conv(i, o, k), nn.BatchNorm2d(o), nn.GELU()]), "GELU"),
    (block_of(lambda i, o, k: usual(i, o, 3)), "the argument `kernel`"),
    (block_of(lambda i, o, k: [conv(i, o, k, padding=0), nn.BatchNorm2d(o), nn.ReLU()]), "'same' padding"),
    (block_of(lambda i, o, k: [conv(i, o, k, padding=1), nn.BatchNorm2d(o), nn.ReLU()]), "'same' padding"),
    (block_of(lambda i, o, k: usual(i, i, k)), "maps 2 to 2"),
    (block_of(adds_dropout), "computes something else"),
    (pooled_by(lambda: nn.AvgPool2d(3, 2, padding=1)), "mean of each window"),
    (pooled_by(lambda: nn.MaxPool2d(3, 2)), "kernel, stride and padding"),
    (pooled_by(lambda: nn.MaxPool2d(2)), "kernel, stride and padding"),
    (pooled_by(lambda: nn.MaxPool2d(2, ceil_mode=True)), "2 x 2"),
    (pooled_by(lambda: nn.MaxPool2d(3, 1, padding=1)), "does not halve"),
    (pooled_by(lambda: nn.Identity()), "does not halve"),
    (always_pools, "look at `pool`"),
    (strided, "stride 2"),
    (forgets_to_run_the_norm, "it does not run"),
    (applied, "got a Tensor"),
    (lambda i, o, k, pool: Written, "returned a class"),
    (lambda i, o, k, pool: usual(i, o, k), "got a list"),
    (remembers, "share their weights"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_BLOCKS)
def test_wrong_blocks_get_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab04.check_cbr_block, student), word)


# ---- count_parameters: the values of facts and papers, to the unit


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


def convs_of(model):
    return [m for m in model.modules() if isinstance(m, nn.Conv2d)]


def counted(everything=None, paper=None):
    """A student's function with one of its two rules replaced."""

    def student(model, rule):
        own = everything if rule == "all" else paper
        return lab04.count_parameters(model, rule) if own is None else own(model)

    return student


def by_name(model, rule):
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


def test_other_right_counts_pass(outcome_of):
    result = outcome_of(lab04.check_count_parameters, by_name)
    assert result.status == "correct", result.hint


def freezes(model):
    model.requires_grad_(False)
    return lab04.count_parameters(model, "paper")


def knows_cbr_only(model):
    names = [f"block{k}.conv" for k in range(2, 6) if hasattr(model, f"block{k}")]
    assert names, "no block2"
    return sum(model.get_submodule(name).weight.numel() for name in names) + model.head.weight.numel()


WRONG_COUNTS = [
    (counted(lambda m: sum(p.numel() for p in m.parameters())), "frozen"),
    (counted(lambda m: sum(v.numel() for v in m.state_dict().values())), "statistics of batch norm"),
    (counted(lambda m: len(list(m.parameters()))), "How many numbers"),
    (counted(lambda m: sum(p.numel() for n, p in m.named_parameters() if n.endswith("weight"))), "Biases"),
    (
        counted(lambda m: sum(c.weight.numel() for c in convs_of(m)) + sum(p.numel() for p in head(m).parameters())),
        "Batch norm has trainable parameters",
    ),
    (counted(lambda m: sum(torch.tensor(p.numel()) for p in m.parameters())), "returned a tensor"),
    (counted(lambda m: sum(p.numel() for p in m.parameters()) / 1e6), "got a float"),
    (counted(lambda m: lab04.count_parameters(m, "paper")), "the other rule"),
    (counted(paper=lambda m: lab04.count_parameters(m, "all")), "the other rule"),
    (counted(paper=lambda m: sum(c.weight.numel() for c in convs_of(m)) + head(m).weight.numel()), "first convolution"),
    (counted(paper=lambda m: sum(c.weight.numel() for c in convs_of(m)[1:])), "The head is missing"),
    (
        counted(paper=lambda m: lab04.count_parameters(m, "paper") + head(m).bias.numel()),
        "bias of the head",
    ),
    (
        counted(paper=lambda m: sum(c.weight.numel() for c in convs_of(m)[:-1]) + head(m).weight.numel()),
        "the last convolution",
    ),
    (
        counted(
            paper=lambda m: sum(p.numel() for c in convs_of(m)[1:] for p in c.parameters()) + head(m).weight.numel()
        ),
        "Biases of convolutions",
    ),
    (
        counted(
            paper=lambda m: (
                lab04.count_parameters(m, "paper")
                + sum(p.numel() for b in m.modules() if isinstance(b, nn.BatchNorm2d) for p in b.parameters())
            )
        ),
        "Batch norm is counted",
    ),
    (counted(paper=knows_cbr_only), "no block2"),
    (counted(paper=freezes), "another one"),
    (counted(lambda m: 17), "too many or too few"),
]


@pytest.mark.parametrize(("student", "word"), WRONG_COUNTS)
def test_wrong_counts_get_the_hint_that_fits(student, word, outcome_of):
    assert_rejected(outcome_of(lab04.check_count_parameters, student), word)


# ---- steps_to_reach


def loop(steps, values, threshold):
    if values[0] >= threshold:
        return steps[0], True
    for i in range(1, len(values)):
        if values[i] >= threshold:
            line = np.interp(threshold, values[i - 1 : i + 1], steps[i - 1 : i + 1])
            return line, np.bool_(True)
    return int(steps[-1]), False


def test_other_right_steps_pass(outcome_of):
    result = outcome_of(lab04.check_steps_to_reach, loop)
    assert result.status == "correct", result.hint
