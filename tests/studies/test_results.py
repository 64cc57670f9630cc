import json

import pytest

from lab_utils.studies import load_results


def test_stored_results_come_back_as_they_were_written(tmp_path):
    (tmp_path / "study.json").write_text(json.dumps({"rows": [1, 2]}))
    assert load_results("study", tmp_path) == {"rows": [1, 2]}


def test_results_that_are_not_there_name_the_nearest(tmp_path):
    (tmp_path / "lab04_family.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="Did you mean 'lab04_family'"):
        load_results("lab04_famly", tmp_path)


def test_a_file_cut_short_is_named(tmp_path):
    (tmp_path / "study.json").write_text("[1, ")
    with pytest.raises(ValueError, match=r"study\.json.*Restore it"):
        load_results("study", tmp_path)
