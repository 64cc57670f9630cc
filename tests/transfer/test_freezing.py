"""Frozen means bit-identical, and every trainable parameter has one learning rate."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision import models as tv
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock

from lab_utils.networks import build_model, head, stages
from lab_utils.transfer import freeze, param_groups, train_mode, trainable_parameters, unfreeze
from lab_utils.transfer.freezing import is_frozen

SIDE = 32


def small_convnext() -> nn.Module:
    widths = [(8, 12), (12, 16), (16, 20), (20, None)]
    return tv.ConvNeXt([CNBlockConfig(a, b, 1) for a, b in widths], stochastic_depth_prob=0.3, num_classes=2)


# the families of the kit, each as small as its class allows
SMALL: dict[str, Callable[[], nn.Module]] = {
    "cbr": partial(build_model, "cbr_tiny", num_classes=2, in_channels=3),
    "resnet10": partial(build_model, "resnet10_w16", num_classes=2, in_channels=3),
    "resnet": partial(tv.ResNet, BasicBlock, [1, 1, 1, 1], num_classes=2),
    "densenet": partial(tv.DenseNet, 4, (2, 2, 2, 2), 8, drop_rate=0.2, num_classes=2),
    "efficientnet": partial(tv.mobilenet_v3_small, num_classes=2),
    "convnext": small_convnext,
    "small_vit": partial(build_model, "small_vit", num_classes=2, in_channels=3),
    "vit": partial(tv.VisionTransformer, SIDE, 8, 4, 2, 16, 32, dropout=0.2, attention_dropout=0.2, num_classes=2),
    "swin": partial(tv.SwinTransformer, [4, 4], 8, [1, 1, 1, 1], [2, 2, 2, 2], [4, 4], dropout=0.1, num_classes=2),
}


@pytest.fixture(params=SMALL)
def model(request: pytest.FixtureRequest) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return SMALL[request.param]()


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in module.state_dict().items()}


def moved(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def take_steps(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 2) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        images = torch.randn(4, 3, SIDE, SIDE, generator=generator)
        loss = nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 1, 1]))
        optimizer.zero_grad(set_to_none=False)  # the careless way: a gradient of zero still decays the weight
        loss.backward()
        optimizer.step()


def names_of(model: nn.Module, stage_names: list[str]) -> set[str]:
    chosen = [stages(model)[name] for name in stage_names]
    parameters = {name for stage in chosen for name, _ in stage.named_parameters()}
    buffers = {name for stage in chosen for name, _ in stage.named_buffers()}
    return (parameters | buffers) & set(model.state_dict())


@pytest.mark.parametrize("depth", [1, 3, None])
def test_after_training_what_is_frozen_is_bit_identical_and_the_rest_has_moved(
    model: nn.Module, depth: int | None
) -> None:
    names = list(stages(model))
    frozen = names[:depth]
    freeze(model, upto=None if depth is None else frozen[-1])
    train_mode(model)
    before = snapshot(model)
    # all parameters, as in the notebooks that hand model.parameters() to the optimizer
    take_steps(model, torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=0.1))
    changed = moved(model, before)
    assert not changed & names_of(model, frozen)
    assert {name for name, p in model.named_parameters() if p.requires_grad} <= changed


@pytest.mark.parametrize("optimizer", [partial(torch.optim.SGD, lr=0.05, momentum=0.9), torch.optim.AdamW])
def test_momentum_and_decay_of_earlier_steps_do_not_move_what_is_frozen_later(
    model: nn.Module, optimizer: Callable[..., torch.optim.Optimizer]
) -> None:
    running = optimizer(model.parameters(), weight_decay=0.1)
    model.train()
    take_steps(model, running)
    freeze(model)
    train_mode(model)
    before = snapshot(model)
    take_steps(model, running)
    assert moved(model, before) == {name for name, p in model.named_parameters() if p.requires_grad}


def test_plain_train_lets_the_statistics_of_a_frozen_batch_norm_drift() -> None:
    model = SMALL["resnet10"]()
    freeze(model)
    model.train()
    before = snapshot(model)
    take_steps(model, torch.optim.SGD(trainable_parameters(model), lr=0.1))
    assert "layer2.bn1.running_mean" in moved(model, before)


def test_a_frozen_stage_gives_the_same_features_every_time(model: nn.Module) -> None:
    freeze(model)
    train_mode(model)
    assert model.training
    last = list(stages(model).values())[-1]
    outputs: list[Tensor] = []
    last.output.register_forward_hook(lambda _m, _i, output: outputs.append(output.clone()))
    images = torch.randn(4, 3, SIDE, SIDE)
    model(images)
    model(images)
    assert torch.equal(outputs[0], outputs[1])


def test_dropout_right_before_the_head_stays_on() -> None:
    model = tv.efficientnet_b0(num_classes=2)
    freeze(model)
    train_mode(model)
    assert [m.training for m in model.classifier] == [True, True]
    assert not any(m.training for m in model.features.modules() if isinstance(m, nn.BatchNorm2d))


class Plain(nn.Module):
    """A batch norm without weight and bias: no parameter says whether it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU())
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.high(self.low(images)).mean(dim=(2, 3)))


