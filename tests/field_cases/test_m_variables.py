"""Kind M: environment variables with nonsense get words, once; misspelt ones are named."""

import json
import os
import re
from pathlib import Path

import pytest
import torch

from lab_utils.checks.homework4.file import FORM
from lab_utils.data.cache import cached_tensors
from lab_utils.device import default_device
from lab_utils.metrics import bands
from lab_utils.profile import (
    VARIABLES,
    cache_root,
    data_root,
    profile,
    results_folder,
    setting,
    strict,
    unknown_variables,
)
from lab_utils.studies import grid as study
from lab_utils.studies import load_results
from tests.refusals import refuses

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_accelerator(monkeypatch, cache):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


def workers():
    return study.worker_count(None, 10**9, on_cpu=True)


FOLDERS = {"LAB_CACHE": cache_root, "LAB_DATA": data_root, "LAB_RESULTS": results_folder}
READ = FOLDERS | {"LAB_PROFILE": profile, "LAB_STRICT": strict, "LAB_DEVICE": default_device, "LAB_WORKERS": workers}


# ---- what is understood
# set LAB_PROFILE="quick" && ... on Windows keeps the quotes and the blank
UNDERSTOOD = {
    ("LAB_PROFILE", "quick"): ["quick", "Quick", " Quick ", "QUICK", '"quick"', "'quick '", "quick\t"],
    ("LAB_PROFILE", "full"): ["full"],
    ("LAB_DEVICE", torch.device("cpu")): ["cpu", " CPU ", '"cpu"'],
    ("LAB_DEVICE", torch.device("cpu:0")): ["cpu:0"],
    **{("LAB_WORKERS", n): [text] for text, n in (("1", 1), (" 3 ", 3), ('"2"', 2), ("64", 64), ("1000", 1000))},
    ("LAB_STRICT", True): ["1", "true", "Yes", " ON "],
    ("LAB_STRICT", False): ["0", "false", "No", '"off"'],
}


@pytest.mark.parametrize(
    ("name", "wanted", "spelt"), [(*key, text) for key, texts in UNDERSTOOD.items() for text in texts]
)
def test_a_variable_is_understood_with_blanks_quotes_and_capitals(monkeypatch, name, wanted, spelt):
    monkeypatch.setenv(name, spelt)
    assert READ[name]() == wanted


@pytest.mark.parametrize("nothing", ["", " ", '""', "''", "\t"])
def test_an_empty_variable_is_one_that_is_not_set(monkeypatch, nothing):
    before = [read() for read in READ.values()]
    for name in VARIABLES:
        monkeypatch.setenv(name, nothing)
    assert [read() for read in READ.values()] == before
    assert (profile(), data_root(), cache_root()) == ("quick", ROOT / "data", ROOT / "data" / "cache")
    assert results_folder() is None
    assert FORM.path() == Path.cwd() / "homework4_predictions.csv"


@pytest.mark.parametrize("variable", ["LAB_CACHE", "LAB_DATA"])
def test_folders_are_understood_from_home_and_from_where_python_runs(monkeypatch, tmp_path, variable):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for spelt in ("~/a b", "a b", "./a b", "x/../a b", f'"{tmp_path}/a b"', f"{tmp_path}/a b ", f"{tmp_path}/a b/"):
        monkeypatch.setenv(variable, spelt)
        assert FOLDERS[variable]() == tmp_path / "a b", spelt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spelt", ["$PLACE/a", "${PLACE}/a", "${PLACE}/b/../a"])
@pytest.mark.parametrize("name", FOLDERS)
def test_a_variable_in_a_folder_stands_for_its_value(monkeypatch, tmp_path, spelt, name):
    monkeypatch.setenv("PLACE", str(tmp_path))
    monkeypatch.setenv(name, spelt)
    assert FOLDERS[name]() == tmp_path / "a"


