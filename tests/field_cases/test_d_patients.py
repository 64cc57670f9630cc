"""Kind D: whose picture is it? Names of the public sets, names that may mean anything, identical pictures."""

import csv
import gzip
import tarfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from lab_utils.data import Split, load_folder
from lab_utils.data.duplicates import describe_duplicates, find_duplicates
from lab_utils.data.folders.patients import UNKNOWN, patients_of
from tests.field_cases.drawing import SHARED, draw, listed
from tests.refusals import refuses

NIH = SHARED / "nih"


def patients(*names: str, **options: object):
    root = Path("/somewhere/patient999/test")  # what lies above the root says nothing
    return patients_of([root / name for name in names], root, **options)


NAMED = """
train/0/10_left.jpeg, test/1/10_right.jpeg, train/0/11_left.jpeg -> 10, 10, 11
0/10_left_aug1.png, 1/10_left_jpeg.rf.0a1b.png, 0/11_right.png -> 10, 10, 11
CNV/CNV-81630-1.jpeg, DME/DME-81630-2.jpeg, NORMAL/NORMAL-12-1.jpeg -> 81630, 81630, 12
images_001/images/00000013_005.png, images_002/images/00000013_006.png -> 00000013, 00000013
train/patient00001/study1/view1_frontal.jpg, train/patient00002/study1/view1_frontal.jpg -> patient00001, patient00002
XR_WRIST/patient00011/study1_positive/1.png, XR_HAND/patient00011/study2_negative/1.png -> patient00011, patient00011
a/Mass-Training_P_00001_LEFT_CC.png, b/Calc-Test_P_00001_RIGHT_MLO_1.png -> P_00001, P_00001
a/Mass-Training_P_00001_LEFT_CC/1.2.3/1-1.png, b/Mass-Test_P_00016_LEFT_CC/1-1.png -> P_00001, P_00016
benign/SOB/adenosis/x/40X/SOB_B_A-14-22549AB-40-001.png, malignant/SOB_M_DC-14-11031-400-012.png -> 14-22549AB, 14-11031
0/8863_idx5_x51_y1251_class0.png, 1/8863_idx5_x101_y1201_class1.png -> 8863, 8863
8863/0/8863_idx5_x51_y1251_class0.png, 8863/1/8863_idx5_x1_y1_class1.png -> 8863, 8863
p10/p10000032/s50414267/a.jpg, p10/p10000032/s50414268/b.jpg -> p10000032, p10000032
Mild/OAS1_0028_MR1_mpr-1_100.jpg, No/OAS1_0031_MR1_mpr-1_100.jpg -> OAS1_0028, OAS1_0031
AD/ADNI_002_S_0413_MR_x.png, CN/002_S_0413_2.png -> 002_S_0413, 002_S_0413
a/sub-01_ses-02_T1w.png, b/sub-01/ses-1/anat/scan.png, b/sub-control2_T1w.png -> sub-01, sub-01, sub-control2
a/LIDC-IDRI-0001/1-001.png, b/LIDC-IDRI-0002/1-001.png -> LIDC-IDRI-0001, LIDC-IDRI-0002
a/TCGA-02-0001-01Z-00-DX1_3.png, b/TCGA-02-0001-01A_4.png -> TCGA-02-0001, TCGA-02-0001
a/TCGA_CS_4941_19960909_1.tif, b/TCGA_CS_4941_19960909_2.tif -> TCGA_CS_4941, TCGA_CS_4941
a/BraTS20_Training_001_t1_80.png, b/BraTS20_Training_002/1.png -> BraTS20_Training_001, BraTS20_Training_002
0/9003175L.png, 1/9003175R.png, 1/9003176L.png -> 9003175, 9003175, 9003176
a/MCUCXR_0001_0.png, b/CHNCXR_0001_0.png -> MCUCXR_0001, CHNCXR_0001
a/CXR12_IM-0130-1001.png, a/CXR12_1_IM-0130-2001.png -> CXR12, CXR12
a/patient_012_img_3.png, b/patient_013.png -> patient_012, patient_013
a/pat12-scan3.png, b/pat12-scan4.png -> pat12, pat12
a/Subject 7 (2).png, b/subject 7 (3).png -> Subject 7, Subject 7
a/P001_1.png, a/P001_2.png, b/P002_1.png -> P001, P001, P002
cat/0012/view1.png, cat/0013/view1.png, dog/0014/study1/view1.png -> 0012, 0013, 0014
train/a/person12_0.png, test/a/person12_1.png -> person12, person12
cat/images/0012/1.png, dog/images/0014/1.png -> 0012, 0014
"""


@pytest.mark.parametrize("line", NAMED.strip().splitlines())
def test_naming_schemes_of_public_sets_tell_the_patient(line):
    files, expected = (part.split(", ") for part in line.split(" -> "))
    found = patients(*files)
    assert found.names == expected
    assert found.scheme
    assert found.note == ""