def test_a_batch_norm_without_parameters_follows_its_stage() -> None:
    model = Plain()
    freeze(model, upto="low")
    train_mode(model)
    before = snapshot(model)
    take_steps(model, torch.optim.SGD(model.parameters(), lr=0.1))
    changed = {name for name in moved(model, before) if "running" in name}
    assert changed == {"high.1.running_mean", "high.1.running_var"}


def test_a_batch_norm_frozen_by_hand_goes_to_eval_and_its_stage_trains_on() -> None:
    model = SMALL["resnet10"]()
    model.layer2.bn1.requires_grad_(False)
    train_mode(model)
    assert not model.layer2.bn1.training
    assert model.layer2.bn2.training


def test_unfrozen_stages_come_back_to_train_mode() -> None:
    model = SMALL["resnet10"]()
    freeze(model)
    train_mode(model)
    unfreeze(model)
    train_mode(model)
    assert all(m.training for m in model.modules())
    assert len(trainable_parameters(model)) == len(list(model.parameters()))


def test_freeze_is_inclusive_and_depends_on_nothing_before() -> None:
    model = SMALL["resnet10"]()
    freeze(model)
    assert trainable_parameters(model) == list(model.head.parameters())
    freeze(model, upto="layer2")
    assert [name for name, s in stages(model).items() if is_frozen(s)] == ["stem", "layer1", "layer2"]
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad} == {
        *("layer3", "layer4", "head"),
    }


def test_an_unknown_stage_is_named_with_the_nearest_and_changes_nothing() -> None:
    model = SMALL["resnet10"]()
    freeze(model, upto="stem")
    with pytest.raises(ValueError, match=r"Expected a stage of ResNet10, got 'layer_3'. Did you mean 'layer3'"):
        freeze(model, upto="layer_3")
    assert is_frozen(stages(model)["stem"])


def test_learning_rates_fall_geometrically_from_the_head() -> None:
    groups = param_groups(SMALL["resnet10"](), 0.8, decay=0.5)
    assert [(g["name"], g["lr"]) for g in groups] == [
        ("stem", 0.025),
        ("layer1", 0.05),
        ("layer2", 0.1),
        ("layer3", 0.2),
        ("layer4", 0.4),
        ("head", 0.8),
    ]


@pytest.mark.parametrize("frozen", [0, 2, None])
def test_every_trainable_parameter_is_in_one_group_and_no_frozen_one(model: nn.Module, frozen: int | None) -> None:
    names = list(stages(model))
    if frozen != 0:
        freeze(model, upto=None if frozen is None else names[frozen - 1])
    groups = param_groups(model, 1e-3, decay=0.7)
    inside = [id(p) for g in groups for p in g["params"]]
    assert sorted(inside) == sorted(id(p) for p in trainable_parameters(model))
    assert [g["name"] for g in groups] == [*names[len(names) if frozen is None else frozen :], "head"]
    assert groups[-1]["lr"] == 1e-3
    # the place below the head counts, not the number of groups
    expected = [1e-3 * 0.7 ** (len(names) - names.index(g["name"])) for g in groups[:-1]]
    assert [g["lr"] for g in groups[:-1]] == pytest.approx(expected)
    assert len(torch.optim.AdamW(groups).param_groups) == len(groups)


def test_without_decay_every_group_has_the_rate_of_the_head() -> None:
    assert {g["lr"] for g in param_groups(SMALL["cbr"](), 0.01)} == {0.01}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"lr": 0.0}, "lr above 0"), ({"lr": 1e-3, "decay": 0.0}, "decay in"), ({"lr": 1e-3, "decay": 1.5}, "decay in")],
)
def test_rates_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        param_groups(SMALL["cbr"](), **options)


def test_nothing_to_train_is_an_error_that_says_what_to_do() -> None:
    model = SMALL["cbr"]()
    freeze(model)
    head(model).requires_grad_(False)
    assert trainable_parameters(model) == []
    with pytest.raises(ValueError, match="call unfreeze"):
        param_groups(model, 1e-3)
