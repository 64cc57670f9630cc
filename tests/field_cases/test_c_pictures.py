"""Kind C: what lies in a class folder is taken for pictures of patients. Left out, counted, said; or refused."""

import os
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

from lab_utils.data import load_folder
from tests.field_cases.drawing import UNKNOWN, draw, draw_mask, fill, listed
from tests.refusals import refuses

links = pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")


def total(splits):
    return sum(map(len, splits.values()))


def notes(splits):
    assert len({split.notes for split in splits.values()}) == 1
    return "\n".join(splits["train"].notes)


def load_loudly(root, match, **options):
    with pytest.warns(UserWarning, match=match):
        splits = load_folder(root, **UNKNOWN | options)
    return splits


PROGRAMS = ".ipynb_checkpoints, @eaDir, @eadir/a.png, __MACOSX, .thumbnails, $RECYCLE.BIN, lost+found, __pycache__, "
PROGRAMS += ".Trash-1000/files, #recycle, System Volume Information"


@pytest.mark.parametrize("junk", PROGRAMS.split(", "))
def test_folders_of_programs_are_passed_over_at_every_depth(tmp_path, junk):
    fill(tmp_path, "NORMAL/series1", "SICK", n=8)
    for place in (".", "NORMAL", "NORMAL/series1", "SICK"):
        draw(tmp_path / place / junk / "copy-1.png", tmp_path / place / junk / "copy-2.jpg")
    splits = load_folder(tmp_path, **UNKNOWN)
    assert splits["train"].class_names == ("NORMAL", "SICK")
    assert total(splits) == 16
    assert f"8 pictures passed over in {junk.split('/')[0]}" in notes(splits)


def test_hidden_and_system_files_are_passed_over(tmp_path):
    fill(tmp_path, "train/NORMAL", "train/SICK", "test/NORMAL", "test/SICK")
    for name in ("._x.png", ".x.png", "Thumbs.db", ".DS_Store", "desktop.ini"):
        for folder in (".", "train", "train/NORMAL", "test/SICK"):
            (tmp_path / folder / name).write_bytes(b"junk")
    splits = load_folder(tmp_path, **UNKNOWN)
    assert total(splits) == 24
    assert "8 pictures passed over in hidden files" in notes(splits)


BESIDE = """
x.png, x_mask.png; x.jpg, x_segmentation.png; benign (1).png, benign (1)_mask.png, benign (1)_mask_1.png;
x.jpg, x_mask.png, x_superpixels.png, x_overlay.jpg; x.png, x-seg.png; x.png, x.mask.png; x.png, x mask.png;
x.png, xMask.png; x.png, mask_x.png; x.tif, x_GT.png; x.png, x_ground_truth.png; x.png, x_lung_mask.png;
X.PNG, x_mask.png; x.jpg, x_thumb.jpg; x.jpg, x_annotated.jpg
"""


@pytest.mark.parametrize("names", listed(BESIDE), ids=", ".join)
def test_a_file_that_belongs_to_a_picture_beside_it_is_left_out(tmp_path, names):
    for name in names:
        for folder in ("benign", "malignant"):
            mask, rest = ("mask_", "x.png") if name.startswith("mask") else ("", name)
            draw(*(tmp_path / folder / f"{mask}{folder}{i}{rest}" for i in range(8)))
    splits = load_loudly(tmp_path, f"{16 * (len(names) - 1)} pictures left out as masks")
    assert total(splits) == 16
    assert f"{16 * (len(names) - 1)} pictures left out as masks" in notes(splits)


@pytest.mark.parametrize(
    "folder", ["masks", "mask", "Segmentation", "ground_truth", "GT", "leftMask", "overlays", "infection masks"]
)
def test_a_folder_of_masks_inside_class_folders_is_left_out(tmp_path, folder):
    for name in ("COVID", "Normal", "Viral Pneumonia"):
        draw(*(tmp_path / name / "images" / f"{name}-{i}.png" for i in range(8)))
        draw_mask(*(tmp_path / name / folder / f"{name}-{i}.png" for i in range(8)))
    splits = load_loudly(tmp_path, "24 pictures left out as masks", class_names=("Normal", "COVID", "Viral Pneumonia"))
    assert total(splits) == 24
    assert (splits["train"].images.flatten(1).float().std(dim=1) > 0).all()
    assert all(split.images[:, 0, 0, 0].eq(100).all() for split in splits.values())


@pytest.mark.parametrize(
    ("pictures", "masks", "words", "number"),
    [
        ([], ["masks/0.png", "masks/1.png", "masks/2.png"], "3 pictures left out as masks", 16),
        # the pictures of these masks are elsewhere: what looks like one is one, a photograph of a face is none
        (["SICK/behind_mask.png"], ["SICK/elsewhere_mask.png"], "1 picture left out as masks", 17),
        (["overview.png"], [], r"1 picture in no class folder .*overview\.png", 16),
    ],
)
def test_what_lies_beside_the_pictures_of_two_classes_is_no_class_and_is_said(tmp_path, pictures, masks, words, number):
    fill(tmp_path, "NORMAL", "SICK", n=8)
    draw(*(tmp_path / name for name in pictures))
    draw_mask(*(tmp_path / name for name in masks))
    splits = load_loudly(tmp_path, words)
    assert splits["train"].class_names == ("NORMAL", "SICK")
    assert total(splits) == number


