"""Kind I: weight files as people have them are understood, or the error says what they are."""

import argparse
import gzip
import io
import json
import os
import pathlib
import pickle
import random
import warnings
import zipfile
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision import models as tv

from lab_utils.networks import Preprocessing, build_model, load_model, load_weights, preprocess, save_model
from lab_utils.training import fit, predict
from tests.field_cases.weight_objects import Callback, Config, Marked, Names, Own
from tests.refusals import refuses
from tests.tiny import tiny_split

NAME = "cbr_tiny"
GREY = Preprocessing((0.4,), (0.2,), 1)
State = dict[str, Tensor]
Make = Callable[[nn.Module], Any]  # what the file of a network holds


@pytest.fixture
def model() -> nn.Module:
    """A network with numbers of its own everywhere, also in its batch norm."""
    made = build_model(NAME, num_classes=2, seed=5)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.num_batches_tracked.fill_(7)
    return made.eval()


@pytest.fixture
def state(model: nn.Module) -> State:
    return model.state_dict()


def read(path: Path, **options: Any) -> State:
    """The backbone that build_model makes of a file."""
    made = build_model(NAME, weights=path, num_classes=3, seed=0, **{"preprocessing": GREY, **options})
    return {key: value for key, value in made.state_dict().items() if not key.startswith("head.")}


def assert_backbone(found: State, state: State) -> None:
    assert len(found) > 20
    assert all(torch.equal(value, state[key]) for key, value in found.items())


def put(state: State, prefix: str) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


# ---- what is understood
OPTIMIZER = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
PREFIXES = ["module.", "_orig_mod.", "model.", "net.", "backbone.", "encoder.", "student.", "a.b."]
PREFIXES += ["module.model.", "_orig_mod.module.", "module.encoder_q.", "model.net.backbone."]
KEYS = ["state_dict", "model", "model_state_dict", "net", "weights", "params", "model_ema", "anything"]
LOSSES = ["criterion.pos_weight", "loss_fn.weight", "train_loss.cross_entropy.weight"]


def beside() -> dict[str, Any]:
    """Dictionaries and lists of other classes, whatever they are called."""
    config = Config(a=Config(b=1))
    config.frozen = True  # an attribute of the dictionary itself, as yacs has
    return {"config": config, "steps": deque([1, 2]), "names": Names("ab"), "counts": defaultdict(int, a=1)}


READ: dict[str, Make] = {
    **{f"prefix {prefix}": lambda m, p=prefix: put(m.state_dict(), p) for prefix in PREFIXES},
    **{
        f"under {key}": lambda m, k=key: {k: put(m.state_dict(), "module."), "optimizer": OPTIMIZER, "epoch": 3}
        for key in KEYS
    },
    "two levels down in an old file": lambda m: OrderedDict(
        model=OrderedDict(state_dict=OrderedDict(m.state_dict())), loss={"center": torch.zeros(3)}
    ),
    "beside objects": lambda m: {"state_dict": m.state_dict(), **beside()},
    "in a dictionary of another class": lambda m: {"weights": Config(m.state_dict())},
    "a network, for all its name": lambda m: nn.ModuleDict({"net": m}),
    **{
        f"class weights {loss}": lambda m, k=loss: {"state_dict": put(m.state_dict(), "model.") | {k: torch.ones(2)}}
        for loss in LOSSES
    },
    "a running mean of weights": lambda m: AveragedModel(m).state_dict(),
    "a parallel network": lambda m: nn.DataParallel(m).state_dict(),
    "a compiled network": lambda m: torch.compile(m).state_dict(),
    "twice the same is no question": lambda m: {"model": m.state_dict(), "ema": m.state_dict()},
    "a checkpoint of pretrain": lambda m: {
        **{"name": NAME, "recipe": {"steps": 9}, "model": m.state_dict(), "step": 3, "lines": ["a"]},
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": []},
    },
}


