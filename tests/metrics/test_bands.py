import json
from pathlib import Path

import pytest

from lab_utils.metrics import expected_seconds, predicted_seconds, published_labs, rows
from lab_utils.metrics.bands import compare
from lab_utils.profile import PROFILES, data_root
from lab_utils.training.pace import STEPS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Publish one lab's bands for the quick profile, in a folder of its own."""
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    monkeypatch.delenv("LAB_PROFILE", raising=False)
    monkeypatch.delenv("LAB_STRICT", raising=False)
    monkeypatch.delenv("LAB_RESULTS", raising=False)
    values = {"gain": {"low": 0.02, "high": 0.10}, "auroc": {"low": 0.8, "high": 0.9}}
    bands = {"schema": 1, "labs": {"01_a": {"quick": {"seconds": 80, "values": values}}}}
    (tmp_path / "bands.json").write_text(json.dumps(bands))
    return tmp_path


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("value", "met"), [(0.02, True), (0.10, True), (0.0199, False), (0.11, False), (float("nan"), False)]
)
def test_a_value_is_in_the_band_when_it_lies_on_or_between_the_bounds(value, met):
    (gain, _) = rows("01_a", {"gain": value, "auroc": 0.85})
    assert gain.met is met


@pytest.mark.usefixtures("published")
def test_a_value_without_a_band_and_a_band_without_a_value_are_told_apart():
    table = {row.name: row for row in rows("01_a", {"gain": 0.05, "other": 7.0})}
    assert table["other"].met is None
    assert table["auroc"].met is False
    assert table["auroc"].verdict == "NOT COMPUTED"


def test_the_table_is_printed_and_nothing_is_raised_unless_strict(published, monkeypatch, capsys):
    compare("01_a", {"gain": 0.5, "auroc": 0.85})
    lines = capsys.readouterr().out.splitlines()
    assert any("gain" in line and "0.500" in line and "0.020 to 0.100" in line and "OUTSIDE" in line for line in lines)
    assert any("auroc" in line and "in the band" in line for line in lines)
    monkeypatch.setenv("LAB_STRICT", "1")
    with pytest.raises(ValueError, match=r"gain = 0\.5 \(0\.02 to 0\.1\)"):
        compare("01_a", {"gain": 0.5, "auroc": 0.85})
    compare("01_a", {"gain": 0.05, "auroc": 0.85})


def test_strict_also_means_that_no_published_value_is_left_out(published, monkeypatch):
    monkeypatch.setenv("LAB_STRICT", "1")
    with pytest.raises(ValueError, match="auroc = None"):
        compare("01_a", {"gain": 0.05})


def test_a_profile_without_bands_misses_none(published, monkeypatch):
    monkeypatch.setenv("LAB_STRICT", "1")
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    compare("01_a", {"gain": 0.5})
    assert expected_seconds("01_a") is None


def test_smoke_mode_gives_no_verdict_but_keeps_its_bands(published, monkeypatch, capsys):
    bands = json.loads((published / "bands.json").read_text())
    bands["labs"]["01_a"]["smoke"] = bands["labs"]["01_a"]["quick"]
    (published / "bands.json").write_text(json.dumps(bands))
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    compare("01_a", {"gain": 0.05, "auroc": 0.95})
    said = capsys.readouterr().out
    assert "2 numbers computed. They mean nothing" in said
    assert not any(word in said for word in ("in the band", "OUTSIDE", "0.02", "0.95"))
    monkeypatch.setenv("LAB_STRICT", "1")
    with pytest.raises(ValueError, match=r"auroc = 0\.95"):
        compare("01_a", {"gain": 0.05, "auroc": 0.95})


def test_the_time_here_is_the_published_one_with_each_share_of_work_at_the_pace_of_its_network(published):
    bands = json.loads((published / "bands.json").read_text())
    bands["pace"] = {"small": 300, "large": 60}
    bands["labs"]["01_a"]["quick"]["work"] = {"small": 0.5, "large": 0.25}
    (published / "bands.json").write_text(json.dumps(bands))
    assert predicted_seconds("01_a", {"small": 300.0, "large": 60.0}) == pytest.approx(80)
    # 80 s are 40 s of the small network, 20 s of the large one, and 20 s of other things
    assert predicted_seconds("01_a", {"small": 600.0, "large": 30.0}) == pytest.approx(20 + 40 + 20)
    assert predicted_seconds("01_a", {"small": 150.0, "large": 120.0}) == pytest.approx(80 + 10 + 20)
    assert predicted_seconds("02_b", {"small": 150.0}) is None
    assert published_labs() == ["01_a"]
    with pytest.raises(ValueError, match=r"cannot be read \(KeyError: 'large'\)"):
        predicted_seconds("01_a", {"small": 150.0})