def test_numbers_of_the_chest_xrays_begin_again_in_test_and_nowhere_else():
    names = ["person12_virus_47", "person12_bacteria_48", "IM-0115-0001", "NORMAL2-IM-0115-0001-0002"]
    found = patients(*(f"{part}/X/{name}.jpeg" for part in ("train", "val", "test") for name in names))
    chest = ["person12", "person12", "IM-0115", "NORMAL2-IM-0115"]
    assert found.names == [*chest, *chest, *(f"test {name}" for name in chest)]
    assert "begin again" in found.scheme


UNNAMED = """
a/ISIC_0024306.jpg, b/ISIC_0024307.jpg; 0/000c1434d8d7.png, 1/001639a390f0.png;
0/00001b2b5609af42ab0ab276dd4cd41c3e7745b5.tif, 1/000020de2aa6193f4c160e398a8edea95b1da598.tif;
0/0004cfab-14fd-4e49-80ba-63a80b6bddd6.png, 1/00313ee0-9eaa-42f4-b0ab-c148ed3241cd.png;
benign/benign (12).png, malignant/malignant (12).png; COVID/COVID-12.png, Normal/Normal-12.png;
a/img_001.png, b/img_002.png; a/scan_12.png, b/scan_13.png; a/12_3.png, b/12_4.png;
a/20190301_001.png, b/20190301_002.png; a/P1.png, b/P2.png, b/P3.png; a/aug_10_left.png, b/aug_10_right.png;
a/images/1.png, b/images/2.png; a/left/1.png, a/right/2.png, b/left/3.png, b/right/4.png;
a/fold1/1.png, a/fold2/2.png, b/fold1/3.png, b/fold3/4.png;
a/site_A/1.png, a/site_B/2.png, b/40X/3.png, b/2019-03-01/4.png; a/miller/1.png, b/2.png;
a/1.2.840.113619/1.png, b/1.2.840.113620/2.png; a/mdb001.png, b/mdb002.png; a/sub-folder/1.png, b/patients/2.png
"""


@pytest.mark.parametrize("files", listed(UNNAMED), ids=", ".join)
def test_names_that_may_mean_anything_are_unknown_and_the_note_says_so(files):
    found = patients(*files)
    assert found.names == list(files)
    assert found.scheme == ""
    assert found.note.startswith(UNKNOWN)
    assert "patient=" in found.note


@pytest.mark.parametrize(
    "files",
    [
        ["benign/adenosis/1.png", "benign/fibroadenoma/2.png", "malignant/ductal/3.png"],
        ["a/T1w7/1.png", "a/T2w7/2.png", "b/T1w7/3.png", "b/T2w7/4.png"],
        ["a/0012/10_left.png", "b/0013/10_right.png"],
    ],
)
def test_folders_that_may_be_patients_or_not_are_refused_until_the_user_says(files):
    refuses("patient=", patients, *files)
    assert patients(*files, patient="unknown").note == UNKNOWN
    assert patients(*files, patient=r"([^/]+)/[^/]+$").names == [file.split("/")[1] for file in files]


def test_pictures_without_a_patient_among_others_are_counted_in_the_note():
    found = patients("a/10_left.png", "b/10_right.png", "b/extra.png")
    assert found.names == ["10", "10", "b/extra.png"]
    assert "1 of 3 images are unknown" in found.note
    assert "b/extra.png" in found.note


def test_one_number_in_two_schemes_is_two_patients():
    found = patients("a/10_left.png", "b/CNV-10-1.png", "b/CNV-11-1.png")
    assert len(set(found.names)) == 3
    assert found.note == ""


def test_the_user_says_who_by_expression_function_or_table():
    files = ("train/a/x7_1.png", "test/b/x7_2.png", "test/b/x8_1.png")
    expected = ["x7", "x7", "x8"]
    for rule in (r"^(x\d+)", lambda path: path.stem.split("_")[0], dict(zip(files, expected, strict=True))):
        found = patients(*files, patient=rule)
        assert found.names == expected
        assert "2 patients" in found.scheme
        assert found.note == ""
    by_stem = {"x7_1": 3, "x7_2": 3, "x8_1": 4}
    assert patients(*files, patient=by_stem).names == ["3", "3", "4"]
    assert patients("p1/a/1.png", "p2/a/1.png", patient=r"(p\d)/").names == ["p1", "p2"]


def test_a_column_of_a_table_is_a_rule_if_it_names_each_file_once():
    table = {"x7_1.png": 3, "x7_2.png": 3, "x8_1.png": 4}
    files = ("train/a/x7_1.png", "test/b/x7_2.png", "test/b/x8_1.png")
    assert patients(*files, patient=pd.Series(table)).names == ["3", "3", "4"]
    refuses("each file name once", patients, *files, patient=pd.Series([3, 4], index=["x7_1.png"] * 2))
    with pytest.raises(ValueError, match=r"None for train/a/x7_1\.png"):
        patients(*files, patient=pd.Series([3, 3, 4]))  # numbered rows, no file names


