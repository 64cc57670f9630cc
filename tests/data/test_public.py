"""Public sets in the layouts that they unpack to, on small faithful trees and on real tables at full length."""

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from lab_utils.__main__ import main
from lab_utils.data import check_disjoint, count_data, hdf5, load_data, plan_data
from lab_utils.data.public.known import PUBLIC
from lab_utils.data.public.nih14 import _only
from lab_utils.data.tables.columns import Columns, read_columns
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


def test_findings_of_chestxray14_are_those_that_are_asked_for_in_their_order(tmp_path):
    trees.nih14(tmp_path)
    splits = load_data("nih14", root=tmp_path, size=8, findings=["Mass", "Effusion"])
    assert splits["train"].class_names == ("Mass", "Effusion")
    assert splits["test"].labels.sum(dim=0).tolist() == [6, 9]
    assert sum(map(len, splits.values())) == 60  # images with a hernia alone have none of the two
    assert load_data("nih14", root=tmp_path, size=8, findings=("Hernia",))["test"].labels.sum().item() == 3


@pytest.mark.parametrize("name", ["nih14", "chexpert"])
@pytest.mark.parametrize(
    ("findings", "words"),
    [
        (("Pneumothorx",), "Expected a finding of .*, got 'Pneumothorx'. Did you mean 'Pneumothorax'"),
        ("Pneumonia", "Expected findings to be a list of names, such as findings=.*, got 'Pneumonia'"),
        ((), "Expected findings to be a list of names"),
        (([],), "list, which is no name"),
    ],
)
def test_findings_that_nobody_knows_are_refused_with_the_nearest(tmp_path, name, findings, words):
    getattr(trees, name)(tmp_path)
    with pytest.raises(ValueError, match=words):
        load_data(name, root=tmp_path, size=8, findings=findings)


def test_an_empty_cell_of_chestxray14_stays_without_a_label_whatever_is_asked_for():
    assert [_only(cell, ["Mass"]) for cell in ("", "Mass|Edema", "Edema", "No Finding", " Mass ")] == [
        "", "Mass", "No Finding", "No Finding", "Mass"
    ]  # fmt: skip


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


@pytest.mark.parametrize("jpeg", [False, True])
def test_a_film_of_cbis_ddsm_is_one_picture_with_the_worst_of_its_lesions(tmp_path, jpeg):
    splits = load_data("cbis_ddsm", root=trees.cbis_ddsm(tmp_path, jpeg=jpeg), size=8)
    check_disjoint(*splits.values())
    assert [len(split) for split in splits.values()] == [28, 2, 6]
    said = notes(splits)
    assert "1 patients are in train and test of the official division" in said
    assert "1 films have a benign and a malignant lesion" in said  # P_00002, CC
    assert "3 films are there for masses and for calcifications" in said  # both of P_00001, one of P_00003
    assert f"left out: {83} (" in said  # two of each of 40 lesions, and the three films
    pictures, table = (PUBLIC["cbis_ddsm"](tmp_path)[key] for key in ("pictures", "table"))
    assert set(table.cells["file"]) <= set(pictures)
    ends = "jpg" if jpeg else "/1-1.dcm"
    assert all(file.endswith(ends) and "_1/" not in file for file in table.cells["file"])
    owners = table.cells["patient_id"], table.cells["pathology"]
    labels = [label for patient, label in zip(*owners, strict=True) if patient == "P_00002"]
    assert labels == ["malignant", "malignant"]  # numbers 1 and 2 of CC: (2 + 1) % 3 is 0; and 1 of MLO
    assert sum(map(len, load_data("cbis_ddsm", root=tmp_path, size=8, lesions="mass").values())) == 22


def test_a_film_of_cbis_ddsm_with_two_pictures_is_an_error(tmp_path):
    trees.cbis_ddsm(tmp_path)
    film = next(tmp_path.glob("CBIS-DDSM/Mass-Training_P_00000_LEFT_CC/*/*/1-1.dcm"))
    film.with_name("copy.dcm").write_bytes(film.read_bytes())
    with pytest.raises(ValueError, match=r"one picture was expected of the film Mass-Training_P_00000_LEFT_CC; .*copy"):
        load_data("cbis_ddsm", root=tmp_path)


def test_pictures_of_one_lesion_of_isic_stay_together(tmp_path):
    splits = load_data("isic2019", root=trees.isic2019(tmp_path), size=8)
    assert sum(map(len, splits.values())) == 48
    assert splits["train"].num_classes == 8
    assert sum(len(split.groups.unique()) for split in splits.values()) == 25
    for said in ("had their lesion in train", "1 pictures name no lesion", "patients are unknown"):
        assert said in notes(splits)


