"""Kind B: folders become classes. Parts in many spellings are parts; what is not understood is drawn and refused."""

import os
import re
import shutil
import warnings

import pytest

from lab_utils.data import load_data, load_folder
from tests.field_cases.drawing import draw, draw_mask, fill
from tests.refusals import refuses

UNKNOWN = {"size": 8, "patient": "unknown"}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path_factory.mktemp("cache")))


def sizes(splits):
    return {part: len(split) for part, split in splits.items()}


@pytest.mark.parametrize(
    "folders",
    [
        ("train_images", "test_images"),
        ("images_001", "images_002"),
        ("images_001/images", "images_002/images"),
        ("part1", "part2"),
        ("part_a", "part_b"),
        ("batch_a", "batch_b", "batch_c"),
        ("Fold 1", "Fold 2"),
        ("chunk0", "chunk1"),
        ("images", "augmented images"),
        ("train", "test"),
        ("Training", "Testing"),
        ("Train", "extra"),
        ("images", "test"),
        ("val", "test"),
        ("dev/a", "dev/b", "test/a", "test/b"),
        ("patient01", "patient02", "patient03"),
        ("P1", "P2"),
        ("sub-01/anat", "sub-02/anat"),
        ("10253", "10254", "8863"),
        ("10253/0", "10253/1", "8863/0", "8863/1"),
        ("fold1/benign", "fold1/malignant", "fold2/benign", "fold2/malignant"),
        ("hospital A/normal", "hospital A/sick", "hospital B/normal", "hospital B/sick"),
        ("train1/normal", "train1/sick", "train2/normal", "train2/sick"),
        ("NORMAL_train", "NORMAL_test", "SICK_train", "SICK_test"),
        ("train/a", "train/b", "Training/a", "Training/b", "test/a", "test/b"),
        ("train/a", "train/b", "val/a", "val/b", "validation/a", "validation/b"),
        ("train/a", "train/b", "test"),
        ("train/batch1", "train/batch2"),
        ("NORMAL/train", "NORMAL/test", "SICK"),
        ("NORMAL/train", "NORMAL/test", "SICK/train"),
        ("NORMAL",),
        ("set/NORMAL/smith", "set/NORMAL/jones"),
        ("HAM10000_images_part_1", "HAM10000_images_part_2"),
        ("nih images 001", "nih images 002", "nih images 003"),
        ("yes", "no", "copy/yes", "copy/no"),
        ("only/NORMAL",),
        ("entrenamiento", "prueba"),
        ("Trainingsbilder", "Testbilder"),
        ("trainA", "trainB", "testA", "testB"),
        ("A/train/x", "A/train/y", "A/test/x", "A/test/y", "B/train/x", "B/train/y", "B/test/x", "B/test/y"),
        ("Original/mild", "Original/none", "AugmentedDataset/mild", "AugmentedDataset/none"),
        ("images/train", "images/val", "labels"),
        (".",),
    ],
    ids=str,
)
def test_a_structure_that_is_not_understood_is_drawn_and_refused(tmp_path, folders):
    fill(tmp_path / "set", *folders)
    with pytest.raises(ValueError, match="The structures that are understood") as error:
        load_data(tmp_path / "set", **UNKNOWN)
    text = str(error.value)
    assert f"Found:\n{tmp_path / 'set'}/" in text
    assert all(f"{folder.split('/')[0]}/" in text for folder in folders if folder != ".")
    assert "root/train/NORMAL" in text


def test_the_drawing_counts_pictures_and_stays_short(tmp_path):
    fill(tmp_path, *(f"images_{i:03d}" for i in range(40)), n=2)
    fill(tmp_path, "images_000/deep/er/and/deeper", n=3)
    with pytest.raises(ValueError, match="Found") as error:
        load_folder(tmp_path, size=8)
    drawing = str(error.value).split("Found:\n")[1].split("\nThe structures")[0].splitlines()
    assert len(drawing) <= 15
    assert "images_000/  5 pictures" in drawing[1]
    assert "images_001/  2 pictures" in "\n".join(drawing)
    assert "more folders" in "\n".join(drawing)


