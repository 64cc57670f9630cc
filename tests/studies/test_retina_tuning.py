"""The study that trains whole networks on retinas: what it runs, how it chooses, and the table that README shows."""

import json

import numpy as np
import pytest

from lab_utils.metrics import mean_interval
from lab_utils.profile import data_root
from lab_utils.studies import retina_tuning as study
from lab_utils.studies import source_weights
from tests.checks.notebook_functions import ROOT

STORED = data_root() / "results"


@pytest.fixture
def retinas(monkeypatch, tmp_path):
    """Sixty coloured squares, one start, two rates, three seeds: minutes become seconds."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 60), ("val", 25), ("test", 25)):
        labels = np.arange(n) % 5
        images = rng.integers(0, 60, (n, 16, 16, 3)) + 40 * labels[:, None, None, None]
        arrays |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "retinamnist.npz", **arrays)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(source_weights.STARTS, "procedural ResNet-10", ("resnet10_w16", "procedural"))
    monkeypatch.setattr(study, "TUNED", ("procedural ResNet-10",))
    monkeypatch.setattr(study, "CHOICES", {"lr": [1e-3, 1e-2], "epochs": [1, 2]})
    monkeypatch.setattr(study, "CHOOSING", (0, 1))
    monkeypatch.setattr(study, "SEEDS", (0, 1, 2))
    source_weights.load.cache_clear()
    yield str(tmp_path / "retinamnist.npz")
    source_weights.load.cache_clear()


def test_all_choices_are_tried_on_a_few_seeds_and_the_others_run_for_the_best_alone(retinas, tmp_path, monkeypatch):
    found = study.run_study(retinas, tmp_path / "found.json", workers=1)
    assert json.loads((tmp_path / "found.json").read_text()) == found
    best = study.choice(found["runs"], "procedural ResNet-10")
    tried = [(row["lr"], row["epochs"], row["seed"]) for row in found["runs"]]
    assert sorted(tried) == sorted(
        [(lr, epochs, seed) for lr in (1e-3, 1e-2) for epochs in (1, 2) for seed in (0, 1)]
        + [(best["lr"], best["epochs"], 2)]
    )
    assert str(tmp_path) not in json.dumps(found)
    monkeypatch.setattr(study, "fit", lambda *_, **__: pytest.fail("nothing is trained twice"))
    assert study.run_study(retinas, tmp_path / "again.json", workers=1) == found


def test_rate_and_length_are_chosen_on_validation_images_and_never_on_test_images():
    runs = [
        {"start": start, "lr": lr, "epochs": epochs, "seed": seed, "val": value, "auroc": 1 - value, "accuracy": 0.5,
         "kappa": 0.1}
        for start in study.TUNED
        for lr in study.CHOICES["lr"]
        for epochs in study.CHOICES["epochs"]
        for seed in study.CHOOSING
        for value in [0.8 if (lr, epochs) == (1e-3, 5) else 0.6]
    ]  # fmt: skip
    runs += [row | {"seed": 2, "val": 0.1} for row in runs if row["val"] == 0.8 and row["seed"] == 0]  # of one choice
    assert study.choice(runs, study.TUNED[0]) == {"lr": 1e-3, "epochs": 5}
    probes = [
        {"data": "retinas", "start": start, "n": 1000, "seed": seed, "auroc": 0.5, "accuracy": 0.5, "kappa": 0.1}
        for start in source_weights.STARTS
        for seed in range(2)
    ]
    table = study.table({"runs": runs}, probes)
    assert table.count("5 epochs, lr 0.001 (chosen on val)") == len(study.TUNED)
    assert "| 0.200 [" in table


def test_the_table_in_readme_is_that_of_the_stored_studies():
    stored = json.loads((STORED / f"{study.STUDY}.json").read_text())
    probes = json.loads((STORED / f"{source_weights.STUDY}.json").read_text())["probes"]
    readme = (ROOT / "README.md").read_text()
    assert study.table(stored, probes) in readme
    assert study.COMMAND in readme


def test_the_sentences_in_readme_say_what_the_runs_say():
    runs = json.loads((STORED / f"{study.STUDY}.json").read_text())["runs"]
    probes = json.loads((STORED / f"{source_weights.STUDY}.json").read_text())["probes"]
    for start in study.TUNED:
        assert study.choice(runs, start) == {name: max(values) for name, values in study.CHOICES.items()}
    ends = source_weights.values_of(runs, "auroc", start="procedural ResNet-10", lr=3e-3, epochs=15)
    assert len(ends) == len(study.SEEDS) == 3
    low = mean_interval(ends)[1]
    published = {name: auroc for name, _, auroc in study.PUBLISHED}["ResNet-18, end to end, 28 px (published)"]
    assert low > published
    before = {
        start: source_weights.values_of(probes, "auroc", data="retinas", start=start, n=1000).mean()
        for start in source_weights.MAIN
    }
    assert min(before, key=before.__getitem__) == "procedural ResNet-10"
    assert low > max(before.values())