@pytest.mark.parametrize("packed", [False, True])
def test_patches_come_from_their_rows_in_parts_by_slide(tmp_path, packed):
    h5py = pytest.importorskip("h5py")
    splits = load_data("pcam", root=trees.pcam(tmp_path / "set", packed=packed), size=96)
    with h5py.File(trees.pcam(tmp_path / "plain") / "camelyonpatch_level_2_split_valid_x.h5") as file:
        assert np.array_equal(splits["val"].images.permute(0, 2, 3, 1).numpy(), file["x"][...])
    assert splits["val"].labels.tolist() == [0, 1] * 4
    assert [len(split.groups.unique()) for split in splits.values()] == [4, 2, 2]
    assert "had their slide in train" in notes(splits)


def test_other_files_of_patches_are_named(tmp_path):
    root = trees.pcam(tmp_path)
    for table in root.glob("*_meta.csv"):
        table.unlink()
    assert "No table names the slides of train" in notes(load_data("pcam", root=root, size=8))
    file = root / "camelyonpatch_level_2_split_train_x.h5"
    half = file.read_bytes()[:2000]
    file.unlink()  # HDF5 keeps an open file by its number
    file.write_bytes(half)
    with pytest.raises(ValueError, match=r"train_x\.h5: an HDF5 file with a data set 'x' was expected .* cut short"):
        load_data("pcam", root=root, size=8)
    file.unlink()
    file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(bytes(9999))[:-12])
    with pytest.raises(ValueError, match=r"x\.h5\.gz: a whole packed file was expected; it is cut short"):
        load_data("pcam", root=root, size=8)
    for name in ("train_x", "valid_y"):  # what is unpacked to the disk, and what in memory
        packed = root / f"camelyonpatch_level_2_split_{name}.h5.gz"
        content = bytearray(gzip.compress(np.random.default_rng(0).bytes(999)))
        content[10] = 7  # a kind of block that there is not: zlib.error
        packed.write_bytes(content)
        packed.with_suffix("").unlink(missing_ok=True)
        with pytest.raises(ValueError, match=rf"{name}\.h5\.gz.*Error -3.*Copy it again"):
            load_data("pcam", root=root, size=8)
        packed.unlink()
        hdf5._opened.cache_clear()  # HDF5 does not write to a file that is open
        trees.pcam(root)


def test_the_patients_of_rsna_are_unknown_without_its_map_to_nih(tmp_path):
    splits = load_data("rsna", root=trees.rsna(tmp_path), size=8)
    assert "RSNA's patientId is one for each image. The real patients are unknown" in notes(splits)
    assert "40 rows of 30 images" in notes(splits)
    assert sum(len(split.groups.unique()) for split in splits.values()) == 30
    trees.rsna(tmp_path, known=True)
    splits = load_data("rsna", root=tmp_path, size=8, task="classes")
    assert sum(len(split.groups.unique()) for split in splits.values()) == 15
    assert splits["train"].class_names == ("normal", "not normal, no opacity", "opacity")
    assert "had their patient in train" in notes(splits)
    known = tmp_path / "pneumonia-challenge-dataset-mappings_2018.json"
    known.with_name(f"{known.name}.gz").write_bytes(gzip.compress(known.read_bytes()))
    known.unlink()
    assert sum(len(split.groups.unique()) for split in load_data("rsna", root=tmp_path, size=8).values()) == 15
    known.write_text("[]", "utf-8")
    with pytest.raises(ValueError, match="30 are not, for example 00000000-14fd"):
        load_data("rsna", root=tmp_path)


def test_nested_copies_of_kermanys_chest_xrays_are_taken_once_and_numbers_of_test_are_other_people(tmp_path):
    trees.kermany(tmp_path, oct_too=True)
    splits = load_data("kermany", root=tmp_path, size=8)
    assert {part: len(split) for part, split in splits.items()} == {"train": 37, "val": 5, "test": 12}
    assert sum(len(split.groups.unique()) for split in splits.values()) == 36  # 18 sick ones, 18 others
    assert "54 pictures are there twice" in notes(splits)
    assert load_data("kermany", root=tmp_path, size=8, task="cause")["test"].labels.bincount().tolist() == [4, 4, 4]


def test_patients_of_kermanys_retinas_who_are_in_train_and_test_are_in_train(tmp_path):
    splits = load_data("kermany", root=trees.kermany(tmp_path, oct_too=True), size=8, task="oct")
    check_disjoint(*splits.values())
    assert [sum(map(len, splits.values())), len(splits["test"])] == [48, 15]
    assert "1 patients are in train and test of the official division" in notes(splits)