@pytest.mark.parametrize("table", ["train.csv", "labels.xlsx", "labels.tsv"])
def test_labels_in_a_table_are_said_to_be_there(tmp_path, table):
    fill(tmp_path, "train_images", "test_images")
    (tmp_path / table).write_text("id_code,diagnosis\n")
    refuses(f"If {table} holds the labels: .*folder\n*.*named after its label", load_folder, tmp_path, size=8)


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Valid", "Test"),
        ("TRAIN", "VAL", "TEST"),
        ("Training", "Validation", "Testing"),
        ("training_set", "validation_set", "test_set"),
        ("train_images", "val_images", "test_images"),
        ("TrainData", "ValidData", "TestData"),
        ("trainset", "devset", "testset"),
        ("train_data", "dev", "holdout"),
        ("training data", "eval", "hold-out"),
        ("X_train", "X_val", "X_test"),
        ("chest_xray_train", "chest_xray_val", "chest_xray_test"),
        ("ISIC_Training_Input", "ISIC_Validation_Input", "ISIC_Test_Input"),
        ("data/images/train", "data/images/val", "data/images/test"),
        ("train/images", "val/images", "test/images"),
        ("train/train", "val/val", "test/test"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("OCT2017 /train", "OCT2017 /val", "OCT2017 /test"),
        ("01 Training", "02 Validation", "03 Testing"),
        ("1_train", "2_val", "3_test"),
        ("Trainingsdaten", "Validierung", "Testdaten"),
        ("entrai\u0302nement", "validation", "test"),  # as a Mac writes the accent
        ("训练集", "验证集", "测试集"),
    ],
)
def test_parts_are_known_in_many_spellings(tmp_path, train, val, test):
    for folder, n in ((train, 7), (val, 2), (test, 3)):
        fill(tmp_path, f"{folder}/a", f"{folder}/b", n=n)
    splits = load_folder(tmp_path, **UNKNOWN)
    assert sizes(splits) == {"train": 14, "val": 4, "test": 6}
    assert splits["train"].class_names == ("a", "b")
    assert splits["train"].labels.tolist() == [0] * 7 + [1] * 7


def test_training_and_testing_are_two_parts_and_validation_comes_from_training(tmp_path):
    fill(tmp_path, "Training/glioma", "Training/pituitary", n=20)
    fill(tmp_path, "Testing/glioma", "Testing/pituitary", n=5)
    splits = load_folder(tmp_path, **UNKNOWN)
    assert sizes(splits) == {"train": 36, "val": 4, "test": 10}
    assert "train from Training, test from Testing" in splits["test"].notes[0]


@pytest.mark.parametrize("parts", [("train",), ("train", "test"), ("train", "val"), ("train", "val", "test")])
def test_parts_below_the_class_folders_are_parts(tmp_path, parts):
    for part in parts:
        fill(tmp_path, f"NORMAL/{part}", f"PNEUMONIA/{part}", n=20 if part == "train" else 4)
    splits = load_folder(tmp_path, **UNKNOWN)
    assert splits["train"].class_names == ("NORMAL", "PNEUMONIA")
    assert sum(map(len, splits.values())) == 2 * (20 + 4 * (len(parts) - 1))
    if len(parts) == 3:
        assert sizes(splits) == {"train": 40, "val": 8, "test": 8}


def test_another_folder_beside_the_parts_is_left_out_and_said(tmp_path):
    fill(tmp_path, "train/a", "train/b", "test/a", "test/b", n=10)
    fill(tmp_path, "unlabeled", n=5)
    fill(tmp_path, "test_b/a", "test_b/b", n=3)
    said = "Left out, since beside the parts train, test: test_b (6 pictures), unlabeled (5 pictures)."
    with pytest.warns(UserWarning, match=re.escape(said)):
        splits = load_folder(tmp_path, **UNKNOWN)
    assert sum(map(len, splits.values())) == 40
    assert said in splits["val"].notes


