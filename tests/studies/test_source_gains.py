"""Gains over a random start: which runs belong together, and what is pretrained in each."""

import numpy as np
import pandas as pd
import pytest
import torch

from lab_utils.data import load_data, smaller
from lab_utils.metrics import mean_interval
from lab_utils.networks import build_model
from lab_utils.studies import gain_intervals, gains, target_findings, transfer_gain, wt_st_curve
from lab_utils.studies.source_gains import start_of


@pytest.fixture(scope="module")
def splits():
    found = target_findings(load_data("phantoms", n_train=30, n_val=8, n_test=30))
    return {part: smaller(split, 32) for part, split in found.items()}


def test_only_the_labels_of_the_target_findings_stay():
    whole = load_data("phantoms", n_train=30, n_val=8, n_test=30)
    found = target_findings(whole, ["Edema", "Atelectasis"])["test"]
    assert found.class_names == ("Edema", "Atelectasis")
    assert torch.equal(found.labels, whole["test"].labels[:, [3, 0]])
    assert torch.equal(found.images, whole["test"].images)
    with pytest.raises(ValueError, match="Did you mean 'Edema'"):
        target_findings(whole, ["Edma"])


def test_classes_have_no_findings_to_keep(splits):
    classes = {"train": load_data("phantoms", n_train=30, n_val=8, n_test=30)["train"]}
    classes["train"] = type(classes["train"])(
        classes["train"].images, torch.arange(30) % 2, torch.arange(30), "binary", ("no", "yes")
    )
    with pytest.raises(ValueError, match="got a binary task in 'train'"):
        target_findings(classes)


def test_every_source_meets_the_random_start_of_its_seed_and_size(splits):
    runs = transfer_gain(splits, sources=["procedural"], sizes=(8, 16), seeds=range(2), steps=2, workers=1)
    assert len(runs) == 2 * 2 * 2
    found = gains(runs)
    assert len(found) == 2 * 2
    for row in found.itertuples():
        same = runs[(runs["n"] == row.n) & (runs["seed"] == row.seed)].set_index("start")["auroc"]
        wt, ri = same["WT"], same["RI"]
        assert (row.gain, row.relative) == (wt - ri, wt / ri - 1)
    assert found["reuse"].isna().all()
    assert np.isfinite(runs["auroc"]).all()


def test_each_run_of_a_curve_is_pretrained_up_to_its_stage(splits):
    runs = wt_st_curve(splits, source="procedural", n=8, seeds=[0], steps=2, workers=1)
    assert runs["upto"].tolist() == ["", "stem", "layer1", "layer2", "layer3", "layer4"]
    assert runs["start"].tolist() == ["ST", *["WT-ST"] * 4, "WT"]


def test_the_starts_are_what_they_are_called(splits):
    train = splits["train"]
    trained = build_model("resnet10_w16", weights="procedural", num_classes=2, seed=0).state_dict()
    starts = {
        name: start_of("resnet10_w16", "none" if name == "RI" else "procedural", name, upto, train, 3).state_dict()
        for name, upto in (("RI", ""), ("ST", ""), ("WT", ""), ("WT-ST", "layer1"))
    }
    low, high = "layer1.conv1.weight", "layer4.conv1.weight"
    same = {name: [torch.equal(start[key], trained[key]) for key in (low, high)] for name, start in starts.items()}
    assert same == {"RI": [False, False], "ST": [False, False], "WT": [True, True], "WT-ST": [True, False]}
    assert all(torch.equal(start["head.weight"], starts["RI"]["head.weight"]) for start in starts.values())
    assert float(starts["ST"][high].std()) == pytest.approx(float(trained[high].std()), rel=0.02)
    assert float(starts["RI"][high].std()) != pytest.approx(float(trained[high].std()), rel=0.2)


def row(start, auroc, *, seed=0, source="photos", n=50, target="phantoms"):
    return {
        "target": target, "network": "resnet10_w16", "source": "none" if start == "RI" else source, "start": start,
        "upto": "", "n": n, "seed": seed, "auroc": auroc,
    }  # fmt: skip


def test_gain_and_reuse_are_those_of_the_paper():
    found = gains(pd.DataFrame([row("RI", 0.6), row("ST", 0.66), row("WT", 0.75)])).iloc[0]
    assert found["gain"] == pytest.approx(0.15)
    assert found["relative"] == pytest.approx(0.25)
    assert found["st_gain"] == pytest.approx(0.06)
    assert found["reuse"] == pytest.approx(0.12)


def test_targets_and_sizes_are_not_mixed():
    runs = pd.DataFrame(
        [
            row("RI", 0.5), row("RI", 0.6, n=200), row("RI", 0.7, target="retinas"),
            row("WT", 0.8), row("WT", 0.8, n=200), row("WT", 0.8, target="retinas"),
        ]
    )  # fmt: skip
    assert gains(runs)["gain"].tolist() == pytest.approx([0.3, 0.2, 0.1])


def test_a_gain_without_its_random_start_is_refused():
    with pytest.raises(ValueError, match="one from random weights"):
        gains(pd.DataFrame([row("RI", 0.5, seed=1), row("WT", 0.8)]))


def test_the_interval_is_over_the_paired_differences_of_the_seeds():
    rows = [row(start, value, seed=seed) for start, values in (("RI", (0.5, 0.7)), ("WT", (0.6, 0.9)))
            for seed, value in enumerate(values)]  # fmt: skip
    found = gain_intervals(pd.DataFrame(rows)).iloc[0]
    assert (found["gain"], found["low"], found["high"]) == pytest.approx(mean_interval([0.1, 0.2]))
    assert found["seeds"] == 2