@pytest.mark.parametrize("name", ["IM-0001-{:04d}.jpg", "sub-01_{}.png", "patient_2020_{}.png", "P10_{}.png"])
def test_too_few_patients_for_the_parts_say_where_they_were_read(tmp_path, name):
    for i in range(12):
        draw(tmp_path / "ab"[i % 2] / name.format(i))
    refuses(r"these images are of 1 as read from .*\(1 patient\).*patient='unknown'", load_folder, tmp_path, size=8)
    assert sum(map(len, load_folder(tmp_path, size=8, patient="unknown").values())) == 12


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (r"(y\d)", r"a/x7_1\.png"),
        (r"x\d", "exactly one group.*it has 0"),
        (r"(x)(\d)", "exactly one group.*it has 2"),
        ("(x", "regular expression; it is none"),
        (r"(x)", "all 2 pictures to the one patient 'x'"),
        (r"x\d_1|(x\d_2)", r"None for a/x7_1\.png"),
        (lambda path: None, r"None for a/x7_1\.png"),
        (lambda path: float("nan"), r"nan for a/x7_1\.png"),
        (lambda path: path.stem.split("-")[1], r"failed on .*x7_1\.png \(IndexError"),
        ({"x7_1": "7"}, r"None for b/x8_2\.png"),
        (7, "got int"),
    ],
)
def test_a_rule_that_does_not_name_everybody_is_refused_and_the_file_named(rule, words):
    refuses(words, patients, "a/x7_1.png", "b/x8_2.png", patient=rule)


@pytest.mark.skipif(not NIH.exists(), reason="the real files are not here")
def test_the_real_nih_names_give_the_patients_of_its_table_and_the_30_in_two_parts():
    with tarfile.open(NIH / "NIH1000.tar.gz") as archive:
        names = [name for name in archive.getnames() if name.endswith(".png")]
    found = patients_of([Path(name) for name in names], Path("NIH1000"))
    with open(NIH / "NIH1000_labels.csv", encoding="utf-8") as file:
        table = {row["Image Index"]: int(row["Patient ID"]) for row in csv.DictReader(file)}
    assert [int(name) for name in found.names] == [table[name.split("/")[-1]] for name in names]
    assert len(set(found.names)) == 264
    parts = {}
    for name, patient in zip(names, found.names, strict=True):
        parts.setdefault(patient, set()).add(name.split("/")[1])
    assert sum(len(where) > 1 for where in parts.values()) == 30


@pytest.mark.skipif(not SHARED.exists(), reason="the real files are not here")
def test_the_real_cbis_ddsm_paths_give_31_patients_in_both_parts():
    both = []
    for part in ("train", "test"):
        paths, expected = [], []
        for kind in ("mass", "calc"):
            with gzip.open(SHARED / f"cbis_ddsm/{kind}_case_description_{part}_set.csv.gz", "rt", newline="") as file:
                for row in csv.DictReader(file):
                    paths.append(Path(row["image file path"].strip()))
                    expected.append(row["patient_id"])
        found = patients_of(paths, Path())
        assert found.names == expected
        both.append(set(found.names))
    assert len(both[0] & both[1]) == 31


# ---- identical pictures
def split(values: list[int], labels: list[int]) -> Split:
    images = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    return Split(images, torch.tensor(labels), torch.arange(len(values)), "binary", ("healthy", "sick"))


def test_groups_of_identical_pictures_are_found_and_near_ones_are_not():
    images = torch.zeros(6, 3, 5, 5, dtype=torch.uint8)
    for i, value in enumerate((7, 8, 7, 9, 8, 7)):
        images[i] = value
    images[5, 2, 4, 4] = 6
    assert find_duplicates(images) == [[0, 2], [1, 4]]
    assert find_duplicates(images[[0, 1, 3, 5]]) == []


def test_identical_pictures_in_two_parts_and_with_two_labels_are_counted_in_words():
    splits = {"train": split([1, 2, 3, 3], [0, 1, 0, 1]), "val": split([2, 5], [1, 0]), "test": split([1, 9], [0, 1])}
    words = describe_duplicates(splits)
    assert "2 pictures are in more than one part" in words
    assert "train and val: 1, train and test: 1" in words
    assert (
        "1 picture is there more than once, with different labels (for example number 2 of train and number 3" in words
    )
    names = {part: [f"{part}/{i}.png" for i in range(len(s))] for part, s in splits.items()}
    assert "train/0.png and test/0.png" in describe_duplicates(splits, names)


def test_copies_within_a_part_of_one_label_are_no_leak_and_not_mentioned():
    assert describe_duplicates({"train": split([1, 1, 2], [0, 0, 1]), "test": split([3, 4], [0, 1])}) == ""