@pytest.mark.parametrize(
    "folders",
    [
        ("control", "test"),
        ("invalid", "valid"),
        ("test_negative", "test_positive"),
        ("post_test", "pre_test"),
        ("A", "B"),
        ("Class 1", "Class 2"),
        ("0", "1", "2"),
        ("n01440764", "n02102040"),
        ("case", "control"),
        ("mask", "no_mask"),
        ("disc", "macula"),
        ("photo", "sketch"),
        ("Größe", "Müller", "Öl"),
        ("正常", "肺炎"),
        ("cat.1", "cat.2"),
        ("grade A", "grade B"),
        ("left_lung", "right_lung"),
        ("100", "200"),
        ("40X", "100X"),
        ("COVID", "NORMAL", "Viral Pneumonia"),
    ],
)
def test_names_that_only_look_like_parts_or_patients_stay_classes(tmp_path, folders):
    fill(tmp_path, *folders, n=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on "control" as the positive class, for example
        assert load_folder(tmp_path, **UNKNOWN)["train"].class_names == folders


def test_class_names_decide_what_names_of_folders_leave_open(tmp_path):
    fill(tmp_path / "sites", "north/left", "north/right", "south/left", "south/right", n=10)
    fill(tmp_path / "batches", "batch_a", "batch_b", n=10)
    fill(tmp_path / "deep/er", "patient1", "patient2", n=10)
    fill(tmp_path / "buses", "train", "bus", n=10)
    fill(tmp_path / "pairs", "image", n=10)
    draw_mask(*(tmp_path / "pairs/mask" / f"image-{i}.png" for i in range(10)))
    for folder, names in (
        ("buses", ("train", "bus")),
        ("pairs", ("mask", "image")),
        ("sites", ("south", "north")),
        ("batches", ("batch_a", "batch_b")),
        ("deep", ("patient2", "patient1")),
    ):
        train = load_folder(tmp_path / folder, class_names=names, **UNKNOWN)["train"]
        assert train.class_names == names


def test_several_parts_to_train_on_are_named(tmp_path):
    fill(tmp_path, "train1/a", "train1/b", "train2/a", "train2/b", "test/a", "test/b")
    with pytest.raises(ValueError, match=r"several may be parts to train on.*train1, train2.*into one folder train"):
        load_folder(tmp_path, **UNKNOWN)


def test_a_folder_named_like_one_of_the_classes_in_it_is_opened(tmp_path):
    fill(tmp_path, "NORMAL/NORMAL", "NORMAL/PNEUMONIA", n=10)
    train = load_folder(tmp_path, **UNKNOWN)["train"]
    assert train.class_names == ("NORMAL", "PNEUMONIA")
    assert train.labels.bincount().tolist() == [7, 7]


def test_all_that_has_to_be_said_comes_in_one_warning(tmp_path):
    fill(tmp_path, "train/COVID", "train/normal", "test/COVID", "test/normal", "more", n=10)
    (tmp_path / "train/COVID/scan.dcm").write_bytes(b"something")
    with pytest.warns(UserWarning, match="beside the parts") as warned:
        splits = load_folder(tmp_path, size=8)
    (warning,) = warned
    for said in (
        "more (10 pictures)",
        "1 file .dcm",
        "normal is the positive class",
        "patients of these images are un",
    ):
        assert said in str(warning.message)
        assert any(said in note for note in splits["val"].notes)


def test_patients_with_several_pictures_in_all_classes_are_no_structure(tmp_path):
    fill(tmp_path, *(f"{name}/patient{i}" for name in ("fibrosis", "normal") for i in range(12)), n=1)
    splits = load_folder(tmp_path, size=8, class_names=("normal", "fibrosis"))
    assert sum(len(split.groups.unique()) for split in splits.values()) == 12


@pytest.mark.parametrize("name", ["Normal", "normal", "NORMAL "])
def test_classes_that_differ_in_spelling_between_parts_are_named_both(tmp_path, name):
    fill(tmp_path, "train/NORMAL", "train/SICK", f"test/{name}", "test/SICK")
    refuses(f"NORMAL and {name} differ in their spelling", load_folder, tmp_path, **UNKNOWN)


def test_a_class_that_one_part_lacks_is_named(tmp_path):
    fill(tmp_path, "train/a", "train/b", "train/c", "test/a", "test/b")
    refuses("test should hold the class folders a, b, c; it holds a, b", load_folder, tmp_path, **UNKNOWN)
    (tmp_path / "test/c").mkdir()
    refuses("test/c holds none", load_folder, tmp_path, **UNKNOWN)


def test_the_second_copy_in_an_archive_is_passed_over_only_if_it_is_one(tmp_path):
    root = fill(tmp_path / "chest", "train/a", "train/b", "test/a", "test/b")
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy").rename(root / "chest")
    splits = load_folder(root, **UNKNOWN)
    assert sum(map(len, splits.values())) == 24
    assert any("chest inside chest is a second copy (24 pictures)" in note for note in splits["val"].notes)
    draw(root / "chest/train/a/new.png")
    with pytest.warns(UserWarning, match=r"beside the parts train, test: chest \(25 pictures\)"):
        load_folder(root, **UNKNOWN)


def test_a_second_copy_beside_the_class_folders_is_passed_over(tmp_path):
    root = fill(tmp_path / "archive", "yes", "no", n=10)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy").rename(root / "brain_tumor_dataset")
    splits = load_folder(root, **UNKNOWN)
    assert splits["train"].class_names == ("no", "yes")
    assert sum(map(len, splits.values())) == 20
    assert any("brain_tumor_dataset inside archive is a second copy (20 pictures)" in n for n in splits["val"].notes)


def test_parts_below_named_classes_are_parts(tmp_path):
    for name in ("SICK", "NORMAL"):
        fill(tmp_path, f"{name}/train", f"{name}/val", f"{name}/test", n=3)
    splits = load_folder(tmp_path, class_names=("NORMAL", "SICK"), **UNKNOWN)
    assert sizes(splits) == {"train": 6, "val": 6, "test": 6}
    assert "train from NORMAL/train" in splits["test"].notes[0]


def test_one_folder_of_class_folders_is_opened_however_deep(tmp_path):
    fill(tmp_path, "download/set/v2/cat", "download/set/v2/dog", n=10)
    (tmp_path / "README.md").write_text("a set")
    train = load_folder(tmp_path, **UNKNOWN)["train"]
    assert train.class_names == ("cat", "dog")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_part_that_is_a_link_to_another_part_is_refused(tmp_path):
    fill(tmp_path, "train/a", "train/b")
    os.symlink(tmp_path / "train", tmp_path / "test")
    refuses(r"test is a link to .*train", load_folder, tmp_path, **UNKNOWN)
