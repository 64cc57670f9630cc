"""Kind B: folders become classes. Parts in many spellings are parts; what is not understood is drawn and refused."""

import os
import re
import shutil
import warnings

import pytest

from lab_utils.data import load_data, load_folder
from tests.field_cases.drawing import UNKNOWN, draw, draw_mask, fill, listed
from tests.refusals import refuses


def sizes(splits):
    return {part: len(split) for part, split in splits.items()}


NOT_UNDERSTOOD = """
train_images, test_images; images_001, images_002; images_001/images, images_002/images; part1, part2; part_a, part_b;
batch_a, batch_b, batch_c; Fold 1, Fold 2; chunk0, chunk1; images, augmented images; train, test; Training, Testing;
Train, extra; images, test; val, test; dev/a, dev/b, test/a, test/b; patient01, patient02, patient03; P1, P2;
sub-01/anat, sub-02/anat; 10253, 10254, 8863; 10253/0, 10253/1, 8863/0, 8863/1;
fold1/benign, fold1/malignant, fold2/benign, fold2/malignant;
hospital A/normal, hospital A/sick, hospital B/normal, hospital B/sick;
train1/normal, train1/sick, train2/normal, train2/sick; NORMAL_train, NORMAL_test, SICK_train, SICK_test;
train/a, train/b, Training/a, Training/b, test/a, test/b; train/a, train/b, val/a, val/b, validation/a, validation/b;
train/a, train/b, test; train/batch1, train/batch2; NORMAL/train, NORMAL/test, SICK;
NORMAL/train, NORMAL/test, SICK/train; NORMAL; set/NORMAL/smith, set/NORMAL/jones; only/NORMAL;
HAM10000_images_part_1, HAM10000_images_part_2;
nih images 001, nih images 002, nih images 003; yes, no, copy/yes, copy/no; entrenamiento, prueba;
Trainingsbilder, Testbilder; trainA, trainB, testA, testB;
A/train/x, A/train/y, A/test/x, A/test/y, B/train/x, B/train/y, B/test/x, B/test/y;
Original/mild, Original/none, AugmentedDataset/mild, AugmentedDataset/none; images/train, images/val, labels; .
"""


@pytest.mark.parametrize("folders", listed(NOT_UNDERSTOOD), ids=", ".join)
def test_a_structure_that_is_not_understood_is_drawn_and_refused(tmp_path, folders):
    fill(tmp_path / "set", *folders)
    text = refuses("The structures that are understood", load_data, tmp_path / "set", **UNKNOWN)
    assert f"Found:\n{tmp_path / 'set'}/" in text
    assert all(f"{folder.split('/')[0]}/" in text for folder in folders if folder != ".")
    assert "root/train/NORMAL" in text


def test_the_drawing_counts_pictures_and_stays_short(tmp_path):
    fill(tmp_path, *(f"images_{i:03d}:2" for i in range(40)), "images_000/deep/er/and/deeper:3")
    text = refuses("Found", load_folder, tmp_path, size=8)
    drawing = text.split("Found:\n")[1].split("\nThe structures")[0].splitlines()
    assert len(drawing) <= 15
    assert "images_000/  5 pictures" in drawing[1]
    assert "images_001/  2 pictures" in "\n".join(drawing)
    assert "more folders" in "\n".join(drawing)


@pytest.mark.parametrize("table", ["train.csv", "labels.xlsx", "labels.tsv"])
def test_labels_in_a_table_are_said_to_be_there(tmp_path, table):
    fill(tmp_path, "train_images", "test_images")
    (tmp_path / table).write_text("id_code,diagnosis\n")
    refuses(f"If {table} holds the labels: .*folder\n*.*named after its label", load_folder, tmp_path, size=8)


PARTS = """
train, val, test; Train, Valid, Test; TRAIN, VAL, TEST; Training, Validation, Testing;
training_set, validation_set, test_set; train_images, val_images, test_images; TrainData, ValidData, TestData;
trainset, devset, testset; train_data, dev, holdout; training data, eval, hold-out; X_train, X_val, X_test;
chest_xray_train, chest_xray_val, chest_xray_test; ISIC_Training_Input, ISIC_Validation_Input, ISIC_Test_Input;
data/images/train, data/images/val, data/images/test; train/images, val/images, test/images;
train/train, val/val, test/test; seg_train/seg_train, seg_val/seg_val, seg_test/seg_test;
OCT2017 /train, OCT2017 /val, OCT2017 /test; 01 Training, 02 Validation, 03 Testing; 1_train, 2_val, 3_test;
Trainingsdaten, Validierung, Testdaten; entrai\u0302nement, validation, test; 训练集, 验证集, 测试集
"""  # the accent as a Mac writes it


