"""Kinds J and M: what people pass to build_model, and networks inside wrappers."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models as tv

from lab_utils.networks import Preprocessing, build_model, stages, unwrapped
from lab_utils.similarity import collect_activations, extract_features
from lab_utils.training import predict
from lab_utils.transfer import transfuse
from tests.refusals import refuses
from tests.tiny import tiny_split


@pytest.mark.parametrize("value", [np.int64(3), np.uint8(3), torch.tensor(3)])
def test_whole_numbers_of_numpy_and_torch_are_numbers(value: Any) -> None:
    model = build_model("cbr_tiny", num_classes=value, in_channels=value, seed=value)
    same = build_model("cbr_tiny", num_classes=3, in_channels=3, seed=3)
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), same.parameters(), strict=True))


COUNTS = [True, 2.0, "2", 0, -1, None, np.True_, torch.tensor(True), torch.tensor([2, 3])]
WRONG: list[tuple[dict[str, Any], str]] = [
    *(({"num_classes": n}, "expected num_classes to be a whole number of at least 1, got") for n in COUNTS),
    *(({"in_channels": n}, "expected in_channels to be a whole number of at least 1, got") for n in COUNTS),
    *(({"seed": seed}, "expected seed to be a whole number") for seed in ("a", 2**70, True, 1.5, -(2**70))),
    *(({"name": n}, "'resnet50'") for n in ("ResNet50", " resnet50 ", "RESNET-50", "resnet 50")),
    ({"name": "efficientnet-b0"}, "'efficientnet_b0'"),
    ({"name": "CBR_Tiny"}, "'cbr_tiny'"),
    ({"name": None}, "NoneType, which is no name"),
    ({"name": Path("resnet50")}, "Path, which is no name"),
    ({"name": ["resnet50"]}, "list, which is no name"),
    ({"name": ""}, "Expected a model, got ''"),
    ({"keep_head": "yes"}, "keep_head to be True or False"),
    ({"preprocessing": 0.5}, r"to be a Preprocessing\(mean, std, channels\), got float"),
    ({"preprocessing": Preprocessing((0.5,) * 3, (0.5,) * 3, 3)}, "preprocessing of in_channels=1"),
    ({"entry": "model"}, "expected weights= with entry='model'"),
]


@pytest.mark.parametrize(("options", "says"), WRONG)
def test_what_build_model_does_not_take_gets_words(options: dict[str, Any], says: str) -> None:
    refuses(says, build_model, **{"name": "cbr_tiny", "num_classes": 2} | options)


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (True, "True. Say which: 'procedural' or 'imagenet'"),
        (False, "For random weights pass None"),
        ("", "For random weights, pass None"),
        ("  ", "For random weights, pass None"),
        ("None", r"Did you mean None \(without quotes\)"),
        ("random", r"Did you mean None \(without quotes\)"),
        ("ImageNet", "Did you mean 'imagenet'"),
        ("IMAGENET1K_V1", "Did you mean 'imagenet'"),
        ("IMAGENET1K_V2", "Did you mean 'imagenet'"),
        ("DEFAULT", "Did you mean 'imagenet'"),
        ("pretrained", "Did you mean 'imagenet'"),
        ("Procedural", "Did you mean 'procedural'"),
        (tv.ResNet18_Weights.IMAGENET1K_V1, "torchvision's ResNet18_Weights.IMAGENET1K_V1. Pass 'imagenet'"),
        (tv.ResNet18_Weights, "got .*ResNet18_Weights"),
        (nn.Linear(1, 1), r"a network \(Linear\).*save_model"),
        ({"fc.weight": torch.ones(1)}, r"a mapping \(dict\).*save_weights"),
        (b"a.pth", "bytes"),
        (3, "3 .int."),
        ("https://host/w.pth", "Download the file"),
        ("a\0b.pth", "got 'a"),
        (".", "it is a folder"),
    ],
)
def test_what_is_no_kind_of_weights_gets_words(weights: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says) as error:
        build_model("resnet18", weights=weights, num_classes=2)
    assert "expected weights" in str(error.value).lower()


def test_a_path_may_be_any_kind_of_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Own:
        def __fspath__(self) -> str:
            return str(tmp_path / "w.pth")

    source = build_model("cbr_tiny", num_classes=2, seed=1)
    torch.save(source.state_dict(), tmp_path / "w.pth")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"num_classes": 3, "preprocessing": Preprocessing((0.5,), (0.2,), 1)}
    for path in (Own(), "w.pth", Path("w.pth"), *(("~/w.pth",) if os.name != "nt" else ())):
        made = build_model("cbr_tiny", weights=path, **options)  # type: ignore[arg-type]
        assert torch.equal(made.block1.conv.weight, source.block1.conv.weight)


def test_a_preprocessing_of_your_own_goes_with_random_weights() -> None:
    own = Preprocessing((0.3,), (0.1,), 1)
    model, usual = (build_model("cbr_tiny", num_classes=2, seed=0, preprocessing=p) for p in (own, None))
    assert model.preprocessing == own
    assert torch.equal(model.head.weight, usual.head.weight)


WRAPPERS = [nn.DataParallel, lambda m: torch.compile(m, backend="eager")]


@pytest.mark.parametrize("k", [0, 1])
def test_networks_inside_wrappers_have_stages_features_and_preprocessing(k: int) -> None:
    model = build_model("cbr_tiny", num_classes=2, seed=0)
    model.preprocessing = Preprocessing((0.3,), (0.1,), 1)
    wrapped: nn.Module = WRAPPERS[k](model)  # type: ignore[assignment, operator]
    split = tiny_split(4, size=16)
    expected = predict(model, split, device="cpu")
    assert torch.equal(predict(wrapped, split, device="cpu"), expected)  # compiled by now
    assert unwrapped(wrapped) is model
    assert list(stages(wrapped)) == list(stages(model))
    assert torch.equal(extract_features(wrapped, split), extract_features(model, split))
    found, wanted = (collect_activations(m, split.images, stages=["block1", "block2.conv"]) for m in (wrapped, model))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    target = build_model("cbr_tiny", num_classes=2, seed=1)
    transfuse(target, wrapped)
    assert target.preprocessing == model.preprocessing