@pytest.mark.parametrize("kind", READ)
def test_the_one_set_of_weights_is_found_wherever_it_is(tmp_path: Path, model: nn.Module, kind: str) -> None:
    torch.save(READ[kind](model), tmp_path / "w.tar", _use_new_zipfile_serialization="old" not in kind)
    assert_backbone(read(tmp_path / "w.tar"), model.state_dict())


@pytest.mark.parametrize("suffix", [".bin", ".pth", ".weights", ""])
def test_the_content_decides_and_not_the_name(tmp_path: Path, model: nn.Module, state: State, suffix: str) -> None:
    save_model(model, tmp_path / "a.safetensors")
    path = (tmp_path / "a.safetensors").rename(tmp_path / f"b{suffix}")
    assert_backbone(read(path, preprocessing=None), state)


@pytest.mark.parametrize("old", [False, True])
def test_a_lightning_file_with_other_objects_is_read_without_building_them(tmp_path, state, old):
    content = {
        "state_dict": put(state, "net."),
        "hyper_parameters": argparse.Namespace(lr=0.1, path=pathlib.Path("data"), when=np.float64(3)),
        "callbacks": {"best": Callback("best.ckpt"), "counts": defaultdict(int, epochs=1), "array": np.arange(3)},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2)}}}],
    }
    torch.save(content, tmp_path / "last.ckpt", _use_new_zipfile_serialization=not old)
    before = Callback.built
    assert_backbone(read(tmp_path / "last.ckpt"), state)
    assert Callback.built == before
    found = load_weights(NAME, tmp_path / "last.ckpt", preprocessing=GREY).info["passed_over"]
    assert "argparse.Namespace" in found


WRAPPED: list[Callable[[nn.Module], Any]] = [lambda m: m, nn.DataParallel, lambda m: {"model": m, "epoch": 1}]


@pytest.mark.parametrize("k", range(3))
def test_a_whole_pickled_network_is_read_without_building_it(tmp_path: Path, model: nn.Module, k: int) -> None:
    torch.save(WRAPPED[k](model), tmp_path / "whole.pth")
    given = model.preprocessing if k == 2 else None  # in the first two the file says it
    made = build_model(NAME, weights=tmp_path / "whole.pth", num_classes=2, keep_head=True, preprocessing=given)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in made.state_dict().items())
    assert made.preprocessing == model.preprocessing


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_every_width_become_float32(tmp_path: Path, state: State, dtype: torch.dtype) -> None:
    other = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
    torch.save(other, tmp_path / "w.pth")
    found = read(tmp_path / "w.pth")
    assert all(torch.equal(v, other[k].float()) for k, v in found.items() if v.is_floating_point())


HEADS: list[State] = [
    {},
    {"head.weight": torch.ones(1000, 256), "head.bias": torch.ones(1000)},
    {"fc.weight": torch.ones(2, 256), "fc.bias": torch.ones(2)},
    {"head.0.weight": torch.ones(64, 256), "head.2.weight": torch.ones(2, 64)},
]


def test_missing_counters_other_heads_and_heads_under_another_name_do_not_matter(tmp_path: Path, state: State) -> None:
    bare = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked") and not k.startswith("head.")}
    for head in HEADS:
        torch.save(bare | head, tmp_path / "w.pth")
        found = read(tmp_path / "w.pth")
        assert all(torch.equal(found[k], v) for k, v in bare.items())
    torch.save(bare | {"block2.attention.weight": torch.ones(2)}, tmp_path / "w.pth")  # no other part may be left over
    refuses(r"unexpected 1 \(block2.attention.weight\)", read, tmp_path / "w.pth")


# ---- no guesses
def moco(m: nn.Module) -> State:
    both = put(m.state_dict(), "module.encoder_q.") | put(plus_one(m), "module.encoder_k.")
    return {"state_dict": both | {"module.queue": torch.zeros(4, 4)}}


def plus_one(m: nn.Module) -> State:
    return {key: value + 1 for key, value in m.state_dict().items()}


