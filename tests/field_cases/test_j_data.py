"""Kind J, data: labels that can be read in two ways, scales, names, sizes, and what has to stay with a result."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lab_utils.data import Split, load_course, load_data, load_medmnist, load_npz, load_phantoms, make_phantoms, subset
from lab_utils.data.folders.patients import UNKNOWN
from tests.field_cases.drawing import SHARED
from tests.refusals import refuses

CLASSES = np.array([0, 1, 2, 1, 2, 0, 2, 2, 1, 0, 1, 2])


def npz(folder: Path, labels: np.ndarray = CLASSES, name: str = "mine.npz", **changes: object) -> Path:
    """Twelve noise pictures in each part, no two alike."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part in ("train", "val", "test"):
        arrays[f"{part}_images"] = rng.integers(0, 256, (12, 8, 8)).astype(np.uint8)
        arrays[f"{part}_labels"] = labels
    np.savez(folder / name, **(arrays | changes))
    return folder / name


def course(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("normal", "pneumonia", "test_normal", "test_pneumonia"):
        np.save(folder / f"{name}.npy", rng.integers(0, 256, (10, 8, 8)).astype(np.uint8))
    return folder


# ---- labels
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32, np.float64, bool])
@pytest.mark.parametrize("classes", [2, 3])
def test_one_class_written_in_columns_is_refused_until_the_task_is_named(tmp_path, kind, classes):
    labels = np.eye(classes, dtype=kind)[CLASSES % classes]
    path = npz(tmp_path, labels)
    refuses(r"exactly one 1 in each row.*task='multiclass'.*or task='multilabel'", load_data, path)
    task = "binary" if classes == 2 else "multiclass"
    train = load_data(path, task=task)["train"]
    assert (train.task, train.labels.tolist()) == (task, (CLASSES % classes).tolist())
    findings = load_data(path, task="multilabel")["train"]
    assert findings.labels.tolist() == labels.astype(float).tolist()
    named = load_data(path, task="ordinal", class_names=("none", "mild", "severe")[:classes])["train"]
    assert named.labels.tolist() == (CLASSES % classes).tolist()


@pytest.mark.parametrize("row", [[0, 0, 0], [1, 1, 0], [-1, 1, 0]])
def test_findings_are_findings_as_soon_as_one_row_shows_it(tmp_path, row):
    labels = np.eye(3, dtype=np.int8)[CLASSES]
    labels[5] = row
    path = npz(tmp_path, np.eye(3, dtype=np.int8)[CLASSES], val_labels=labels)
    assert load_data(path)["train"].task == "multilabel"


@pytest.mark.parametrize(
    ("labels", "options", "words"),
    [
        (CLASSES + 1, {}, "from 1 to 3. Subtract 1"),
        (CLASSES[:, None] + 1.0, {}, "from 1 to 3. Subtract 1"),
        (CLASSES % 2 + 1, {}, "from 1 to 2. Subtract 1"),
        (CLASSES + 1, {"class_names": ("a", "b", "c")}, "begin at 1: subtract 1"),
        (CLASSES % 2 + 1, {"task": "binary"}, "from 1 to 2. Subtract 1"),
        (255 * (CLASSES % 2), {}, "largest label is 255"),
        (CLASSES % 2 * 2 - 1, {}, "for example -1"),
        (np.array(["normal", "sick", "sick"])[CLASSES], {}, r"holds text \(normal, sick\).*class_names="),
        (np.array([b"0", b"1", b"2"])[CLASSES], {}, "holds text"),
        (CLASSES / 2, {}, "fractions"),
        (CLASSES.astype(object), {}, "type object"),
        (CLASSES, {"class_names": "abc"}, "list of names; got the one text 'abc'"),
        (CLASSES, {"class_names": ("a", "b", "a")}, "name of its own; 'a'"),
        (CLASSES, {"class_names": ("a", "b")}, "from 0 to 1"),
    ],
)
def test_labels_and_names_that_do_not_number_classes_from_0_are_refused(tmp_path, labels, options, words):
    with pytest.raises(ValueError, match=words) as caught:
        load_data(npz(tmp_path, labels), **options)
    assert "mine.npz" in str(caught.value) or "class_names" in options


SEVEN = np.arange(12) % 7
CODED = {
    "columns of a published set": (
        np.eye(7)[np.arange(12) % 7].astype(np.uint8),
        "dermamnist_mine.npz",
        np.arange(12) % 7,
    ),
    "true and false": (CLASSES > 0, "mine.npz", (CLASSES > 0).astype(int)),
    "the names of two sets": (CLASSES % 2, "retinamnist_and_pneumoniamnist.npz", CLASSES % 2),
}


@pytest.mark.parametrize("kind", CODED)
def test_labels_become_the_numbers_of_their_classes(tmp_path, kind):
    labels, name, expected = CODED[kind]
    train = load_npz(npz(tmp_path, labels, name))["train"]
    assert (train.task, train.labels.tolist()) == ("binary" if expected.max() == 1 else "multiclass", expected.tolist())
    assert kind == "columns of a published set" or train.class_names == ("class 0", "class 1")


def test_names_from_numpy_are_plain_text(tmp_path):
    split = load_npz(npz(tmp_path, CLASSES % 2), class_names=np.array(["normal", "sick"]))["train"]
    assert [type(name) for name in split.class_names] == [str, str]


