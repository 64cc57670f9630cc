"""Seconds and shares of work come back from runs that were made of them."""

import json

import pytest

from lab_utils.__main__ import main
from lab_utils.staff.course.work import fit_work

REFERENCE = {"small": 300.0, "large": 60.0}
PACES = [{"small": 300.0, "large": 60.0}, {"small": 900.0, "large": 240.0}, {"small": 450.0, "large": 80.0}]


def runs(fixed, small, large):
    return [
        {"pace": pace, "quick": {"00_a": fixed + small * 300 / pace["small"] + large * 60 / pace["large"], "01_b": 5}}
        for pace in PACES
    ]


def test_the_parts_of_a_labs_time_are_found():
    found = fit_work(runs(20, 50, 10), REFERENCE)
    assert found["00_a"]["seconds"] == 80
    assert found["00_a"]["work"] == {"small": pytest.approx(0.62, abs=0.011), "large": pytest.approx(0.12, abs=0.011)}
    assert found["01_b"] == {"seconds": 5, "work": {}, "off": 0.0}


def test_no_share_is_below_zero_and_the_fit_says_how_far_it_is_off():
    made = runs(20, 50, 0)
    made[1]["quick"]["00_a"] *= 1.5
    found = fit_work(made, REFERENCE)["00_a"]
    assert all(share > 0 for share in found["work"].values())
    assert 0.05 < found["off"] < 0.5


def test_the_command_prints_lines_for_the_bands_and_refuses_one_run_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("lab_utils.staff.course.work.reference_pace", lambda: REFERENCE)
    files = [tmp_path / f"{number}.json" for number in range(3)]
    for file, run in zip(files, runs(20, 60, 0), strict=True):
        file.write_text(json.dumps(run))
    assert main(["work", *map(str, files)]) == 0
    assert '00_a: "seconds": 80, "work": {"small": 0.75}' in capsys.readouterr().out
    assert main(["work", str(files[0])]) == 2
    assert "two runs or more" in capsys.readouterr().err
    files[1].write_text("{}")
    assert main(["work", *map(str, files)]) == 2
    assert "got others" in capsys.readouterr().err
