"""Public sets in the layouts that they unpack to, on small faithful trees and on real tables at full length."""

import gzip
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_utils.__main__ import main
from lab_utils.data import check_disjoint, load_data, plan_data
from lab_utils.data.public.known import PUBLIC
from lab_utils.data.tables.columns import Columns
from lab_utils.data.tables.dividing import divide_table, say_leak
from lab_utils.data.tables.labels import read_labels
from tests.data import trees

SHARED = Path(os.environ.get("LAB_SHARED_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))


def notes(splits):
    return " ".join(splits["train"].notes)


@pytest.mark.parametrize("prefix", ["CheXpert-v1.0-small", "CheXpert-v1.0"])
@pytest.mark.parametrize("inside", [True, False])
def test_chexpert_is_read_from_its_folder_or_the_one_around_it(tmp_path, prefix, inside, capsys):
    trees.chexpert(tmp_path / "set", prefix)
    splits = load_data("chexpert", root=tmp_path / "set" / (prefix if inside else ""), size=16)
    assert "Research Use Agreement" in capsys.readouterr().out
    assert {part: len(split.groups.unique()) for part, split in splits.items()} == {"train": 11, "val": 1, "test": 3}
    assert sum(map(len, splits.values())) == 30
    assert splits["test"].task == "multilabel"
    assert splits["test"].class_names == ("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion")
    assert "15 lateral views were left out" in notes(splits)
    assert "of the test images would have had their patient in train" in notes(splits)


def test_chexperts_uncertain_and_unmentioned_findings_become_what_is_asked_for(tmp_path):
    trees.chexpert(tmp_path)
    found = {}
    for uncertain in ("ignore", "ones", "zeros"):
        splits = load_data(
            "chexpert",
            root=tmp_path,
            size=8,
            uncertain=uncertain,
            findings=("Cardiomegaly", "Lung Lesion"),
            blank="ignore",
        )
        labels = torch.cat([splits["train"].labels, splits["val"].labels])
        assert [int((labels[:, 1] == value).sum()) for value in (1, 0, -1)] == [12, 0, 12]
        found[uncertain] = [int((labels[:, 0] == value).sum()) for value in (1, 0, -1)]
    assert found == {"ignore": [12, 0, 12], "ones": [24, 0, 0], "zeros": [12, 12, 0]}


def test_the_official_lists_of_chestxray14_are_kept_and_val_is_drawn_by_patient(tmp_path):
    trees.nih14(tmp_path)
    splits = load_data("nih14", root=tmp_path, size=16)
    assert {part: len(split) for part, split in splits.items()} == {"train": 42, "val": 3, "test": 15}
    assert splits["train"].class_names == ("Effusion", "Hernia", "Mass")
    assert splits["train"].in_channels == 1
    check_disjoint(*splits.values())
    assert splits["test"].labels.sum(dim=0).tolist() == [9, 3, 6]
    divided = load_data("nih14", root=tmp_path, size=16, official=False)
    assert [len(split) for split in divided.values()] == [42, 6, 12]


def test_some_of_the_twelve_folders_of_chestxray14_will_do(tmp_path):
    trees.nih14(tmp_path)
    for path in (tmp_path / "images_002" / "images").iterdir():
        path.unlink()
    (tmp_path / "train_val_list.txt").unlink()
    with pytest.warns(UserWarning, match=r"Rows whose picture is not there, left out: 30 \(for example 00000011"):
        splits = load_data("nih14", root=tmp_path, size=8)
    assert sum(map(len, splits.values())) == 30
    assert "official lists" in notes(splits)


def test_both_eyes_of_a_person_stay_together_and_black_pictures_are_left_out(tmp_path):
    splits = load_data("eyepacs", root=trees.eyepacs(tmp_path), size=16)
    check_disjoint(*splits.values())
    assert sum(map(len, splits.values())) == 60
    assert sum(len(split.groups.unique()) for split in splits.values()) == 30
    assert (splits["train"].task, splits["train"].num_classes) == ("ordinal", 5)
    assert "1 black pictures were left out" in notes(splits)


def test_the_later_labels_of_eyepacs_make_val_and_test(tmp_path):
    splits = load_data("eyepacs", root=trees.eyepacs(tmp_path, test=True), size=8, task="referable")
    assert [len(split) for split in splits.values()] == [60, 3, 5]
    assert splits["test"].class_names == ("not referable", "referable")
    assert splits["val"].labels.tolist() == [0, 1, 1]


def test_copies_in_aptos_stay_together_and_their_other_grade_is_said(tmp_path):
    trees.aptos(tmp_path)
    with pytest.warns(UserWarning, match="1 picture is there more than once, with different labels") as caught:
        splits = load_data("aptos", root=tmp_path, size=64)
    assert "all of these labels but one are wrong" in str(caught[0].message)
    assert "Pictures without a row, left out: 1" in notes(splits)
    assert sum(len(split.groups.unique()) for split in splits.values()) == 40
    assert sum(map(len, splits.values())) == 42
    assert "2 pictures are copies of others" in notes(splits)
    assert "patients are unknown" in notes(splits)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_plan_says_images_patients_disk_and_time_and_decodes_nothing_into_the_set(tmp_path, name, capsys):
    getattr(trees, name)(tmp_path / "set")
    assert main(["data", name, "--root", str(tmp_path / "set"), "--plan", "--size", "32"]) == 0
    told = capsys.readouterr().out
    for words in (f"{name}: ", "Read ", " patients: ", "train: ", " pictures to 32 px: ", " MB in ", " seconds in "):
        assert words in told
    assert not list((tmp_path / "cache").glob("pools/*-32px-*"))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_wrong_folder_gets_words_with_the_way_to_get_the_set(tmp_path, name):
    (tmp_path / "junk.txt").write_text("x")
    with pytest.raises(FileNotFoundError, match=r"has a table .* there is none in .*which holds junk\.txt.*root="):
        load_data(name, root=tmp_path)
    with pytest.raises(ValueError, match=f"'{name}' needs root="):
        load_data(name)
    with pytest.raises(ValueError, match="Expected name to be one of"):
        plan_data("nope", tmp_path)


def test_a_table_of_another_edition_gets_words(tmp_path):
    trees.chexpert(tmp_path)
    table = tmp_path / "CheXpert-v1.0-small" / "train.csv"
    table.write_text(table.read_text("utf-8").replace("Frontal/Lateral", "View"), "utf-8")
    with pytest.raises(
        ValueError, match=r"must name a column of .*train\.csv; got 'Frontal/Lateral'\. Its columns are 'Path'"
    ):
        load_data("chexpert", root=tmp_path)
    with pytest.raises(TypeError, match="Did you mean 'uncertain'"):
        load_data("chexpert", root=tmp_path, uncertian="ones")


@pytest.mark.skipif(not (SHARED / "nih").is_dir(), reason="needs the real tables")
def test_the_real_tables_of_chestxray14_have_the_published_counts(tmp_path):
    for name in ("Data_Entry_2017_v2020.csv", "train_val_list.txt", "test_list.txt"):
        (tmp_path / name).write_bytes(gzip.decompress((SHARED / "nih" / f"{name}.gz").read_bytes()))
    described = PUBLIC["nih14"](tmp_path)
    table: Columns = described["table"]
    assert len(table) == 112_120
    labels = read_labels(table, described["label"], task=described["task"])
    counts = dict(zip(labels.class_names, labels.values.sum(dim=0).int().tolist(), strict=True))
    assert counts == {
        "Infiltration": 19_894, "Effusion": 13_317, "Atelectasis": 11_559, "Nodule": 6_331, "Mass": 5_782,
        "Pneumothorax": 5_302, "Consolidation": 4_667, "Pleural_Thickening": 3_385, "Cardiomegaly": 2_776,
        "Emphysema": 2_516, "Edema": 2_303, "Fibrosis": 1_686, "Pneumonia": 1_431, "Hernia": 227,
    }  # fmt: skip
    assert int((labels.values.sum(dim=1) == 0).sum()) == 60_361
    owners = np.array(table.cells["Patient ID"])
    assert len(set(owners)) == 30_805
    parts, _ = divide_table(labels.values.numpy(), owners, table.cells["part"], column="part", seed=0)
    assert len(parts["train"]) + len(parts["val"]) == 86_524
    assert len(parts["test"]) == 25_596
    assert len(set(owners[parts["test"]])) == 2_797
    assert say_leak(owners, seed=0).startswith("Divided by image, 82% of the test images")
