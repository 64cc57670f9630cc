"""Bad input of every kind: one row each, one paragraph each, nothing half-written left behind.

To add a row, add it to the list of its subject, or a list to `ROWS`.
"""

import errno
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lab_utils.data import Split, check_disjoint, load_data, load_phantoms, split_by_image, subset
from lab_utils.data.published import PUBLISHED
from lab_utils.networks import DEFAULT_PREPROCESSING, build_model, load_weights, save_weights
from lab_utils.training import fit
from lab_utils.transfer import freeze

# What is done: how, what must be said (what was expected ... what came ... what to do), and the kind of error.
Rows = dict[str, tuple[Callable[[Path], object], str] | tuple[Callable[[Path], object], str, type[Exception]]]


# --- data sets -----------------------------------------------------------------------------------------------------


def npz(folder: Path, **changes: Any) -> Path:
    """A small file in MedMNIST's format, with some arrays replaced, or left out where None is given."""
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = np.full((6, 8, 8), 100, np.uint8)
        arrays[f"{part}_labels"] = np.array([[0], [1]] * 3)
    path = folder / "mine.npz"
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def cut_short(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-200])
    return path


def pixels(value: float) -> np.ndarray:
    images = np.full((6, 8, 8), 0.5, np.float32)
    images[3, 2, 1] = value
    return images


def published(folder: Path) -> object:
    npz(folder).rename(folder / "pneumoniamnist.npz")
    return load_data("pneumoniamnist_28", root=folder)


def course(folder: Path, spoil: Callable[[Path], object]) -> object:
    for name in ("normal", "pneumonia", "test_normal", "test_pneumonia"):
        np.save(folder / f"{name}.npy", np.zeros((10, 8, 8), np.uint8))
    spoil(folder)
    return load_data("course", root=folder)


def pictures(folder: Path, spoil: Callable[[Path], object]) -> object:
    for part in ("train", "val", "test"):
        for name in ("normal", "sick"):
            (folder / part / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / part / name / f"{i}.png")
    spoil(folder)
    return load_data(folder)


def one_patient_everywhere(folder: Path) -> None:
    for part in ("train", "test"):
        picture = folder / part / "sick" / "0.png"
        (folder / part / "sick" / "patient7").mkdir()
        picture.rename(folder / part / "sick" / "patient7" / "0.png")


def no_network(folder: Path) -> object:
    def refuse(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urllib.request, "urlopen", refuse)
        return load_data("retinamnist_28", root=folder)


def full_disk(folder: Path) -> object:
    def refuse(self: object, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        """Opens a real file, so that there is something to leave behind, and cannot write it."""

        def __init__(self, path: Path, mode: str) -> None:
            self.file = open(path, mode)  # noqa: SIM115

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *error: object) -> None:
            self.file.close()

        write = refuse

    (folder / "server").mkdir()
    (folder / "server" / "retinamnist.npz").write_bytes(b"content")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lab_utils.data.medmnist.URL", (folder / "server").as_uri() + "/{}")
        patch.setattr("lab_utils.data.download.open", Full, raising=False)
        return load_data("retinamnist_28", root=folder / "cache")


def folder_is_a_file(folder: Path) -> object:
    (folder / "cache").write_text("not a folder")
    return load_data("retinamnist_28", root=folder / "cache")


