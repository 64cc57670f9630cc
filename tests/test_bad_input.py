"""Bad input of every kind: one row each, one paragraph each, nothing half-written left behind.

A row is what is wrong, and what the text of the error must contain: what was expected | what came | what to do.
To add a row, add it to the table of its subject, under the kind of its error.
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

Wrong = Callable[[Path], object]  # does the wrong thing in an empty folder


# ---- data sets
def npz(folder: Path, **changes: Any) -> Path:
    """A small file in MedMNIST's format, with some arrays replaced, or left out where None is given."""
    arrays: dict[str, Any] = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = np.full((6, 8, 8), 100, np.uint8)
        arrays[f"{part}_labels"] = np.array([[0], [1]] * 3)
    path = folder / "mine.npz"
    np.savez(path, **{key: value for key, value in (arrays | changes).items() if value is not None})
    return path


def load_npz(folder: Path, changes: dict[str, Any]) -> object:
    arrays = {key: value for key, value in changes.items() if key.endswith(("_images", "_labels"))}
    return load_data(npz(folder, **arrays), **{key: value for key, value in changes.items() if key not in arrays})


def cut_short(path: Path, by: int = 200) -> Path:
    path.write_bytes(path.read_bytes()[:-by])
    return path


def grey(value: object, kind: type = np.uint8) -> np.ndarray:
    return np.full((6, 8, 8), value, None if isinstance(value, str) else kind)


def pixels(value: float) -> np.ndarray:
    images = grey(0.5, np.float32)
    images[3, 2, 1] = value
    return images


NOT_FINITE = "must be a finite number | 1 are NaN or infinite | leave out these images"


def published(folder: Path) -> object:
    npz(folder).rename(folder / "pneumoniamnist.npz")
    return load_data("pneumoniamnist_28", root=folder)


def course(folder: Path, spoil: Wrong) -> object:
    for name in ("normal", "pneumonia", "test_normal", "test_pneumonia"):
        np.save(folder / f"{name}.npy", np.zeros((10, 8, 8), np.uint8))
    spoil(folder)
    return load_data("course", root=folder)


def pictures(folder: Path, spoil: Wrong) -> Path:
    for part in ("train", "val", "test"):
        for name in ("normal", "sick"):
            (folder / part / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / part / name / f"{i}.png")
    spoil(folder)
    return folder


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