def teacher_and_student(m: nn.Module) -> dict[str, Any]:
    student = put(m.state_dict(), "module.backbone.") | {"module.head.mlp.weight": torch.ones(2, 2)}
    teacher = put(plus_one(m), "backbone.") | {"head.mlp.weight": torch.ones(2, 2)}
    return {"student": student, "teacher": teacher, "args": argparse.Namespace(a=1), "loss": {"c": torch.ones(1)}}


# What is refused until one is named, and the entries: that of the network first, then that of the other one.
ENTRIES: dict[str, tuple[Make, str, list[str]]] = {
    "two sets": (
        lambda m: {"model": m.state_dict(), "model_ema": put(plus_one(m), "module.")},
        r"holds 2 that fit and differ.*entry='model' or entry='model_ema'",
        ["model", "model_ema"],
    ),
    "a momentum encoder": (
        moco,
        r"entry='state_dict.module.encoder_k' or entry='state_dict.module.encoder_q'",
        ["state_dict.module.encoder_q", "state_dict.module.encoder_k"],
    ),
    "a projector": (
        lambda m: put(m.state_dict(), "model.") | {"projector.0.weight": torch.ones(2, 2)},
        "pass entry='model'",
        ["model"],
    ),
    "a teacher and its student": (
        teacher_and_student,
        r"unexpected 27.*entry='student.module.backbone' or entry='teacher.backbone'",
        ["student.module.backbone", "teacher.backbone"],
    ),
}


@pytest.mark.parametrize("kind", ENTRIES)
def test_several_sets_that_may_be_meant_are_refused_until_one_is_named(tmp_path, model, kind):
    make, words, entries = ENTRIES[kind]
    torch.save(make(model), tmp_path / "w.pth")
    refuses(words, read, tmp_path / "w.pth")
    for entry, expected in zip(entries, (model.state_dict(), plus_one(model)), strict=False):
        assert_backbone(read(tmp_path / "w.pth", entry=entry), expected)
    refuses(r"entry= to name a part .*'nothing'.*conv.weight 32x1x5x5", read, tmp_path / "w.pth", entry="nothing")


def half(m: nn.Module) -> State:
    return {k if k >= "block3" else f"model.{k}": v for k, v in m.state_dict().items()}


