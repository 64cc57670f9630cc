"""The stored experiment of lab 7: what it runs, that it goes on, and what the second paper's claims read from it."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest

from lab_utils.metrics import mean_interval
from lab_utils.studies import claims_transfer, gains, read_claims, stored_transfer
from lab_utils.studies import what_transfers as study
from lab_utils.studies.claims_transfer import correlation_over_seeds, middle, over_seeds, slope, transfer_claims

SEEDS = 5


@pytest.fixture
def retinas(tmp_path, monkeypatch):
    """A file of colour squares, and an experiment of seconds."""
    rng, arrays = np.random.default_rng(0), {}
    for part, n in (("train", 60), ("val", 24), ("test", 24)):
        labels = np.arange(n) % 5
        images = rng.integers(0, 60, (n, 32, 32, 3)) + 40 * labels[:, None, None, None]
        arrays |= {f"{part}_images": images.astype(np.uint8), f"{part}_labels": labels[:, None].astype(np.uint8)}
    np.savez(tmp_path / "retinamnist.npz", **arrays)
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(study, "COUNTS", {"n_train": 40, "n_val": 8, "n_test": 40})
    monkeypatch.setattr(study, "SIZES", (8, 16))
    monkeypatch.setattr(study, "STEPS", 2)
    monkeypatch.setattr(study, "MIDDLE", 16)
    monkeypatch.setattr(study, "NEIGHBOURS", 5)
    monkeypatch.setattr(study, "DISTANCE_IMAGES", 20)
    for cache in (study.images, study._digest):
        cache.cache_clear()
    yield str(tmp_path / "retinamnist.npz")
    for cache in (study.images, study._digest):
        cache.cache_clear()


def test_no_training_is_in_the_grid_twice_and_each_has_its_random_start():
    rows = study.grid()
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    keys = ("target", "network", "n", "seed")
    random = {tuple(row[key] for key in keys) for row in rows if row["start"] == "RI"}
    assert {tuple(row[key] for key in keys) for row in rows} == random
    assert len({row["seed"] for row in rows}) >= 5


@pytest.mark.filterwarnings("ignore:.*images are few", "ignore:.*patients of these images")
def test_the_experiment_ends_in_tables_that_are_read_back(retinas, tmp_path, monkeypatch):
    configs = [
        study._row("phantoms", study.RESNET, "none", "RI", 16, 0),
        study._row("retinas", study.RESNET, "photos", "WT", 16, 0),
        study._row("phantoms", study.RESNET, "none", "RI", 8, 0),
    ]
    monkeypatch.setattr(study, "grid", lambda seeds: configs)
    monkeypatch.setattr(study, "data_root", lambda: tmp_path)
    monkeypatch.setattr(study, "distances", lambda _: [study._distance("retinas", "itself, in halves", "f", (1, 0, 2))])
    monkeypatch.setattr(claims_transfer, "write_claims", lambda: None)
    monkeypatch.setattr("sys.argv", ["what_transfers", "--retinas", retinas])
    monkeypatch.setenv("LAB_WORKERS", "1")
    study.main()
    stored = stored_transfer(tmp_path / "results")
    assert stored.runs[list(configs[0])].to_dict("records") == configs
    assert np.isfinite(stored.runs["auroc"]).all()
    assert stored.distances.to_dict("records") == [
        {"target": "retinas", "source": "itself", "features": "f", "distance": 1, "low": 0, "high": 2}
    ]
    assert set(stored.stages["measure"]) == {"knn", "knn_before", "cka", "lost", "l2"}
    assert len(stored.stages) == 2 * 5 * 5  # runs with `MIDDLE` images, measures, stages
    assert stored.command == study.COMMAND
    assert str(tmp_path) not in (tmp_path / "results" / "lab07_transfer.json").read_text()
    monkeypatch.setattr(study, "tune", lambda *_, **__: pytest.fail("nothing is trained twice"))
    study.main()


@pytest.mark.filterwarnings("ignore:.*images are few", "ignore:.*patients of these images")
def test_distances_are_to_both_targets_in_two_networks(retinas):
    rows = pd.DataFrame(study.distances(retinas))
    assert rows.groupby(["target", "features"]).size().tolist() == [6] * 4
    assert (rows["low"] < rows["high"]).all()


def test_a_run_depends_on_its_images_and_weights(retinas):
    config = study._row("retinas", study.RESNET, "photos", "WT", 16, 0)
    first = study.depends(retinas, **config)
    assert first != study.depends(retinas, **{**config, "source": "fractals"})
    arrays = dict(np.load(retinas))
    arrays["test_images"][0] = 255 - arrays["test_images"][0]
    np.savez(retinas, **arrays)
    for cache in (study.images, study._digest):
        cache.cache_clear()
    assert study.depends(retinas, **config)["images"] != first["images"]


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "lab07_transfer.json").write_text(json.dumps({"runs": {}, "distances": {}}))
    with pytest.raises(ValueError, match="Restore it"):
        stored_transfer(tmp_path)


# ---------------------------------------------------------------- the claims

PLACES = {"same_hospital": 0.1, "other_hospital": 1.0, "photos": 10.0, "fractals": 100.0, "noise": 1000.0}


def auroc(row):
    """Numbers in which every effect is known: 0.01 less for each factor 10 of distance, more for the transformer."""
    spread = 0.001 * row["seed"]
    if row["start"] == "RI":
        return 0.5 + spread
    if row["start"] == "ST":
        return 0.504 + spread
    few = {50: 0.05, 200: 0.02, 800: 0.0}[row["n"]]
    if row["start"] == "WT-ST":
        return 0.5 + spread + few + (0.01 if row["network"] == "small_vit" else 0.04)
    if row["source"] == "noise":
        return 0.502 + spread
    if row["source"] == study.BOTH:
        return 0.53 + spread + (0.03 if row["network"] == study.WIDE else 0.0)
    more = 0.06 if row["network"] == "small_vit" else 0.05 - 0.01 * np.log10(PLACES[row["source"]])
    return 0.5 + spread + few + more + 0.001 * (row["seed"] % 2)


@pytest.fixture
def claims(tmp_path):
    rows = [{**row, "auroc": auroc(row)} for row in study.grid(range(SEEDS))]
    for row, (cka, _) in zip(rows, itertools.cycle([(0.2, 0), (0.8, 0), (0.5, 0)]), strict=False):
        if row["n"] == study.MIDDLE and row["start"] == "WT":
            row["stages"] = {"cka": {"a": cka, "b": cka}}
    apart = [
        study._distance(target, source, claims_transfer.FEATURES, (place, place / 2, 2 * place))
        for target in ("phantoms", "retinas")
        for source, place in PLACES.items()
    ]
    study.write_results(rows, apart, tmp_path / "lab07_transfer.json")
    claims_transfer.write_claims(tmp_path)
    return read_claims(tmp_path, name="claims_transfer")


def test_known_effects_come_back_with_their_verdicts(claims):
    found = {f"{claim['claim']} {claim['measured']}": (claim["effect"], claim["verdict"]) for claim in claims}

    def of(*words):
        (value,) = [value for text, value in found.items() if all(word in text for word in words)]
        return value

    assert of("resnet10_w16: the gain grows") == (0.05, "shown")
    assert of("nearer: phantoms") == (-0.01, "shown")
    assert of("nearer: retinas") == (-0.01, "shown")
    assert of("inductive bias", "minus resnet10_w16") == (0.02, "shown")  # 0.06 against 0.05 - 0.01
    assert of("reuses more stages")[0] == pytest.approx((0.06 - 0.01) - (0.04 - 0.04), abs=0.0011)
    assert of("twice as wide") == (0.03, "shown")
    assert of("ST alone") == (0.004, "shown")
    assert of("nothing to learn") == (0.002, "shown")
    assert of("goes with reuse")[1] == "shown"
    assert {claim["seeds"] for claim in claims} == {SEEDS}
    assert {claim["command"] for claim in claims} == {study.COMMAND}


def test_a_stage_that_is_put_back_to_what_it_is_loses_nothing(retinas, monkeypatch):
    monkeypatch.setattr(study, "PROBED", 12)  # fewer than there are to test on
    splits = study.images("retinas", retinas)
    model = study.start_of(study.RESNET, "photos", "WT", "", splits["train"], 0).eval()
    assert set(study.reuse(model, model, splits)["lost"].values()) == {0.0}


def test_sizes_differ_in_images_alone():
    assert {row["steps"] for row in study.grid()} == {study.STEPS}


def test_a_slope_of_losses_says_that_they_are_losses():
    row = {"target": "t", "network": study.RESNET, "n": study.MIDDLE}
    gained = pd.DataFrame([{**row, "source": "photos", "gain": -0.1}, {**row, "source": "noise", "gain": 0.2}])
    assert "cost" in claims_transfer.sign_of_gains(gained, "t")
    assert not claims_transfer.sign_of_gains(gained.assign(gain=0.1), "t")


def test_the_stored_claims_are_those_of_the_stored_runs():
    made = [claim._asdict() for claim in transfer_claims(stored_transfer())]
    assert made == read_claims(name="claims_transfer")


def test_the_sentences_of_lab_7_hold_in_the_stored_runs():
    stored = stored_transfer()
    runs, gained = stored.runs, gains(stored.runs)
    mean = gained.groupby(["target", "network", "source", "n"])["gain"].mean()
    start = runs.groupby(["target", "network", "source", "start", "upto", "n"])["auroc"].mean()
    photos = {net: [mean["phantoms", net, "photos", n] for n in study.SIZES] for net in study.NETWORKS[:3]}
    assert all(values == sorted(values) for values in photos.values())  # "the lines rise"
    of = mean["phantoms", study.RESNET].xs(study.MIDDLE, level="n")
    assert min(of["same_hospital"], of["other_hospital"]) > of["photos"] > of["fractals"]
    place = stored.distances[stored.distances["features"] == claims_transfer.FEATURES].set_index(["target", "source"])
    apart = place["distance"]["phantoms"]
    assert apart["same_hospital"] < apart["other_hospital"] < apart["fractals"] < apart["photos"]
    assert apart["noise"] < apart["fractals"] / 5  # "near"
    noise = gained.query("target == 'phantoms' and source == 'noise' and n == @study.MIDDLE")["gain"]
    assert mean_interval(noise)[1] > 0  # "it gains all the same"
    grey = mean["retinas", study.RESNET].xs(study.MIDDLE, level="n").drop("noise")
    assert (grey < 0).all()
    assert len(grey) == 4
    for n in study.SIZES:
        ends = {net: start["phantoms", net, "photos", "WT", "", n] for net in photos}
        assert min(ends, key=ends.__getitem__) == study.VIT  # "stays the lowest"
        assert start["phantoms", study.VIT, "none", "RI", "", n] < 0.56  # "hardly leaves chance"
    assert max(photos, key=lambda net: photos[net][1]) == study.VIT
    assert min(photos, key=lambda net: photos[net][1]) == study.CBR
    for network, first in ((study.RESNET, "stem"), (study.VIT, "blocks1")):  # from here on nothing is missing
        runs_of = runs[(runs["target"] == "phantoms") & (runs["network"] == network) & (runs["n"] == study.MIDDLE)]
        part = runs_of[runs_of["source"] == "photos"].set_index("seed")
        missing = part[part["start"] == "WT"]["auroc"] - part[part["upto"] == first]["auroc"]
        _, low, high = mean_interval(missing)
        assert low < 0 < high
        assert missing.mean() < 0.02
    assert start["phantoms", study.VIT, "photos", "WT-ST", "embed", study.MIDDLE] < ends[study.VIT] - 0.05
    kept = stored.stages[stored.stages["target"] == "phantoms"].groupby(
        ["measure", "network", "source", "start", "stage"]
    )
    kept = kept["value"].mean()
    assert kept["cka", study.VIT, "none", "RI", "blocks4"] > kept["cka", study.VIT, "photos", "WT", "blocks4"] + 0.3
    lost = kept["lost", study.VIT, "photos", "WT"]
    assert lost.idxmax() == "blocks1"
    assert lost.drop("blocks1").max() < 0.01 < lost["blocks1"]
    assert kept["lost", study.RESNET, "photos", "WT"].min() > 0.02  # "every stage matters"


def test_the_middle_keeps_the_lower_stages():
    assert (middle("resnet10_w16"), middle("small_vit")) == ("layer2", "blocks2")


def test_a_jackknife_of_a_mean_is_its_t_interval():
    values = [0.1, 0.4, 0.2, 0.7]
    rows = pd.DataFrame({"seed": range(4), "x": values})
    (mean, low, high), seeds = over_seeds(rows, lambda part: float(part["x"].mean()))
    assert (mean, low, high) == pytest.approx(mean_interval(values))
    assert seeds == 4


def test_an_interval_of_a_correlation_stays_below_one():
    rng = np.random.default_rng(0)
    rows = [
        {"target": "t", "network": "n", "source": f"s{cell}", "n": study.MIDDLE, "seed": seed, "x": cell,
         "y": cell + 0.5 * rng.standard_normal()}
        for cell in range(6) for seed in range(5)
    ]  # fmt: skip
    (r, low, high), _ = correlation_over_seeds(pd.DataFrame(rows), "x", "y")
    assert 0.8 < low < r < high < 1


def test_noise_is_not_on_the_line_of_distances():
    distances = pd.DataFrame(
        [{"target": "t", "features": claims_transfer.FEATURES, "source": k, "distance": v} for k, v in PLACES.items()]
    )
    gained = {"same_hospital": 0.3, "other_hospital": 0.2, "photos": 0.1, "fractals": 0.0, "noise": 9.0}
    rows = pd.DataFrame(
        [{"target": "t", "network": study.RESNET, "n": study.MIDDLE, "source": k, "gain": v} for k, v in gained.items()]
    )
    assert slope(rows, distances, "t") == pytest.approx(-0.1)