@pytest.mark.parametrize("name", ["data$", "a$b", "50%", "100%sure", "x:y", "a//b"])
def test_odd_names_of_folders_are_names(monkeypatch, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAB_CACHE", f"./{name}")
    assert cache_root() == (tmp_path / name).resolve()


# ---- what is refused, in words that name the variable
REMOTE = ["s3://mine/cache", "https://x.org/a", "file:///tmp/a", "$NO_SUCH_THING/a", "%NONE%\\a"]
REMOTE += [r"C:\Users\ann\labs"] if os.name == "posix" else []
WRONG = [(name, value, "should name a folder of this machine, but") for name in FOLDERS for value in REMOTE]
WRONG += [(name, "~nobody-of-it/x", "should name a folder, but '~nobody-of-it/x'") for name in FOLDERS]
WORKERS = ("abc", "-1", "0", "00", "1e9", "1000000000", "1001", "2.0", "²", "two", "auto", "+ 2")
WRONG += [("LAB_WORKERS", value, f"should be a number of processes.*{re.escape(repr(value))}") for value in WORKERS]
STRICT = ("2", "-1", "strict", "none", "y", "01")
WRONG += [("LAB_STRICT", value, f"should be 1 or 0, but is '{value}'") for value in STRICT]
NEAREST = {
    ("LAB_PROFILE", "quik"): "Did you mean 'quick'",
    ("LAB_PROFILE", "FULLL"): "'FULLL'.*Did you mean 'full'",
    ("LAB_PROFILE", "smok"): "'smok'.*Did you mean 'smoke'",
    ("LAB_PROFILE", "fast"): "one of smoke, quick, full, but it is 'fast'. Set it",  # no nearest: none is guessed
    ("LAB_PROFILE", "1"): "is '1'. Set it",
    ("LAB_PROFILE", "quick,full"): "Did you mean 'quick'",
    ("LAB_DEVICE", "gpu"): r"Did you mean 'cuda' or 'mps'\?",  # by its letters it is nearest to cpu: the wrong way
    ("LAB_DEVICE", "GPU:1"): r"Did you mean 'cuda' or 'mps'\?",
    ("LAB_DEVICE", "metal"): r"Did you mean 'mps'\?",
    **{("LAB_DEVICE", name): r"Did you mean 'cuda'\?" for name in ("cudda", "cuda0")},
    ("LAB_DEVICE", "cuda:x"): "'cuda'",
    ("LAB_DEVICE", "0"): r"is '0'\. Change",
    **{("LAB_DEVICE", name): f"is '{name}'" for name in ("cuda:", "cuda:-1", "cuda:\u0663", "cuda:1:2")},
    **{("LAB_DEVICE", name): "finds only cpu on this machine" for name in ("cpu:5", "cuda", "cuda:00", "mps")},
}
WRONG += [(*key, words) for key, words in NEAREST.items()]


@pytest.mark.parametrize(("name", "value", "words"), WRONG)
def test_what_is_not_understood_is_refused_with_the_name_of_the_variable(monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    refuses(f"{name}.*{words}", READ[name])


def test_results_in_a_file_instead_of_a_folder_are_refused(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("mine", "utf-8")
    (tmp_path / "bands.json").write_text(json.dumps({"schema": 1, "labs": {}}), "utf-8")
    monkeypatch.setenv("LAB_DATA", str(tmp_path))
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("LAB_RESULTS", str(place))
        for write in (lambda: bands.compare("01_a", {"gain": 0.5}), FORM.path):
            refuses(r"LAB_RESULTS should name a folder, but .*file is a file", write)
    assert (tmp_path / "file").read_text("utf-8") == "mine"


@pytest.mark.parametrize("kind", ["not there", "a file", "another folder"])
def test_data_that_are_elsewhere_blame_the_variable_and_not_the_repository(monkeypatch, tmp_path, kind):
    place = tmp_path / "place"
    if kind == "a file":
        place.write_text("", "utf-8")
    elif kind == "another folder":
        place.mkdir()
    monkeypatch.setenv("LAB_DATA", str(place))
    for use in (lambda: bands.expected_seconds("01_a"), lambda: load_results("lab04_family")):
        with pytest.raises(FileNotFoundError) as told:
            use()
        assert str(told.value).count("LAB_DATA") == 1
        assert f"LAB_DATA is {str(place)!r}: unset it" in str(told.value)
    monkeypatch.delenv("LAB_DATA")
    with pytest.raises(FileNotFoundError, match="Restore the kit's own"):
        load_results("lab04_family", tmp_path)


def test_a_cache_that_is_a_file_is_told_once_and_the_lab_goes_on(monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("mine", "utf-8")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "file"))
    for name in ("a.bin", "b.bin", "a.bin"):
        made = cached_tensors(cache_root() / "phantoms" / name, lambda: {"x": torch.ones(2)})
        assert torch.equal(made["x"], torch.ones(2))
    assert capsys.readouterr().out.count("LAB_CACHE") == 1
    with pytest.raises(OSError, match=r"could not be.*LAB_CACHE"):  # a file that the user named is no cache
        cached_tensors(cache_root() / "phantoms" / "c.bin", lambda: {"x": torch.ones(2)}, required=True)


# ---- misspelt names
MISSPELT = {"LAB_PROFIL": "LAB_PROFILE", "LAB_PROFILES": "LAB_PROFILE", "lab_profile": "LAB_PROFILE"}
MISSPELT |= {"LABPROFILE": "LAB_PROFILE", "LAB-DEVICE": "LAB_DEVICE", "LAB_WORKER": "LAB_WORKERS"}


@pytest.mark.parametrize(("name", "meant"), [*MISSPELT.items(), ("LAB_CASHE", "LAB_CACHE")])
def test_a_misspelt_variable_is_named_with_the_one_that_is_meant(monkeypatch, name, meant):
    monkeypatch.setenv(name, "full")
    assert f"{name} is set, but nothing reads it. Did you mean {meant}?" in unknown_variables()


def test_a_variable_that_nothing_reads_is_named_and_those_of_others_are_not(monkeypatch):
    before = unknown_variables()
    others = ("LABEL_STUDIO_HOST", "MY_LAB_PROFILE", "LABORATORY", "LAB", "GITLAB_DEVICE", "LAB_SHARED_DATA")
    for name in (*others, *VARIABLES):
        monkeypatch.setenv(name, "1")
    assert unknown_variables() == before
    monkeypatch.setenv("LAB_SEED", "1")
    (told,) = set(unknown_variables()) - set(before)
    assert told.startswith("LAB_SEED is set, but the kit reads only LAB_PROFILE, LAB_DEVICE,")


# ---- one list of them
def test_the_kit_reads_the_variables_of_its_list_and_no_other():
    sources = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "lab_utils").rglob("*.py")))
    assert set(re.findall(r"\bLAB_[A-Z_]*[A-Z]\b", sources)) == {*VARIABLES, "LAB_SHARED_DATA", "LAB_REAL_NPZ"}
    read = re.findall(r"environ(?:\.get\(|\[)[\"']?(LAB_\w+)", sources)
    assert read == [], "read it with lab_utils.profile.setting: it knows blanks and quotes"


def test_readme_lists_the_variables_of_the_kit():
    readme = (ROOT / "README.md").read_text("utf-8")
    table = readme.split("## Switches")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(LAB_\w+)` \|", table, re.MULTILINE) == list(VARIABLES)


def test_a_value_is_what_stands_between_blanks_and_quotes(monkeypatch):
    for value, wanted in (("a'b", "a'b"), ("'a", "'a"), ('"', '"'), ("'a\"", "'a\""), ("''", ""), (" 'a b' ", "a b")):
        monkeypatch.setenv("LAB_CACHE", value)
        assert setting("LAB_CACHE") == wanted