class Runs:
    """Would run a command if it were unpickled without care."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


RECIPE = r"torch.save\(model.state_dict\(\)"
RUN = {"system": Runs(os.system, "exit 1"), "eval": Runs(eval, "1/0"), "exec": Runs(exec, "1/0")}
ODD = torch.zeros(32, 1, 5, 5)
REFUSED: dict[str, tuple[Make, str]] = {
    "a network in an old file": (lambda m: m, rf"lab_utils.networks.cbr.CBR.*{RECIPE}, 'weights.pth'"),
    "a network of the user": (lambda m: Own(), r"do not fit.*first.weight 2x3.*weight_objects.Own"),
    "a prefix on one half": (half, "do not fit"),
    "another network": (
        lambda m: {"net": put(build_model("resnet10_w16", num_classes=2).state_dict(), "m.")},
        r"net \(74 tensors: m.stem.0.weight 16x1x7x7.*weights of resnet10_w16",
    ),
    "names of timm": (
        lambda m: {"blocks.0.attn.qkv.weight": torch.zeros(3, 3)},
        r"fit no network of the kit; the names are timm's",
    ),
    "parameters": (lambda m: {"state_dict": dict(m.named_parameters())}, r"parameters only; save model.state_dict\(\)"),
    "a list": (lambda m: [m.state_dict()], "no tensors under names; beside it one list"),
    "a tensor": (lambda m: torch.ones(2), "no tensors under names; beside it one Tensor"),
    "a number": (lambda m: {"epoch": 3}, "no tensors under names; beside it epoch"),
    "one part of several": (lambda m: {k: v for k, v in m.state_dict().items() if k < "block3"}, "one part of several"),
    **{
        name: (lambda m, v=value: m.state_dict() | {"block1.conv.weight": v}, f"block1.conv.weight.*{says}|{says}")
        for name, value, says in (
            ("whole numbers", ODD.to(torch.int8), r"whole numbers \(torch.int8\)"),
            ("no float32", torch.full_like(ODD, 1e300, dtype=torch.float64), "NaN or infinite"),
            ("NaN", torch.full_like(ODD, torch.nan, dtype=torch.float16), "NaN or infinite"),
            ("complex", ODD.to(torch.complex64), "no plain tensor"),
            ("sparse", ODD.to_sparse(), "no plain tensor"),
            ("without content", ODD.to("meta"), "no plain tensor"),
        )
    },
    **{
        f"{kind} {name}": (
            lambda m, c=call: {"state_dict": m.state_dict(), "config": c},
            r"it is refused: it names .* could run code",
        )
        for name, call in RUN.items()
        for kind in ("new", "old")
    },
    "a tensor of another class": (
        lambda m: {"state_dict": m.state_dict(), "config": torch.ones(2).as_subclass(Marked)},
        f"Marked.*{RECIPE}",
    ),
    "protocol 4": (lambda m: m.state_dict(), f"another pickle protocol.*{RECIPE}"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_gives_no_weights_is_refused_with_what_to_do(tmp_path: Path, model: nn.Module, kind: str) -> None:
    make, words = REFUSED[kind]
    path = tmp_path / ("pytorch_model-00001-of-00002.bin" if "one part" in kind else "w.pth")
    options = {"pickle_protocol": 4} if kind == "protocol 4" else {}
    torch.save(make(model), path, _use_new_zipfile_serialization="old" not in kind, **options)
    text = refuses(words, read, path)
    assert "weights_only" not in text  # which would be the advice to load it
    assert kind != "protocol 4" or "no tensors" not in text


# ---- what is no such file
def numpy(save: Callable[..., None], **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def zipped(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>404", "it is a web page"),
        (b"\n\n<html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer.*git lfs pull"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "HDF5 file"),
        (b"\x08\x07\x12\x07pytorch\x1a\x05" + bytes(300), "ONNX"),
        (gzip.compress(b"x" * 100, mtime=0), "gzip"),
        (b'{"metadata": {}, "weight_map": {}}', "JSON.*index of several files"),
        (b"epoch,loss\n1,0.5\n", "it is text .*epoch,loss"),
        (pickle.dumps({"a": 1}), "a pickle, but not one that torch.save wrote"),
        (zipped({"a.npy": b"", "b.npy": b""}), r"NumPy arrays \(a.npy, b.npy\)"),
        (zipped({"model.weights.h5": b"", "config.json": b"{}"}), "it holds the weights of a Keras network"),
        (zipped({"readme.txt": b"", "w.pth": b""}), "zip archive with readme.txt, w.pth"),
        (zipped({"m/data.pkl": b"", "m/code/a.py": b"", "m/constants.pkl": b""}), "TorchScript.*torch.jit.load"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x99" * 20, "begins with the bytes 00 01 02"),
        (b"\xff\xd8\xff\xe0" + bytes(99), "picture"),
        (numpy(np.savez, a=np.ones(2)), "NumPy array"),
        (numpy(np.save, arr=np.ones(2)), "NumPy array"),
    ],
)
def test_what_is_no_weight_file_is_named_with_what_to_do(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=f"w.pth, but {says}|w.pth, but it is .*{says}") as error:
        read(tmp_path / "w.pth")
    for wrong in ("cut short", "another network", "weights_only", "\n", "lab_utils.studies.pretrain"):
        assert wrong not in str(error.value)


def test_folders_and_pipes_and_names_that_are_nearly_right(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "best.pth")
    refuses(r"it is a folder. Give one of the files in it: best.pth", read, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"Did you mean 'best.pth'\?"):
        read(tmp_path / "bset.pth")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        read(tmp_path / "nowhere" / "best.pth")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pth")
        refuses("pipe", read, tmp_path / "pipe.pth")


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_cut_short_is_said_where_it_is_true(tmp_path: Path, model: nn.Module, kind: str) -> None:
    path = tmp_path / "w.safetensors"
    if kind == "safetensors":
        save_model(model, path)
    else:
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=kind == "zip")
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2, 2000):
        path.write_bytes(whole[:length])
        refuses("it is cut short", read, path, preprocessing=None if kind == "safetensors" else GREY)


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_a_flipped_bit_never_gives_other_weights(tmp_path: Path, model: nn.Module, kind: str) -> None:
    path = tmp_path / "w.safetensors"
    if kind == "safetensors":
        save_model(model, path)
    else:
        torch.save(model.state_dict(), path)
    given = None if kind == "safetensors" else model.preprocessing
    whole, draw = path.read_bytes(), random.Random(0)
    places = [draw.randrange(len(whole)) for _ in range(15)] + [draw.randrange(1500) for _ in range(15)]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :])
        try:
            made = build_model(NAME, weights=path, num_classes=2, keep_head=True, preprocessing=given)
        except ValueError:
            continue
        assert made.preprocessing == model.preprocessing  # the bit was one that nothing depends on
        assert all(torch.equal(value, model.state_dict()[key]) for key, value in made.state_dict().items())


def test_files_without_checksums_are_still_read(tmp_path: Path, state: State) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "w.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    assert_backbone(read(tmp_path / "w.pth"), state)


# ---- trained networks come back
def trained(path: Path | None = None) -> tuple[nn.Module, Any]:
    """A network that learned a little, with a preprocessing that nobody would assume."""
    model = build_model("resnet10_w16", num_classes=2, seed=0, preprocessing=Preprocessing((0.8,), (0.1,), 1))
    split = tiny_split(60, size=16)
    fit(model, split, steps=40, lr=3e-3, progress=False, device="cpu", checkpoint=path)
    return model, split


def accuracy(model: nn.Module, split: Any) -> float:
    return float((predict(model, split, device="cpu").argmax(1) == split.labels).float().mean())


def test_a_trained_network_comes_back_with_its_logits_bit_for_bit(tmp_path: Path) -> None:
    model, split = trained()
    path = tmp_path / "deep" / "mine.safetensors"
    save_model(model, path, class_names=split.class_names)
    before = torch.random.get_rng_state()
    back = load_model(path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(predict(back, split, device="cpu"), predict(model, split, device="cpu"))
    assert (back.name, back.preprocessing, back.class_names) == (model.name, model.preprocessing, split.class_names)
    assert not any(module.training for module in back.modules())
    assert all(parameter.requires_grad for parameter in back.parameters())
    kept = build_model("resnet10_w16", weights=path, num_classes=2, keep_head=True)
    assert kept.training
    assert torch.equal(predict(kept, split, device="cpu"), predict(model, split, device="cpu"))
    assert [entry.name for entry in path.parent.iterdir()] == ["mine.safetensors"]


def test_the_two_ways_in_which_a_trained_network_was_lost_are_said(tmp_path: Path) -> None:
    model, split = trained()
    assert accuracy(model, split) > 0.9
    torch.save(model.state_dict(), tmp_path / "mine.pth")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        other = build_model("resnet10_w16", weights=tmp_path / "mine.pth", num_classes=2, seed=0)
    texts = [str(warning.message) for warning in said]
    assert len(texts) == 2
    assert "does not record how its training images were prepared; assumed: mean=(0.5,), std=(0.25,)" in texts[0]
    assert "head of 2 classes, as many as you ask for, but it is not used" in texts[1]
    assert all(Path(warning.filename).name == Path(__file__).name for warning in said)
    assert accuracy(other, split) < 0.8
    options = {"keep_head": True, "preprocessing": model.preprocessing}
    right = build_model("resnet10_w16", weights=tmp_path / "mine.pth", num_classes=2, **options)
    assert torch.equal(predict(right, split, device="cpu"), predict(model, split, device="cpu"))


def test_a_checkpoint_of_fit_gives_the_network_that_fit_left(tmp_path: Path) -> None:
    path = tmp_path / "run.pt"
    model, split = trained(path)
    back = build_model("resnet10_w16", weights=path, num_classes=2, keep_head=True)
    assert back.preprocessing == model.preprocessing
    assert torch.equal(predict(back, split, device="cpu"), predict(model, split, device="cpu"))
    content = torch.load(path, weights_only=True)  # as after a run with a val set, whose best weights fit leaves
    best = {key: value + 1 for key, value in model.state_dict().items()}
    content["state"]["history"]["best_state"] = best
    torch.save(content, path)
    back = build_model("resnet10_w16", weights=path, num_classes=2, keep_head=True)
    assert all(torch.equal(value, best[key]) for key, value in back.state_dict().items())


def test_a_head_is_kept_only_whole_and_dropped_without_a_word_only_where_it_would_not_fit(tmp_path, model):
    save_model(model, tmp_path / "m.safetensors")
    for options in ({"num_classes": 5}, {"num_classes": 2, "keep_head": False}):
        made = build_model(NAME, weights=tmp_path / "m.safetensors", **options)
        assert not torch.equal(made.head.weight[:2], model.head.weight)
    with pytest.raises(
        ValueError, match=r"head.bias 5, head.weight 5x256.*got head.bias 2, head.weight 2x256; pass num_classes=2"
    ):
        build_model(NAME, weights=tmp_path / "m.safetensors", num_classes=5, keep_head=True)
    with pytest.raises(ValueError, match=r"expected in_channels=1, .* got in_channels=3"):
        build_model(NAME, weights=tmp_path / "m.safetensors", num_classes=2, in_channels=3, keep_head=True)
    refuses("expected weights= with keep_head=True", build_model, NAME, num_classes=2, keep_head=True)
    refuses("only the backbone", build_model, NAME, weights="procedural", num_classes=2, keep_head=True)


def test_one_channel_a_size_and_wrappers_survive(tmp_path: Path) -> None:
    source = tv.shufflenet_v2_x0_5(weights=None)
    torch.save(source.state_dict(), tmp_path / "rgb.pth")
    rgb = Preprocessing((0.2, 0.4, 0.6), (0.1, 0.2, 0.3), 3)
    grey = build_model("shufflenet_v2_x0_5", weights=tmp_path / "rgb.pth", num_classes=2, preprocessing=rgb).eval()
    grey.preprocessing = Preprocessing((0.4,), (0.2,), 1, min_size=48)
    save_model(nn.DataParallel(grey), tmp_path / "grey.safetensors")
    back = load_model(tmp_path / "grey.safetensors")
    assert back.conv1[0].in_channels == 1
    assert back.preprocessing == grey.preprocessing
    images = torch.randint(0, 256, (2, 1, 40, 40), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(back(preprocess(back, images)), grey(preprocess(grey, images)))


def test_a_network_that_build_model_does_not_make_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    changes: dict[str, Callable[[nn.Module], object]] = {
        "block1.conv.weight": lambda m: setattr(m.block1, "conv", nn.Conv2d(1, 32, 3)),
        "a head of one layer": lambda m: setattr(m, "head", nn.Sequential(nn.Linear(256, 8), nn.Linear(8, 2))),
        r"look at print\(model\)": lambda m: setattr(m.block1, "relu", nn.GELU()),
        "network that build_model made": lambda m: setattr(m, "name", "mine"),
        "float64": lambda m: m.double(),
        "NaN": lambda m: m.head.weight.data.fill_(torch.nan),
    }
    for says, change in changes.items():
        model = build_model(NAME, num_classes=2)
        change(model)
        refuses(says, save_model, model, path)
    model = build_model(NAME, num_classes=2)
    for names in ("ab", ["a"], [1, 2]):
        with pytest.raises(ValueError, match="one name for each of the 2 logits"):
            save_model(model, path, class_names=names)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"expected save_model\(model, path\)"):
        save_model(path, model)  # type: ignore[arg-type]
    refuses(r"ends in .safetensors", save_model, model, tmp_path / "m.pth")
    assert list(tmp_path.iterdir()) == []


def test_load_model_says_what_else_a_file_is(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "w.pth")
    refuses(r"does not say which network.*keep_head=True", load_model, tmp_path / "w.pth")
    with pytest.raises(FileNotFoundError, match="not there"):
        load_model(tmp_path / "gone.safetensors")


# ---- preprocessing
def test_preprocessing_is_said_where_it_is_assumed_and_only_there(tmp_path: Path, state: State) -> None:
    torch.save(state, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=r"assumed: mean=\(0.5,\)"):
        build_model(NAME, weights=tmp_path / "w.pth", num_classes=3)
    assert build_model(NAME, weights=tmp_path / "w.pth", num_classes=3, preprocessing=GREY).preprocessing == GREY
    with pytest.raises(ValueError, match=r"preprocessing of 1 channels.*got one of 3"):
        read(tmp_path / "w.pth", preprocessing=Preprocessing((0.5,) * 3, (0.25,) * 3, 3))
    with pytest.raises(ValueError, match="only for weights that do not record theirs"):
        build_model(NAME, weights="procedural", num_classes=2, preprocessing=GREY)
    with pytest.raises(ValueError, match=r"to be a Preprocessing\(mean, std, channels\), got dict"):
        read(tmp_path / "w.pth", preprocessing={"mean": 0.5})


def test_the_input_channels_come_from_the_first_convolution_in_any_order_of_names(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = build_model("resnet10_w16", num_classes=2).state_dict()
    save_file(state, tmp_path / "w.safetensors")  # sorted by name: layer1.conv1.weight comes first
    with pytest.warns(UserWarning, match="does not record"):
        made = build_model("resnet10_w16", weights=tmp_path / "w.safetensors", num_classes=3)
    assert torch.equal(made.stem[0].weight, state["stem.0.weight"])


@pytest.mark.parametrize("text", ["", "x", "[1]", '{"mean": 1}', '{"mean": ["a"], "std": [1], "channels": 1}'])
def test_a_record_that_cannot_be_understood_is_refused(tmp_path: Path, state: State, text: str) -> None:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in state.items()}, tmp_path / "w.safetensors", {"preprocessing": text})
    refuses("records of its preprocessing", build_model, NAME, weights=tmp_path / "w.safetensors", num_classes=3)


# ---- manifest
@pytest.mark.parametrize(
    ("manifest", "says"),
    [
        ([], "holds a list where a mapping"),
        ({NAME: {"file": "a"}}, "has no sha256 and no preprocessing"),
        ({NAME: 3}, "has no file"),
        ({NAME: {"file": "a", "sha256": "0", "preprocessing": {}}}, "the file is not there"),
        ({"resnet10_w16": {}}, "networks with procedural weights"),
    ],
)
def test_a_manifest_that_is_not_ours_is_named(tmp_path, monkeypatch, manifest, says):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    with pytest.raises((ValueError, FileNotFoundError), match=says):
        build_model(NAME, weights="procedural", num_classes=2)


def test_a_folder_of_weights_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(OSError, match=r"manifest.json .*cannot be read \(Permission denied\).*LAB_DATA"):
        build_model(NAME, weights="procedural", num_classes=2)


def test_a_checksum_in_capitals_is_the_same_checksum(tmp_path, monkeypatch, model):
    from lab_utils.doctor import check_weights
    from lab_utils.networks.known_weights import sha256

    save_model(model, tmp_path / "weights" / "a.safetensors")
    digest = sha256(tmp_path / "weights" / "a.safetensors").upper()
    entry = {"file": "a.safetensors", "sha256": digest, "preprocessing": {"mean": [0.5], "std": [0.25], "channels": 1}}
    (tmp_path / "weights" / "manifest.json").write_text(json.dumps({NAME: entry}))
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    made = build_model(NAME, weights="procedural", num_classes=3)
    assert torch.equal(made.block1.conv.weight, model.block1.conv.weight)
    assert check_weights().state == "ok"
    (tmp_path / "weights" / "manifest.json").write_text("{}")
    assert check_weights().state == "problem"
