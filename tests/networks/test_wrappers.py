"""A network inside a wrapper is the network."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lab_utils.networks import Preprocessing, build_model, head, preprocess, preprocessing_of, stages, unwrapped

WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "DataParallel": nn.DataParallel,
    "compiled": torch.compile,  # type: ignore[dict-item]
    "AveragedModel": AveragedModel,
    "compiled DataParallel": lambda m: torch.compile(nn.DataParallel(m)),  # type: ignore[return-value]
}


@pytest.mark.parametrize("kind", WRAPPERS)
def test_stages_head_and_preprocessing_go_through_every_wrapper(kind: str) -> None:
    model = build_model("cbr_tiny", num_classes=2, in_channels=3, seed=0)
    wrapped = WRAPPERS[kind](model)
    inside = unwrapped(wrapped)
    assert inside is model or kind == "AveragedModel"  # that one copies
    assert type(inside) is type(model)
    assert head(wrapped) is inside.head
    assert list(stages(wrapped)) == list(stages(model))
    assert next(stages(wrapped)["block1"].parameters()) is inside.block1.conv.weight
    assert preprocessing_of(wrapped) == preprocessing_of(model)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(preprocess(wrapped, images), preprocess(model, images))


def test_preprocessing_set_on_the_wrapper_goes_first() -> None:
    wrapped = nn.DataParallel(build_model("cbr_tiny", num_classes=2))
    wrapped.preprocessing = Preprocessing((0.1,), (0.2,), 1)
    assert preprocessing_of(wrapped).mean == (0.1,)


class Holder(nn.Module):
    """No wrapper: its child is called `module`, and more lies beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.module = nn.Conv2d(1, 2, 3)
        self.head = nn.Linear(2, 2)


def test_an_own_network_with_a_child_called_module_is_no_wrapper() -> None:
    holder = Holder()
    assert unwrapped(holder) is holder
    assert list(stages(holder)) == ["module"]


class Classy(nn.Linear):
    preprocessing = Preprocessing((0.3,), (0.2,), 1)


def test_preprocessing_may_be_an_attribute_of_the_class_but_no_layer() -> None:
    assert preprocessing_of(Classy(1, 1)).mean == (0.3,)
    layered = nn.Module()
    layered.preprocessing = nn.Identity()  # runs inside the network: must not be applied a second time
    with pytest.raises(ValueError, match="Module without; build it with build_model"):
        preprocessing_of(layered)
    layered = nn.Linear(1, 1)
    layered.preprocessing = {"mean": 0.5}  # type: ignore[assignment]
    with pytest.raises(ValueError, match="where it is a dict"):
        preprocessing_of(nn.DataParallel(layered))