@pytest.mark.parametrize("parts", listed(PARTS), ids=", ".join)
def test_parts_are_known_in_many_spellings(tmp_path, parts):
    fill(tmp_path, *(f"{part}/{name}:{n}" for part, n in zip(parts, (7, 2, 3), strict=True) for name in "ab"))
    splits = load_folder(tmp_path, **UNKNOWN)
    assert sizes(splits) == {"train": 14, "val": 4, "test": 6}
    assert splits["train"].class_names == ("a", "b")
    assert splits["train"].labels.tolist() == [0] * 7 + [1] * 7


@pytest.mark.parametrize(
    ("folders", "names", "counts", "note"),
    [
        (
            "Training/glioma:20, Training/pit:20, Testing/glioma:5, Testing/pit:5",
            "glioma pit",
            (36, 4, 10),
            "om Testing",
        ),
        ("NORMAL/train:20, PNEUMONIA/train:20", "NORMAL PNEUMONIA", (29, 3, 8), ""),
        ("NORMAL/train:20, PNEUMONIA/train:20, NORMAL/test, PNEUMONIA/test", "NORMAL PNEUMONIA", (36, 4, 12), ""),
        ("NORMAL/train:20, PNEUMONIA/train:20, NORMAL/val, PNEUMONIA/val", "NORMAL PNEUMONIA", (32, 12, 8), ""),
        ("N/train:20, P/train:20, N/val:4, P/val:4, N/test:4, P/test:4", "N P", (40, 8, 8), "train from N/train"),
        ("SICK/train, NORMAL/train, SICK/val, NORMAL/val, SICK/test, NORMAL/test", "NORMAL SICK", (12, 12, 12), ""),
        (
            "NORMAL/NORMAL:10, NORMAL/PNEUMONIA:10",
            "NORMAL PNEUMONIA",
            (14, 2, 4),
            "",
        ),  # and one with the name of a class
        ("download/set/v2/cat:10, download/set/v2/dog:10", "cat dog", (14, 2, 4), ""),
    ],
)
def test_what_is_a_part_what_a_class_and_what_only_a_folder(tmp_path, folders, names, counts, note):
    fill(tmp_path, *folders.split(", "))
    (tmp_path / "README.md").write_text("a set")
    for options in ({}, {"class_names": names.split()}):
        splits = load_folder(tmp_path, **UNKNOWN | options)
        assert splits["train"].class_names == tuple(names.split())
        assert tuple(sizes(splits).values()) == counts
        of_a, of_b = splits["train"].labels.bincount().tolist()
        assert abs(of_a - of_b) <= 1
        assert note in splits["test"].notes[0]


def test_another_folder_beside_the_parts_is_left_out_and_said(tmp_path):
    fill(tmp_path, "train/a:10", "train/b:10", "test/a:10", "test/b:10", "unlabeled:5", "test_b/a:3", "test_b/b:3")
    said = "Left out, since beside the parts train, test: test_b (6 pictures), unlabeled (5 pictures)."
    with pytest.warns(UserWarning, match=re.escape(said)):
        splits = load_folder(tmp_path, **UNKNOWN)
    assert sum(map(len, splits.values())) == 40
    assert said in splits["val"].notes


CLASSES = """
control, test; invalid, valid; test_negative, test_positive; post_test, pre_test; A, B; Class 1, Class 2; 0, 1, 2;
n01440764, n02102040; case, control; mask, no_mask; disc, macula; photo, sketch; Größe, Müller, Öl; 正常, 肺炎;
cat.1, cat.2; grade A, grade B; left_lung, right_lung; 100, 200; 40X, 100X; COVID, NORMAL, Viral Pneumonia
"""