# Arrays of a small npz file that are replaced, or settings of load_data.
ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"val_labels": None}, "must hold the arrays | val_labels is missing | Save it with"),
    ({"train_labels": np.zeros((5, 1))}, "must have shape (6, 1) | (5, 1) | from the same rows"),
    (
        {"train_labels": np.array([0, 1, 2, 0, 1, 9]), "class_names": ("a", "b", "c")},
        "whole numbers from 0 to 2 | for example 9 | Correct the labels",
    ),
    ({"test_labels": np.array([0, 1, -1, 0, 1, 1])}, "whole numbers from 0 to 1 | for example -1 | Correct the labels"),
    (
        {"train_labels": np.array([0, 1, 0, 1, 0, 10**9])},
        "number the classes from 0 | the largest label is 1000000000 | Correct the labels",
    ),
    (
        {"val_labels": np.array([0, 1, 0, 1, 0, 1e30]), "class_names": ("a", "b")},
        "whole numbers from 0 to 1 | for example 9007199254740992 | Correct the labels",
    ),
    ({"val_labels": np.full((6, 1), np.nan)}, "must be whole numbers | holds NaN | Number the classes"),
    ({"train_images": pixels(np.nan)}, NOT_FINITE),
    ({"train_images": pixels(np.inf)}, NOT_FINITE),
    ({"train_images": pixels(1.5)}, "must lie in [0, 1] | from 0.5 to 1.5 | Rescale them"),
    ({"test_images": pixels(-2)}, "must lie in [0, 1] | from -2 to 0.5 | Rescale them"),
    ({"val_images": grey(4000, np.int16)}, "must lie in [0, 255] | to 4000 | Rescale them"),
    ({"val_images": grey(4000, np.uint16)}, "must lie in [0, 255] | to 4000 | Rescale them"),
    ({"val_images": grey("grey")}, "must be uint8 or floats | <U4 | Convert them"),
    ({"val_images": grey(0)[:, :0]}, "must have shape (N, H, W) | (6, 0, 8) | keep one picture per row"),
    ({"size": 6.5}, "a side in pixels, a whole number | got 6.5 | For example 64"),
    (
        {"train_images": np.zeros((6, 8, 8, 4), np.uint8)},
        "must have shape (N, H, W) | (6, 8, 8, 4) | Move the colour axis",
    ),
    ({"train_labels": np.array([{}] * 6)}, "plain array of numbers | type object | never loaded"),
    ({"train_labels": np.array([0, 0, 0, 2, 2, 2])}, "needs at least one image | none of class 1 | Add images"),
    ({"val_images": grey(0)[:0], "val_labels": np.zeros((0, 1))}, "at least one row | it is empty | Leave out"),
    ({"n_train": 7}, "whole number n from 1 to 6 | n = 7 | Ask for fewer"),
    ({"n_train": 2.5}, "a whole number of at least 1 | got 2.5 (float) | n_train=100"),
]
# What is done to a folder of pictures, train/normal/0.png and so on.
PICTURES: list[tuple[Wrong, str]] = [
    (lambda f: (f / "train/sick/1.png").write_bytes(b"\x89PNG"), "whole picture was expected | 1.png | copy it again"),
    (lambda f: cut_short(f / "test/sick/1.png", 30), "whole picture was expected | cannot be decoded | copy it again"),
    (
        lambda f: Image.fromarray(np.zeros((8, 8), np.uint16)).save(f / "train/sick/1.png"),
        "8-bit picture was expected | more grey levels | save it as 8-bit",
    ),
    (
        lambda f: [path.unlink() for path in (f / "test/sick").iterdir()],
        "every class folder needs pictures | holds none | Add pictures",
    ),
    (
        lambda f: (f / "test/sick").rename(f / "test/ill"),
        "should hold the class folders normal, sick | it holds ill, normal | the same classes",
    ),
    (one_patient_everywhere, "in one part only | both train and test: patient7 | Move all images"),
]
# What is done to the files of the course.
COURSE: list[tuple[Wrong, str]] = [
    (lambda f: cut_short(f / "normal.npy"), "a whole .npy file | cannot be read | Copy it again"),
    (
        lambda f: np.save(f / "normal.npy", np.array([{}] * 9), allow_pickle=True),
        "a whole .npy file | cannot be read | never loaded",
    ),
    (
        lambda f: np.save(f / "normal.npy", np.zeros((0, 8, 8), np.uint8)),
        "at least two grey images | (0, 8, 8) | copy the course's file",
    ),
]


# ---- splits made by hand
def by_hand(**changes: Any) -> Split:
    given: dict[str, Any] = {
        "images": torch.zeros(6, 1, 8, 8, dtype=torch.uint8),
        "labels": torch.tensor([0, 1] * 3),
        "groups": torch.arange(6) // 3,
        "task": "binary",
        "class_names": ("normal", "sick"),
    }
    return Split(**given | changes)


def findings(value: float) -> dict[str, Any]:
    return {"labels": torch.full((6, 2), value), "task": "multilabel"}


BLACK = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)


# What is wrong with a split of six images.
SPLITS: list[tuple[dict[str, Any], str]] = [
    ({"images": torch.rand(6, 1, 8, 8)}, "must be uint8 | float32 | as_uint8"),
    ({"images": BLACK[:, 0]}, "(N, C, H, W) | (6, 8, 8) | images[:, None]"),
    ({"images": BLACK[:0]}, "with N > 0 | (0, 1, 8, 8) | need"),
    ({"labels": torch.zeros(5, dtype=torch.int64)}, "shape (6,) | (5,) | exactly one row"),
    ({"labels": torch.zeros(6)}, "torch.int64 | torch.float32 | exactly one row"),
    ({"labels": torch.tensor([0, 1, 0, 1, 0, 2])}, "from 0 to 1 | for example 2 | Correct the labels"),
    (findings(float("nan")), "1 (present), 0 (absent) or -1 | for example nan | Correct the labels"),
    (findings(2.0), "1 (present), 0 (absent) or -1 | for example 2.0 | Correct the labels"),
    ({"groups": torch.arange(5)}, "int64 of shape (6,) | (5,) | torch.arange"),
    ({"task": "regression"}, "must be one of | 'regression' | Choose one"),
    ({"class_names": tuple("abc")}, "exactly 2 class names | ('a', 'b', 'c') | one name per class"),
]


# ---- networks, weights, checkpoints, caches
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