# ---- pixels
def test_whole_numbers_0_and_1_are_no_grey_levels(tmp_path):
    two_levels = np.random.default_rng(0).integers(0, 2, (12, 8, 8))
    for kind in (np.uint8, np.int64):
        refuses(r"only 0 and 1.*Multiply", load_npz, npz(tmp_path, train_images=two_levels.astype(kind)))
    assert load_npz(npz(tmp_path, train_images=two_levels.astype(np.float32)))["train"].images.max() == 255


# ---- sizes and numbers
@pytest.mark.parametrize("size", [65, 67, 101, 223])
def test_phantoms_of_an_odd_side_are_drawn(size):
    images = make_phantoms(3, size=size, seed=5).images
    assert images.shape == (3, 1, size, size)
    assert torch.equal(load_phantoms(2, size=size, seed=5).images, images[:2])
    even = make_phantoms(3, size=size - 1, seed=5).images
    small = [torch.nn.functional.interpolate(x.float(), (16, 16), mode="area").flatten() for x in (images, even)]
    assert torch.corrcoef(torch.stack(small))[0, 1] > 0.98  # the same bodies


@pytest.mark.parametrize("size", [0, 1, -3, 2.5, "64", 7, True, None, 64.0, 10_000])
def test_other_sides_of_phantoms_are_refused_in_words(size):
    refuses(r"size must be a whole number from 64 to 224.*got", make_phantoms, 2, size=size)
    refuses(r"size must be a whole number from 64 to 224.*got", load_phantoms, 2, size=size)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", True, 64.0, (64, 64)])
def test_sides_that_are_none_are_refused_before_anything_is_read(tmp_path, size):
    nowhere = tmp_path / "nowhere"
    for load in (
        lambda: load_npz(nowhere / "x.npz", size=size),
        lambda: load_course(nowhere, size=size),
        lambda: load_medmnist("retinamnist", size=size, root=nowhere),
        lambda: load_npz(npz(tmp_path), size=size),
    ):
        refuses("size must be a side in pixels, a whole number of at least 1; got", load)


def test_small_and_odd_sides_and_the_own_size_are_read(tmp_path):
    path, folder = npz(tmp_path), course(tmp_path)
    for size, side in ((1, 1), (7, 7), (np.int64(8), 8), (None, 8)):
        assert load_npz(path, size=size)["train"].image_size == side
        assert load_course(folder, size=size)["train"].image_size == side


@pytest.mark.parametrize("n", [True, "5", 2.5, 0, -1, 13])
def test_numbers_of_images_that_are_none_are_refused_in_words(tmp_path, n):
    refuses(r"whole number n from 1 to 12, .*got n = ", load_npz, npz(tmp_path), n_train=n)


@pytest.mark.parametrize("name", ["retinamnist_29", "retinmnist", "../retinamnist"])
def test_published_sets_that_do_not_exist_are_refused_in_words(name):
    refuses("name must be one of", load_medmnist, name)


# ---- what has to stay with a result
def test_unknown_patients_are_a_note_of_every_part_and_of_what_is_made_of_it(tmp_path):
    for splits in (load_npz(npz(tmp_path)), load_course(course(tmp_path))):
        for split in splits.values():
            for made in (split, split.take([0, 1]), subset(split, 3, seed=0), split.to("cpu")):
                assert made.notes == (UNKNOWN,)
                assert UNKNOWN in repr(made)


def test_phantoms_have_patients_and_no_note():
    assert make_phantoms(4).notes == ()


def test_identical_pictures_in_two_parts_or_with_two_labels_are_a_note(tmp_path):
    path = npz(tmp_path)
    with np.load(path) as arrays:
        content = dict(arrays)
    content["test_images"][4] = content["train_images"][0]  # label 2, was 0
    content["val_images"][5] = content["val_images"][0]  # both label 0
    np.savez(path, **content)
    for split in load_npz(path).values():
        unknown, twice = split.notes
        assert unknown == UNKNOWN
        assert twice.startswith("1 picture is in more than one part, the same in every pixel (train and test: 1; ")
        assert "number 0 of train and number 4 of test" in twice
        assert "1 picture is there more than once, with different labels" in twice
    folder = course(tmp_path)
    np.save(folder / "test_normal.npy", np.load(folder / "pneumonia.npy"))
    assert "10 pictures are in more than one part" in load_course(folder)["train"].notes[1]


@pytest.mark.skipif(not SHARED.exists(), reason="the real files are not here")
def test_real_sets_say_what_is_unknown_and_what_is_twice():
    official = load_data("retinamnist_28", root=SHARED, size=28)
    assert all(split.notes == (UNKNOWN,) for split in official.values())
    divided_again = load_data(SHARED / "pneumoniamnist_resplit_28.npz", size=28)
    with np.load(SHARED / "pneumoniamnist_resplit_28.npz") as arrays:
        parts = {part: {image.tobytes() for image in arrays[f"{part}_images"]} for part in ("train", "val", "test")}
    assert len(parts["train"] & parts["val"]) == 8
    assert not (parts["train"] | parts["val"]) & parts["test"]
    assert "8 pictures are in more than one part" in divided_again["test"].notes[1]


def test_names_of_a_split_made_by_hand_are_checked_too():
    images, labels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    refuses("name of its own", Split, images, labels, torch.arange(2), "binary", ("a", "a"))
    with pytest.raises(ValueError, match="list of names"):
        Split(images, labels, torch.arange(2), "binary", "ab")  # type: ignore[arg-type]
