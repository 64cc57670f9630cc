"""What earlier versions left in the instructor's folder goes to the homework that it belongs to."""

import json

import pytest

from lab_utils.staff.grading.place import place_of


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mirrors/ann.git").mkdir(parents=True)
    for name in ("ledger.jsonl", "written.csv", "homework4_labels.csv", "homework4_images.npz", "roster.csv"):
        (tmp_path / name).write_text(name)
    (tmp_path / "homework4_labels_of_older_set_1.csv").write_text("older")
    (tmp_path / "homework44_labels.csv").write_text("of another")
    (tmp_path / "released.json").write_text("{}")
    (tmp_path / "collected.json").write_text(json.dumps({"homework": "homework4"}))
    return tmp_path


def test_all_of_a_homework_moves_and_nothing_else(folder):
    place = place_of(folder, "homework4")
    assert place == folder / "homework4"
    moved = {"ledger.jsonl", "written.csv", "homework4_labels.csv", "homework4_images.npz", "mirrors", "collected.json"}
    assert {path.name for path in place.iterdir()} == moved | {"homework4_labels_of_older_set_1.csv", "released.json"}
    assert {path.name for path in folder.iterdir()} == {
        "homework4",
        "roster.csv",
        "homework44_labels.csv",
        "released.json",
    }
    assert place_of(folder, "homework4") == place  # the second time there is nothing to do


def test_another_homework_takes_nothing_of_it(folder):
    place_of(folder, "homework5")
    assert {path.name for path in (folder / "homework5").iterdir()} == {"released.json"}
    assert (folder / "written.csv").read_text() == "written.csv"


def test_a_first_collect_that_did_not_end_leaves_its_ledger_to_the_homework(folder):
    (folder / "collected.json").unlink()
    assert (place_of(folder, "homework4") / "ledger.jsonl").is_file()


def test_nothing_is_written_over(folder):
    (folder / "homework4").mkdir()
    (folder / "homework4/written.csv").write_text("new marks")
    with pytest.raises(ValueError, match=r"written\.csv, as earlier versions wrote it, and .*written\.csv"):
        place_of(folder, "homework4")
    assert (folder / "homework4/written.csv").read_text() == "new marks"
    assert (folder / "written.csv").read_text() == "written.csv"