PUBLISHED = json.loads((data_root() / "bands.json").read_text())
TIMED = [lab for lab, profiles in PUBLISHED["labs"].items() if "seconds" in profiles["quick"]]


def test_every_lab_says_how_long_it_takes():
    assert sorted(TIMED) == sorted(path.stem for path in (ROOT / "solutions").glob("*.ipynb"))


@pytest.mark.parametrize("lab", TIMED)
def test_the_time_of_a_published_lab_goes_with_the_pace_as_its_work_says(lab):
    entry, reference = PUBLISHED["labs"][lab]["quick"], PUBLISHED["pace"]
    seconds, work = entry["seconds"], entry["work"]  # {} where the time is the same at every pace: the note says why
    assert set(work) <= set(reference) == set(STEPS)  # what the first cell measures
    assert all(share > 0 for share in work.values())
    assert sum(work.values()) <= 1
    assert predicted_seconds(lab, reference) == pytest.approx(seconds)
    for name in reference:
        slower = reference | {name: reference[name] / 2}
        assert predicted_seconds(lab, slower) == pytest.approx(seconds * (1 + work.get(name, 0)))
    fast = {name: 1e9 for name in reference}
    assert predicted_seconds(lab, fast) == pytest.approx(seconds * (1 - sum(work.values())), rel=1e-3)
    assert work or "The work is empty" in PUBLISHED["labs"][lab]["note"]


def test_other_weights_and_data_are_held_to_bands_of_their_own_or_to_none(published, monkeypatch, capsys):
    bands = json.loads((published / "bands.json").read_text())
    bands["labs"]["01_a net"] = {"quick": {"values": {"gain": {"low": 0.4, "high": 0.6}}}}
    (published / "bands.json").write_text(json.dumps(bands))
    monkeypatch.setenv("LAB_STRICT", "1")
    compare("01_a", {"gain": 0.5}, model="net", weights="imagenet")
    with pytest.raises(ValueError, match=r"01_a net inside .* gain = 0\.05"):
        compare("01_a", {"gain": 0.05}, model="net", weights="imagenet")
    capsys.readouterr()
    compare("01_a", {"gain": 0.5}, model="net", weights="own.pt")
    compare("01_a", {"gain": 0.5}, data="pneumoniamnist", model="net")
    assert capsys.readouterr().out.count("no band") == 2


def test_results_are_written_where_asked_also_when_strict_raises(published, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_RESULTS", str(tmp_path / "new" / "results"))
    monkeypatch.setenv("LAB_STRICT", "1")
    with pytest.raises(ValueError, match="gain"):
        compare("01_a", {"gain": 0.5, "auroc": 0.85})
    (file,) = (tmp_path / "new" / "results").iterdir()
    written = json.loads(file.read_text())
    assert (written["lab"], written["profile"]) == ("01_a", "quick")
    assert [row["met"] for row in written["rows"]] == [False, True]


@pytest.mark.usefixtures("published")
def test_seconds_are_those_of_the_profile_in_use():
    assert expected_seconds("01_a") == 80.0
    assert expected_seconds("02_b") is None


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 1}', '{"schema": 2, "labs": {}}'])
def test_a_broken_file_of_bands_is_named(published, text):
    (published / "bands.json").write_text(text)
    with pytest.raises(ValueError, match=r"Expected .*bands\.json to hold"):
        rows("01_a", {})


def test_a_missing_file_of_bands_is_named(published):
    (published / "bands.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"bands\.json"):
        rows("01_a", {})


def test_the_shipped_bands_have_the_form_that_is_read(monkeypatch):
    monkeypatch.delenv("LAB_DATA", raising=False)
    labs = json.loads((data_root() / "bands.json").read_text())["labs"]
    for lab, profiles in labs.items():
        assert set(profiles) <= {*PROFILES, "note"}, lab
        assert isinstance(profiles.pop("note"), str), lab  # how the bands were derived
        for name, entry in profiles.items():
            monkeypatch.setenv("LAB_PROFILE", name)
            assert expected_seconds(lab) is None or expected_seconds(lab) > 0
            assert all(band["low"] <= band["high"] for band in entry["values"].values()), lab