OTHER: dict[type[Exception], list[tuple[Wrong, str]]] = {
    ValueError: [
        (lambda f: load_data("retinamist"), "data must be one of | 'retinamist' | Did you mean 'retinamnist'"),
        (lambda f: load_data(cut_short(npz(f))), "a whole .npz file | cut short | download it again"),
        (published, f"should have MD5 {PUBLISHED['pneumoniamnist'].md5[0]} | it has | Delete it and load again"),
        (lambda f: subset(by_hand(), 7, seed=0), "from 1 to 6 | n = 7 | Ask for fewer"),
        (
            lambda f: check_disjoint(*split_by_image(by_hand(), (0.5, 0.5), seed=0)),
            "in one split only | patients are in both | split_by_patient()",
        ),
        (lambda f: build_model("resnet81", num_classes=2), "Choose one of | 'resnet81' | Did you mean 'resnet18'"),
        (
            lambda f: freeze(build_model("cbr_tiny", num_classes=2), upto="blok2"),
            "Choose one of: block1, block2 | 'blok2' | Did you mean 'block2'",
        ),
        (
            lambda f: load_weights("cbr_tiny", "imagnet"),
            "Expected weights to be 'procedural', 'imagenet' | got 'imagnet' | Did you mean 'imagenet'",
        ),
        (
            lambda f: load_weights("cbr_tiny", weight_file_cut_short(f)),
            "Expected weights of cbr_tiny | it is cut short | Copy or download it again",
        ),
        (
            lambda f: train("cbr_tiny", f / "run.pt", optimizer="adamm"),
            "optimizer to be one of adamw, adam, sgd | got 'adamm' | Did you mean 'adam",
        ),
        (checkpoint_of_another_model, "network was cbr_tiny | is now resnet10_w16 | Delete it"),
        (checkpoint_cut_short, "should be a checkpoint of fit() | can not be read | Delete it"),
        (lambda f: train("cbr_tiny", f), "should name a file | is a folder | Write for example"),
        (lambda f: load_phantoms(2, site="C"), "site must be one of | 'C' | is the hospital to train on"),
    ],
    FileNotFoundError: [
        (lambda f: load_data(f / "mine.npz"), "npz file was expected | there is none | Check the path"),
        (lambda f: load_data(f / "images"), "folder of class folders was expected | there is none | Check the path"),
        (
            lambda f: course(f, lambda g: (g / "pneumonia.npy").unlink()),
            "should hold normal.npy | pneumonia.npy is missing | root=",
        ),
        (
            lambda f: load_weights("cbr_tiny", f / "mine.safetensors"),
            "Expected weights of cbr_tiny | is not there | pass its path",
        ),
        (imagenet_without_network, "Expected the weights of resnet18 | Name or service not known | TORCH_HOME"),
    ],
    RuntimeError: [
        (no_network, "should come from https:// | Name or service not known | in a browser"),
        (full_disk, "should be stored in | No space left | LAB_CACHE"),
        (folder_is_a_file, "should be stored in | cannot be written | LAB_CACHE"),
        (
            lambda f: train("cbr_tiny", file_in_the_way(f) / "run.pt"),
            "the checkpoint | can not be written | Choose a folder",
        ),
    ],
    OSError: [(lambda f: load_phantoms(2, cache=file_in_the_way(f)), "should be written | could not be | LAB_CACHE")],
}


# ---- the rows
ROWS = [(lambda f, c=changes: load_npz(f, c), words, ValueError) for changes, words in ARRAYS]
ROWS += [(lambda f, s=spoil: load_data(pictures(f, s)), words, ValueError) for spoil, words in PICTURES]
ROWS += [(lambda f, s=spoil: course(f, s), words, ValueError) for spoil, words in COURSE]
ROWS += [(lambda f, c=changes: by_hand(**c), words, ValueError) for changes, words in SPLITS]
ROWS += [(*row, error) for error, rows in OTHER.items() for row in rows]


@pytest.mark.parametrize(("do", "words", "error"), ROWS, ids=[row[1] for row in ROWS])
def test_one_paragraph_says_what_was_expected_what_came_and_what_to_do(do, words, error, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "lab_cache"))
    with pytest.raises(error) as caught:
        do(tmp_path)
    text = str(caught.value)
    expected, came, advice = words.split(" | ")
    assert expected in text
    assert came in text
    assert advice in text
    assert "\n" not in text
    assert 60 < len(text) < 900
    half_written = [
        path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".part", ".partial") or path.name[0] == "."
    ]
    assert half_written == []
