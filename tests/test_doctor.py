import hashlib
import json
import os
from collections import namedtuple
from pathlib import Path

import pytest

from lab_utils import doctor

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine with weights, bands, a cache folder and no settings of its own."""
    for name in ("LAB_PROFILE", "LAB_DEVICE", "LAB_WORKERS", "LAB_RESULTS", "LAB_STRICT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "a.safetensors").write_bytes(b"weights")
    entry = {"file": "a.safetensors", "sha256": hashlib.sha256(b"weights").hexdigest()}
    (weights / "manifest.json").write_text(json.dumps({"a": entry}))
    labs = {"01_a": {"quick": {"seconds": 80, "values": {}}, "full": {"seconds": 300, "values": {}}}}
    (tmp_path / "bands.json").write_text(json.dumps({"schema": 1, "labs": labs}))
    return tmp_path


def by_name():
    return {finding.what: finding for finding in doctor.examine()}


def test_a_sound_machine_has_no_problem(capsys):
    assert doctor.main() == 0
    report = capsys.readouterr().out
    for what in ("Python", "kit", "PyTorch", "device", "profile", "memory", "disk", "cache", "weights"):
        assert what in report


def test_a_damaged_weight_file_is_a_problem_with_advice(machine, capsys):
    (machine / "weights" / "a.safetensors").write_bytes(b"weight")
    assert doctor.main() == 1
    report = capsys.readouterr().out
    assert "a.safetensors" in report
    assert "-> restore the folder" in report


def test_the_advice_for_missing_weights_names_the_variable_that_hides_them(monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_DATA", str(tmp_path / "elsewhere"))
    assert by_name()["weights"].state == "problem"
    assert "unset LAB_DATA" in by_name()["weights"].advice
    monkeypatch.delenv("LAB_DATA")
    assert by_name()["weights"].state == "ok"


@pytest.mark.parametrize(
    ("name", "value", "what", "words"),
    [
        ("LAB_CACHE", "FILE/cache", "cache", "FILE is a file, not a folder"),
        ("LAB_PROFILE", "quik", "profile", "Did you mean 'quick'"),
        ("LAB_DEVICE", "gpu", "device", "Did you mean 'cuda' or 'mps'"),
        ("LAB_WORKERS", "four", "variables", "LAB_WORKERS should"),  # and others that a lab reads late
        ("LAB_STRICT", "2", "variables", "LAB_STRICT should"),
        ("LAB_RESULTS", "s3://x", "variables", "LAB_RESULTS should"),
    ],
)
def test_a_variable_that_cannot_be_used_is_a_problem_not_a_crash_and_told_once(
    monkeypatch, machine, capsys, name, value, what, words
):
    monkeypatch.setattr(doctor.torch.cuda, "is_available", lambda: False)
    (machine / "file").write_text("")
    assert by_name()[what].state == "ok"
    monkeypatch.setenv(name, value.replace("FILE", str(machine / "file")))
    finding = by_name()[what]
    assert finding.state == "problem"
    assert words.replace("FILE", str(machine / "file")) in finding.text
    assert what != "cache" or name in finding.advice
    assert doctor.main() == 1
    assert capsys.readouterr().out.count(words.replace("FILE", str(machine / "file"))) == 1


def test_a_misspelt_variable_is_told_by_the_doctor_and_by_the_first_cell(monkeypatch, capsys):
    monkeypatch.setenv("LAB_PROFIL", "full")
    finding = by_name()["variables"]
    assert (finding.state, "Did you mean LAB_PROFILE?" in finding.text) == ("warning", True)
    monkeypatch.setenv("LAB_DEVICE", "cpu")
    doctor.start("01_a")
    assert "LAB_PROFIL is set, but nothing reads it" in capsys.readouterr().out


@pytest.mark.parametrize("nothing", ["", " ", '""'])
def test_an_empty_folder_of_data_is_not_blamed(monkeypatch, machine, nothing):
    monkeypatch.setattr(doctor, "data_root", lambda: machine / "elsewhere")
    monkeypatch.setenv("LAB_DATA", nothing)
    assert "LAB_DATA" not in by_name()["weights"].advice


def test_little_memory_and_disk_are_warnings(monkeypatch):
    usage = namedtuple("usage", "total used free")
    memory = namedtuple("memory", "available")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage(10, 10, 0))
    monkeypatch.setattr(doctor.psutil, "virtual_memory", lambda: memory(int(0.5e9)))
    found = by_name()
    assert (found["memory"].state, found["disk"].state) == ("warning", "warning")
    assert "0.5 GB" in found["memory"].text


def test_an_old_torch_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor.torch, "__version__", "2.5.1+cu121")
    assert by_name()["PyTorch"].state == "problem"
    monkeypatch.setattr(doctor.torch, "__version__", "2.10.0")
    assert by_name()["PyTorch"].state == "ok"


@pytest.mark.parametrize(("profile", "time"), [("quick", "about 80 s"), ("full", "about 5 min"), ("smoke", "Nobody")])
def test_start_tells_device_profile_versions_and_the_time(monkeypatch, capsys, profile, time):
    monkeypatch.setenv("LAB_PROFILE", profile)
    monkeypatch.setenv("LAB_DEVICE", "cpu")
    doctor.start("01_a")
    told = capsys.readouterr().out
    assert "The course is ready. 01_a runs on your CPU" in told
    assert time in told
    assert f"profile {profile}" in told
    assert f"CPU ({os.cpu_count()} cores)" in told
    assert f"torch {doctor.torch.__version__}" in told
    assert "threads" in told


@pytest.mark.parametrize(("profile", "banner"), [("smoke", "SMOKE MODE"), ("quick", ""), ("full", "FULL MODE")])
def test_any_profile_but_the_usual_one_is_told_before_all_else(monkeypatch, capsys, profile, banner):
    monkeypatch.setenv("LAB_PROFILE", profile)
    doctor.start("01_a")
    told = capsys.readouterr().out
    assert told.startswith(banner or "The course is ready")
    assert told.count("MODE") == bool(banner)


@pytest.fixture
def half_as_fast(machine, monkeypatch):
    """A machine on which one network trains half as fast as where the seconds were measured."""
    entry = {"seconds": 80, "work": {"net": 0.75}, "values": {}}
    bands = {"schema": 1, "pace": {"net": 100, "other": 7}, "labs": {"01_a": {"quick": entry}}}
    (machine / "bands.json").write_text(json.dumps(bands))
    monkeypatch.setattr(doctor, "measure_pace", lambda: {"net": 50.0, "other": 7.0})


@pytest.mark.usefixtures("half_as_fast")
def test_the_time_is_told_for_this_machine(monkeypatch, capsys, machine):
    monkeypatch.setattr(doctor, "kit_root", lambda: machine)
    doctor.start("01_a")
    assert "about 2 min" in capsys.readouterr().out  # 20 s that stay, and 60 s that become 120
    doctor.main()
    report = capsys.readouterr().out
    assert "net 50, other 7 images per second" in report
    assert "01_a                     about 2 min\n" in report
    (machine / "build").mkdir()
    (machine / "build" / "taken.json").write_text('{"quick": {"01_a": 131.4}, "smoke": {"01_a": 3}}')
    doctor.main()
    assert "about 2 min, the last run took 131 s" in capsys.readouterr().out


def test_start_warns_of_what_will_stand_in_the_way(monkeypatch, capsys):
    monkeypatch.setenv("LAB_PROFILE", "full")
    monkeypatch.setenv("LAB_DEVICE", "cpu")
    doctor.start("01_a")
    assert "WARNING  device" in capsys.readouterr().out


def test_the_doctor_says_which_kit_runs():
    assert doctor.lab_utils.__version__ in by_name()["kit"].text
    assert str(ROOT) in by_name()["kit"].text