@pytest.mark.parametrize("folders", listed(CLASSES), ids=", ".join)
def test_names_that_only_look_like_parts_or_patients_stay_classes(tmp_path, folders):
    fill(tmp_path, *folders, n=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on "control" as the positive class, for example
        assert load_folder(tmp_path, **UNKNOWN)["train"].class_names == folders


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (("train", "bus"), ("train", "bus")),
        (("image",), ("mask", "image")),
        (("north/left", "north/right", "south/left", "south/right"), ("south", "north")),
        (("batch_a", "batch_b"), ("batch_a", "batch_b")),
        (("er/patient1", "er/patient2"), ("patient2", "patient1")),
    ],
)
def test_class_names_decide_what_names_of_folders_leave_open(tmp_path, folders, names):
    fill(tmp_path, *folders, n=10)
    if "mask" in names:
        draw_mask(*(tmp_path / "mask" / f"image-{i}.png" for i in range(10)))
    assert load_folder(tmp_path, class_names=names, **UNKNOWN)["train"].class_names == names


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ("train1/a, train1/b, train2/a, train2/b, test/a, test/b", "train on.*train1, train2.*into one folder train"),
        ("train/NORMAL, train/SICK, test/Normal, test/SICK", "NORMAL and Normal differ in their spelling"),
        ("train/NORMAL, train/SICK, test/normal, test/SICK", "NORMAL and normal differ in their spelling"),
        ("train/NORMAL, train/SICK, test/NORMAL , test/SICK", "NORMAL and NORMAL  differ in their spelling"),
        ("train/a, train/b, train/c, test/a, test/b", "test should hold the class folders a, b, c; it holds a, b"),
        ("train/a, train/b, train/c, test/a, test/b, test/c:0", "test/c holds none"),
    ],
)
def test_parts_that_do_not_fit_to_each_other_are_named(tmp_path, folders, words):
    refuses(words, load_folder, fill(tmp_path, *folders.split(", ")), **UNKNOWN)


def test_all_that_has_to_be_said_comes_in_one_warning(tmp_path):
    fill(tmp_path, "train/COVID", "train/normal", "test/COVID", "test/normal", "more", n=10)
    (tmp_path / "train/COVID/scan.mha").write_bytes(b"something")
    with pytest.warns(UserWarning, match="beside the parts") as warned:
        splits = load_folder(tmp_path, size=8)
    (warning,) = warned
    said = ("more (10 pictures)", "1 file .mha", "normal is the positive class", "patients of these images are un")
    assert all(words in str(warning.message) for words in said)
    assert all(any(words in note for note in splits["val"].notes) for words in said)


def test_patients_with_several_pictures_in_all_classes_are_no_structure(tmp_path):
    fill(tmp_path, *(f"{name}/patient{i}:1" for name in ("fibrosis", "normal") for i in range(12)))
    splits = load_folder(tmp_path, size=8, class_names=("normal", "fibrosis"))
    assert sum(len(split.groups.unique()) for split in splits.values()) == 12


@pytest.mark.parametrize(
    ("folders", "copy", "said"),
    [
        ("train/a, train/b, test/a, test/b", "set", "set inside set is a second copy (24 pictures)"),
        ("yes:10, no:10", "brain_tumor_dataset", "brain_tumor_dataset inside set is a second copy (20 pictures)"),
    ],
)
def test_the_second_copy_in_an_archive_is_passed_over_only_if_it_is_one(tmp_path, folders, copy, said):
    root = fill(tmp_path / "set", *folders.split(", "))
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy").rename(root / copy)
    splits = load_folder(root, **UNKNOWN)
    assert splits["train"].class_names == (("a", "b") if copy == "set" else ("no", "yes"))
    assert f"({sum(map(len, splits.values()))} pictures)" in said
    assert any(said in note for note in splits["val"].notes)
    if copy == "set":
        draw(root / "set/train/a/new.png")
        with pytest.warns(UserWarning, match=r"beside the parts train, test: set \(25 pictures\)"):
            load_folder(root, **UNKNOWN)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_part_that_is_a_link_to_another_part_is_refused(tmp_path):
    fill(tmp_path, "train/a", "train/b")
    os.symlink(tmp_path / "train", tmp_path / "test")
    refuses(r"test is a link to .*train", load_folder, tmp_path, **UNKNOWN)