DATA: Rows = {
    "unknown data set": (
        lambda f: load_data("retinamist"),
        "data must be one of ... 'retinamist' ... Did you mean 'retinamnist'",
    ),
    "no such file": (
        lambda f: load_data(f / "mine.npz"),
        "npz file was expected ... there is none ... Check the path",
        FileNotFoundError,
    ),
    "no such folder": (
        lambda f: load_data(f / "images"),
        "folder of class folders was expected ... there is none ... Check the path",
        FileNotFoundError,
    ),
    "truncated npz": (lambda f: load_data(cut_short(npz(f))), "a whole .npz file ... cut short ... download it again"),
    "wrong checksum": (
        published,
        f"should have MD5 {PUBLISHED['pneumoniamnist'].md5[0]} ... it has ... Delete it and load again",
    ),
    "missing key": (
        lambda f: load_data(npz(f, val_labels=None)),
        "must hold the arrays ... val_labels is missing ... Save it with",
    ),
    "labels too short": (
        lambda f: load_data(npz(f, train_labels=np.zeros((5, 1)))),
        "must have shape (6, 1) ... (5, 1) ... from the same rows",
    ),
    "labels out of range": (
        lambda f: load_data(npz(f, train_labels=np.array([0, 1, 2, 0, 1, 9])), class_names=("a", "b", "c")),
        "whole numbers from 0 to 2 ... for example 9 ... Correct the labels",
    ),
    "negative labels": (
        lambda f: load_data(npz(f, test_labels=np.array([0, 1, -1, 0, 1, 1]))),
        "whole numbers from 0 to 1 ... for example -1 ... Correct the labels",
    ),
    "a stray label without class names": (
        lambda f: load_data(npz(f, train_labels=np.array([0, 1, 0, 1, 0, 10**9]))),
        "number the classes from 0 ... the largest label is 1000000000 ... Correct the labels",
    ),
    "a label that no whole number type holds": (
        lambda f: load_data(npz(f, val_labels=np.array([0, 1, 0, 1, 0, 1e30])), class_names=("a", "b")),
        "whole numbers from 0 to 1 ... for example 9007199254740992 ... Correct the labels",
    ),
    "labels that are NaN": (
        lambda f: load_data(npz(f, val_labels=np.full((6, 1), np.nan))),
        "must be whole numbers ... holds NaN ... Number the classes",
    ),
    "NaN pixels": (
        lambda f: load_data(npz(f, train_images=pixels(np.nan))),
        "must be a finite number ... 1 are NaN or infinite ... leave out these images",
    ),
    "infinite pixels": (
        lambda f: load_data(npz(f, train_images=pixels(np.inf))),
        "must be a finite number ... 1 are NaN or infinite ... leave out these images",
    ),
    "float pixels above 1": (
        lambda f: load_data(npz(f, train_images=pixels(1.5))),
        "must lie in [0, 1] ... from 0.5 to 1.5 ... Rescale them",
    ),
    "float pixels below 0": (
        lambda f: load_data(npz(f, test_images=pixels(-2))),
        "must lie in [0, 1] ... from -2 to 0.5 ... Rescale them",
    ),
    "whole numbers above 255": (
        lambda f: load_data(npz(f, val_images=np.full((6, 8, 8), 4000, np.int16))),
        "must lie in [0, 255] ... to 4000 ... Rescale them",
    ),
    "16-bit pixels": (
        lambda f: load_data(npz(f, val_images=np.full((6, 8, 8), 4000, np.uint16))),
        "must lie in [0, 255] ... to 4000 ... Rescale them",
    ),
    "pixels of a type that holds no picture": (
        lambda f: load_data(npz(f, val_images=np.full((6, 8, 8), "grey"))),
        "must be uint8 or floats ... <U4 ... Convert them",
    ),
    "images without pixels": (
        lambda f: load_data(npz(f, val_images=np.zeros((6, 0, 8), np.uint8))),
        "must have shape (N, H, W) ... (6, 0, 8) ... keep one picture per row",
    ),
    "a side that is no whole number": (
        lambda f: load_data(npz(f), size=6.5),
        "a side in pixels, a whole number ... got 6.5 ... For example 64",
    ),
    "pixels in a wrong shape": (
        lambda f: load_data(npz(f, train_images=np.zeros((6, 8, 8, 4), np.uint8))),
        "must have shape (N, H, W) ... (6, 8, 8, 4) ... Move the colour axis",
    ),
    "pickled objects in npz": (
        lambda f: load_data(npz(f, train_labels=np.array([{}] * 6))),
        "plain array of numbers ... type object ... never loaded",
    ),
    "an empty class": (
        lambda f: load_data(npz(f, train_labels=np.array([0, 0, 0, 2, 2, 2]))),
        "needs at least one image ... none of class 1 ... Add images",
    ),
    "an empty part": (
        lambda f: load_data(npz(f, val_images=np.zeros((0, 8, 8), np.uint8), val_labels=np.zeros((0, 1)))),
        "at least one row ... it is empty ... Leave out",
    ),
    "n larger than the set": (
        lambda f: load_data(npz(f), n_train=7),
        "whole number n from 1 to 6 ... n = 7 ... Ask for fewer",
    ),
    "n that is no whole number": (
        lambda f: load_data(npz(f), n_train=2.5),
        "a whole number of at least 1 ... got 2.5 (float) ... n_train=100",
    ),
    "no network": (
        no_network,
        "should come from https:// ... Name or service not known ... in a browser",
        RuntimeError,
    ),
    "a full disk": (full_disk, "should be stored in ... No space left ... LAB_CACHE", RuntimeError),
    "a cache folder that cannot be written": (
        folder_is_a_file,
        "should be stored in ... cannot be written ... LAB_CACHE",
        RuntimeError,
    ),
    "course file missing": (
        lambda f: course(f, lambda g: (g / "pneumonia.npy").unlink()),
        "should hold normal.npy ... pneumonia.npy is missing ... root=",
        FileNotFoundError,
    ),
    "course file truncated": (
        lambda f: course(f, lambda g: cut_short(g / "normal.npy")),
        "a whole .npy file ... cannot be read ... Copy it again",
    ),
    "course file pickled": (
        lambda f: course(f, lambda g: np.save(g / "normal.npy", np.array([{}] * 9), allow_pickle=True)),
        "a whole .npy file ... cannot be read ... never loaded",
    ),
    "empty course file": (
        lambda f: course(f, lambda g: np.save(g / "normal.npy", np.zeros((0, 8, 8), np.uint8))),
        "at least two grey images ... (0, 8, 8) ... copy the course's file",
    ),
    "picture damaged": (
        lambda f: pictures(f, lambda g: (g / "train/sick/1.png").write_bytes(b"\x89PNG")),
        "whole picture was expected ... 1.png ... copy it again",
    ),
    "picture truncated": (
        lambda f: pictures(
            f, lambda g: (g / "test/sick/1.png").write_bytes((g / "test/sick/1.png").read_bytes()[:-30])
        ),
        "whole picture was expected ... cannot be decoded ... copy it again",
    ),
    "picture with 16 bits": (
        lambda f: pictures(f, lambda g: Image.fromarray(np.zeros((8, 8), np.uint16)).save(g / "train/sick/1.png")),
        "8-bit picture was expected ... more grey levels ... save it as 8-bit",
    ),
    "class folder empty": (
        lambda f: pictures(f, lambda g: [p.unlink() for p in (g / "test/sick").iterdir()]),
        "every class folder needs pictures ... holds none ... Add pictures",
    ),
    "class folder missing": (
        lambda f: pictures(f, lambda g: (g / "test/sick").rename(g / "test/ill")),
        "should hold the class folders normal, sick ... it holds ill, normal ... the same classes",
    ),
    "patient in two part folders": (
        lambda f: pictures(f, one_patient_everywhere),
        "in one part only ... both train and test: patient7 ... Move all images",
    ),
}


