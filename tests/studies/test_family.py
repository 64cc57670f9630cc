"""The study can be killed and continued, and its results are those of its trainings."""

import json
import shutil

import numpy as np
import pytest
import torch

from lab_utils.data import FINDINGS, Split, load_data, subset
from lab_utils.networks import build_model
from lab_utils.profile import data_root
from lab_utils.studies import family as family_study
from lab_utils.studies import load_results, train_and_measure
from lab_utils.studies.family import SETTINGS, run_study
from lab_utils.transfer import freeze
from tests.tiny import TinyNet

SMALL = {
    **SETTINGS,
    "n": 40,
    "n_train": 80,
    "n_val": 30,
    "n_test": 30,
    "seeds": [0, 1],
    "marks": [0, 1, 2],
    "batch_size": 8,
}


def images(n, first_patient):
    """Images of two classes that a network can tell apart."""
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 100, (n, 1, 9, 9), generator=torch.Generator().manual_seed(first_patient))
    pictures = (noise + 100 * labels[:, None, None, None]).to(torch.uint8)
    return Split(pictures, labels, torch.arange(n) + first_patient, "binary", ("no", "yes"))


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Replace the training by one that only says which network and seed it got."""
    calls = []

    def fake(model, train, val, test, *, seed, marks, **settings):
        calls.append((model.name, seed, len(train), len(test)))
        return {"curve": np.array([0.5] * len(marks)), "auroc": 0.51239}

    monkeypatch.setattr(family_study, "train_and_measure", fake)
    monkeypatch.setattr(family_study, "cache_root", lambda: tmp_path / "cache")
    monkeypatch.setenv("LAB_WORKERS", "1")
    return calls


def test_the_curve_has_a_value_for_each_mark_and_the_last_weights_are_tested():
    model = TinyNet()
    splits = images(40, 0), images(30, 100), images(30, 200)
    result = train_and_measure(model, *splits, seed=0, marks=[0, 2, 5], batch_size=8)
    assert result["curve"].shape == (3,)
    again = TinyNet()
    longer = train_and_measure(again, *splits, seed=0, marks=[0, 2, 5, 9], batch_size=8)
    np.testing.assert_array_equal(longer["curve"][:3], result["curve"])  # a longer training begins with the same curve
    assert result["auroc"] == family_study.evaluate(model, splits[2])["auroc"]
    assert set(result) == {"curve", "auroc"}


def test_findings_are_measured_one_by_one():
    labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(10, 1)
    base = images(20, 0)
    split = Split(base.images, labels, base.groups, "multilabel", ("Edema", "Consolidation"))
    result = train_and_measure(TinyNet(2), split, split, split, seed=0, marks=[1], batch_size=8)
    assert result["auroc"] == pytest.approx((result["auroc_Edema"] + result["auroc_Consolidation"]) / 2)


def test_a_frozen_backbone_stays_frozen():
    model = TinyNet()
    freeze(model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    train_and_measure(model, images(40, 0), images(30, 100), images(30, 200), seed=0, marks=[0, 2], batch_size=8)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"head.weight", "head.bias"}


def test_a_study_that_was_stopped_goes_on_with_what_is_missing_in_its_file_and_in_its_folder(trained, tmp_path):
    path = tmp_path / "results" / "lab04_family.json"
    networks, settings = ["resnet10_w16", "cbr_tiny"], {**SMALL, "seeds": [0]}
    run_study(path, networks, settings)
    assert trained == [("resnet10_w16", 0, 40, 30), ("cbr_tiny", 0, 40, 30)]
    text = path.read_text()
    content = json.loads(text)
    rows = [(row["network"], row["n"], row["seed"], row["curve"], row["auroc"]) for row in content["rows"]]
    assert rows == [(network, 40, 0, [0.5] * 3, 0.5124) for network in networks]
    path.write_text(json.dumps({**content, "rows": content["rows"][:1]}))
    run_study(path, networks, settings)  # the other row is in the folder
    assert len(trained) == 2
    path.write_text(json.dumps({**content, "rows": content["rows"][:1]}))
    shutil.rmtree(tmp_path / "cache")
    run_study(path, networks, settings)
    assert trained[2:] == [("cbr_tiny", 0, 40, 30)]
    assert path.read_text() == text


def test_the_shipped_study_is_complete_and_trains_nothing(trained, tmp_path):
    shipped = data_root() / "results" / f"{family_study.STUDY}.json"
    path = tmp_path / "shipped.json"
    path.write_bytes(shipped.read_bytes())
    run_study(path)
    assert trained == []
    assert path.read_bytes() == shipped.read_bytes()


def test_results_of_other_settings_are_not_continued(trained, tmp_path):
    path = tmp_path / "study.json"
    run_study(path, ["resnet10_w16"], SMALL)
    with pytest.raises(ValueError, match="differ in lr"):
        run_study(path, ["resnet10_w16"], {**SMALL, "lr": 0.1})


def test_a_study_trains_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setattr(family_study, "cache_root", lambda: tmp_path)
    path = tmp_path / "study.json"
    run_study(path, ["resnet10_w16"], {**SMALL, "seeds": [1]})
    (row,) = json.loads(path.read_text())["rows"]
    data = load_data("phantoms", size=64, **{key: SMALL[key] for key in ("n_train", "n_val", "n_test")})
    train, model = subset(data["train"], 40, seed=1), build_model("resnet10_w16", num_classes=5, seed=1)
    expected = train_and_measure(model, train, data["val"], data["test"], seed=1, marks=[0, 1, 2], batch_size=8)
    assert row["curve"] == pytest.approx(expected["curve"].tolist(), abs=2e-4)
    assert row["auroc"] == pytest.approx(expected["auroc"], abs=2e-4)


def test_the_stored_results_are_those_of_the_study():
    stored = load_results("lab04_family")
    assert stored["command"] == family_study.COMMAND
    assert stored["settings"] == SETTINGS
    done = [(row["network"], row["seed"]) for row in stored["rows"]]
    assert done == [(name, seed) for seed in SETTINGS["seeds"] for name in family_study.NETWORKS]
    for row in stored["rows"]:
        assert len(row["curve"]) == len(SETTINGS["marks"])
        assert row["auroc"] == pytest.approx(np.mean([row[f"auroc_{name}"] for name in FINDINGS]), abs=1e-4)


def test_the_published_numbers_are_those_of_the_papers():
    published = load_results("lab04_published")
    rows = {(r["network"], r["init"], r["finding"]): (r["mean"], r["sd"]) for r in published["chexpert"]["rows"]}
    assert len(rows) == 5 * 2 * 5
    assert rows["resnet50", "random", "Atelectasis"] == (0.7952, 0.0031)
    assert rows["cbr_tiny", "transfer", "Edema"] == (0.8981, 0.0108)
    assert rows["cbr_large_t", "random", "Pleural Effusion"] == (0.8837, 0.0001)
    gains = {
        (c["data"], c["images"], c["network"]): c["transfer"]["mean"] - c["random"]["mean"]
        for c in published["comparisons"]
    }
    assert gains["Retina", "5,000", "ResNet-50"] == pytest.approx(0.024)
    assert gains["Kaggle diabetic retinopathy 2015", "35,000", "Inception-v3"] == pytest.approx(0.0653)