@pytest.mark.parametrize("name", PUBLIC)
def test_the_plan_says_images_patients_disk_and_time_and_decodes_nothing_into_any_set(tmp_path, name, capsys):
    getattr(trees, name)(tmp_path / "set")
    assert main(["data", name, "--root", str(tmp_path / "set"), "--plan", "--size", "32"]) == 0
    told = capsys.readouterr().out
    unit = {"isic2019": "lesion", "pcam": "slide"}.get(name, "patient")
    for words in (f"{name}: ", "Read ", f" {unit}s: ", "train: ", " pictures to 32 px: ", " MB in ", " seconds on "):
        assert words in told
    assert ("no picture was compared" in told) == (name == "aptos")
    assert not list((tmp_path / "cache").glob("pools/*"))


@pytest.mark.filterwarnings("ignore:.*there more than once")
@pytest.mark.parametrize("name", PUBLIC)
def test_the_images_that_are_counted_without_a_look_at_them_are_those_that_are_loaded(tmp_path, name):
    getattr(trees, name)(tmp_path / "set")
    counted = count_data(name, tmp_path / "set")
    assert not list((tmp_path / "cache").glob("pools/*"))
    loaded = {part: len(split) for part, split in load_data(name, root=tmp_path / "set", size=8).items()}
    if name == "aptos":  # which part its copies come into, their pixels decide
        counted, loaded = sum(counted.values()), sum(loaded.values())
    assert counted == loaded


@pytest.mark.parametrize("name", PUBLIC)
def test_a_wrong_folder_gets_words_with_the_way_to_get_the_set(tmp_path, name):
    (tmp_path / "junk.txt").write_text("x")
    with pytest.raises(
        FileNotFoundError, match=r"has (a table|pictures) .* there is none in .*which holds junk\.txt.*root="
    ):
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


def test_pictures_of_one_part_that_are_missing_do_not_move_the_others(tmp_path):
    trees.chexpert(tmp_path)
    shutil.rmtree(tmp_path / "CheXpert-v1.0-small" / "valid")
    with pytest.warns(UserWarning, match="Rows whose picture is not there, left out: 6"):
        splits = load_data("chexpert", root=tmp_path, size=8)
    assert sum(map(len, splits.values())) == 24
    assert sum(len(split.groups.unique()) for split in splits.values()) == 12


def test_a_damaged_list_part_or_grade_gets_words(tmp_path):
    trees.nih14(tmp_path / "nih")
    names = tmp_path / "nih" / "train_val_list.txt"
    names.write_text("\ufeff" + names.read_text("utf-8"), "utf-8")
    assert sum(map(len, load_data("nih14", root=tmp_path / "nih", size=8).values())) == 60
    names.write_text("", "utf-8")
    with pytest.raises(ValueError, match=r"train_val_list\.txt should list pictures; it names none"):
        load_data("nih14", root=tmp_path / "nih")
    for name, table, old, new, words in (
        ("eyepacs", "retinopathy_solution.csv", "Public", "open", "it says 'open'"),
        ("aptos", "train.csv", ",3", ",5", r"must hold the grades 0, 1, 2, 3, 4; it holds '5'"),
    ):
        trees.eyepacs(tmp_path / name, test=True) if name == "eyepacs" else trees.aptos(tmp_path / name)
        path = tmp_path / name / table
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        with pytest.raises(ValueError, match=words):
            load_data(name, root=tmp_path / name)


@pytest.mark.parametrize("name", ["chexpert", "nih14", "isic2019", "eyepacs"])
def test_tables_and_lists_may_be_packed(name, tmp_path):
    getattr(trees, name)(tmp_path)
    plain = load_data(name, root=tmp_path, size=8)
    for path in [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".txt")]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    for part, split in load_data(name, root=tmp_path, size=8).items():
        assert torch.equal(split.labels, plain[part].labels)
        assert split.notes == tuple(
            note.replace(".csv", ".csv.gz") if ".csv" in note else note for note in plain[part].notes
        )


def unpack(folder: str, target: Path) -> None:
    for path in (SHARED / folder).glob("*.gz"):
        if not path.name.endswith(".tar.gz"):
            (target / path.stem).write_bytes(gzip.decompress(path.read_bytes()))