# --- splits made by hand -------------------------------------------------------------------------------------------


def by_hand(**changes: Any) -> Split:
    given: dict[str, Any] = {
        "images": torch.zeros(6, 1, 8, 8, dtype=torch.uint8),
        "labels": torch.tensor([0, 1] * 3),
        "groups": torch.arange(6) // 3,
        "task": "binary",
        "class_names": ("normal", "sick"),
    }
    return Split(**given | changes)


def findings(value: float) -> Split:
    return by_hand(labels=torch.full((6, 2), value), task="multilabel")


SPLITS: Rows = {
    "float images": (lambda f: by_hand(images=torch.rand(6, 1, 8, 8)), "must be uint8 ... float32 ... as_uint8"),
    "images without channels": (
        lambda f: by_hand(images=torch.zeros(6, 8, 8, dtype=torch.uint8)),
        "(N, C, H, W) ... (6, 8, 8) ... images[:, None]",
    ),
    "no images": (
        lambda f: by_hand(images=torch.zeros(0, 1, 8, 8, dtype=torch.uint8)),
        "with N > 0 ... (0, 1, 8, 8) ... need",
    ),
    "wrong number of labels": (
        lambda f: by_hand(labels=torch.zeros(5, dtype=torch.int64)),
        "shape (6,) ... (5,) ... exactly one row",
    ),
    "float labels": (lambda f: by_hand(labels=torch.zeros(6)), "torch.int64 ... torch.float32 ... exactly one row"),
    "label out of range": (
        lambda f: by_hand(labels=torch.tensor([0, 1, 0, 1, 0, 2])),
        "from 0 to 1 ... for example 2 ... Correct the labels",
    ),
    "finding that is NaN": (
        lambda f: findings(float("nan")),
        "1 (present), 0 (absent) or -1 ... for example nan ... Correct the labels",
    ),
    "finding out of range": (
        lambda f: findings(2.0),
        "1 (present), 0 (absent) or -1 ... for example 2.0 ... Correct the labels",
    ),
    "wrong number of patients": (
        lambda f: by_hand(groups=torch.arange(5)),
        "int64 of shape (6,) ... (5,) ... torch.arange",
    ),
    "unknown task": (lambda f: by_hand(task="regression"), "must be one of ... 'regression' ... Choose one"),
    "too many class names": (
        lambda f: by_hand(class_names=("a", "b", "c")),
        "exactly 2 class names ... ('a', 'b', 'c') ... one name per class",
    ),
    "subset larger than the set": (lambda f: subset(by_hand(), 7, seed=0), "from 1 to 6 ... n = 7 ... Ask for fewer"),
    "one patient on both sides": (
        lambda f: check_disjoint(*split_by_image(by_hand(), (0.5, 0.5), seed=0)),
        "in one split only ... patients are in both ... split_by_patient()",
    ),
}


