"""Blocks are the stages, cut finer: nothing is lost, nothing comes twice, and the published cuts are among them."""

from itertools import chain

import pytest
import torch
from torch import nn

from lab_utils.networks import Stage, blocks, build_model, head_path, preprocess, stages
from tests.networks.test_models import ONE_PER_FAMILY, meta

__all__ = ["meta"]


def tensors(part: Stage) -> list[str]:
    return [name for name, _ in chain(part.named_parameters(), part.named_buffers())]


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", [*ONE_PER_FAMILY, "small_vit", "efficientnet_lite0", "deit_tiny_patch16_224"])
def test_blocks_hold_what_stages_hold_stage_by_stage(name: str) -> None:
    model = build_model(name, num_classes=2, in_channels=3)
    finer = list(blocks(model).values())
    for stage in stages(model).values():
        here, inside = [], set(tensors(stage))
        while finer and set(tensors(finer[0])) <= inside:
            here += tensors(finer.pop(0))
        assert sorted(here) == sorted(inside)
    assert not finer


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("name", ["small_vit", "convnext_tiny", "resnet50", "swin_t", "vit_b_16", "inception_v3"])
def test_blocks_are_in_the_order_of_execution(name: str) -> None:
    model = build_model(name, num_classes=2, in_channels=3).eval()
    ran: list[str] = []
    for block in blocks(model).values():
        block.output.register_forward_hook(lambda *_, name=block.name: ran.append(name))
    model(preprocess(model, torch.empty(2, 3, 64, 64, dtype=torch.uint8)))
    assert ran == list(blocks(model))


def test_a_sequence_is_cut_a_block_is_not_and_what_holds_no_numbers_stays_with_the_block_before() -> None:
    model = nn.Module()
    model.stem = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)))
    model.top = nn.Sequential(nn.Dropout(), nn.Conv2d(2, 2, 1))
    model.head = nn.Linear(2, 2)
    found = blocks(model)
    assert {name: block.paths for name, block in found.items()} == {
        "stem.0": ("stem.0", "stem.1"),
        "stem.2.0": ("stem.2.0",),
        "stem.2.1": ("stem.2.1",),
        "top": ("top.0", "top.1"),
    }


# ---------------------------------------------------------------- "everything up to t", as published


def upto(model: nn.Module, last: str) -> set[str]:
    """Names of the modules (two parts, where the first is a list of blocks) pretrained in WT-ST-n up to a block."""
    names = list(blocks(model))
    inside = [n for name in names[: names.index(last) + 1] for n in tensors(blocks(model)[name])]
    return {n for n in inside if not n.startswith(head_path(model) + ".")}


def starting(model: nn.Module, *prefixes: str) -> set[str]:
    names = [n for n, _ in chain(model.named_parameters(), model.named_buffers())]
    return {n for n in names if n.startswith(prefixes) and not n.startswith("head")}


RESNET50 = {-1: "conv1", 0: "bn1", 1: "layer1.2", 2: "layer2.3", 3: "layer3.5", 4: "layer4.2"}
INCEPTION = {
    -1: "Conv2d_1a_3x3",
    0: "Conv2d_2b_3x3",
    1: "Conv2d_3b_1x1",
    2: "Conv2d_4a_3x3",
    3: "Mixed_5d",
    4: "Mixed_6e",
    5: "Mixed_7c",
}


@pytest.mark.usefixtures("meta")
def test_resnet50_has_the_published_cuts() -> None:
    model = build_model("resnet50", num_classes=2, in_channels=3)
    steps = ["conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4."]
    for k, last in enumerate(RESNET50.values()):
        assert upto(model, last) == starting(model, *steps[: k + 1])


@pytest.mark.usefixtures("meta")
def test_inception_has_the_published_cuts() -> None:
    model = build_model("inception_v3", num_classes=2, in_channels=3)
    steps = [("Conv2d_1a",), ("Conv2d_2a", "Conv2d_2b"), ("Conv2d_3b",), ("Conv2d_4a",), ("Mixed_5",), ("Mixed_6",)]
    steps.append(("Mixed_7",))
    for k, last in enumerate(INCEPTION.values()):
        assert upto(model, last) == starting(model, *chain(*steps[: k + 1]))


@pytest.mark.usefixtures("meta")
def test_deit_small_has_the_published_cuts_one_for_each_block() -> None:
    model = build_model("deit_small_patch16_224", num_classes=2, in_channels=3)
    first = ("patch_embed.", "cls_token", "pos_embed")
    assert upto(model, "stem") == starting(model, *first)  # t = -1
    for t in range(12):  # the last norm only with everything, t = 12
        assert upto(model, f"blocks.{t}") == starting(model, *first, *(f"blocks.{k}." for k in range(t + 1)))
    assert upto(model, "norm") == starting(model, "")


@pytest.mark.usefixtures("meta")
@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_swin_tiny_has_the_published_cuts_and_downsampling_goes_with_what_follows_it(library: str) -> None:
    timm = library == "timm"
    model = build_model("swin_tiny_patch4_window7_224" if timm else "swin_t", num_classes=2, in_channels=3)
    depths, cuts, names = (2, 2, 6, 2), [], []
    for stage, depth in enumerate(depths):
        for k in range(depth):
            cuts.append(f"layers.{stage}.blocks.{k}" if timm else f"features.{2 * stage + 1}.{k}")
            merge = (f"layers.{stage}.downsample." if timm else f"features.{2 * stage}.",)
            names.append([f"{cuts[-1]}.", *(merge if stage and not k else ())])  # the first blocks of stages 2, 3, 4
    first = "patch_embed." if timm else "features.0."
    assert len(cuts) == 12
    assert upto(model, "stem" if timm else "features.0.2") == starting(model, first)  # t = -1
    for t, last in enumerate(cuts):
        assert upto(model, last) == starting(model, first, *chain(*names[: t + 1]))
    assert upto(model, "norm") == starting(model, "")  # t = 12
