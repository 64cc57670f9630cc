"""The trainings of lab 4, and the stored study of its networks."""

import importlib
import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from lab_utils.data import FINDINGS, Split, subset
from lab_utils.networks import build_model
from lab_utils.profile import data_root
from lab_utils.studies import engine, load_results, train_and_measure
from lab_utils.studies import family as family_study
from lab_utils.studies.family import SETTINGS
from lab_utils.training import evaluate
from lab_utils.transfer import freeze
from tests.tiny import TinyNet


def images(n, first_patient):
    """Images of two classes that a network can tell apart."""
    labels = torch.arange(n) % 2
    noise = torch.randint(0, 100, (n, 1, 9, 9), generator=torch.Generator().manual_seed(first_patient))
    pictures = (noise + 100 * labels[:, None, None, None]).to(torch.uint8)
    return Split(pictures, labels, torch.arange(n) + first_patient, "binary", ("no", "yes"))


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


def test_a_training_that_is_cut_short_goes_on_from_its_checkpoint_and_gives_the_same_numbers(tmp_path, monkeypatch):
    def train(**more):
        splits = images(40, 0), images(30, 100), images(30, 200)
        return train_and_measure(TinyNet(), *splits, seed=0, marks=[0, 2, 5, 9], batch_size=8, **more)

    calls = []

    def measured(*arguments, **settings):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments, **settings)

    expected = train()
    monkeypatch.setattr(family_study, "fit", partial(family_study.fit, checkpoint_seconds=0))
    monkeypatch.setattr(importlib.import_module("lab_utils.training.fitting"), "evaluate", measured)
    with pytest.raises(KeyboardInterrupt):
        train(checkpoint=tmp_path / "run.pt")
    found = train(checkpoint=tmp_path / "run.pt")
    assert len(calls) == 3 + 2  # 0 and 2 were measured before
    np.testing.assert_array_equal(found["curve"], expected["curve"])
    assert found["auroc"] == expected["auroc"]


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


def test_a_study_trains_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_PROFILE", "smoke")
    task = engine.task_of("family", {}, {}, tmp_path)
    row = engine.run_study(task, {"network": "cbr_tiny", "seed": "1"}, workers=1, progress=False).iloc[0]
    data = engine.images_of(task, "phantoms")
    train, model = subset(data["train"], 16, seed=1), build_model("cbr_tiny", num_classes=5, seed=1)
    expected = train_and_measure(model, train, data["val"], data["test"], seed=1, marks=[0, 1, 2], batch_size=8)
    np.testing.assert_array_equal(row["curve"], expected["curve"])
    assert row["auroc"] == expected["auroc"]


def test_the_whole_study_renews_its_file_and_a_part_does_not(tmp_path, monkeypatch):
    shutil.copytree(data_root() / "results", tmp_path / "data" / "results")
    file = tmp_path / "data" / "results" / f"{family_study.FILE}.json"
    before = json.loads(file.read_text())
    monkeypatch.setenv("LAB_PROFILE", "quick")
    monkeypatch.setattr(engine, "data_root", lambda: tmp_path / "data")
    stored = {(row["network"], row["seed"]): row for row in before["rows"]}
    names = ["curve", *(key for key in before["rows"][0] if key.startswith("auroc"))]

    def run(splits, *, network, seed, **_):  # what was stored, with digits that go when it is stored again
        return {key: np.array(stored[network, seed][key]) + 1e-5 for key in names}

    monkeypatch.setattr(family_study, "STUDY", replace(family_study.STUDY, run=run))
    monkeypatch.setattr(engine, "fingerprint", lambda *_: "of no images")
    monkeypatch.setattr(engine, "images_of", lambda *_: {})
    task = engine.task_of("family", {}, {}, tmp_path / "kept")
    file.unlink()
    engine.run_study(task, {"network": "cbr_tiny"}, workers=1, progress=False)
    assert not file.exists()
    engine.run_study(task, workers=1, progress=False)
    after = json.loads(file.read_text())
    assert {**after, "machine": 0} == {**before, "machine": 0}


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
