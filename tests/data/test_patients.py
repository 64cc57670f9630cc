from pathlib import Path

import pytest

from lab_utils.data.folders.patient_names import NOT_A_PATIENT, folders_inside, patients_by_folder
from lab_utils.data.folders.patients import patients_of


def test_the_class_folder_is_found_below_what_all_files_share_and_below_the_parts():
    below = ["chest/train/a/images/p1/1.png", "chest/train/b/2.png", "chest/test/b/p2/study1/3.png"]
    assert folders_inside(below) == [("a", "p1"), ("b", ""), ("b", "p2")]
    assert folders_inside(["a/train/1.png", "b/test/2.png"]) == [("a", ""), ("b", "")]
    assert folders_inside(["1.png", "2.png"]) == [("", ""), ("", "")]
    assert folders_inside([]) == []


@pytest.mark.parametrize(
    "folder", ["images", "Left", "fold_3", "site A", "40X", "512x512", "2019-03-01", "T1", "batch2"]
)
def test_folders_that_people_make_for_other_reasons_are_no_patients(folder):
    assert NOT_A_PATIENT.fullmatch(folder)


@pytest.mark.parametrize("folder", ["0012", "p12", "case-7", "A17", "smith3", "LIDC-IDRI-0001"])
def test_folders_that_may_be_patients_are_left(folder):
    assert not NOT_A_PATIENT.fullmatch(folder)


def test_one_folder_alone_is_no_patient_and_several_are():
    assert patients_by_folder([("a", "p1"), ("b", "")]) == ["", ""]
    assert patients_by_folder([("a", "p1"), ("b", "p2"), ("b", "")]) == ["p1", "p2", ""]


def test_names_come_in_the_order_of_the_files_and_tell_every_image_apart_where_nobody_knows():
    files = [Path("/r/b/2.png"), Path("/r/a/2.png"), Path("/r/a/1.png")]
    assert patients_of(files, Path("/r")).names == ["b/2.png", "a/2.png", "a/1.png"]
    assert patients_of([], Path("/r")).names == []


def test_files_elsewhere_keep_their_whole_path():
    assert patients_of([Path("/other/a/1.png"), Path("/r/a/1.png")], Path("/r")).names == ["/other/a/1.png", "a/1.png"]
