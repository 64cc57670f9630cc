"""The study of source weights: what it runs, what it keeps, and the tables that README shows."""

import json

import numpy as np
import pytest
import torch

from lab_utils.data import Split
from lab_utils.metrics import paired_difference
from lab_utils.profile import data_root
from lab_utils.studies import source_weights as study
from lab_utils.training import score
from tests.checks.notebook_functions import ROOT


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Two sets of coloured squares, two starts, two seeds: minutes become seconds."""
    rng = np.random.default_rng(0)
    paths = {}
    for name, classes in (("xrays", 2), ("retinas", 5)):
        arrays = {}
        for part, n in (("train", 60), ("val", 24), ("test", 24)):
            labels = np.arange(n) % classes
            images = rng.integers(0, 60, (n, 16, 16, 3)) + 60 * labels[:, None, None, None]
            arrays |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels[:, None].astype(np.uint8)}
        paths[name] = str(tmp_path / ("retinamnist.npz" if name == "retinas" else "xrays.npz"))
        np.savez(paths[name], **arrays)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    starts = {name: ("resnet10_w16", weights) for name, (_, weights) in list(study.STARTS.items())[:2]}
    monkeypatch.setattr(study, "STARTS", starts)
    monkeypatch.setattr(study, "MAIN", starts)
    monkeypatch.setattr(study, "COMPARED", [("procedural ResNet-10", "random ResNet-10")])
    monkeypatch.setattr(study, "SEEDS", range(2))
    monkeypatch.setattr(study, "SIDE", 64)
    monkeypatch.setattr(study, "SIZES", {"phantoms": [20], "xrays": [20], "retinas": [30]})
    monkeypatch.setattr(study, "COUNTS", {"n_train": 40, "n_val": 24, "n_test": 24})
    study.load.cache_clear()
    study.features.cache_clear()
    return paths


def test_the_study_runs_goes_on_from_what_it_kept_and_names_no_folder_of_one_machine(small, tmp_path, monkeypatch):
    found = study.run_study(small, tmp_path / "found.json", workers=1)
    assert json.loads((tmp_path / "found.json").read_text()) == found
    assert len(found["probes"]) == 3 * 2 * 2  # sets, starts, seeds
    assert str(tmp_path) not in json.dumps(found)
    table = study.probe_table(found)
    assert table.count("\n") == 1 + 3
    assert "| procedural ResNet-10 minus random ResNet-10 |" in table  # a " - " may mean minus, or to
    assert " - " not in table
    monkeypatch.setattr(study, "features", lambda *_: pytest.fail("nothing is computed twice"))
    assert study.run_study(small, tmp_path / "again.json", workers=1) == found


def test_another_file_under_the_same_name_is_another_run(small):
    before = study.depends(path=small["xrays"])
    arrays = dict(np.load(small["xrays"]))
    arrays["test_images"][0, 0, 0, 0] += 1
    np.savez(small["xrays"], **arrays)
    assert study.depends(path=small["xrays"])["file"] != before["file"]


def test_phantoms_that_are_drawn_in_another_way_are_another_run(small, monkeypatch):
    study._drawn.cache_clear()
    before, load_data = study.depends(path=""), study.load_data

    def other(name, **options):
        splits = load_data(name, **options)
        splits["val"].images[0, 0, 0, 0] += 1
        return splits

    monkeypatch.setattr(study, "load_data", other)
    assert study.depends(path="") == before  # looked at once
    study._drawn.cache_clear()
    assert study.depends(path="")["file"] != before["file"]


@pytest.mark.parametrize(("task", "classes"), [("binary", 2), ("ordinal", 3), ("multilabel", 3)])
def test_measures_of_probabilities_are_those_of_the_logits_they_come_from(task, classes):
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % classes
    if task == "multilabel":
        labels = torch.rand(60, classes, generator=generator).round()
    images = torch.zeros(60, 1, 4, 4, dtype=torch.uint8)
    split = Split(images, labels, torch.arange(60), task, tuple(f"class {k}" for k in range(classes)))
    logits = torch.randn(60, classes, generator=generator).double()
    probs = logits.sigmoid() if task == "multilabel" else logits.softmax(dim=1)
    found = study.measures((probs[:, 1] if task == "binary" else probs).numpy(), split)
    expected = score(logits, split)
    assert found == pytest.approx({key: expected[key] for key in found})
    assert "auroc" in found


def test_the_table_in_readme_is_that_of_the_stored_study():
    stored = json.loads((data_root() / "results" / f"{study.STUDY}.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert study.probe_table(stored) in readme
    assert study.colour_table(stored) in readme
    assert study.COMMAND in readme


@pytest.mark.parametrize(("data", "n"), [(data, n) for data, sizes in study.SIZES.items() for n in sizes])
def test_the_sentences_in_readme_and_lab_7_say_what_the_intervals_say(data, n):
    rows = json.loads((data_root() / "results" / f"{study.STUDY}.json").read_text())["probes"]

    def minus(first, second):
        _, low, high = paired_difference(
            *(study.values_of(rows, "auroc", data=data, start=start, n=n) for start in (first, second))
        )
        return "ahead" if low > 0 else "behind" if high < 0 else "level"

    imagenet, procedural = "ImageNet EfficientNet-Lite0", "procedural ResNet-10"
    assert minus(imagenet, procedural) == {"xrays": "level", "phantoms": "behind", "retinas": "ahead"}[data]
    if data == "retinas":
        assert minus(procedural, "random ResNet-10") == "behind"  # "worse than random ones"
        assert minus("colour patches", "grey patches") == "ahead"
        assert minus("colour patches", imagenet) == "level"
    if data == "phantoms":
        assert minus("colour patches", "grey patches") == "behind"