@pytest.mark.skipif(not (SHARED / "cbis_ddsm").is_dir(), reason="needs the real tables")
def test_the_real_tables_of_cbis_ddsm_have_the_published_counts(tmp_path):
    unpack("cbis_ddsm", tmp_path)
    counts = {}
    for table in sorted(tmp_path.glob("*.csv")):
        columns = read_columns(table, tmp_path)
        bad = columns.cells["pathology"].count("MALIGNANT")
        counts["_".join(table.name.split("_")[::3])] = len(columns), len(set(columns.cells["patient_id"])), bad
        for path in columns.cells["image file path"]:  # as the newer download calls them
            film = tmp_path / path.replace("000000.dcm", "1-1.dcm")
            film.parent.mkdir(parents=True, exist_ok=True)
            film.touch()
    assert counts == {
        "mass_train": (1318, 691, 637),
        "mass_test": (378, 201, 147),
        "calc_train": (1546, 602, 544),
        "calc_test": (326, 151, 129),
    }
    described = PUBLIC["cbis_ddsm"](tmp_path)
    table = described["table"]
    assert len(table) == 3032
    assert len(described["pictures"]) == 3032 + 71
    assert set(table.cells["file"]) <= set(described["pictures"])
    said = " ".join(described["notes"])
    for words in ("31 patients are in train and test", "33 films have a benign and a malignant", "71 films are there"):
        assert words in said
    parts = {name: set() for name in ("train", "test")}
    for part, patient in zip(table.cells["part"], table.cells["patient_id"], strict=True):
        parts[part].add(patient)
    assert not parts["train"] & parts["test"]
    for lesions in ("mass", "calc"):
        assert "are in train and test" not in " ".join(PUBLIC["cbis_ddsm"](tmp_path, lesions=lesions)["notes"])


@pytest.mark.skipif(not (SHARED / "isic2019").is_dir(), reason="needs the real tables")
def test_the_real_tables_of_isic2019_have_the_published_counts(tmp_path):
    unpack("isic2019", tmp_path)
    described = PUBLIC["isic2019"](tmp_path)
    table = described["table"]
    assert len(table) == 25_331
    assert sum(name.endswith("_downsampled") for name in table.cells["image"]) == 2_074
    labels = read_labels(table, described["label"], task=described["task"])
    assert torch.bincount(labels.values).tolist() == [4_522, 12_875, 3_323, 867, 2_624, 239, 253, 628]
    assert {float(cell) for cell in table.cells["UNK"]} == {0.0}  # the ninth kind has none
    assert "2,084 pictures name no lesion" in " ".join(described["notes"])
    owners = np.array(table.cells["lesion"])
    assert len(set(owners)) - 2_084 == 11_847
    assert say_leak(owners, seed=0, unit="lesion").startswith("Divided by image, 60% of the test images")
    parts, _ = divide_table(labels.values.numpy(), owners, None, column="", seed=0)
    assert not set(owners[parts["train"]]) & set(owners[parts["test"]])


@pytest.mark.skipif(not (SHARED / "nih").is_dir(), reason="needs the real tables")
def test_the_real_tables_of_chestxray14_have_the_published_counts(tmp_path):
    unpack("nih", tmp_path)
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
    official = np.array(table.cells["part"]) == "train"
    assert len(set(owners[official])) == 28_008
    shares = {
        finding: [round(100 * float(has[rows].mean()), 2) for rows in (official, ~official)]
        for finding, has in {
            "No Finding": (labels.values.sum(dim=1) == 0).double().numpy(),
            "Pneumothorax": labels.values[:, labels.class_names.index("Pneumothorax")].double().numpy(),
        }.items()
    }
    assert shares == {"No Finding": [58.37, 38.53], "Pneumothorax": [3.05, 10.41]}  # 3.0477, which is not 3.1
    # Over all divisions 82.65 % is expected, printed as 83 % elsewhere; the kit speaks of the one that it draws.
    sizes = np.unique(owners, return_counts=True)[1]
    expected = float((sizes * (1 - 0.2 ** (sizes - 1))).sum() / sizes.sum())
    assert round(100 * expected, 2) == 82.65
    assert say_leak(owners, seed=0).startswith("Divided by image, 82% of the test images")


@pytest.mark.skipif(not (SHARED / "retinamnist.npz").is_file(), reason="needs the real file")
def test_the_real_file_of_retinamnist_has_the_published_counts():
    splits = load_data("retinamnist", size=28, root=SHARED)  # the official file, by its MD5
    assert {part: split.labels.bincount().tolist() for part, split in splits.items()} == {
        "train": [486, 128, 206, 194, 66],
        "val": [54, 12, 28, 20, 6],
        "test": [174, 46, 92, 68, 20],
    }
    assert [len(split) for split in splits.values()] == [1_080, 120, 400]