def test_a_folder_with_all_the_names_of_those_around_it_is_refused(tmp_path):
    for name in ("NORMAL", "SICK"):
        draw(*(tmp_path / name / f"{name}{i}.png" for i in range(8)))
        draw(*(tmp_path / name / "predictions" / f"{name}{i}.jpg" for i in range(8)))
    words = r"NORMAL/predictions holds pictures of the same names as the folder around it"
    refuses(words, load_folder, tmp_path, **UNKNOWN)
    for name in ("NORMAL", "SICK"):
        (tmp_path / name / f"predictions/{name}0.jpg").rename(tmp_path / name / "predictions/new.jpg")
    assert total(load_folder(tmp_path, **UNKNOWN)) == 32  # other pictures


@pytest.mark.parametrize(
    "folders",
    [("NORMAL/NORMAL", "SICK/SICK")]  # unpacked into itself
    + [(f"NORMAL/{inside}", f"SICK/{inside}") for inside in ("images", "Images", "jpg", "data", "raw", "images_01")],
    ids=", ".join,
)
def test_a_folder_of_images_in_each_class_folder_is_not_one_patient(tmp_path, folders):
    fill(tmp_path, *folders, n=10)
    with pytest.warns(UserWarning, match="patients of these images are unknown"):
        splits = load_folder(tmp_path, size=8)
    assert {part: len(split.groups.unique()) for part, split in splits.items()} == {"train": 14, "val": 2, "test": 4}


