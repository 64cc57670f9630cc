"""collected.json as later commands read it: whatever cannot be used is told."""

import json

import pytest

from lab_utils.staff.grading.collected import FILE, Collected, read_collection


def write(folder, *students):
    (folder / FILE).write_text(json.dumps({"homework": "homework4", "students": list(students)}), "utf-8")


def test_collected_is_read_in_order_and_fields_it_may_get_later_are_left_out(tmp_path):
    write(tmp_path, {"student": "b", "flags": ["late"], "penalty": 0.5, "new": 1}, {"student": "A"})
    assert read_collection(tmp_path).students == (Collected("b", flags=("late",), penalty=0.5), Collected("A"))
    assert read_collection(tmp_path).homework == "homework4"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a\\b", ".x", "class", "Class", "a\0b", "x" * 101])
def test_identifiers_that_cannot_be_files_are_refused(tmp_path, name):
    write(tmp_path, {"student": name})
    with pytest.raises(ValueError, match="identifiers of students"):
        read_collection(tmp_path)


def test_identifiers_that_one_file_would_hold_are_refused(tmp_path):
    write(tmp_path, {"student": "ada"}, {"student": "Ada"})
    with pytest.raises(ValueError, match="each once"):
        read_collection(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"students": 3}', '{"homework": "h", "students": [3]}'])
def test_a_file_that_is_not_ours_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text, "utf-8")
    with pytest.raises(ValueError, match="Collect again"):
        read_collection(tmp_path)


def test_a_penalty_above_one_is_refused(tmp_path):
    write(tmp_path, {"student": "s1", "penalty": 20})
    with pytest.raises(ValueError, match="penalties from 0 to 1"):
        read_collection(tmp_path)


def test_nothing_collected_yet_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="lab_utils collect"):
        read_collection(tmp_path)