# --- networks, weights, checkpoints, caches ------------------------------------------------------------------------


def train(model: str, checkpoint: Path, **settings: Any) -> object:
    network = build_model(model, num_classes=2, seed=0)
    images = torch.zeros(6, 1, 16, 16, dtype=torch.uint8)
    settings |= {"steps": 1, "device": "cpu", "progress": False, "checkpoint": checkpoint}
    return fit(network, by_hand(images=images), **settings)


def checkpoint_of_another_model(folder: Path) -> object:
    train("cbr_tiny", folder / "run.pt")
    return train("resnet10_w16", folder / "run.pt")


def checkpoint_cut_short(folder: Path) -> object:
    train("cbr_tiny", folder / "run.pt")
    return train("cbr_tiny", cut_short(folder / "run.pt"))


def weight_file_cut_short(folder: Path) -> Path:
    state = build_model("cbr_tiny", num_classes=2, seed=0).state_dict()
    save_weights(folder / "mine.safetensors", state, DEFAULT_PREPROCESSING[1], model_name="cbr_tiny")
    return cut_short(folder / "mine.safetensors")


def imagenet_without_network(folder: Path) -> object:
    def refuse(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("torch.hub._hub_dir", str(folder / "hub"))
        patch.setattr("torch.hub.urlopen", refuse)
        return load_weights("resnet18", "imagenet")


def file_in_the_way(folder: Path) -> Path:
    (folder / "taken").write_text("not a folder")
    return folder / "taken"


NETWORKS: Rows = {
    "unknown model": (
        lambda f: build_model("resnet81", num_classes=2),
        "Choose one of ... 'resnet81' ... Did you mean 'resnet18'",
    ),
    "unknown stage": (
        lambda f: freeze(build_model("cbr_tiny", num_classes=2), upto="blok2"),
        "Choose one of: block1, block2 ... 'blok2' ... Did you mean 'block2'",
    ),
    "weights that are not there": (
        lambda f: load_weights("cbr_tiny", f / "mine.safetensors"),
        "Expected weights of cbr_tiny ... is not there ... pass its path",
        FileNotFoundError,
    ),
    "weights of an unknown source": (
        lambda f: load_weights("cbr_tiny", "imagnet"),
        "Expected weights to be 'procedural', 'imagenet' ... got 'imagnet' ... Did you mean 'imagenet'",
    ),
    "weights cut short": (
        lambda f: load_weights("cbr_tiny", weight_file_cut_short(f)),
        "Expected weights of cbr_tiny ... it is cut short ... Copy or download it again",
    ),
    "ImageNet weights without a network": (
        imagenet_without_network,
        "Expected the weights of resnet18 ... Name or service not known ... TORCH_HOME",
        FileNotFoundError,
    ),
    "unknown optimizer": (
        lambda f: train("cbr_tiny", f / "run.pt", optimizer="adamm"),
        "optimizer to be one of adamw, adam, sgd ... got 'adamm' ... Did you mean 'adam",
    ),
    "checkpoint of another model": (
        checkpoint_of_another_model,
        "network was cbr_tiny ... is now resnet10_w16 ... Delete it",
    ),
    "checkpoint cut short": (checkpoint_cut_short, "should be a checkpoint of fit() ... can not be read ... Delete it"),
    "checkpoint that is a folder": (
        lambda f: train("cbr_tiny", f),
        "should name a file ... is a folder ... Write for example",
    ),
    "checkpoint folder that cannot be written": (
        lambda f: train("cbr_tiny", file_in_the_way(f) / "run.pt"),
        "the checkpoint ... can not be written ... Choose a folder",
        RuntimeError,
    ),
    "phantom cache that cannot be written": (
        lambda f: load_phantoms(2, cache=file_in_the_way(f)),
        "should be written ... could not be ... LAB_CACHE",
        OSError,
    ),
    "unknown hospital": (
        lambda f: load_phantoms(2, site="C"),
        "site must be one of ... 'C' ... is the hospital to train on",
    ),
}


# --- add the lists of other subjects here ----------------------------------------------------------------------------

ROWS = DATA | SPLITS | NETWORKS


@pytest.mark.parametrize("row", ROWS)
def test_one_paragraph_says_what_was_expected_what_came_and_what_to_do(row, tmp_path, monkeypatch):
    do, says, error = (*ROWS[row], ValueError)[:3]
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "lab_cache"))
    with pytest.raises(error) as caught:
        do(tmp_path)
    text = str(caught.value)
    assert all(part in text for part in says.split(" ... "))
    assert "\n" not in text
    assert 60 < len(text) < 900
    half_written = [
        path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".part", ".partial") or path.name[0] == "."
    ]
    assert half_written == []