def test_one_picture_in_two_formats_comes_into_one_part(tmp_path):
    for value, name in enumerate(("NORMAL", "SICK")):
        for i in range(20):
            draw(*(tmp_path / name / f"{name}{i}.{ending}" for ending in ("png", "jpg")), value=100 * value + 4 * i)
    for seed in range(3):
        splits = load_folder(tmp_path, **UNKNOWN, seed=seed)
        shown = [{int(image[0, 0, 0]) // 4 for image in split.images.int() + 2} for split in splits.values()]
        assert sum(map(len, shown)) == len(set.union(*shown)) == 40


def test_pictures_and_masks_alone_are_no_classes(tmp_path):
    fill(tmp_path, "images", n=8)
    draw_mask(*(tmp_path / "masks" / f"images-{i}.png" for i in range(8)))
    words = r"it holds images; 8 pictures left out as masks .*masks/images-0.*class_names="
    refuses(words, load_folder, tmp_path, **UNKNOWN)


def test_faces_with_masks_are_pictures(tmp_path):
    for name in ("mask", "no_mask"):
        draw(*(tmp_path / name / f"{i}{'-with-mask' * (i > 7)}.png" for i in range(16)))
    splits = load_loudly(tmp_path, "no_mask is the positive class")
    assert splits["train"].class_names == ("mask", "no_mask")
    assert total(splits) == 32


@pytest.mark.parametrize("root", ["cat", "dog"])
def test_a_root_named_like_one_of_its_classes_keeps_it(tmp_path, root):
    splits = load_folder(fill(tmp_path / root, "cat", "dog", "emu", n=8), **UNKNOWN)
    assert splits["train"].class_names == ("cat", "dog", "emu")
    assert total(splits) == 24


def test_a_part_named_like_one_of_its_classes_keeps_it(tmp_path):
    fill(tmp_path, "train/train", "train/bus", "test/train", "test/bus", n=10)
    assert load_loudly(tmp_path, "train is taken for a class, as bus")["train"].class_names == ("bus", "train")


@pytest.mark.parametrize(
    "ending", [".mha", ".gif", ".nii", ".nii.gz", ".heic", ".avif", ".npy", ".zip", ".jp2", ".pgm", ".MHA", ""]
)
def test_files_of_other_kinds_are_counted_and_said(tmp_path, ending):
    fill(tmp_path, "NORMAL", "SICK", n=8)
    for i in range(3):
        (tmp_path / "NORMAL" / f"IM{i}{ending}").write_bytes(b"something")
    shown = ending.lower() or r"\(no ending\)"
    splits = load_loudly(tmp_path, f"Not read: 3 files {shown} in the class folders")
    assert total(splits) == 16
    assert "Not read: 3 files" in notes(splits)


def test_texts_and_tables_beside_pictures_are_no_pictures(tmp_path):
    fill(tmp_path, "NORMAL", "SICK", n=8)
    for name in ("README", "LICENSE.txt", "boxes.xml", "labels.csv", "notes.json"):
        (tmp_path / "NORMAL" / name).write_text("words")
    assert total(load_folder(tmp_path, **UNKNOWN)) == 16


def test_a_class_of_other_files_only_is_an_error_that_names_them(tmp_path):
    fill(tmp_path, "train/NORMAL", "train/SICK", "test/NORMAL", "test/SICK:0")
    for i in range(4):
        (tmp_path / f"test/SICK/{i}.mha").write_bytes(b"something")
    refuses(r"test/SICK holds none, but 4 files \.mha, which are not read", load_folder, tmp_path, **UNKNOWN)


@pytest.mark.parametrize("ending", [".jfif", ".jpe", ".JFIF"])
def test_rare_endings_of_jpegs_are_read(tmp_path, ending):
    fill(tmp_path, "NORMAL", "SICK", n=8)
    draw(tmp_path / "NORMAL/more.jpg")
    (tmp_path / "NORMAL/more.jpg").rename(tmp_path / f"NORMAL/more{ending}")
    assert total(load_folder(tmp_path, **UNKNOWN)) == 17


@pytest.mark.parametrize(("ending", "kind"), [("tif", "TIFF"), ("png", "PNG"), ("webp", "WEBP")])
def test_later_pages_and_frames_are_counted(tmp_path, ending, kind):
    fill(tmp_path, "NORMAL", "SICK", n=8)
    pages = [Image.fromarray(np.random.default_rng(i).integers(0, 255, (16, 16), np.uint8)) for i in range(4)]
    pages[0].save(tmp_path / f"SICK/several.{ending}", kind, save_all=True, append_images=pages[1:])
    splits = load_loudly(tmp_path, "1 picture with more than one page or frame")
    assert total(splits) == 17
    assert "the first was read, 3 others left out" in notes(splits)


@links
def test_links_lead_to_each_picture_once_and_never_in_circles(tmp_path):
    root = fill(tmp_path / "set", "NORMAL", "SICK", n=8)
    os.symlink(root, root / "NORMAL/back")
    os.symlink(root / "SICK", root / "SICK/again")
    os.symlink(root / "SICK/SICK-0.png", root / "SICK/z.png")
    os.link(root / "SICK/SICK-1.png", root / "SICK/zz.png")
    assert total(load_folder(root, **UNKNOWN)) == 16


@links
def test_pictures_may_be_links_to_files_elsewhere(tmp_path):
    fill(tmp_path, "pool:16", "set/NORMAL:0", "set/SICK:0")
    for i, path in enumerate(sorted((tmp_path / "pool").iterdir())):
        os.symlink(path, tmp_path / "set" / ("NORMAL" if i % 2 else "SICK") / path.name)
    os.symlink(tmp_path / "set", tmp_path / "linked")
    assert total(load_folder(tmp_path / "linked", **UNKNOWN)) == 16


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_what_is_no_file_is_named_and_does_not_hang(tmp_path):
    fill(tmp_path, "NORMAL", "SICK")
    os.mkfifo(tmp_path / "NORMAL/pipe.png")
    refuses(r"pipe\.png: a picture was expected; this is a pipe", load_folder, tmp_path, **UNKNOWN)
    (tmp_path / "NORMAL/pipe.png").unlink()
    os.symlink(tmp_path / "gone.png", tmp_path / "NORMAL/link.png")
    refuses(r"link\.png: .* a link to something that is not there", load_folder, tmp_path, **UNKNOWN)


def test_a_copy_in_two_parts_or_two_classes_is_said_with_its_names(tmp_path):
    fill(tmp_path, "train/NORMAL", "train/SICK", "val/NORMAL", "val/SICK", "test/NORMAL", "test/SICK")
    shutil.copy(tmp_path / "train/SICK/train-SICK-0.png", tmp_path / "test/SICK/other.png")
    Image.open(tmp_path / "train/SICK/train-SICK-1.png").save(tmp_path / "train/NORMAL/other.bmp")
    splits = load_loudly(tmp_path, r"1 picture is in more than one part.*train and test: 1.*other\.png")
    assert "1 picture is there more than once, with different labels" in notes(splits)
    assert "train/NORMAL/other.bmp and train/SICK/train-SICK-1.png" in notes(splits)


def test_copies_come_into_one_part_where_the_kit_divides(tmp_path):
    fill(tmp_path, "NORMAL:20", "SICK:20")
    for path in list(tmp_path.rglob("*.png")):
        shutil.copy(path, path.with_name(f"again{path.name.split('-')[1]}"))
    for seed in range(3):
        splits = load_folder(tmp_path, **UNKNOWN, seed=seed)  # no warning: no picture is in two parts
        assert {part: len(split) for part, split in splits.items()} == {"train": 56, "val": 8, "test": 16}
        shown = [{image.numpy().tobytes() for image in split.images} for split in splits.values()]
        assert sum(map(len, shown)) == len(set.union(*shown)) == 40


def test_what_was_read_as_what_stays_with_the_splits(tmp_path):
    fill(tmp_path, "Training/NORMAL:10", "Training/SICK:10", "Testing/NORMAL:3", "Testing/SICK:3")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train = load_folder(tmp_path, **UNKNOWN)["train"]
    read = "Read 26 pictures, classes: NORMAL = 0 (13), SICK = 1 (13). Parts: train from Training, test from Testing."
    assert train.notes[0] == read
    assert train.take([0, 1]).notes == train.notes
