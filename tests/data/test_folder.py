import os
import re
import shutil
import tarfile
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lab_utils.data import check_disjoint, load_data, load_folder

SHARED = Path(os.environ.get("LAB_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
NIH = SHARED / "nih" / "NIH1000.tar.gz"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LAB_CACHE", str(folder))
    return folder


drawn = count()


def draw(path: Path, value: int = 100, *, colour: bool = False, shape: tuple[int, int] = (24, 30)) -> None:
    """A flat picture; two marks in the last rows make it unlike any other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((*shape, 3) if colour else shape, value, np.uint8)
    if colour:
        pixels[..., 0] = 250
    pixels[-4:, -6:], pixels[-4:, :6] = np.divmod(next(drawn) * 3, 250)
    Image.fromarray(pixels).save(path)


def kermany(root: Path) -> Path:
    """The layout of the archive: three parts, names with patients, a second copy, and a Mac's leftovers."""
    for i in range(60):
        draw(root / f"train/NORMAL/IM-{i // 2:04d}-{i:04d}.jpeg", 50)
        draw(root / f"train/NORMAL/NORMAL2-IM-{i // 2:04d}-{i:04d}.jpeg", 60)
        draw(root / f"train/PNEUMONIA/person{i // 3}_bacteria_{i}.jpeg", 200)
        draw(root / f"train/PNEUMONIA/person{i // 3}_virus_{i}.jpeg", 210)
    draw(root / "val/NORMAL/NORMAL2-IM-0001-9999.jpeg", 60)
    draw(root / "val/PNEUMONIA/person1_bacteria_9999.jpeg", 200)
    for i in range(8):
        draw(root / f"test/NORMAL/IM-{i // 2:04d}-{i:04d}.jpeg", 55)
        draw(root / f"test/PNEUMONIA/person{i // 2}_virus_{i}.jpeg", 205)
    shutil.copytree(root, root.parent / "copy")
    (root.parent / "copy").rename(root / root.name)
    for part in ("train", "val", "test"):
        junk = root / "__MACOSX" / part / "NORMAL" / "._IM-0001-0001.jpeg"
        junk.parent.mkdir(parents=True)
        junk.write_bytes(b"\0\5\x16\7")
        shutil.copy(junk, root / part / "NORMAL" / "._IM-0001-0001.jpeg")
    (root / "train" / ".DS_Store").write_bytes(b"junk")
    return root


@pytest.fixture
def chest(tmp_path):
    return kermany(tmp_path / "chest_xray")


def test_the_chest_xray_archive_is_read_once_without_leftovers(chest):
    with pytest.warns(UserWarning, match="val part has 2 images, too few"):
        splits = load_folder(chest, size=16)
    assert len(splits["train"]) + len(splits["val"]) == 242
    assert len(splits["test"]) == 16
    assert splits["train"].class_names == ("NORMAL", "PNEUMONIA")
    assert splits["train"].task == "binary"
    assert splits["train"].images.shape[1:] == (1, 16, 16)
    for split in splits.values():
        sick = split.images.flatten(1).float().mean(1) > 128
        assert torch.equal(sick.long(), split.labels)


def test_patients_of_kermany_stay_on_one_side_and_begin_again_in_test(chest):
    with pytest.warns(UserWarning, match="too few"):
        splits = load_folder(chest, size=8)
    check_disjoint(*splits.values())
    assert len(splits["test"].groups.unique()) == 8
    in_training = torch.cat([splits["train"].groups, splits["val"].groups])
    assert len(in_training.unique()) == 30 + 30 + 20  # IM, NORMAL2-IM, person
    assert 16 <= len(splits["val"]) <= 32


def test_the_folder_around_the_archive_will_do(chest):
    for name in ("train", "val", "test", "__MACOSX"):
        shutil.rmtree(chest / name)
    with pytest.warns(UserWarning, match="too few"):
        assert len(load_folder(chest, size=8)["test"]) == 16


def test_class_folders_alone_are_divided_by_patient(tmp_path):
    for i in range(40):
        draw(tmp_path / f"cat/patient{i // 4}/{i}.png", 10)
        draw(tmp_path / f"dog/patient{20 + i // 4}/{i}.png", 20)
        draw(tmp_path / f"emu/{i}.png", 30)
    with pytest.warns(UserWarning, match="The patients of 40 of 120 images are unknown"):
        splits = load_data(tmp_path, size=8)
    assert splits["train"].class_names == ("cat", "dog", "emu")
    assert splits["train"].task == "multiclass"
    assert [len(splits[part]) for part in ("train", "val", "test")] == pytest.approx([84, 12, 24], abs=4)
    patients = torch.cat([split.groups for split in splits.values()])
    assert len(patients.unique()) == 10 + 10 + 40
    for split in splits.values():
        assert (split.images[:, 0, 0, 0] == 10 * (split.labels + 1)).all()


def test_all_studies_in_the_folder_of_a_patient_are_that_patient(tmp_path):
    for i in range(40):
        draw(tmp_path / f"cat/patient{i // 4}/study{i}/view.png")
        draw(tmp_path / f"dog/patient{20 + i // 4}/study{i % 4}/view.png")
    splits = load_data(tmp_path, size=8)
    assert sum(len(split.groups.unique()) for split in splits.values()) == 20


def test_parts_that_are_there_are_taken_as_they_are(tmp_path):
    for part, n in (("train", 10), ("valid", 4), ("test", 6)):
        for i in range(n):
            draw(tmp_path / part / "a" / f"{i}.png", i)
            draw(tmp_path / part / "b" / f"{i}.png", 100 + i)
    splits = load_folder(tmp_path, size=8, patient="unknown")
    assert splits["train"].images[:, 0, 0, 0].tolist() == [*range(10), *range(100, 110)]
    assert len(splits["val"]) == 8
    assert len(splits["test"]) == 12


def test_a_missing_val_part_is_drawn_from_train(tmp_path):
    for part, n in (("train", 50), ("test", 6)):
        for i in range(n):
            draw(tmp_path / part / "a" / f"{i}.png")
            draw(tmp_path / part / "b" / f"{i}.png")
    splits = load_folder(tmp_path, size=8, patient="unknown")
    assert [len(splits[part]) for part in ("train", "val", "test")] == [90, 10, 12]


def test_order_of_labels_and_task_can_be_given(tmp_path):
    for name in ("mild", "none", "severe"):
        for i in range(10):
            draw(tmp_path / name / f"{i}.png", {"none": 0, "mild": 1, "severe": 2}[name])
    names = ("none", "mild", "severe")
    train = load_folder(tmp_path, size=8, task="ordinal", class_names=names, patient="unknown")["train"]
    assert train.task == "ordinal"
    assert train.images[:, 0, 0, 0].tolist() == train.labels.tolist()


def test_colour_is_noticed_or_chosen(tmp_path):
    for i in range(10):
        draw(tmp_path / f"a/{i}.png", 40, colour=True)
        draw(tmp_path / f"b/{i}.png", 40, colour=True)
    images = load_folder(tmp_path, size=8, patient="unknown")["train"].images
    assert images.shape[1] == 3
    assert (images[:, 0, :5] == 250).all()
    assert (images[:, 1:, :5] == 40).all()
    assert load_folder(tmp_path, size=8, channels=1, patient="unknown")["train"].in_channels == 1


def test_a_subset_decodes_only_its_own_pictures(tmp_path):
    for i in range(20):
        draw(tmp_path / f"a/{i}.png", i)
        draw(tmp_path / f"b/{i}.png", 100 + i)
    whole = load_folder(tmp_path, size=8, patient="unknown")
    small = load_folder(tmp_path, size=8, n_train=10, patient="unknown")["train"]
    known = dict(zip(whole["train"].images[:, 0, 0, 0].tolist(), whole["train"].groups.tolist(), strict=True))
    assert len(small) == 10
    assert [known[value] for value in small.images[:, 0, 0, 0].tolist()] == small.groups.tolist()


def test_pictures_are_decoded_once_and_again_when_one_has_changed(tmp_path, cache):
    for i in range(10):
        draw(tmp_path / f"a/{i}.png", 5)
        draw(tmp_path / f"b/{i}.png", 5)
    load_folder(tmp_path, size=8, patient="unknown")
    kept = sorted((cache / "folders").iterdir())
    load_folder(tmp_path, size=8, patient="unknown")
    assert sorted((cache / "folders").iterdir()) == kept
    assert len([path for path in kept if path.name.startswith("8px")]) == 3
    for i in range(10):
        draw(tmp_path / f"a/{i}.png", 90, shape=(10, 10))
    splits = load_folder(tmp_path, size=8, patient="unknown")
    images = torch.cat([split.images[split.labels == 0] for split in splits.values()])
    assert (images[:, :, :4] == 90).all()


def test_a_patient_in_two_parts_is_named(tmp_path):
    for part in ("train", "val", "test"):
        for i in range(4):
            draw(tmp_path / part / "a" / f"{part}{i}" / "1.png")
            draw(tmp_path / part / "b" / ("smith1" if i == 0 and part != "val" else f"b{part}{i}") / "1.png")
    with pytest.raises(ValueError, match="1 patients are in both train and test: smith1"):
        load_folder(tmp_path, size=8)


@pytest.mark.parametrize(
    "patient",
    [
        r"^scan-(\w+)-",
        re.compile(r"scan-(\w+)"),
        lambda path: path.name.split("-")[1],
        {f"scan-{who}-{i}.png": who for who in "abcdefghij" for i in range(4)},
    ],
    ids=["expression", "pattern", "function", "table"],
)
def test_patients_can_be_told(tmp_path, patient):
    for number, who in enumerate("abcdefghij"):
        for i in range(4):
            draw(tmp_path / ("cat" if number % 2 else "dog") / f"scan-{who}-{i}.png")
    splits = load_data(tmp_path, size=8, patient=patient)
    assert sum(len(split.groups.unique()) for split in splits.values()) == 10
    assert any("(10 patients)" in note for note in splits["val"].notes)


def test_unknown_patients_are_warned_of_and_stay_in_the_result(tmp_path):
    for i in range(10):
        draw(tmp_path / "cat" / f"a{i}.png")
        draw(tmp_path / "dog" / f"b{i}.png")
    with pytest.warns(UserWarning, match="patients of these images are unknown"):
        splits = load_data(tmp_path, size=8)
    assert all(any("patients of these images are unknown" in note for note in split.notes) for split in splits.values())
    splits = load_data(tmp_path, size=8, patient="unknown")  # whoever says so needs no warning, readers do
    assert any("patients of these images are unknown" in note for note in splits["test"].notes)


def test_the_two_eyes_of_a_patient_stay_together(tmp_path):
    for i in range(40):
        draw(tmp_path / ("0" if i % 2 else "1") / f"{i}_left.jpeg")
        draw(tmp_path / ("0" if i % 3 else "1") / f"{i}_right.jpeg")
    splits = load_data(tmp_path, size=8)
    check_disjoint(*splits.values())
    assert sum(len(split.groups.unique()) for split in splits.values()) == 40


@pytest.mark.parametrize("parts", [("train", "test"), ("Training", "Testing"), ("set_train", "set_test")])
def test_numbers_begin_again_in_the_test_part_of_kermany_only(tmp_path, parts):
    for name, ending in (("kermany", "_virus_1.jpeg"), ("other", "_0.png")):
        for part in parts:
            for i in range(12):
                draw(tmp_path / name / part / "NORMAL" / f"IM-{i:04d}-0001.jpeg")
                draw(tmp_path / name / part / "PNEUMONIA" / f"person{i}{ending}")
    splits = load_folder(tmp_path / "kermany", size=8)
    assert sum(len(split.groups.unique()) for split in splits.values()) == 48
    with pytest.raises(ValueError, match="12 patients are in both train and test: person0"):
        load_folder(tmp_path / "other", size=8)


def test_patients_in_two_parts_can_be_divided_anew(tmp_path):
    for part in ("train", "val", "test"):
        for i in range(10):
            draw(tmp_path / part / "a" / f"patient{i}" / f"{part}.png")
            draw(tmp_path / part / "b" / f"patient{i + 10}" / f"{part}.png")
    with pytest.raises(ValueError, match=r"both val and test.*20 of 20 patients in all.*redivide=True"):
        load_folder(tmp_path, size=8)
    splits = load_folder(tmp_path, size=8, redivide=True)
    check_disjoint(*splits.values())
    assert [len(split) for split in splits.values()] == [42, 6, 12]


@pytest.mark.skipif(not NIH.exists(), reason="needs the real pictures")
def test_the_leak_of_thirty_patients_in_real_pictures_is_found(tmp_path):
    with tarfile.open(NIH) as archive:
        archive.extractall(tmp_path, filter="data")
    with pytest.raises(ValueError, match=r"15 patients are in both train and val.*30 of 264 patients in all"):
        load_folder(tmp_path / "NIH1000", size=16)
    splits = load_folder(tmp_path / "NIH1000", size=16, redivide=True)
    check_disjoint(*splits.values())
    assert sum(len(split.groups.unique()) for split in splits.values()) == 264
    assert splits["train"].class_names == ("0_normal", "1_abnormal")
